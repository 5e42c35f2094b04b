"""All numbers of one run that a comparison needs, with all groups and without each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from experiments.comparison.checked_runs import RunScores
from experiments.comparison.curve_space.numbers import CurveNumbers
from experiments.comparison.tolerance.numbers import TolerantNumbers, tolerant_numbers
from experiments.frontier.calibration import Calibration, Saturation, calibration, saturation
from experiments.frontier.codes import N_CODES, NATURAL_CODE
from experiments.frontier.curve import f_beta, ratio
from experiments.frontier.leave_one_out import (
    GroupSweep,
    SweepGrid,
    group_sums,
    group_sweep,
    with_each_left_out,
)
from experiments.frontier.operating_point import ImageMeans, image_means, mean_defined, tuned_codes
from experiments.frontier.per_image import ImageCounts

OWN_THRESHOLDS = -1
"""In place of a threshold code: each image has its own."""

Rows = NDArray[np.float64]
"""A statistic of one run: row 0 with all G groups, row 1 + g without group g."""


@dataclass(frozen=True)
class PointCounts:
    """Pooled counts of every mask at one operating point, with all groups and without each.

    Args:
        codes: C thresholds; None leaves a mask's point undefined, `OWN_THRESHOLDS` stands for one per image.
        tp: int64 (1+G, C).
        fp: int64 (1+G, C).
        n_positive: int64 (1+G, C).
        n_negative: int64 (1+G, C).
        means: means over images of each image's values.
    """

    codes: tuple[int | None, ...]
    tp: NDArray[np.int64]
    fp: NDArray[np.int64]
    n_positive: NDArray[np.int64]
    n_negative: NDArray[np.int64]
    means: ImageMeans

    def recall(self, mask: int) -> Rows:
        """TP / P; NaN without positives or a threshold."""
        return self._defined(mask, self.tp[:, mask], self.n_positive[:, mask])

    def precision(self, mask: int) -> Rows:
        """TP / (TP + FP); NaN without predictions or a threshold."""
        return self._defined(mask, self.tp[:, mask], self.tp[:, mask] + self.fp[:, mask])

    def f_beta(self, mask: int, beta: float) -> Rows:
        """F-beta; NaN without positives or a threshold."""
        tp, fp, total = self.tp[:, mask], self.fp[:, mask], self.n_positive[:, mask]
        score = f_beta(tp, fp, total - tp, beta=beta)
        return np.where((total > 0) & (self.codes[mask] is not None), score, np.nan)

    def _defined(self, mask: int, part: NDArray[np.int64], whole: NDArray[np.int64]) -> Rows:
        return ratio(part, whole) if self.codes[mask] is not None else np.full(part.shape, np.nan)


@dataclass(frozen=True)
class RunPoints:
    """Operating points of one run.

    Args:
        points: name -> counts; "natural", "tuned" (F1), "tuned_fbeta", and the points that the caller asked for;
            "rankseg" and "oracle" have a threshold per image.
        image_ap: (C,), mean over images of each image's average precision.
        image_ap_undefined: (C,), number of images without a positive, which are left out of it.
    """

    points: Mapping[str, PointCounts]
    image_ap: NDArray[np.float64]
    image_ap_undefined: NDArray[np.int64]


def run_points(
    run: RunScores,
    group_of: NDArray[np.intp],
    n_groups: int,
    *,
    beta: float,
    extra: Mapping[str, tuple[int, ...]],
    probabilities: Sequence[NDArray[np.float64]] | None = None,
) -> RunPoints:
    """Count at the natural point, at the tuned points and at others.

    Args:
        run: of which to count the test split.
        group_of: (N,), each image's group, 0 to G-1.
        n_groups: G.
        beta: of F-beta.
        extra: name -> C threshold codes.
        probabilities: C times (65536,), what each code states; they add the points "rankseg"
            (`ImageCounts.expected_dice_codes`) and "oracle" (`ImageCounts.best_f1_codes`). None leaves these out.
    """
    n_masks = run.test.n_masks
    none: tuple[int | None, ...] = (None,) * n_masks
    codes: dict[str, tuple[int | None, ...]] = {"natural": (NATURAL_CODE,) * n_masks}
    codes["tuned"] = none if run.val is None else tuned_codes(run.val)
    codes["tuned_fbeta"] = codes["tuned"]
    if beta != 1.0 and run.val is not None:
        codes["tuned_fbeta"] = tuned_codes(run.val, beta=beta)
    codes |= extra
    counts = ImageCounts(run.test)

    def left_out(per_image: NDArray[np.int64]) -> NDArray[np.int64]:
        return with_each_left_out(group_sums(per_image, group_of, n_groups))

    n_positive, n_negative = (left_out(part) for part in counts.totals)
    limits_of: dict[str, ArrayLike] = {
        name: [N_CODES if code is None else code for code in wanted] for name, wanted in codes.items()
    }
    if probabilities is not None:
        limits_of |= {"rankseg": counts.expected_dice_codes(probabilities), "oracle": counts.best_f1_codes()}
        codes |= dict.fromkeys(("rankseg", "oracle"), (OWN_THRESHOLDS,) * n_masks)
    points = {}
    for name, wanted in codes.items():
        limits = limits_of[name]
        tp, fp = (left_out(part) for part in counts.above(limits))
        means = image_means(counts, limits, beta=beta)
        points[name] = PointCounts(wanted, tp, fp, n_positive, n_negative, means)
    own = counts.average_precision()
    return RunPoints(points, mean_defined(own), np.isnan(own).sum(axis=0))


@dataclass(frozen=True)
class MaskNumbers:
    """Threshold-free numbers of one run and mask.

    Args:
        sweep: average precision, precision at recall, ... with all groups and without each.
        saturation: ties.
        calibration: of the scores as they are.
        corrected: after undoing the loss's effect in theory; None if theory makes no prediction.
        tolerant: with distances forgiven; None if the comparison does not ask for it.
        curve: errors of its curves; None where runs did not count them.
    """

    sweep: GroupSweep
    saturation: Saturation
    calibration: Calibration
    corrected: Calibration | None
    tolerant: TolerantNumbers | None = None
    curve: CurveNumbers | None = None


def mask_numbers(
    run: RunScores,
    mask: int,
    group_of: NDArray[np.intp],
    grid: SweepGrid,
    *,
    levels: NDArray[np.float64],
    stated: NDArray[np.float64],
    corrected: NDArray[np.float64] | None,
) -> MaskNumbers:
    """Pool one mask's counts once, and compute everything from them.

    Args:
        run: of which to measure the test split.
        mask: index of the mask.
        group_of: (N,).
        grid: recalls and precisions.
        levels: (1+G, A) further recalls, which other arms reach at their natural points.
        stated: (65536,), probability of each code.
        corrected: (65536,), after correction, or None.
    """
    test, tolerant = run.test, run.tolerant
    pooled = test.pooled(mask)
    return MaskNumbers(
        sweep=group_sweep(test, mask, group_of, grid, levels, pooled),
        saturation=saturation(*pooled),
        calibration=calibration(*pooled, stated),
        corrected=None if corrected is None else calibration(*pooled, corrected),
        tolerant=None if tolerant is None else tolerant_numbers(tolerant, test, mask, group_of, grid),
        curve=None if run.curves is None else CurveNumbers.of(run.curves, mask, group_of),
    )
