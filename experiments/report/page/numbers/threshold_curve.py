"""An arm at one threshold for all of its runs: what a slider reads from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.comparison.checked_runs import RunScores
from experiments.frontier.codes import N_CODES, NATURAL_CODE
from experiments.frontier.curve import pr_curve
from experiments.frontier.operating_point import tuned_code
from experiments.report.page.numbers.group_counts import GroupCounts, group_counts
from experiments.report.page.numbers.level_interval import level_interval
from experiments.report.page.numbers.threshold_grid import STEP, Pooled, threshold_grid

_MOST_TUNED_STOPS = 10
"""Runs of an arm up to which the slider stops at each one's tuned threshold."""


@dataclass(frozen=True)
class ThresholdCurve:
    """One arm and mask: counts of each of its S runs at the same K thresholds, and at each run's tuned one.

    Args:
        codes: uint16 (K,), thresholds, ascending.
        tp: int64 (S, K).
        fp: int64 (S, K).
        bounds: float32 (K, 6), low and high of recall, precision and F1, means over seeds.
        natural: Place of the natural threshold in `codes`.
        tuned_codes: int64 (S,), each run's own threshold from validation; 65536 where there is none.
        tuned_tp: int64 (S,).
        tuned_fp: int64 (S,).
        tuned_bounds: float32 (6,).
    """

    codes: NDArray[np.uint16]
    tp: NDArray[np.int64]
    fp: NDArray[np.int64]
    bounds: NDArray[np.float32]
    natural: int
    tuned_codes: NDArray[np.int64]
    tuned_tp: NDArray[np.int64]
    tuned_fp: NDArray[np.int64]
    tuned_bounds: NDArray[np.float32]


def threshold_curve(
    runs: Collection[RunScores],
    mask: int,
    group_of: NDArray[np.intp],
    *,
    level: float,
    step: float = STEP,
    pooled: Sequence[Pooled] | None = None,
) -> ThresholdCurve:
    """Count an arm's runs at a grid of thresholds that holds the natural one and, of few runs, each one's tuned one.

    Args:
        runs: S runs of the arm, at least one.
        mask: Index of the mask.
        group_of: (N,), each test image's group.
        level: Intervals cover 1 - level.
        step: Of the grid; see `threshold_grid`.
        pooled: `test.pooled(mask)` of each run, where the caller has them.
    """
    tuned = np.array([_tuned(run, mask) for run in runs], dtype=np.int64)
    known = tuned[tuned < N_CODES] if len(runs) <= _MOST_TUNED_STOPS else tuned[:0]
    keep = [NATURAL_CODE, *known.tolist()]
    codes = threshold_grid(pooled or [run.test.pooled(mask) for run in runs], keep, step=step)
    counts, at_tuned = [], []
    # A run without a tuned threshold is counted at the first code and then taken out.
    for run, own in zip(runs, np.where(tuned < N_CODES, tuned, codes[0]).astype(np.uint16), strict=True):
        wanted = np.union1d(codes, own)
        found = group_counts(run.test, mask, group_of, wanted)
        counts.append(_columns(found, np.searchsorted(wanted, codes)))
        at_tuned.append(_columns(found, np.searchsorted(wanted, [own])))
    tuned_bounds = _bounds(at_tuned, level)[0]
    return ThresholdCurve(
        codes=codes,
        tp=np.stack([each.tp[0] for each in counts]),
        fp=np.stack([each.fp[0] for each in counts]),
        bounds=_bounds(counts, level),
        natural=int(np.searchsorted(codes, NATURAL_CODE)),
        tuned_codes=tuned,
        tuned_tp=np.array([each.tp[0, 0] for each in at_tuned]),
        tuned_fp=np.array([each.fp[0, 0] for each in at_tuned]),
        tuned_bounds=np.full_like(tuned_bounds, np.nan) if (tuned == N_CODES).any() else tuned_bounds,
    )


def _tuned(run: RunScores, mask: int) -> int:
    code = None if run.val is None else tuned_code(pr_curve(*run.val.pooled(mask)))
    return N_CODES if code is None else code


def _columns(counts: GroupCounts, places: NDArray[np.intp]) -> GroupCounts:
    return GroupCounts(counts.tp[:, places], counts.fp[:, places], counts.n_positive)


def _bounds(counts: Sequence[GroupCounts], level: float) -> NDArray[np.float32]:
    stacks = [np.stack([getattr(each, name) for each in counts]) for name in ("recall", "precision", "f1")]
    return np.concatenate([level_interval(stack, level) for stack in stacks], axis=1)
