"""What a report says of predictions made elsewhere: training unknown, no validation, few scores, hard masks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from experiments.frontier.curve import pr_curve, precision_at_recall
from experiments.frontier.operating_point import natural_point
from experiments.report.facts import counted
from experiments.report.text.wording import listed, number
from experiments.runs.study import StudyRuns, is_from_elsewhere

COLUMNS = ["arm", "mask", "n_seeds", "recall", "precision", "f1", "baseline", "baseline_precision"]


def no_frontier(study: StudyRuns) -> pd.DataFrame:
    """Tabulate the operating points of hard masks.

    Args:
        study: The runs.

    Returns:
        A row per arm and mask, `COLUMNS`: means over the arm's seeds; `baseline_precision` is the baseline's at the
        arm's mean recall, mean over the baseline's seeds, NaN where some seed does not reach it.
    """
    rows = []
    base = [run.scores["test"] for run in study.complete[study.baseline].values()] if study.hard else []
    for arm, seeds in study.hard.items():
        tests = [run.scores["test"] for run in seeds.values()]
        for place, mask in enumerate(tests[0].masks):
            points = [natural_point(test, place) for test in tests]
            recall = float(np.mean([point.recall for point in points]))
            curves = [pr_curve(*test.pooled(place)) for test in base]
            reached = [float(precision_at_recall(curve, [recall])[0]) if recall > 0 else np.nan for curve in curves]
            rows.append(
                {
                    "arm": arm,
                    "mask": mask,
                    "n_seeds": len(seeds),
                    "recall": recall,
                    "precision": float(np.mean([point.precision for point in points])),
                    "f1": float(np.mean([point.f_beta() for point in points])),
                    "baseline": study.baseline,
                    "baseline_precision": float(np.mean(reached)),
                }
            )
    return pd.DataFrame(rows, columns=COLUMNS)


HARD_WORDS = " Black crosses and the like: arms of hard masks, 0 and 1 alone, which have one point and no frontier."
FEW_SCORES = 256
"""Up to this number of different scores, ties are told: an 8-bit map has no more."""


def arms_from_elsewhere(study: StudyRuns, names: Mapping[str, str]) -> list[str]:
    """Name the arms with a run whose predictions were made elsewhere."""
    return [names[arm] for arm, seeds in study.complete.items() if any(map(is_from_elsewhere, seeds.values()))]


def elsewhere_notes(study: StudyRuns, names: Mapping[str, str]) -> list[str]:
    """Say what is to be known of predictions made elsewhere, in a sentence or two each; empty without any.

    Args:
        study: The runs.
        names: Display name of each arm that has a frontier.
    """
    notes = []
    if elsewhere := arms_from_elsewhere(study, names):
        notes.append(f"made elsewhere: {listed(elsewhere)}. Whether they were trained alike is not known here.")
    without = [
        names[arm]
        for arm, seeds in study.complete.items()
        if elsewhere and seeds and not all("val" in run.scores for run in seeds.values())
    ]
    if without:
        notes.append(
            f"no validation scores: {listed(without)}. So there is no tuned point, and no verdict by tuned F1."
        )
    for arm, seeds in study.complete.items():
        counts = [count for run in seeds.values() for count in (run.info.get("distinct_scores") or {}).values()]
        if counts and min(counts) <= FEW_SCORES:
            scores = counted([min(counts), max(counts)], "different score")
            notes.append(f"ties: {names[arm]} has {scores}. Pixels that share one enter the frontier as one step.")
    return notes + _hard_notes(study, names)


def _hard_notes(study: StudyRuns, names: Mapping[str, str]) -> list[str]:
    notes = []
    for _, row in no_frontier(study).iterrows():
        base = names[str(row["baseline"])]
        beside = (
            f"{base} does not reach that recall"
            if pd.isna(row["baseline_precision"])
            else f"at that recall {base} has precision {number(row['baseline_precision'])}"
        )
        notes.append(
            f"no frontier: {row['arm']} has hard masks, 0 and 1 alone, so one operating point and no verdict. "
            f"{row['mask']}: recall {number(row['recall'])}, precision {number(row['precision'])}, F1 "
            f"{number(row['f1'])} ({counted([int(row['n_seeds'])], 'seed')}); {beside}."
        )
    return notes
