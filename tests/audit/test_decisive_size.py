"""Advice: the median is within a factor of 1.5 of the size at which half of all studies decide."""

import numpy as np
import pytest

from experiments.audit.decisive_size import CASES, AdviceCase, advice_row, advice_tasks, decisive_size
from experiments.audit.simulation.gaussian import Spread
from experiments.audit.task import run_tasks


def test_median_advice_is_within_a_factor_of_one_and_a_half() -> None:
    tasks = advice_tasks(n_studies=60, n_per_size=400, level=0.05, margin=0.01)
    table = run_tasks(tasks, seed=(0, 5), threads=2, description="advice")
    assert len(table) == len(CASES)
    assert table["undecided"].min() > 0.6
    assert table["ratio"].between(1 / 1.5, 1.5).all(), table
    # The check can fail: half of the advice would not pass everywhere.
    assert not (0.5 * table["ratio"]).between(1 / 1.5, 1.5).all()


def test_a_truth_that_more_seeds_cannot_decide_is_named() -> None:
    case = AdviceCase(0.002, Spread("groups", 0.001, 0.5, 0.0), "seeds")
    with pytest.raises(ValueError, match="case: expected a truth that seeds decide"):
        decisive_size(case, 4, 0.0001, 0.01, np.random.default_rng(0))


def test_infinite_advice_is_kept() -> None:
    row = advice_row(CASES[0], 4, np.array([5.0, np.inf, np.inf]), 10)
    assert (row["advised_median"], row["ratio"], row["undecided"]) == (np.inf, np.inf, 0.75)
