"""Seeds of one arm that collapse: what an interval over all of them covers, and what is said in its place."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from experiments.audit.observed_share import ObservedShare
from experiments.audit.simulation.gaussian import Spread, gaussian_effects
from experiments.audit.task import Note, Row, Task
from experiments.inference.paired_difference import difference_of

RATES = (0.1, 0.2)
"""Share of seeds of the arm that collapse."""

LOST = -0.5
"""Gain of a collapsed seed, in AP: what the baseline had."""

SPREAD = Spread("both", 0.02, 0.063, 0.02)


def collapse_tasks(*, seeds: Sequence[int], n_groups: int, n_studies: int, level: float) -> list[Task]:
    """Tasks whose rows are: rate, n_seeds, n, clean, naive_coverage, clean_coverage, clean_error, below_92, excluded.

    clean: share of studies without a collapsed seed, the only ones that get a verdict; naive_coverage: how often an
    interval over all seeds, collapsed or not, holds the mean gain over all seeds there could be; clean_coverage: how
    often the interval of a clean study holds the gain of seeds that train; excluded: the rate that n clean seeds
    exclude, 1 - level^(1/n), as the report says it.

    Args:
        seeds: numbers of seeds.
        n_groups: G.
        n_studies: per row.
        level: the interval covers 1 - level.
    """
    return [
        Task(n_studies, partial(_rows, rate, n_seeds, n_groups, n_studies, level))
        for rate in RATES
        for n_seeds in seeds
    ]


def _rows(
    rate: float, n_seeds: int, n_groups: int, n: int, level: float, rng: np.random.Generator, note: Note
) -> list[Row]:
    effects = gaussian_effects(SPREAD, n_seeds=n_seeds, n_groups=n_groups, n_studies=n, rng=rng)
    lost = rng.random((n_seeds, n)) < rate
    naive, trained = np.where(lost[:, None], LOST, effects), effects[:, :, ~lost.any(axis=0)]
    note(n)
    shares = []
    for values, truth in ((naive, rate * LOST), (trained, 0.0)):
        means = values.mean(axis=1)
        low, high = difference_of(means, (n_groups * means[:, None] - values) / (n_groups - 1)).interval(level)
        shares.append(ObservedShare.of((low <= truth) & (truth <= high)))
    return [
        {
            "rate": rate,
            "n_seeds": n_seeds,
            "n": n,
            "clean": trained.shape[2] / n,
            "naive_coverage": shares[0].value,
            "clean_coverage": shares[1].value,
            "clean_error": shares[1].error,
            "below_92": shares[1].is_below(0.92, 1e-3),
            "excluded": 1.0 - level ** (1.0 / n_seeds),
        }
    ]
