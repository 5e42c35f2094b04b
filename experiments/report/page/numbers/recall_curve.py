"""An arm's runs at the same recall, each at its own threshold, for the drawn frontier and the recall lock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.comparison.checked_runs import RunScores
from experiments.frontier.curve import index_at_recall, pr_curve
from experiments.frontier.leave_one_out import SweepGrid, group_sweep, positives_per_group
from experiments.inference.paired_difference import group_df, level_interval, rows_difference
from experiments.report.page.numbers.threshold_curve import Pooled

RECALLS = np.round(np.arange(1, 200) / 200.0, 3)
"""Levels of recall, (L,), including every level of the matched-recall table."""


@dataclass(frozen=True)
class RunAtRecalls:
    """One run and mask at L recalls: the highest threshold that reaches each.

    Args:
        codes: uint16 (L,), thresholds; the lowest code throughout for a mask without positives.
        tp: int64 (L,).
        fp: int64 (L,).
        recall: (L,), the recall that the threshold actually reaches.
        precision: (1+G, L); row 0 with all groups, row 1 + g without group g and with the threshold found anew.
        reached: bool (L,), whether the threshold's recall is close to the level.
        df_group: degrees of freedom of the test groups.
    """

    codes: NDArray[np.uint16]
    tp: NDArray[np.int64]
    fp: NDArray[np.int64]
    recall: NDArray[np.float64]
    precision: NDArray[np.float64]
    reached: NDArray[np.bool_]
    df_group: float

    @property
    def f1(self) -> NDArray[np.float64]:
        """F1 of each row's precision at the recall reached, (1+G, L); NaN without precision."""
        return 2.0 * self.precision * self.recall / (self.precision + self.recall)


@dataclass(frozen=True)
class RecallCurve:
    """One arm and mask over S runs at L recalls.

    Args:
        codes: uint16 (S, L).
        tp: int64 (S, L).
        fp: int64 (S, L).
        n_reached: uint8 (L,), runs that reach the level.
        bounds: float32 (L, 4), low and high of precision and F1; NaN if a run does not reach the level.
        gain: float32 (L, 3), precision minus the baseline's over the seeds that both have: mean, low, high; NaN if a
            run of either does not reach the level, and for the baseline itself.
    """

    codes: NDArray[np.uint16]
    tp: NDArray[np.int64]
    fp: NDArray[np.int64]
    n_reached: NDArray[np.uint8]
    bounds: NDArray[np.float32]
    gain: NDArray[np.float32]


def run_at_recalls(
    run: RunScores,
    mask: int,
    group_of: NDArray[np.intp],
    tolerance: float,
    pooled: Pooled | None = None,
    recalls: NDArray[np.float64] = RECALLS,
) -> RunAtRecalls:
    """Find one run's thresholds at all levels of recall, and its precision there without each group.

    Args:
        run: One run.
        mask: Index of the mask.
        group_of: (N,), each test image's group.
        tolerance: Largest excess of recall that still counts as reached.
        pooled: `run.test.pooled(mask)`, where the caller has it.
        recalls: (L,), ascending.
    """
    counts = pooled or run.test.pooled(mask)
    curve = pr_curve(*counts)
    sweep = group_sweep(run.test, mask, group_of, SweepGrid(recalls, np.zeros(0), tolerance=tolerance), pooled=counts)
    if not curve.n_positive:
        empty = np.zeros(len(recalls), np.int64)
        nan = np.full(len(recalls), np.nan)
        return RunAtRecalls(
            empty.astype(np.uint16), empty, empty, nan, sweep.precision_at_recall, sweep.reached, float("nan")
        )
    index = index_at_recall(curve, recalls)
    return RunAtRecalls(
        codes=curve.codes[index],
        tp=curve.tp[index],
        fp=curve.fp[index],
        recall=curve.recall[index],
        precision=sweep.precision_at_recall,
        reached=sweep.reached,
        df_group=group_df(positives_per_group(run.test, mask, group_of)),
    )


def recall_curve(
    runs: Mapping[int, RunAtRecalls], baseline: Mapping[int, RunAtRecalls] | None, *, level: float
) -> RecallCurve:
    """Combine an arm's runs, and compare them with the baseline's, seed by seed.

    Args:
        runs: seed -> run of the arm, at least one.
        baseline: seed -> run of the baseline; None for the baseline itself.
        level: Intervals cover 1 - level.
    """
    arm = list(runs.values())
    n_reached = np.sum([run.reached for run in arm], axis=0)
    bounds = [
        level_interval(np.stack([getattr(run, name) for run in arm]), level, arm[0].df_group)
        for name in ("precision", "f1")
    ]
    both = np.concatenate(bounds, axis=1).astype(np.float32)
    both[n_reached < len(arm)] = np.nan
    return RecallCurve(
        codes=np.stack([run.codes for run in arm]),
        tp=np.stack([run.tp for run in arm]),
        fp=np.stack([run.fp for run in arm]),
        n_reached=n_reached.astype(np.uint8),
        bounds=both,
        gain=_gain(runs, baseline or {}, level),
    )


def _gain(runs: Mapping[int, RunAtRecalls], baseline: Mapping[int, RunAtRecalls], level: float) -> NDArray[np.float32]:
    pairs = [(runs[seed], baseline[seed]) for seed in sorted(set(runs) & set(baseline))]
    if not pairs:
        levels = len(next(iter(runs.values())).reached)
        return np.full((levels, 3), np.nan, np.float32)
    rows = np.stack([mine.precision - theirs.precision for mine, theirs in pairs])
    difference = rows_difference(rows, pairs[0][0].df_group)
    # Cut where no difference of two ratios can be, as in the matched-recall table.
    gain = np.clip(np.stack([difference.estimate, *difference.shown_interval(level)], axis=1), -1.0, 1.0)
    reached = np.all([mine.reached & theirs.reached for mine, theirs in pairs], axis=0)
    gain[~reached] = np.nan
    return gain.astype(np.float32)
