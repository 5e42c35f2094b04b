"""Tables of single runs: operating points, means over images, and how their scores are spread."""

from typing import Any

import numpy as np
import pandas as pd

from experiments.comparison.pairing import MeasuredStudy
from experiments.frontier.codes import code_to_logit
from experiments.frontier.operating_point import OperatingPoint, background_point, frame_accuracy


def point_table(study: MeasuredStudy) -> pd.DataFrame:
    """Operating points of every run, one row per arm, seed, mask and point; background rows at the end of each.

    Pooled counts over the test images. Points: "natural" (logit 0), "tuned" (F1 on validation), "tuned_fbeta"
    where beta is not 1. The background row (no mask positive) exists at the points its joint counts were taken
    at, and carries the frame-averaged accuracy. Undefined values are NaN.
    """
    rows = []
    for (arm, seed), run in study.points.items():
        for mask, name in enumerate(study.checked.masks):
            sweep = study.numbers[arm, seed][mask].sweep
            for point in _shown_points(study):
                counts = run.points[point]
                code = counts.codes[mask]
                tp, fp = int(counts.tp[0, mask]), int(counts.fp[0, mask])
                n_positive, n_negative = int(counts.n_positive[0, mask]), int(counts.n_negative[0, mask])
                threshold = float("nan") if code is None else float(code_to_logit(code))
                pooled = OperatingPoint(point, threshold, tp, fp, n_positive - tp, n_negative - fp)
                row = _point_row(study, arm, seed, name, pooled)
                if code is None:
                    row |= dict.fromkeys(("precision", "recall", "f1", "f_beta", "accuracy"), np.nan)
                row["average_precision"] = float(sweep.average_precision[0])
                rows.append(row)
        test = study.checked.runs[arm][seed].test
        for point in test.points:
            if test.point(point).any():
                row = _point_row(study, arm, seed, "background", background_point(test, point))
                row["frame_accuracy"] = frame_accuracy(test, point)
                rows.append(row)
    columns = [*_point_row(study, "", 0, "", OperatingPoint("", 0.0, 0, 0, 0, 0)), *_LAST]
    return pd.DataFrame(rows, columns=columns)


_LAST = ("average_precision", "frame_accuracy")


def _shown_points(study: MeasuredStudy) -> tuple[str, ...]:
    return ("natural", "tuned") if study.settings.beta == 1.0 else ("natural", "tuned", "tuned_fbeta")


def _point_row(study: MeasuredStudy, arm: str, seed: int, mask: str, point: OperatingPoint) -> dict[str, Any]:
    total = point.tp + point.fp + point.fn + point.tn
    return {
        "arm": arm,
        "seed": seed,
        "mask": mask,
        "point": point.name,
        "threshold": point.threshold,
        "threshold_probability": point.probability,
        "tp": point.tp,
        "fp": point.fp,
        "fn": point.fn,
        "tn": point.tn,
        "precision": point.precision,
        "recall": point.recall,
        "f1": point.f_beta(),
        "f_beta": point.f_beta(study.settings.beta),
        "accuracy": point.accuracy,
        "prevalence": (point.tp + point.fn) / total if total else float("nan"),
    }


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
