"""Operating points: the natural one (logit 0), and the one tuned on validation, then measured on test.

Also the table of a run: precision, recall and F1 per split, mask and operating point.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from experiments.frontier.codes import NATURAL_CODE, code_to_logit
from experiments.frontier.curve import PrCurve, average_precision, f_beta, pr_curve, ratio
from experiments.frontier.histogram import JOINT_COUNTS, ScoreHistograms
from experiments.frontier.per_image import ImageCounts


@dataclass(frozen=True)
class OperatingPoint:
    """Pooled confusion counts of one mask at one threshold, with the ratios that follow from them.

    Args:
        name: "natural", "tuned", ...
        threshold: a pixel is predicted positive if its logit is at least this; NaN if undefined.
        tp: true positives.
        fp: false positives.
        fn: false negatives.
        tn: true negatives.

    Example:
        >>> point = OperatingPoint("natural", threshold=0.0, tp=6, fp=2, fn=4, tn=88)
        >>> point.precision, point.recall, round(point.f_beta(), 3)
        (0.75, 0.6, 0.667)
    """

    name: str
    threshold: float
    tp: int
    fp: int
    fn: int
    tn: int

    @property
    def precision(self) -> float:
        """TP / (TP + FP); NaN if nothing is predicted positive."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float:
        """TP / (TP + FN); NaN if nothing is positive."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def accuracy(self) -> float:
        """(TP + TN) / all; NaN without pixels."""
        return _ratio(self.tp + self.tn, self.tp + self.fp + self.fn + self.tn)

    @property
    def probability(self) -> float:
        """Threshold as a probability, 1 / (1 + exp(-threshold))."""
        return float(0.5 * (1.0 + np.tanh(0.5 * self.threshold)))

    def f_beta(self, beta: float = 1.0) -> float:
        """F-beta; 0 if there are positives but none is predicted, NaN without positives and predictions."""
        return float(f_beta(self.tp, self.fp, self.fn, beta=beta))


def tuned_code(validation: PrCurve, *, beta: float = 1.0) -> int | None:
    """Return the code of the threshold that maximises F-beta on validation, the highest if several do.

    The highest predicts the fewest positives, so ties are settled in favour of precision. None without positives, when
    no threshold is better than another.

    Args:
        validation: curve of the validation split, pooled over its images.
        beta: recall counts beta times as much as precision.
    """
    if not validation.n_positive:
        return None
    scores = f_beta(validation.tp, validation.fp, validation.n_positive - validation.tp, beta=beta)
    return int(validation.codes[int(np.argmax(scores))])


def tuned_codes(validation: ScoreHistograms, *, beta: float = 1.0) -> tuple[int | None, ...]:
    """`tuned_code` of every mask.

    Example:
        >>> from experiments.frontier import code_to_logit, from_images
        >>> histograms = from_images([[[2.0, -1.0, 0.5]]], [[[1, 0, 1]]])
        >>> code_to_logit(tuned_codes(histograms)).tolist()
        [0.5]
    """
    curves = (pr_curve(*validation.pooled(mask)) for mask in range(validation.n_masks))
    return tuple(tuned_code(curve, beta=beta) for curve in curves)


def tuned_thresholds(validation: ScoreHistograms, *, beta: float = 1.0) -> NDArray[np.float64]:
    """Return `tuned_codes` as logits, (C,), for the builder of the test split; +inf if there is none.

    A threshold of +inf is clamped to the largest float16, which practically no score reaches.

    Example:
        >>> from experiments.frontier import from_images
        >>> tuned_thresholds(from_images([[[2.0, -1.0, 0.5]]], [[[1, 0, 1]]])).tolist()
        [0.5]
    """
    codes = tuned_codes(validation, beta=beta)
    return np.array([np.inf if code is None else float(code_to_logit(code)) for code in codes])


def recall_code(validation: PrCurve, recall: float) -> int | None:
    """Return the code of the highest threshold whose recall on validation is at least `recall`.

    None where no threshold but the lowest, which predicts every pixel, has it: without positives, or where scores tie.

    Args:
        validation: curve of the validation split, pooled over its images.
        recall: in (0, 1].

    Raises:
        ValueError: `recall` is outside (0, 1].

    Example:
        >>> from experiments.frontier import code_to_logit, from_images, pr_curve
        >>> curve = pr_curve(*from_images([[[2.0, -1.0, 0.5, -3.0]]], [[[1, 0, 1, 0]]]).pooled(mask=0))
        >>> [float(code_to_logit(recall_code(curve, floor))) for floor in (0.5, 0.6)]
        [2.0, 0.5]
    """
    if not 0 < recall <= 1:
        raise ValueError(f"recall: expected a number in (0, 1], got {recall}")
    if not validation.n_positive:
        return None
    # Counts are integers: 1e-9 below the level absorbs the rounding of recall * P.
    place = int(np.argmax(validation.tp >= (recall - 1e-9) * validation.n_positive))
    return None if place == len(validation.codes) - 1 else int(validation.codes[place])


def operating_point(histograms: ScoreHistograms, mask: int, code: int | None, *, name: str) -> OperatingPoint:
    """Count one mask's pixels, pooled, with score codes of at least `code` as positive; None predicts nothing.

    Example:
        >>> from experiments.frontier import from_images, logit_to_code
        >>> histograms = from_images([[[2.0, -1.0, 0.5]]], [[[1, 1, 0]]])
        >>> point = operating_point(histograms, 0, int(logit_to_code(-1.0)), name="low")
        >>> point.tp, point.fp
        (2, 1)
    """
    positives, negatives = histograms.pooled(mask)
    tp, fp = (0, 0) if code is None else (int(counts[code:].sum()) for counts in (positives, negatives))
    threshold = float("nan") if code is None else float(code_to_logit(code))
    n_positive, n_negative = int(positives.sum()), int(negatives.sum())
    return OperatingPoint(name, threshold, tp, fp, n_positive - tp, n_negative - fp)


def natural_point(histograms: ScoreHistograms, mask: int) -> OperatingPoint:
    """Return the operating point at logit 0, probability 0.5.

    Example:
        >>> from experiments.frontier import from_images
        >>> natural_point(from_images([[[2.0, -1.0, 0.5]]], [[[1, 1, 0]]]), mask=0).recall
        0.5
    """
    return operating_point(histograms, mask, NATURAL_CODE, name="natural")


def background_point(histograms: ScoreHistograms, name: str = "natural") -> OperatingPoint:
    """Return the operating point of the background, the pixels where no mask is positive, pooled over images.

    Args:
        histograms: with joint counts.
        name: a point that has joint counts; ValueError for any other.
    """
    counts = dict(zip(JOINT_COUNTS, histograms.point(name).sum(axis=0).tolist(), strict=True))
    columns = [counts["background_" + key] for key in ("tp", "fp", "fn", "tn")]
    return OperatingPoint(name, float("nan"), *columns)


def frame_accuracy(histograms: ScoreHistograms, name: str = "natural") -> float:
    """Return the mean over images of the share of pixels where every mask is right, leaving out images without pixels.

    With 97 % background, this blended score is high even for a model that finds nothing.
    """
    counts = histograms.point(name)
    pixels = counts[:, :4].sum(axis=1)
    shares = counts[pixels > 0, 4] / pixels[pixels > 0]
    return float(shares.mean()) if len(shares) else float("nan")


@dataclass(frozen=True)
class ImageMeans:
    """Means over images of each image's precision, recall and F, one value per mask.

    Unlike the pooled counts, they give every image the same weight.

    Args:
        precision: (C,), mean over images that predict something.
        recall: (C,), mean over images that hold a positive.
        f_beta: (C,), mean over images that have either.
        undefined: (C, 3), images left out of each of the three.
    """

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f_beta: NDArray[np.float64]
    undefined: NDArray[np.int64]


def image_means(counts: ImageCounts, codes: ArrayLike, *, beta: float = 1.0) -> ImageMeans:
    """Compute the means over images at one threshold code per mask."""
    tp, fp = counts.above(codes)
    n_positive = counts.totals[0]
    precision, recall = ratio(tp, tp + fp), ratio(tp, n_positive)
    score = f_beta(tp, fp, n_positive - tp, beta=beta)
    undefined = np.isnan(np.stack([precision, recall, score], axis=-1)).sum(axis=0)
    return ImageMeans(mean_defined(precision), mean_defined(recall), mean_defined(score), undefined)


def mean_defined(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean over axis 0 of the values that are not NaN; NaN if there is none."""
    defined = ~np.isnan(values)
    count = defined.sum(axis=0)
    sums = np.where(defined, values, 0.0).sum(axis=0)
    return ratio(sums, count)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


BACKGROUND = "background"


def metrics_table(scores: Mapping[str, ScoreHistograms]) -> pd.DataFrame:
    """Measure each mask, and the background as a sanity check, at the natural and the tuned operating point.

    Args:
        scores: Histograms of `val`, on which the threshold is tuned (maximal F1), and of `test`. Without `val` there
            are no rows for the tuned point.

    Returns:
        One row per split x mask x operating point: `threshold` is a logit, `probability` the same as a probability;
        counts and ratios are pooled over the split's pixels; `frame_accuracy` is the mean over images of the share of
        pixels where every mask is right, the same in all rows of a split and point. The background row (pixels of no
        mask) has no threshold of its own and no average precision. Undefined ratios are empty.
    """
    codes = tuned_codes(scores["val"]) if "val" in scores else None
    rows: list[dict[str, Any]] = []
    for split, histograms in scores.items():
        images = {"n_images": histograms.n_images}
        for point_name in ("natural", "tuned"):
            if point_name == "tuned" and codes is None:
                continue
            counted = point_name in histograms.points
            accuracy = frame_accuracy(histograms, point_name) if counted else float("nan")
            for mask, name in enumerate(histograms.masks):
                point = (
                    natural_point(histograms, mask)
                    if codes is None or point_name == "natural"
                    else operating_point(histograms, mask, codes[mask], name=point_name)
                )
                ap = average_precision(pr_curve(*histograms.pooled(mask)))
                rows.append({"split": split, "mask": name} | point_columns(point, ap=ap, accuracy=accuracy) | images)
            if counted:
                columns = point_columns(background_point(histograms, point_name), ap=float("nan"), accuracy=accuracy)
                rows.append({"split": split, "mask": BACKGROUND} | columns | images)
    return pd.DataFrame(rows)


def metrics_of_all(runs: Mapping[str, Mapping[int, Mapping[str, ScoreHistograms]]]) -> pd.DataFrame:
    """Concatenate the metrics of all runs, with arm and seed in front.

    Args:
        runs: Arm -> seed -> split -> histograms.
    """
    frames = []
    for arm, seeds in runs.items():
        for seed, scores in seeds.items():
            frame = metrics_table({split: scores[split] for split in ("val", "test") if split in scores})
            frame.insert(0, "arm", arm)
            frame.insert(1, "seed", seed)
            frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def point_columns(point: OperatingPoint, *, ap: float, accuracy: float) -> dict[str, Any]:
    """Return the columns that every table has for an operating point.

    Args:
        point: pooled counts.
        ap: average precision of the whole curve.
        accuracy: from `frame_accuracy`.
    """
    pixels = point.tp + point.fp + point.fn + point.tn
    return {
        "operating_point": point.name,
        "threshold": point.threshold,
        "probability": point.probability,
        "precision": point.precision,
        "recall": point.recall,
        "f1": point.f_beta(),
        "ap": ap,
        "accuracy": point.accuracy,
        "frame_accuracy": accuracy,
        "prevalence": _ratio(point.tp + point.fn, pixels),
        "tp": point.tp,
        "fp": point.fp,
        "fn": point.fn,
        "tn": point.tn,
    }
