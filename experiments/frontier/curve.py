"""Precision-recall curve of pooled counts: every distinct threshold, with `score >= threshold`."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from experiments.frontier.codes import N_CODES

RECALL_TOLERANCE = 0.02
"""A recall counts as reached if some threshold's recall exceeds it by at most this much."""


@dataclass(frozen=True)
class PrCurve:
    """Confusion counts at every distinct threshold, from the highest threshold down.

    Args:
        codes: uint16 (K,), the occupied score codes, descending; each is a threshold.
        tp: int64 (K,), positives with `score >= threshold`.
        fp: int64 (K,), negatives with `score >= threshold`.
        n_positive: all positives, P.
        n_negative: all negatives.

    Example:
        >>> from experiments.frontier import from_images
        >>> curve = pr_curve(*from_images([[[2.0, -1.0, 0.5]]], [[[1, 1, 0]]]).pooled(mask=0))
        >>> curve.recall.tolist(), curve.precision.round(2).tolist()
        ([0.5, 0.5, 1.0], [1.0, 0.5, 0.67])
    """

    codes: NDArray[np.uint16]
    tp: NDArray[np.int64]
    fp: NDArray[np.int64]
    n_positive: int
    n_negative: int

    @property
    def precision(self) -> NDArray[np.float64]:
        """TP / (TP + FP) at each threshold; always defined, because every threshold holds a pixel."""
        return self.tp / (self.tp + self.fp)

    @property
    def recall(self) -> NDArray[np.float64]:
        """TP / P at each threshold; NaN throughout without positives."""
        return self.tp / self.n_positive if self.n_positive else np.full(len(self.tp), np.nan)

    @property
    def prevalence(self) -> float:
        """P / (P + N): the average precision of uninformative scores."""
        total = self.n_positive + self.n_negative
        return self.n_positive / total if total else float("nan")


def pr_curve(positives: ArrayLike, negatives: ArrayLike) -> PrCurve:
    """Compute the curve of dense counts per score code.

    Args:
        positives: integers (65536,), positive pixels per code.
        negatives: integers (65536,), negative pixels per code.

    Raises:
        ValueError: the shape is not (65536,), or a count is negative.

    Example:
        >>> counts = np.zeros((2, 65536), int)
        >>> counts[0, [40000, 50000]], counts[1, 45000] = 1, 2
        >>> pr_curve(*counts).tp.tolist(), pr_curve(*counts).fp.tolist()
        ([1, 1, 2], [0, 2, 2])
    """
    counts = [np.asarray(positives, dtype=np.int64), np.asarray(negatives, dtype=np.int64)]
    for name, dense in zip(("positives", "negatives"), counts, strict=True):
        if dense.shape != (N_CODES,) or (dense < 0).any():
            raise ValueError(f"{name}: expected {N_CODES} counts of at least 0, got shape {dense.shape}")
    codes = np.flatnonzero(counts[0] + counts[1])[::-1]
    tp, fp = (np.cumsum(dense[codes]) for dense in counts)
    return PrCurve(codes.astype(np.uint16), tp, fp, int(counts[0].sum()), int(counts[1].sum()))


def average_precision(curve: PrCurve) -> float:
    """AP = sum over thresholds of (R_k - R_(k-1)) P_k: a step sum as in scikit-learn; NaN without positives.

    Reference: Davis and Goadrich 2006: points in precision-recall space must not be joined by straight lines.

    Example:
        >>> from experiments.frontier import from_images
        >>> histograms = from_images([[[2.0, -1.0, 0.5]]], [[[1, 1, 0]]])
        >>> round(average_precision(pr_curve(*histograms.pooled(mask=0))), 3)
        0.833
    """
    return mean_precision(curve, low=0.0, high=1.0)


def mean_precision(curve: PrCurve, *, low: float, high: float) -> float:
    """Return the mean over recalls r in [low, high] of the precision at the highest threshold with recall >= r.

    With low = 0 and high = 1 it is the average precision.

    Args:
        curve: any.
        low: in [0, 1).
        high: in (low, 1].
    """
    if not 0.0 <= low < high <= 1.0:
        raise ValueError(f"low, high: expected 0 <= low < high <= 1, got {low} and {high}")
    if not curve.n_positive:
        return float("nan")
    steps = np.diff(np.clip(curve.recall, low, high), prepend=low)
    return float((steps * curve.precision).sum() / (high - low))


def recall_gain_area(
    tp: NDArray[np.number], fp: NDArray[np.number], tied: NDArray[np.number], n_negative: ArrayLike
) -> NDArray[np.float64]:
    """Area under the precision-recall-gain curve, AUPRG: 1 for a perfect ranking, 0 for one score throughout.

    With the prevalence pi, precision p and recall r:

        precision gain = (p - pi) / ((1 - pi) p) = 1 - (P / N) FP / TP,
        recall gain = (r - pi) / ((1 - pi) r) = 1 - (P / N) FN / TP,

    and the area is that of precision gain over recall gain from 0 (r = pi) to 1 (r = 1), as in the authors' package
    `prg`. Neighbouring points are joined by straight lines. That is the expectation where the pixels of a tie come in
    random order: FP is then linear in TP, and both gains are linear in 1 / TP. The curve begins at TP = FP = 0.
    Precision below the prevalence counts negatively.

    Args:
        tp: (..., K), positives at or above each threshold, from the highest threshold down; the last column holds all,
            P. Thresholds without a positive of their own may be left out: there the curve falls vertically.
        fp: (..., K), negatives at or above it, those between thresholds included.
        tied: (..., K), negatives with exactly that score.
        n_negative: (...), all negatives, N.

    Returns:
        (...), at most 1; NaN without positives or without negatives.

    Reference: Flach and Kull 2015 (Precision-Recall-Gain curves: PR analysis done right), definitions 1 and 2.
    """
    hits = np.diff(tp, axis=-1, prepend=0)
    positive = np.asarray(tp[..., -1], dtype=np.float64)[..., None]
    negative = np.asarray(n_negative, dtype=np.float64)[..., None]
    start = positive * ratio(positive, positive + negative)  # true positives where recall gain is 0
    odds = ratio(positive, negative)
    end_tp = np.maximum(tp, start)
    begin_tp = np.maximum(tp - hits, start)
    begin_fp = fp - tied * ratio(tp - begin_tp, np.maximum(hits, 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        width = odds * positive * (1.0 / begin_tp - 1.0 / end_tp)
        height = 1.0 - 0.5 * odds * (begin_fp / begin_tp + fp / end_tp)
    # Before the start both ends are the start: no width.
    return (width * height).sum(axis=-1)


def index_at_recall(curve: PrCurve, recalls: ArrayLike) -> NDArray[np.intp]:
    """Find the index of the highest threshold with recall >= r, for each recall r in (0, 1]; needs a positive."""
    levels = np.asarray(recalls, dtype=np.float64)
    # Counts are integers: 1e-9 below the level absorbs the rounding of r * P.
    return np.searchsorted(curve.tp, levels * curve.n_positive - 1e-9 * curve.n_positive, side="left")


def precision_at_recall(
    curve: PrCurve, recalls: ArrayLike, *, tolerance: float = RECALL_TOLERANCE
) -> NDArray[np.float64]:
    """Return the precision at the highest threshold with recall >= r; NaN if no threshold comes close to r.

    Nothing is interpolated. A level is unreachable if the recall jumps over it by more than `tolerance` (and by more
    than one positive). There the scores tie, as in the saturated tail of a Dice-like loss.

    Args:
        curve: any.
        recalls: (R,), in (0, 1].
        tolerance: largest excess of recall that still counts as reached.

    Returns:
        (R,), NaN if unreachable or without positives.
    """
    levels = np.asarray(recalls, dtype=np.float64)
    if not curve.n_positive:
        return np.full(levels.shape, np.nan)
    index = index_at_recall(curve, levels)
    excess = curve.recall[index] - levels
    reached = excess <= max(tolerance, 1.0 / curve.n_positive) + 1e-9
    return np.where(reached, curve.precision[index], np.nan)


def recall_at_precision(curve: PrCurve, precisions: ArrayLike) -> NDArray[np.float64]:
    """Return the largest recall of the thresholds with precision >= q, for each q; NaN if no threshold has it."""
    levels = np.asarray(precisions, dtype=np.float64)
    if not curve.n_positive:
        return np.full(levels.shape, np.nan)
    # The best precision from here on never rises, so bisection finds the last threshold that reaches q.
    best_after = np.maximum.accumulate(curve.precision[::-1])
    index = len(best_after) - 1 - np.searchsorted(best_after, levels - 1e-12, side="left")
    return np.where(index >= 0, curve.recall[np.maximum(index, 0)], np.nan)


def ratio(part: ArrayLike, whole: ArrayLike) -> NDArray[np.float64]:
    """Part / whole, broadcast; NaN if the whole is 0: a recall without positives, a precision without predictions.

    >>> ratio([1, 0], [4, 0]).tolist()
    [0.25, nan]
    """
    above, below = np.broadcast_arrays(part, whole)
    return np.divide(above, below, out=np.full(below.shape, np.nan), where=below > 0)


def f_beta(tp: ArrayLike, fp: ArrayLike, fn: ArrayLike, *, beta: float = 1.0) -> NDArray[np.float64]:
    """F = (1 + b^2) TP / ((1 + b^2) TP + b^2 FN + FP); NaN without positives and predictions."""
    hits, false, missed = (np.asarray(count, dtype=np.float64) for count in (tp, fp, fn))
    square = beta * beta
    top = (1.0 + square) * hits
    bottom = top + square * missed + false
    return ratio(top, bottom)


def achievable(curve: PrCurve) -> NDArray[np.intp]:
    """Find the thresholds on the ROC hull, as indices, from the highest threshold down.

    Mixing two neighbouring thresholds at random reaches everything between them; in precision-recall space that path is
    curved (Davis and Goadrich 2006, section 3).
    """
    hull: list[int] = []
    x = np.concatenate([[0], curve.fp]).tolist()
    y = np.concatenate([[0], curve.tp]).tolist()
    for point in range(len(x)):
        while len(hull) >= 2:
            a, b = hull[-2], hull[-1]
            # Python integers: the cross product of counts may pass 2**63.
            if (x[b] - x[a]) * (y[point] - y[a]) < (x[point] - x[a]) * (y[b] - y[a]):
                break
            hull.pop()
        hull.append(point)
    return np.array(hull[1:], dtype=np.intp) - 1
