"""Confusion counts and average precision of each image, from one pass over a histogram."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from experiments.frontier.codes import N_CODES
from experiments.frontier.curve import ratio
from experiments.frontier.histogram import ScoreHistograms


@dataclass(frozen=True)
class ImageCounts:
    """Cumulative sums over a histogram's entries, which give each image's counts above any threshold.

    Args:
        histograms: N images and C masks.
    """

    histograms: ScoreHistograms

    @cached_property
    def _before(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Positives and negatives before each entry, (E + 1,) each."""
        sums = []
        for counts in (self.histograms.positives, self.histograms.negatives):
            running = np.zeros(len(counts) + 1, np.int64)
            np.cumsum(counts, out=running[1:])
            sums.append(running)
        return sums[0], sums[1]

    @cached_property
    def _keys(self) -> NDArray[np.int64]:
        """Row and code of each entry as one number, ascending over the whole histogram."""
        starts = self.histograms.row_start
        return np.repeat(np.arange(len(starts) - 1) * N_CODES, np.diff(starts)) + self.histograms.bins

    @property
    def _shape(self) -> tuple[int, int]:
        return self.histograms.n_images, self.histograms.n_masks

    @cached_property
    def totals(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Positive and negative pixels per image and mask: (N, C) each."""
        positives, negatives = (np.diff(sums[self.histograms.row_start]) for sums in self._before)
        return positives.reshape(self._shape), negatives.reshape(self._shape)

    def above(self, codes: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Count true and false positives per image and mask, (N, C) each, where mask c's code is >= codes[c].

        Args:
            codes: C integers; 65536 predicts nothing.
        """
        starts = self.histograms.row_start
        limits = np.tile(np.asarray(codes, dtype=np.int64), self.histograms.n_images)
        cut = np.searchsorted(self._keys, np.arange(len(limits)) * N_CODES + limits)
        tp, fp = (sums[starts[1:]] - sums[cut] for sums in self._before)
        return tp.reshape(self._shape), fp.reshape(self._shape)

    def average_precision(self) -> NDArray[np.float64]:
        """Return the average precision of each image and mask by itself, (N, C); NaN without a positive pixel."""
        positives_before, negatives_before = self._before
        entries = np.flatnonzero(self.histograms.positives != 0)
        starts = self.histograms.row_start
        row = np.searchsorted(starts, entries, side="right") - 1
        tp = positives_before[starts[row + 1]] - positives_before[entries]
        fp = negatives_before[starts[row + 1]] - negatives_before[entries]
        weighted = self.histograms.positives[entries] * (tp / (tp + fp))
        sums = np.bincount(row, weights=weighted, minlength=len(starts) - 1).reshape(self._shape)
        total = self.totals[0]
        return ratio(sums, total)
