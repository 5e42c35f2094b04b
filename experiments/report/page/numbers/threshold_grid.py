"""The thresholds at which an arm's slider stops: score codes, close enough that nothing happens in between."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

STEP = 0.005
"""Largest distance in mean recall, and in mean precision, between neighbouring stops."""

_MOST = 1000
_FIRST_WINDOW = 64

Pooled = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Positive and negative pixels of one run and mask per score code, (65536,) each."""


def threshold_grid(runs: Sequence[Pooled], keep: Iterable[int] = (), *, step: float = STEP) -> NDArray[np.uint16]:
    """Choose threshold codes such that mean recall and mean precision move by at most `step` from one to the next.

    A single code may hold more pixels than that (tied scores); then the step is what the data allow. Thresholds so
    high that they find less than `step` of the positives are left out but for one: their precision is that of a
    few pixels. Where more than 1000 stops would be needed, the step is widened.

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
    """Mean recall and mean precision over runs at every code that some run holds, from the highest down."""
    occupied = np.zeros(len(runs[0][0]), bool)
    for positives, negatives in runs:
        occupied |= (positives + negatives) > 0
    codes = np.flatnonzero(occupied)[::-1]
    recalls, precisions = [], []
    for positives, negatives in runs:
        tp, fp = (np.cumsum(counts[codes]) for counts in (positives, negatives))
        recalls.append(tp / positives.sum() if positives.any() else np.full(len(codes), np.nan))
        precisions.append(np.divide(tp, tp + fp, out=np.full(len(codes), np.nan), where=tp + fp > 0))
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
