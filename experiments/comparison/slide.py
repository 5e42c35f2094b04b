"""The slide: how far an arm's natural point moved along the baseline's frontier, and what that did to F1.

Also the free controls: what the baseline reaches at another threshold, or at one per image, without any training.
"""

from typing import Any

import numpy as np
import pandas as pd

from experiments.comparison.measure import OWN_THRESHOLDS
from experiments.comparison.pairing import SINGLE_VALUES, MeasuredStudy, PairedRuns
from experiments.comparison.verdict_table import interval_columns
from experiments.frontier.codes import code_to_logit

AT_TUNED = "baseline at its tuned threshold"
AT_THEORY = "baseline at theory's threshold"
BY_RANKSEG = "baseline by RankSEG, image by image"
AT_BEST = "baseline at each image's best threshold (oracle)"


def slide_table(study: MeasuredStudy, pairs: list[PairedRuns]) -> pd.DataFrame:
    """Tabulate the baseline's threshold that reaches the arm's natural recall, and the difference left at that recall.

    `shift` is minus that threshold: how much all of the baseline's logits would have to rise for its natural point to
    reach the arm's recall. `predicted_shift` is the shift in theory, ln w for a weight w. `precision_gain` is the arm's
    natural precision minus the baseline's precision at the same recall: the step off the frontier at this point.
    """
    return pd.DataFrame([_slide(study, pair) for pair in pairs])


def _slide(study: MeasuredStudy, pair: PairedRuns) -> dict[str, Any]:
    checked, level = study.checked, study.settings.level
    column = checked.arms.index(pair.arm)
    sweeps = [study.numbers[checked.baseline, seed][pair.mask].sweep for seed in pair.seeds]
    reached = [bool(sweep.level_reached[column]) for sweep in sweeps]
    rows = np.full((len(pair.seeds), pair.n_groups + 1, 2), np.nan)
    if sweeps and all(reached):
        rows[:, :, 0] = [-sweep.threshold_at_level[:, column] for sweep in sweeps]
        theirs = np.stack([sweep.precision_at_level[:, column] for sweep in sweeps])
        mine = np.stack([study.points[pair.arm, seed].points["natural"].precision(pair.mask) for seed in pair.seeds])
        rows[:, :, 1] = mine - theirs
    shift = pair.difference_of(rows[:, :, :1])
    threshold = -float(shift.estimate[0])
    predicted = study.settings.predicted_thresholds(pair.arm, checked.baseline, len(checked.masks))
    recall, recall_baseline = pair.mean("recall_natural")
    precision, precision_baseline = pair.mean("precision_natural")
    silent = sum(study.points[pair.arm, seed].points["natural"].tp[0, pair.mask] == 0 for seed in pair.seeds)
    status = "reached"
    if not pair.seeds:
        status = "no paired seed"
    elif silent:
        status = f"natural recall of {pair.arm} is 0 in {silent} of {len(reached)} seeds: nothing to match"
    elif not all(reached):
        status = f"unreachable for {checked.baseline} in {reached.count(False)} of {len(reached)} seeds"
    return {
        "arm": pair.arm,
        "mask": checked.masks[pair.mask],
        "baseline": checked.baseline,
        "natural_recall": recall,
        "natural_precision": precision,
        "baseline_natural_recall": recall_baseline,
        "baseline_natural_precision": precision_baseline,
        "baseline_threshold": threshold,
        "baseline_threshold_probability": float(0.5 * (1.0 + np.tanh(0.5 * threshold))),
        **interval_columns("shift", shift, level, limit=np.inf),
        "predicted_shift": np.nan if predicted is None else -predicted[pair.mask],
        **interval_columns("precision_gain", pair.difference_of(rows[:, :, 1:]), level),
        "n_seeds": len(pair.seeds),
        "status": status,
    }


def decomposition_table(study: MeasuredStudy, pairs: list[PairedRuns]) -> pd.DataFrame:
    """Split the change of natural F1 exactly: frontier part + threshold part.

    The frontier part is the change of F1 at the tuned thresholds, when both may choose theirs. The threshold part is
    the rest: the change in what each loses by operating at its natural point instead.
    """
    rows = []
    for pair in pairs:
        gains = pair.gains()
        natural, tuned = (gains[:, :, [SINGLE_VALUES.index(name)]] for name in ("f1_natural", "f1"))
        level = study.settings.level
        row = {
            "arm": pair.arm,
            "mask": study.checked.masks[pair.mask],
            "baseline": study.checked.baseline,
            **interval_columns("f1_natural_change", pair.difference_of(natural), level),
            **interval_columns("frontier_part", pair.difference_of(tuned), level),
            **interval_columns("threshold_part", pair.difference_of(natural - tuned), level, limit=2.0),
            "n_seeds": len(pair.seeds),
        }
        rows.append(row)
    return pd.DataFrame(rows)


def control_table(study: MeasuredStudy, pairs: list[PairedRuns]) -> pd.DataFrame:
    """Tabulate the free controls: what the baseline reaches without any training, and what each arm adds to that.

    "baseline at its tuned threshold" is compared with the arm at its tuned threshold, "baseline at theory's threshold
    1/(1+w)" with the arm at its natural point, which in theory is the same point. `f1_gain` is the arm's F1 minus the
    control's.

    Two controls have a threshold per image, so `threshold` is NaN. RankSEG predicts the pixels that maximise the
    image's expected Dice under the baseline's probabilities, after undoing its loss's effect where theory knows it
    (`ImageCounts.expected_dice_codes`). The oracle takes each image's best F1 (`ImageCounts.best_f1_codes`). It looks
    at the test labels, so no model can have it; it shows what choosing thresholds image by image could be worth. Counts
    are pooled over the images, as everywhere, so the best of each image need not be the best of the pool. Both are
    compared with the arm at its tuned threshold.
    """
    rows = []
    for pair in pairs:
        rows.append(_control(study, pair, AT_TUNED, "tuned", "tuned"))
        if study.settings.predicted_thresholds(pair.arm, study.checked.baseline, len(study.checked.masks)) is not None:
            rows.append(_control(study, pair, AT_THEORY, f"theory:{pair.arm}", "natural"))
        rows.append(_control(study, pair, BY_RANKSEG, "rankseg", "tuned"))
        rows.append(_control(study, pair, AT_BEST, "oracle", "tuned"))
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
    thresholds = [np.nan if code is None or code == OWN_THRESHOLDS else float(code_to_logit(code)) for code in codes]
    return {
        "control": name,
        "training": "none",
        "sees_test_labels": point == "oracle",
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
