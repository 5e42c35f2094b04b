"""Pooled counts of a run above many thresholds, with all test groups and without each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.frontier.codes import N_CODES
from experiments.frontier.curve import f_beta
from experiments.frontier.histogram import ScoreHistograms


@dataclass(frozen=True)
class GroupCounts:
    """Counts of one run and mask at K thresholds; row 0 holds all G groups, row 1 + g leaves group g out.

    Args:
        tp: int64 (1+G, K), positives with `score >= threshold`.
        fp: int64 (1+G, K), negatives with `score >= threshold`.
        n_positive: int64 (1+G,), all positives.
    """

    tp: NDArray[np.int64]
    fp: NDArray[np.int64]
    n_positive: NDArray[np.int64]

    @property
    def recall(self) -> NDArray[np.float64]:
        """TP / P, (1+G, K); NaN without positives."""
        return _ratio(self.tp, np.broadcast_to(self.n_positive[:, None], self.tp.shape))

    @property
    def precision(self) -> NDArray[np.float64]:
        """TP / (TP + FP), (1+G, K); NaN where nothing is predicted."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def f1(self) -> NDArray[np.float64]:
        """F1, (1+G, K); NaN without positives."""
        total = self.n_positive[:, None]
        return np.where(total > 0, f_beta(self.tp, self.fp, total - self.tp), np.nan)


def group_counts(
    histograms: ScoreHistograms, mask: int, group_of: NDArray[np.intp], codes: NDArray[np.integer]
) -> GroupCounts:
    """Count one mask's pixels at and above each threshold, with all groups and without each.

    Args:
        histograms: N images.
        mask: Index of the mask.
        group_of: (N,), each image's group, 0 to G-1.
        codes: (K,), thresholds, ascending; 65536 predicts nothing.
    """
    n_groups, n_codes = int(group_of.max(initial=-1)) + 1, len(codes)
    bins, positives, negatives, lengths = histograms.mask_entries(mask)
    # Column k holds the pixels between threshold k - 1 and threshold k; the last one those above all of them.
    column = np.searchsorted(codes, np.arange(N_CODES), side="right")
    place = column[bins] + np.repeat(group_of * (n_codes + 1), lengths)
    held, size = np.flatnonzero(positives), n_groups * (n_codes + 1)
    cells_of_positives = np.bincount(place[held], weights=positives[held], minlength=size)  # few entries hold one
    cells_of_negatives = np.bincount(place, weights=negatives, minlength=size)
    sums = []
    for cells in (cells_of_positives, cells_of_negatives):
        # Sums of integers below 2**53 are exact in float64.
        above = np.cumsum(cells.astype(np.int64).reshape(n_groups, n_codes + 1)[:, ::-1], axis=1)[:, ::-1]
        total = above.sum(axis=0)
        sums.append(np.concatenate([total[None], total - above]))
    (tp, fp) = sums
    return GroupCounts(tp[:, 1:], fp[:, 1:], tp[:, 0])


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
