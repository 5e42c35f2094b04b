"""ROC and precision-recall of the same models: areas, hulls, and the PR curve that the hull achieves."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from experiments.frontier.curve import PrCurve, achievable, average_precision, pr_curve
from experiments.frontier.histogram import ScoreHistograms

FALSE_POSITIVE_RATES = np.concatenate([np.linspace(0, 0.02, 41), np.linspace(0.02, 1, 99)[1:]])
"""False positive rates of the drawn ROC curves, dense where these rise."""

RECALLS = np.round(np.arange(1, 101) / 100.0, 2)
"""Recalls of the drawn achievable precision-recall curves."""


def roc_auc(curve: PrCurve) -> float:
    """Area under the ROC curve = P(score of a positive > score of a negative) + P(equal) / 2.

    The trapezoids between thresholds count a tie as half. NaN without positives or without negatives.
    """
    if not curve.n_positive or not curve.n_negative:
        return float("nan")
    tp, fp = _from_zero(curve)
    area = ((tp[1:] + tp[:-1]) * np.diff(fp)).sum() / 2
    return float(area / (float(curve.n_positive) * curve.n_negative))


def tpr_at_fpr(curve: PrCurve, rates: ArrayLike) -> NDArray[np.float64]:
    """Return the recall at false positive rates, linear between thresholds, as a random mixture of both reaches it.

    Args:
        curve: any; without positives or without negatives the result is NaN.
        rates: false positive rates in [0, 1].
    """
    levels = np.asarray(rates, dtype=np.float64)
    if not curve.n_positive or not curve.n_negative:
        return np.full(levels.shape, np.nan)
    tp, fp = _from_zero(curve)
    # Among thresholds with equal fp the last has the highest recall; between them the curve is vertical.
    last = np.append(np.diff(fp) > 0, True)
    return np.interp(levels * curve.n_negative, fp[last], tp[last] / curve.n_positive)


def roc_hull(curve: PrCurve) -> PrCurve:
    """Return the thresholds on the convex hull of the ROC curve, as a curve.

    Reference: Provost and Fawcett 2001; Davis and Goadrich 2006, section 3.
    """
    thinned = _outermost(curve)
    return _chosen(thinned, achievable(thinned))


def achievable_average_precision(hull: PrCurve) -> float:
    """Return the area under the achievable PR curve: the integral of precision over recall along the ROC hull.

    Between hull points A and B, FP rises by s for each TP: precision at TP = t is t / (t + FP_A + s (t - TP_A)), a
    curve, not a line. With c = FP_A - s TP_A its integral is [t/(1+s) - c/(1+s)^2 ln((1+s) t + c)], and c <= 0 on a
    hull, so nothing cancels. At least `average_precision`. NaN without a positive.

    Args:
        hull: from `roc_hull`.

    Reference: Davis and Goadrich 2006, sections 3 and 4.
    """
    if not hull.n_positive:
        return float("nan")
    tp, fp = _from_zero(hull)
    rise = np.diff(tp) > 0
    a, b = tp[:-1][rise], tp[1:][rise]
    slope = (np.diff(fp)[rise]) / (b - a)
    offset = fp[:-1][rise] - slope * a
    steep = 1.0 + slope
    # Where c = 0 the precision is constant; the first segment, from (0, 0), is always of this kind.
    bent = offset < -1e-12 * (fp[:-1][rise] + 1.0)
    logarithm = np.log1p(steep[bent] * (b - a)[bent] / (steep * a + offset)[bent])
    straight = ((b - a) / steep).sum()
    return float((straight - (offset[bent] / steep[bent] ** 2 * logarithm).sum()) / hull.n_positive)


def achievable_precision(hull: PrCurve, recalls: ArrayLike) -> NDArray[np.float64]:
    """Return the precision of the achievable PR curve at each recall in (0, 1]; NaN without positives."""
    levels = np.asarray(recalls, dtype=np.float64)
    if not hull.n_positive:
        return np.full(levels.shape, np.nan)
    tp, fp = _from_zero(hull)
    first = np.append(True, np.diff(tp) > 0)
    hits = levels * hull.n_positive
    return hits / (hits + np.interp(hits, tp[first], fp[first]))


def roc_tables(
    runs: Mapping[str, Mapping[int, ScoreHistograms]],
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Compute the areas of every run and the curves to draw.

    Args:
        runs: arm -> seed -> test histograms.

    Returns:
        Areas, a row per arm, mask and seed: `arm, mask, seed, roc_auc, ap, achievable_ap, prevalence`. ROC curves, a
        row per arm, mask and false positive rate: `arm, mask, fpr, tpr, hull_tpr`, means over seeds at that rate.
        Achievable PR curves, a row per arm, mask and recall: `arm, mask, recall, precision`, means over seeds.
    """
    areas, roc, pr = [], [], []
    for arm, seeds in runs.items():
        if not seeds:
            continue
        for index, mask in enumerate(next(iter(seeds.values())).masks):
            rates, hull_rates, precisions = [], [], []
            for seed in sorted(seeds):
                curve = pr_curve(*seeds[seed].pooled(index))
                hull = roc_hull(curve)
                areas.append(
                    {
                        "arm": arm,
                        "mask": mask,
                        "seed": seed,
                        "roc_auc": roc_auc(curve),
                        "ap": average_precision(curve),
                        "achievable_ap": achievable_average_precision(hull),
                        "prevalence": curve.prevalence,
                    }
                )
                rates.append(tpr_at_fpr(curve, FALSE_POSITIVE_RATES))
                hull_rates.append(tpr_at_fpr(hull, FALSE_POSITIVE_RATES))
                precisions.append(achievable_precision(hull, RECALLS))
            columns = {
                "fpr": FALSE_POSITIVE_RATES,
                "tpr": np.mean(rates, axis=0),
                "hull_tpr": np.mean(hull_rates, axis=0),
            }
            roc.append(pd.DataFrame({"arm": arm, "mask": mask, **columns}))
            pr.append(
                pd.DataFrame({"arm": arm, "mask": mask, "recall": RECALLS, "precision": np.mean(precisions, axis=0)})
            )
    return pd.DataFrame(areas), pd.concat(roc, ignore_index=True), pd.concat(pr, ignore_index=True)


def _from_zero(curve: PrCurve) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return true and false positives at every threshold, after the point where nothing is predicted."""
    return np.concatenate([[0.0], curve.tp]), np.concatenate([[0.0], curve.fp])


def _chosen(curve: PrCurve, index: NDArray[np.intp]) -> PrCurve:
    return PrCurve(curve.codes[index], curve.tp[index], curve.fp[index], curve.n_positive, curve.n_negative)


def _outermost(curve: PrCurve) -> PrCurve:
    """Drop thresholds that clearly lie below a line between two others, since they cannot be on the hull.

    Ten passes leave a few hundred of some ten thousand thresholds for the exact search.
    """
    index = np.arange(len(curve.codes))
    for _ in range(10):
        x, y = np.append(0.0, curve.fp[index]), np.append(0.0, curve.tp[index])
        if len(x) < 200:
            break
        left = (x[1:-1] - x[:-2]) * (y[2:] - y[:-2])
        right = (x[2:] - x[:-2]) * (y[1:-1] - y[:-2])
        # Rounding must not drop a hull point, so drop only points that are below by more than float64's rounding.
        below = left > right * (1 + 1e-9) + 1e-6
        if not below.any():
            break
        index = index[np.append(~below, True)]
    return _chosen(curve, index)
