"""Interval of a level (not of a difference): the two-way t of seeds and test groups."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from experiments.inference.paired_difference import MIN_SEEDS, difference_of
from experiments.report.text.verdicts import TOO_FEW_SEEDS


def level_interval(rows: NDArray[np.float64], level: float) -> NDArray[np.float32]:
    """Interval of the mean over seeds of a ratio in [0, 1], as the verdict's of a difference, cut at 0 and 1.

    It speaks of new seeds and new test groups, with the training set as it is.

    Args:
        rows: (S, 1+G, K), the statistic of each seed's run; row 0 with all groups, row 1 + g without group g.
        level: The interval covers 1 - level.

    Returns:
        (K, 2), low and high; NaN with fewer than `MIN_SEEDS` seeds or one group, and where a value is undefined.
    """
    low, high = difference_of(rows[:, 0], rows[:, 1:]).shown_interval(level)
    return np.clip(np.stack([low, high], axis=1), 0.0, 1.0).astype(np.float32)


def why_none(n_seeds: int, n_groups: int) -> str:
    """Say why a level has no interval at all; empty where it can have one."""
    if n_seeds < MIN_SEEDS:
        return f"{TOO_FEW_SEEDS}: {n_seeds}, where {MIN_SEEDS} are needed"
    if n_groups < 2:
        return "no interval: one test group, so how much the test set matters is unknown"
    return ""
