"""Tables within a tolerance: scores of every run, and the curves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from experiments.comparison.pairing import CURVE_RECALLS, MeasuredStudy
from experiments.comparison.tolerance.numbers import TolerantNumbers
from experiments.frontier.codes import code_to_logit


def thin_table(study: MeasuredStudy) -> pd.DataFrame:
    """Tabulate the scores that edge and crack detection use, a row per arm, seed, mask and tolerance.

    The first of two rows is at tolerance 0, the exact scores; the second within the settings' tolerance. Thresholds are
    logits. `ods`, `ois` and `ois_pooled` choose thresholds on the test images themselves (`ScaleScores`); the `tuned`
    columns have one that was chosen on validation, within the same tolerance.

    Returns:
        `arm, seed, mask, tolerance, ap, chance_ap, ods, ods_threshold, ois, ois_pooled, ois_undefined,
        natural_precision, natural_recall, natural_f1, tuned_threshold, tuned_precision, tuned_recall, tuned_f1`;
        without columns if the comparison has no tolerance.
    """
    radius = study.settings.tolerance
    rows = []
    for (arm, seed), numbers in study.numbers.items():
        for mask, name in enumerate(study.checked.masks):
            tolerant = numbers[mask].tolerant
            if tolerant is None:
                continue
            who = {"arm": arm, "seed": seed, "mask": name}
            rows.append(who | {"tolerance": 0} | _exact_columns(study, (arm, seed), mask, tolerant))
            rows.append(who | {"tolerance": radius} | _tolerant_columns(tolerant))
    return pd.DataFrame(rows)


def tolerant_curve_table(study: MeasuredStudy) -> pd.DataFrame:
    """Tabulate the tolerant precision over recall: mean over the seeds that reach the recall, as `curve_table`.

    Returns:
        `arm, mask, recall, precision, n_seeds, n_reached`; without columns if the comparison has no tolerance.
    """
    frames = []
    for arm, seeds in study.checked.runs.items():
        for mask, name in enumerate(study.checked.masks):
            found = [study.numbers[arm, seed][mask].tolerant for seed in sorted(seeds)]
            curves = [tolerant.curve for tolerant in found if tolerant is not None]
            if not curves:
                continue
            reached = ~np.isnan(curves)
            count = reached.sum(axis=0)
            mean = np.full(len(CURVE_RECALLS), np.nan)
            mean[count > 0] = np.where(reached, curves, 0.0).sum(axis=0)[count > 0] / count[count > 0]
            columns = {"arm": arm, "mask": name, "recall": CURVE_RECALLS, "precision": mean}
            frames.append(pd.DataFrame(columns | {"n_seeds": len(curves), "n_reached": count}))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def _exact_columns(study: MeasuredStudy, key: tuple[str, int], mask: int, tolerant: TolerantNumbers) -> dict[str, Any]:
    points, level, scales = study.points[key].points, study.levels[key][mask], tolerant.exact_scales
    code = points["tuned"].codes[mask]
    return {
        "ap": level.average_precision,
        "chance_ap": level.prevalence,
        "ods": scales.ods,
        "ods_threshold": scales.ods_threshold,
        "ois": scales.ois,
        "ois_pooled": scales.ois_pooled,
        "ois_undefined": scales.ois_undefined,
        "natural_precision": points["natural"].precision(mask)[0],
        "natural_recall": points["natural"].recall(mask)[0],
        "natural_f1": points["natural"].f_beta(mask, 1.0)[0],
        "tuned_threshold": float("nan") if code is None else float(code_to_logit(code)),
        "tuned_precision": points["tuned"].precision(mask)[0],
        "tuned_recall": points["tuned"].recall(mask)[0],
        "tuned_f1": points["tuned"].f_beta(mask, 1.0)[0],
    }


def _tolerant_columns(tolerant: TolerantNumbers) -> dict[str, Any]:
    scales = tolerant.scales
    return {
        "ap": tolerant.average_precision[0],
        "chance_ap": tolerant.near_share,
        "ods": scales.ods,
        "ods_threshold": scales.ods_threshold,
        "ois": scales.ois,
        "ois_pooled": scales.ois_pooled,
        "ois_undefined": scales.ois_undefined,
        "natural_precision": tolerant.natural.precision[0],
        "natural_recall": tolerant.natural.recall[0],
        "natural_f1": tolerant.natural.f1[0],
        "tuned_threshold": tolerant.tuned.threshold,
        "tuned_precision": tolerant.tuned.precision[0],
        "tuned_recall": tolerant.tuned.recall[0],
        "tuned_f1": tolerant.tuned.f1[0],
    }
