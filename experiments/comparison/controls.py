"""Free controls: what the baseline reaches at another threshold, without any training."""

from typing import Any

import numpy as np
import pandas as pd

from experiments.comparison.pairing import MeasuredStudy, PairedRuns
from experiments.comparison.verdict_table import interval_columns
from experiments.frontier.codes import code_to_logit


def control_table(study: MeasuredStudy, pairs: list[PairedRuns]) -> pd.DataFrame:
    """Free controls: what the baseline reaches without any training, and what each arm adds to that.

    "baseline at its tuned threshold" is compared with the arm at its tuned threshold, "baseline at theory's
    threshold 1/(1+w)" with the arm at its natural point, which theory says is the same point. `f1_gain` is the
    arm's F1 minus the control's.
    """
    rows = []
    for pair in pairs:
        rows.append(_control(study, pair, "baseline at its tuned threshold", "tuned", "tuned"))
        if study.settings.predicted_thresholds(pair.arm, study.checked.baseline, len(study.checked.masks)) is not None:
            name = "baseline at theory's threshold"
            rows.append(_control(study, pair, name, f"theory:{pair.arm}", "natural"))
    return pd.DataFrame(rows)


def _control(study: MeasuredStudy, pair: PairedRuns, name: str, point: str, arm_point: str) -> dict[str, Any]:
    base = study.checked.baseline
    controls = [study.points[base, seed].points[point] for seed in pair.seeds]
    own = [study.points[pair.arm, seed].points[arm_point] for seed in pair.seeds]
    scores = [[item.f_beta(pair.mask, 1.0) for item in items] for items in (own, controls)]
    gains = np.full((len(pair.seeds), pair.n_groups + 1, 1), np.nan)
    for index, (mine, theirs) in enumerate(zip(*scores, strict=True)):
        gains[index, :, 0] = mine - theirs

    def mean(values: list[float]) -> float:
        return float(np.mean(values)) if values else float("nan")

    codes = [item.codes[pair.mask] for item in controls]
    thresholds = [np.nan if code is None else float(code_to_logit(code)) for code in codes]
    return {
        "control": name,
        "training": "none",
        "arm": pair.arm,
        "mask": study.checked.masks[pair.mask],
        "baseline": base,
        "threshold": mean(thresholds),
        "recall": mean([float(item.recall(pair.mask)[0]) for item in controls]),
        "precision": mean([float(item.precision(pair.mask)[0]) for item in controls]),
        "f1": mean([float(score[0]) for score in scores[1]]),
        "arm_point": arm_point,
        "arm_recall": mean([float(item.recall(pair.mask)[0]) for item in own]),
        "arm_precision": mean([float(item.precision(pair.mask)[0]) for item in own]),
        "arm_f1": mean([float(score[0]) for score in scores[0]]),
        **interval_columns("f1_gain", pair.difference_of(gains), study.settings.level),
        "n_seeds": len(pair.seeds),
    }
