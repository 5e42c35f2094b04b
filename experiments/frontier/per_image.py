"""Counts and average precision of each image, from one pass over a histogram; thresholds of each image's own."""

from collections.abc import Sequence
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
        """Count true and false positives per image and mask, (N, C) each, where the code is at least that in `codes`.

        Args:
            codes: integers, (C,) for all images or (N, C); 65536 predicts nothing.
        """
        return self._above(self._first_entry(codes))

    def _first_entry(self, codes: ArrayLike) -> NDArray[np.intp]:
        """Return the first entry with at least the code, image after image and mask after mask, (N * C,)."""
        limits = np.broadcast_to(np.asarray(codes, dtype=np.int64), self._shape).ravel()
        return np.searchsorted(self._keys, np.arange(len(limits)) * N_CODES + limits)

    def _above(self, cut: NDArray[np.intp]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Count positives and negatives from an entry to the end of its image and mask, (N, C) each."""
        starts = self.histograms.row_start
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

    def best_f1_codes(self) -> NDArray[np.int64]:
        """Return the threshold of each image and mask that maximises its own F1, (N, C); an oracle.

        It looks at the labels of the very pixels that it then counts, so no model can reach it on new images. Of equal
        F1 the highest threshold; 65536, nothing, where an image has no positive pixel.
        """
        positives_before, negatives_before = self._before
        # F1 rises only at thresholds that hold a positive pixel.
        entries = np.flatnonzero(self.histograms.positives != 0)
        starts = self.histograms.row_start
        row = np.searchsorted(starts, entries, side="right") - 1
        tp = positives_before[starts[row + 1]] - positives_before[entries]
        fp = negatives_before[starts[row + 1]] - negatives_before[entries]
        f1 = 2.0 * tp / (tp + fp + self.totals[0].ravel()[row])
        codes = np.full(len(starts) - 1, N_CODES, dtype=np.int64)
        held = np.flatnonzero(np.diff(row, prepend=-1))
        if len(held):
            best = np.maximum.reduceat(f1, held)
            hits = np.flatnonzero(f1 == np.repeat(best, np.diff(held, append=len(row))))
            codes[row[hits]] = self.histograms.bins[entries[hits]]  # ascending: the last of equals is the highest
        return codes.reshape(self._shape)

    def expected_dice_codes(self, probabilities: Sequence[NDArray[np.float64]]) -> NDArray[np.int64]:
        """Return the threshold of each image and mask that maximises its expected Dice, (N, C): RankSEG.

        Pixels are independent, pixel i positive with probability p_i; p_(1) >= p_(2) >= ... Predicting the first t
        pixels has the expected Dice (Dai and Li 2023, with Dice 0 where neither prediction nor image has a positive)

            S(t) = sum_{i<=t} 2 p_(i) E[1 / (t + 1 + K_i)],  K_i the number of positives among the other pixels.

        Here, as in the solver "RMA" of the package `rankseg` (Wang and Dai 2025), E[1/x] is replaced by a reciprocal:

            R(t) = 2 sum_{i<=t} p_(i) / (t + 1 + sum_i p_i).

        By Jensen's inequality, and because Var(K) <= E(K): R(t) <= S(t) <= (1 + 1/t) R(t). So the S of the t chosen
        here is at most a share 1/(t* + 1) below the best, which t* pixels reach: 1 % for 100 predicted pixels.

        All pixels of a code are predicted, or none. Nothing is lost: inside a tie R is monotone, so its maximum lies at
        a code's edge. R has one peak, where p falls to R/2; R/2 is found by Dinkelbach's iteration (1967), exactly and
        in few steps. Of equal R the fewest pixels. No class is pruned (`pruning_prob=0` in the package): an image with
        any p above 0 has a predicted pixel, even if it is empty.

        Args:
            probabilities: C times (65536,), probability that a pixel of each code is positive, never decreasing.

        References: Dai and Li 2023 (RankSEG, JMLR 24:224); Wang and Dai 2025 (RankSEG-RMA); Dinkelbach 1967.
        """
        starts, shape = self.histograms.row_start, self._shape
        pixels = np.add(self.histograms.positives, self.histograms.negatives, dtype=np.float64)
        mass = np.append(pixels * self._of_entries(probabilities), 0.0)  # `reduceat` may begin at the end
        cut, ends = starts[:-1], starts[1:]
        expected = _sums(mass, cut, ends)
        while True:
            positives, negatives = self._above(cut)
            half = (_sums(mass, cut, ends) / (expected + 1.0 + (positives + negatives).ravel())).reshape(shape)
            columns = [np.searchsorted(p, half[:, mask], side="right") for mask, p in enumerate(probabilities)]
            codes = np.stack(columns, axis=1)
            # R only rises from step to step, and so does the cut, except for rounding.
            rising = np.maximum(self._first_entry(codes), cut)
            if (rising == cut).all():
                return codes
            cut = rising

    def _of_entries(self, tables: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        """Look up each entry's code in the table of its mask, (E,)."""
        bins = self.histograms.bins
        if all(table is tables[0] for table in tables):
            return tables[0][bins]
        mask = np.repeat(np.tile(np.arange(len(tables)), self.histograms.n_images), np.diff(self.histograms.row_start))
        return np.stack(tables)[mask, bins]


def _sums(values: NDArray[np.float64], first: NDArray[np.intp], end: NDArray[np.intp]) -> NDArray[np.float64]:
    """Sum values[first:end] for ascending, disjoint slices, each by itself: a running sum would lose small ones."""
    pairs = np.stack([first, end], axis=1).ravel()
    return np.where(first < end, np.add.reduceat(values, pairs)[::2], 0.0)
