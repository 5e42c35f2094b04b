"""An arm's runs at the same thresholds: the counts for a slider, and the thresholds at which it stops."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.comparison.checked_runs import RunScores
from experiments.frontier.codes import N_CODES, NATURAL_CODE
from experiments.frontier.curve import pr_curve, ratio
from experiments.frontier.leave_one_out import GroupCounts, group_counts
from experiments.frontier.operating_point import tuned_code
from experiments.inference.paired_difference import group_df, level_interval

STEP = 0.005
"""Largest distance in mean recall, and in mean precision, between neighbouring stops."""

_MOST = 1000
_FIRST_WINDOW = 64

Pooled = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Positive and negative pixels of one run and mask per score code, (65536,) each."""

_MOST_TUNED_STOPS = 10
"""Up to this number of runs of an arm, the slider stops at each run's tuned threshold."""


@dataclass(frozen=True)
class ThresholdCurve:
    """One arm and mask: counts of each of its S runs at the same K thresholds, and at each run's tuned one.

    Args:
        codes: uint16 (K,), thresholds, ascending.
        tp: int64 (S, K).
        fp: int64 (S, K).
        bounds: float32 (K, 6), low and high of recall, precision and F1, means over seeds.
        natural: Place of the natural threshold in `codes`.
        tuned_codes: int64 (S,), each run's threshold from validation; 65536 if there is none.
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
    """Count an arm's runs at a grid of thresholds that includes the natural one and, for few runs, their tuned ones.

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
    df = group_df(counts[0].n_positive[0] - counts[0].n_positive[1:])
    return np.concatenate([level_interval(stack, level, df) for stack in stacks], axis=1).astype(np.float32)


def threshold_grid(runs: Sequence[Pooled], keep: Iterable[int] = (), *, step: float = STEP) -> NDArray[np.uint16]:
    """Choose threshold codes such that mean recall and mean precision move by at most `step` from one to the next.

    If a single code holds more pixels than that (tied scores), the step is larger. Thresholds so high that they find
    less than `step` of the positives are left out except for one, because their precision rests on a few pixels. If
    more than 1000 stops would be needed, the step is widened.

    Args:
        runs: Pooled counts of each seed's run, S of them, at least one.
        keep: Codes that must be among the stops.
        step: In (0, 1).

    Returns:
        Codes, ascending, (K,).
    """
    recall, precision, codes = _mean_curve(runs)
    if not len(codes):
        return np.unique(np.fromiter(keep, np.uint16))
    first = max(int(np.searchsorted(recall, step)) - 1, 0) if np.isfinite(recall[-1]) else 0
    chosen = _greedy(recall[first:], precision[first:], step)
    while len(chosen) > _MOST:
        step *= 1.5
        chosen = _greedy(recall[first:], precision[first:], step)
    return np.union1d(codes[first:][chosen], np.fromiter(keep, np.uint16)).astype(np.uint16)


def _mean_curve(runs: Sequence[Pooled]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.intp]]:
    """Return mean recall and mean precision over runs at every code that occurs in a run, from the highest down."""
    occupied = np.zeros(len(runs[0][0]), bool)
    for positives, negatives in runs:
        occupied |= (positives + negatives) > 0
    codes = np.flatnonzero(occupied)[::-1]
    recalls, precisions = [], []
    for positives, negatives in runs:
        tp, fp = (np.cumsum(counts[codes]) for counts in (positives, negatives))
        recalls.append(tp / positives.sum() if positives.any() else np.full(len(codes), np.nan))
        precisions.append(ratio(tp, tp + fp))
    defined = ~np.isnan(precisions)
    sums = np.where(defined, precisions, 0.0).sum(axis=0)
    return np.mean(recalls, axis=0), sums / np.maximum(defined.sum(axis=0), 1), codes


def _greedy(recall: NDArray[np.float64], precision: NDArray[np.float64], step: float) -> list[int]:
    """Find the stops, as indices: from each, the farthest before either value has moved by more than `step`."""
    chosen, here, last = [0], 0, len(precision) - 1
    while here < last:
        window = _FIRST_WINDOW
        while True:
            end = min(here + 1 + window, last + 1)
            # A mask without positives has no recall: the comparison with NaN is false, precision alone decides.
            far = np.abs(precision[here + 1 : end] - precision[here]) > step
            far |= np.abs(recall[here + 1 : end] - recall[here]) > step
            if far.any() or end == last + 1:
                break
            window *= 4
        ahead = int(np.argmax(far)) if far.any() else last - here
        here += max(ahead, 1)
        chosen.append(here)
    return chosen
