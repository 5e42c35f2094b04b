"""A/A: splits, and the verdicts of newly paired runs against `compare_arms` on the same runs."""

import numpy as np
import pandas as pd
import pytest

from experiments.audit.same_arm import halves, same_arm_tasks, slide_splits
from experiments.audit.simulation.run_pool import RunPool
from experiments.audit.simulation.runs import ArmModel, Effects, TestSet, simulate_runs
from experiments.audit.task import run_tasks
from experiments.comparison.compare_arms import compare_arms
from experiments.comparison.settings import CompareSettings

SETTINGS = CompareSettings(n_draws=200)


def _runs(**arms: ArmModel):
    sizes = {"test": TestSet(20, pixels=400), "val": TestSet(8, pixels=300)}
    return simulate_runs(arms, range(6), effects=Effects(), rng=np.random.default_rng(1), masks=("a", "b"), **sizes)


def test_all_splits_of_few_seeds() -> None:
    splits = halves(range(6), 500, np.random.default_rng(0))
    assert len(splits) == 10
    assert len({frozenset(map(frozenset, split)) for split in splits}) == 10
    assert all(sorted(first + second) == list(range(6)) for first, second in splits)


def test_random_splits_of_many_or_of_an_odd_number() -> None:
    for seeds, most in ((range(20), 7), (range(5), 500)):
        splits = halves(seeds, most, np.random.default_rng(0))
        assert len(splits) == most
        assert all(len(set(first) | set(second)) == 2 * (len(seeds) // 2) for first, second in splits)
    runs = dict.fromkeys(range(8))
    assert slide_splits(runs, 3) == slide_splits(runs, 3)  # type: ignore[arg-type]


def test_pairing_anew_is_what_compare_arms_gives() -> None:
    runs = _runs(plain=ArmModel(), better=ArmModel(separation=3.4))
    pool = RunPool.of(runs, SETTINGS)
    mine = pool.verdicts(("better", (4, 1, 2)), ("plain", (0, 3, 5)), seed=0)
    renamed = {
        "baseline": {k: runs["plain"][s] for k, s in enumerate((0, 3, 5))},
        "arm": {k: runs["better"][s] for k, s in enumerate((4, 1, 2))},
    }
    theirs = compare_arms(renamed, baseline="baseline", settings=SETTINGS).verdicts.drop(columns="look")
    pd.testing.assert_frame_equal(mine, theirs)


@pytest.mark.parametrize(("gain", "moves"), [(0.0, False), (1.0, True)])
def test_one_arm_does_not_move_against_itself(gain: float, moves: bool) -> None:
    """With half of the seeds from a better arm the same check must see it."""
    runs = _runs(plain=ArmModel(), better=ArmModel(separation=3.0 + gain))
    pooled = {seed: runs["plain" if seed < 3 else "better"][seed] for seed in range(6)}
    table = run_tasks(same_arm_tasks(pooled, n_splits=10, settings=SETTINGS), seed=(0, 1), threads=1, description="")
    assert table["split"].nunique() == 10
    assert set(table["mask"]) == {"a", "b"}
    pure = table[table["arm_seeds"] == "0 1 2"]
    assert pure["verdict"].str.startswith("moves").any() == moves
