"""The seesaw: what a positive weight does to recall, precision and F1, and what theory foretells of it."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.frontier.codes import logit_to_code
from experiments.frontier.curve import f_beta
from experiments.frontier.histogram import ScoreHistograms
from experiments.frontier.theory import right_weight


def weight_table(points: pd.DataFrame, weights: Mapping[str, float]) -> pd.DataFrame:
    """Operating points of a weight sweep, in ascending order of the weight.

    Args:
        points: what `point_table` gives.
        weights: arm -> weight, above 0; other arms are left out.

    Returns:
        A row per arm, mask, seed and point ("natural", "tuned"): `weight, arm, mask, seed, point, recall, precision,
        f1, average_precision`.
    """
    wanted = points[points["arm"].isin(list(weights)) & points["point"].isin(["natural", "tuned"])]
    table = wanted[wanted["mask"] != "background"].assign(weight=lambda rows: rows["arm"].map(dict(weights)))
    columns = ["weight", "arm", "mask", "seed", "point", "recall", "precision", "f1", "average_precision"]
    return table.sort_values("weight", kind="stable", ignore_index=True)[columns]


def predicted_table(
    baseline: Mapping[int, ScoreHistograms], weights: Sequence[float], *, baseline_weight: float = 1.0
) -> pd.DataFrame:
    """Natural points that theory foretells for each weight, from the baseline's own scores.

    Weight w shifts the logits by ln w and keeps their order, so its natural point is plain BCE's at the probability
    1 / (1 + w). A baseline that was trained with weight w0 stands in with w / w0 for w.

    Args:
        baseline: seed -> test histograms of the baseline.
        weights: above 0.
        baseline_weight: w0, above 0.

    Returns:
        A row per mask, seed and weight: `mask, seed, weight, threshold, recall, precision, f1`; `threshold` is the
        baseline's, as a probability. NaN where a value is undefined.

    Reference: Elkan 2001.
    """
    ratios = np.asarray(weights, dtype=np.float64) / baseline_weight
    if not (np.isfinite(ratios) & (ratios > 0)).all():
        raise ValueError(f"weights: expected finite numbers above 0, got {list(weights)} over {baseline_weight}")
    codes = logit_to_code(-np.log(ratios)).astype(np.intp)
    frames = []
    for seed in sorted(baseline):
        test = baseline[seed]
        for mask, name in enumerate(test.masks):
            above = [np.cumsum(counts[::-1])[::-1] for counts in test.pooled(mask)]
            (tp, fp), total = (counts[codes] for counts in above), int(above[0][0])
            f1 = f_beta(tp, fp, total - tp)
            frames.append(
                pd.DataFrame(
                    {
                        "mask": name,
                        "seed": seed,
                        "weight": np.asarray(weights, dtype=np.float64),
                        "threshold": 1.0 / (1.0 + ratios),
                        "recall": _ratio(tp, np.full_like(tp, total)),
                        "precision": _ratio(tp, tp + fp),
                        "f1": f1 if total else np.full(f1.shape, np.nan),
                    }
                )
            )
    return pd.concat(frames, ignore_index=True)


def mark_table(points: pd.DataFrame, baseline: str, prevalence: Mapping[str, float]) -> pd.DataFrame:
    """Two weights that are said to be right, per mask.

    `right_weight` = 2 / F1* - 1, with F1* the baseline's tuned F1 (mean over seeds): the one weight whose natural
    point maximises F1, if theory holds. `inverse_frequency` = (1 - p) / p, with the prevalence p of the training split.

    Args:
        points: what `weight_table` gives.
        baseline: an arm of it.
        prevalence: mask -> share of positive pixels in the training split; a mask may be missing.

    Returns:
        A row per mask: `mask, best_f1, right_weight, right_weight_low, right_weight_high, prevalence,
        inverse_frequency`; low and high belong to the seeds with the highest and the lowest F1*. NaN where undefined.

    Reference: Lipton, Elkan and Naryanaswamy 2014.
    """
    own = points[(points["arm"] == baseline) & (points["point"] == "tuned")]
    rows = []
    for mask, seeds in own.groupby("mask", sort=False):
        best = seeds["f1"].mean(skipna=False), seeds["f1"].max(skipna=False), seeds["f1"].min(skipna=False)
        right, low, high = (right_weight(f1) if 0 < f1 <= 1 else float("nan") for f1 in best)
        share = float(prevalence.get(str(mask), float("nan")))
        rows.append(
            {
                "mask": mask,
                "best_f1": best[0],
                "right_weight": right,
                "right_weight_low": low,
                "right_weight_high": high,
                "prevalence": share,
                "inverse_frequency": (1.0 - share) / share if 0 < share < 1 else float("nan"),
            }
        )
    return pd.DataFrame(rows)


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
