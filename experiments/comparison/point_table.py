"""Tables of single runs: operating points, means over images, and how their scores are spread."""

import numpy as np
import pandas as pd

from experiments.comparison.measure import PointCounts
from experiments.comparison.pairing import MeasuredStudy
from experiments.frontier.codes import code_to_logit
from experiments.frontier.operating_point import (
    BACKGROUND,
    OperatingPoint,
    background_point,
    frame_accuracy,
    point_columns,
)


def point_table(study: MeasuredStudy) -> pd.DataFrame:
    """Operating points of every run, one row per arm, seed, mask and point; background rows at the end of each.

    Columns as in `metrics_table`, and `f_beta`. Pooled counts over the test images. Points: "natural" (logit 0),
    "tuned" (F1 on validation), "tuned_fbeta" where beta is not 1. The background row (no mask positive) exists at the
    points its joint counts were taken at, and alone carries the frame-averaged accuracy. Undefined values are NaN.
    """
    rows, beta, nan = [], study.settings.beta, float("nan")
    for (arm, seed), run in study.points.items():
        who = {"arm": arm, "seed": seed}
        for mask, name in enumerate(study.checked.masks):
            ap = float(study.numbers[arm, seed][mask].sweep.average_precision[0])
            for kind in _shown_points(study):
                point, known = _pooled(run.points[kind], mask, kind), run.points[kind].codes[mask] is not None
                row = who | {"mask": name} | point_columns(point, ap=ap, accuracy=nan) | {"f_beta": point.f_beta(beta)}
                rows.append(row if known else row | dict.fromkeys(_UNKNOWN, nan))
        test = study.checked.runs[arm][seed].test
        for kind in test.points:
            if test.point(kind).any():
                point = background_point(test, kind)
                columns = point_columns(point, ap=nan, accuracy=frame_accuracy(test, kind))
                rows.append(who | {"mask": BACKGROUND} | columns | {"f_beta": point.f_beta(beta)})
    return pd.DataFrame(rows)


_UNKNOWN = ("precision", "recall", "f1", "f_beta", "accuracy")
"""What a point without a threshold does not have."""


def _shown_points(study: MeasuredStudy) -> tuple[str, ...]:
    return ("natural", "tuned") if study.settings.beta == 1.0 else ("natural", "tuned", "tuned_fbeta")


def _pooled(counts: PointCounts, mask: int, name: str) -> OperatingPoint:
    """Take one mask's counts over all groups."""
    code = counts.codes[mask]
    tp, fp = int(counts.tp[0, mask]), int(counts.fp[0, mask])
    n_positive, n_negative = int(counts.n_positive[0, mask]), int(counts.n_negative[0, mask])
    threshold = float("nan") if code is None else float(code_to_logit(code))
    return OperatingPoint(name, threshold, tp, fp, n_positive - tp, n_negative - fp)


def image_mean_table(study: MeasuredStudy) -> pd.DataFrame:
    """Means over images of each image's own values, one row per arm, seed, mask and point.

    Not to be mixed up with the pooled values: here every image weighs the same. The `_undefined` columns count
    the images that were left out of a mean, because nothing was predicted or nothing was there.
    """
    rows = []
    for (arm, seed), run in study.points.items():
        for mask, name in enumerate(study.checked.masks):
            for point in _shown_points(study):
                counts = run.points[point]
                means, known = counts.means, counts.codes[mask] is not None
                undefined = means.undefined[mask]
                rows.append(
                    {
                        "arm": arm,
                        "seed": seed,
                        "mask": name,
                        "point": point,
                        "image_precision": float(means.precision[mask]) if known else np.nan,
                        "image_recall": float(means.recall[mask]) if known else np.nan,
                        "image_f_beta": float(means.f_beta[mask]) if known else np.nan,
                        "image_average_precision": float(run.image_ap[mask]),
                        "precision_undefined": int(undefined[0]),
                        "recall_undefined": int(undefined[1]),
                        "f_beta_undefined": int(undefined[2]),
                        "average_precision_undefined": int(run.image_ap_undefined[mask]),
                        "n_images": len(study.checked.image_ids),
                    }
                )
    return pd.DataFrame(rows)


def score_table(study: MeasuredStudy) -> pd.DataFrame:
    """Calibration and saturation of every run's scores, one row per arm, seed and mask.

    The `corrected` columns hold the calibration after undoing what theory says the objective did (for a weight
    w: logit - ln w); NaN where theory says nothing of the arm.
    """
    rows = []
    for (arm, seed), numbers in study.numbers.items():
        for name, item, level in zip(study.checked.masks, numbers, study.levels[arm, seed], strict=True):
            corrected = item.corrected
            rows.append(
                {
                    "arm": arm,
                    "seed": seed,
                    "mask": name,
                    "calibration_error": item.calibration.expected_error,
                    "mass_ratio": item.calibration.mass_ratio,
                    "corrected_calibration_error": np.nan if corrected is None else corrected.expected_error,
                    "corrected_mass_ratio": np.nan if corrected is None else corrected.mass_ratio,
                    "tied_pairs": item.saturation.tied_pairs,
                    "largest_tie": item.saturation.largest_tie,
                    "n_codes": item.saturation.n_codes,
                    "lowest_recall": item.saturation.lowest_recall,
                    "highest_recall": item.saturation.highest_recall,
                    "average_precision": level.average_precision,
                    "average_precision_low": level.low,
                    "chance_average_precision": level.chance,
                    "prevalence": level.prevalence,
                    "trained": not level.untrained,
                }
            )
    return pd.DataFrame(rows)
