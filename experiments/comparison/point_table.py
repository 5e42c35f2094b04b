"""Tables of single runs: operating points, what averages blend, means over images, calibration and ties."""

from typing import Any

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
    """Tabulate the operating points of every run, a row per arm, seed, mask and point, then its background rows.

    Columns are those of `metrics_table`, and `f_beta`. Counts are pooled over the test images. Points: "natural" (logit
    0), "tuned" (F1 on validation), and "tuned_fbeta" if beta is not 1. A background row (no mask positive) exists for
    the points with joint counts, and only it has the frame-averaged accuracy. Undefined values are NaN.
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
"""Columns that are undefined for a point without a threshold."""


def _shown_points(study: MeasuredStudy) -> tuple[str, ...]:
    return ("natural", "tuned") if study.settings.beta == 1.0 else ("natural", "tuned", "tuned_fbeta")


def _pooled(counts: PointCounts, mask: int, name: str) -> OperatingPoint:
    """Return one mask's counts over all groups."""
    code = counts.codes[mask]
    tp, fp = int(counts.tp[0, mask]), int(counts.fp[0, mask])
    n_positive, n_negative = int(counts.n_positive[0, mask]), int(counts.n_negative[0, mask])
    threshold = float("nan") if code is None else float(code_to_logit(code))
    return OperatingPoint(name, threshold, tp, fp, n_positive - tp, n_negative - fp)


AVERAGES = ("frame accuracy", "pixel-weighted F1", "macro F1")
"""Blended scores, in the order in which they are shown."""


def averages_table(points: pd.DataFrame) -> pd.DataFrame:
    """Tabulate the blended scores of every run, and the classes that they blend.

    The classes are the masks and the background (pixels of no mask). Pixel-weighted F1 = sum of n_c F1_c / sum of n_c
    with n_c the pixels that truly belong to class c (scikit-learn's "weighted" average); macro F1 = mean of F1_c over
    the same classes; frame accuracy = mean over images of the share of pixels where every mask is right.

    Args:
        points: what `point_table` gives; runs without a background row at a point are left out there.

    Returns:
        A row per arm, seed, point and quantity: `arm, seed, point, what, kind, value, precision, recall, f1, share`.
        `kind` is "average", "mask" or "background"; `value` is the average, or the class's F1; precision, recall and F1
        are NaN for averages; `share` is the class's share of the counted pixels.
    """
    rows: list[dict[str, Any]] = []
    for (arm, seed, point), run in points.groupby(["arm", "seed", "operating_point"], sort=False):
        background = run[run["mask"] == BACKGROUND]
        if not len(background):
            continue
        support = (run["tp"] + run["fn"]).to_numpy(dtype=np.float64)
        f1 = run["f1"].to_numpy(dtype=np.float64)
        defined = ~np.isnan(f1)
        total = support[defined].sum()
        averages = (
            float(background["frame_accuracy"].iloc[0]),
            float(support[defined] @ f1[defined] / total) if total else float("nan"),
            float(f1[defined].mean()) if defined.any() else float("nan"),
        )
        who = {"arm": arm, "seed": seed, "point": point}
        for what, value in zip(AVERAGES, averages, strict=True):
            rows.append({**who, "what": what, "kind": "average", "value": value})
        for _, row in run.iterrows():
            pixels = row["tp"] + row["fp"] + row["fn"] + row["tn"]
            rows.append(
                {
                    **who,
                    "what": row["mask"],
                    "kind": BACKGROUND if row["mask"] == BACKGROUND else "mask",
                    "value": row["f1"],
                    "precision": row["precision"],
                    "recall": row["recall"],
                    "f1": row["f1"],
                    "share": (row["tp"] + row["fn"]) / pixels if pixels else float("nan"),
                }
            )
    columns = ["arm", "seed", "point", "what", "kind", "value", "precision", "recall", "f1", "share"]
    return pd.DataFrame(rows, columns=columns)


def image_mean_table(study: MeasuredStudy) -> pd.DataFrame:
    """Tabulate the means over images of each image's values, a row per arm, seed, mask and point.

    Unlike the pooled values, these give every image the same weight. The `_undefined` columns count images that were
    left out of a mean because they have no prediction or no positive.
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
    """Tabulate calibration and saturation of every run's scores, a row per arm, seed and mask.

    The `corrected` columns hold the calibration after undoing the loss's effect in theory (for a weight w: logit - ln
    w); NaN if theory makes no prediction for the arm.
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
