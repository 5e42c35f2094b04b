"""Scores of a tolerant frontier: F at thresholds of the dataset's, of each image's own, and tuned on validation."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from experiments.frontier.codes import code_to_logit
from experiments.frontier.curve import ratio
from experiments.frontier.histogram import Row
from experiments.frontier.tolerance.histograms import TolerantHistograms


def f_measure(precision: ArrayLike, recall: ArrayLike) -> NDArray[np.float64]:
    """F = 2 P R / (P + R), 0 where both are 0, NaN where the recall is undefined.

    Precision is undefined where nothing is predicted; then nothing is found either, and F is 0.

    >>> f_measure([0.5, np.nan, 1.0], [1.0, 0.0, np.nan]).round(3).tolist()
    [0.667, 0.0, nan]
    """
    right, found = np.nan_to_num(np.asarray(precision, dtype=np.float64)), np.asarray(recall, dtype=np.float64)
    both = right + found
    return np.divide(2.0 * right * found, both, out=np.where(np.isnan(found), np.nan, 0.0), where=both > 0)


@dataclass(frozen=True)
class TolerantCurve:
    """Tolerant counts at every occupied code of pooled pixels, from the highest threshold down.

    Args:
        codes: (K,), descending.
        right: int64 (K,), predicted pixels with a true pixel within the radius.
        predicted: int64 (K,), predicted pixels.
        found: int64 (K,), true pixels with a predicted pixel within the radius.
        n_true: all true pixels.
    """

    codes: NDArray[np.int64]
    right: NDArray[np.int64]
    predicted: NDArray[np.int64]
    found: NDArray[np.int64]
    n_true: int

    @classmethod
    def of_rows(cls, near: Row, found: Row) -> "TolerantCurve":
        """Take the rows of one image, or sums of rows."""
        bins, right, wrong = (part[::-1].astype(np.int64) for part in near)
        held, hits = (part[::-1].astype(np.int64) for part in found[:2])
        # A true pixel's highest score is that of a valid pixel, so every bin of `found` is one of `near`.
        gained = np.zeros(len(bins), np.int64)
        gained[np.searchsorted(-bins, -held)] = hits
        return cls(bins, np.cumsum(right), np.cumsum(right + wrong), np.cumsum(gained), int(hits.sum()))

    @classmethod
    def of(cls, histograms: TolerantHistograms, mask: int) -> "TolerantCurve":
        """Pool one mask over all images."""
        near, found = histograms.near.pooled(mask), histograms.found.pooled(mask)[0]
        bins, held = np.flatnonzero(near[0] + near[1]), np.flatnonzero(found)
        return cls.of_rows((bins, near[0][bins], near[1][bins]), (held, found[held], found[held]))  # type: ignore[arg-type]

    @property
    def precision(self) -> NDArray[np.float64]:
        """Share of the predicted pixels that are right."""
        return self.right / self.predicted

    @property
    def recall(self) -> NDArray[np.float64]:
        """Share of the true pixels that are found; NaN without any."""
        return ratio(self.found, np.full(len(self.found), self.n_true))

    @property
    def f1(self) -> NDArray[np.float64]:
        """F at each threshold; NaN without true pixels."""
        return f_measure(self.precision, self.recall)

    @property
    def best(self) -> int | None:
        """Place of the threshold with the best F, the highest of equals; None without true pixels."""
        return int(np.argmax(self.f1)) if self.n_true else None


def tolerant_average_precision(curve: TolerantCurve) -> float:
    """AP = sum over thresholds of (R_k - R_(k-1)) P_k; NaN without true pixels."""
    steps = np.diff(curve.found, prepend=0)
    return float((steps * curve.precision).sum() / curve.n_true) if curve.n_true else float("nan")


def tuned_tolerant_codes(validation: TolerantHistograms) -> tuple[int | None, ...]:
    """Return the code that maximises each mask's F on validation; None for a mask without true pixels."""
    curves = [TolerantCurve.of(validation, mask) for mask in range(validation.near.n_masks)]
    return tuple(None if curve.best is None else int(curve.codes[curve.best]) for curve in curves)


@dataclass(frozen=True)
class ScaleScores:
    """Scores at thresholds that are chosen on the very images they are measured on.

    Args:
        ods: F of the pooled counts at the one threshold that is best for all images (optimal dataset scale).
        ods_threshold: its logit.
        ois: mean over images of each image's best F (optimal image scale, as for cracks).
        ois_pooled: F of the counts pooled over images, each at its own best threshold (optimal image scale, as in
            BSDS).
        ois_undefined: images without a true pixel, left out of `ois`; in `ois_pooled` nothing is predicted there.
        average_precision: step sum over all thresholds.
    """

    ods: float
    ods_threshold: float
    ois: float
    ois_pooled: float
    ois_undefined: int
    average_precision: float


def scale_scores(histograms: TolerantHistograms, mask: int) -> ScaleScores:
    """Compute ODS, OIS and AP of one mask; NaN without a true pixel."""
    curve = TolerantCurve.of(histograms, mask)
    best: list[float] = []
    sums = np.zeros(3, np.int64)
    for image in range(histograms.near.n_images):
        own = TolerantCurve.of_rows(histograms.near.row(image, mask), histograms.found.row(image, mask))
        place = own.best
        if place is not None:
            best.append(float(own.f1[place]))
            sums += (own.right[place], own.predicted[place], own.found[place])
    nan = float("nan")
    if curve.best is None:
        return ScaleScores(nan, nan, nan, nan, histograms.near.n_images, nan)
    return ScaleScores(
        ods=float(curve.f1[curve.best]),
        ods_threshold=float(code_to_logit(curve.codes[curve.best])),
        ois=float(np.mean(best)),
        ois_pooled=float(f_measure(ratio(sums[0], sums[1]), sums[2] / curve.n_true)),
        ois_undefined=histograms.near.n_images - len(best),
        average_precision=tolerant_average_precision(curve),
    )
