"""The ceiling of a study whose data know the true probability of every pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from experiments.comparison.ceiling import ceiling_tables
from experiments.comparison.compare_arms import Comparison
from experiments.process.on_demand import Mapped
from experiments.runs import store
from experiments.runs.study import StudyRuns


@dataclass(frozen=True)
class Ceiling:
    """How close the arms come to the best frontier there is.

    Args:
        table: A row per arm and mask: AP, the ceiling's AP, the share and the gap with its interval.
        curve: The ceiling's frontier, a row per mask and recall.
    """

    table: pd.DataFrame
    curve: pd.DataFrame


CEILING_WORDS = (
    "the frontier of the true probabilities, the best there is; where many pixels share one, ties are broken at random."
)
"""What the drawn ceiling is; after "Dotted: "."""


def without_holes(curve: pd.DataFrame) -> pd.DataFrame:
    """Fill the recalls of a mask's ceiling that no threshold reaches, because many pixels share a probability.

    With ties broken at random, hits and false alarms grow in proportion: false alarms per positive,
    recall * (1 / precision - 1), are linear in recall, precision is not (Davis and Goadrich 2006).

    Args:
        curve: A row per recall: `recall, precision`, NaN where no threshold reaches the recall.

    Returns:
        `recall, precision` between the lowest and the highest recall that a threshold reaches, ascending.
    """
    known = curve.dropna(subset=["precision"]).sort_values("recall")
    if not len(known):  # a mask without positives
        return known[["recall", "precision"]]
    inside = curve["recall"].between(known["recall"].min(), known["recall"].max())
    recall = np.sort(curve.loc[inside, "recall"].to_numpy(dtype=float))
    false_alarms = (known["recall"] * (1.0 / known["precision"] - 1.0)).to_numpy(dtype=float)
    filled = np.interp(recall, known["recall"].to_numpy(dtype=float), false_alarms)
    return pd.DataFrame({"recall": recall, "precision": recall / (recall + filled)})


def find_ceiling(study: StudyRuns, comparison: Comparison) -> Ceiling | None:
    """Compare every arm with the ceiling; None where the data do not know it."""
    baseline = study.reference
    if store.CEILING not in baseline.scores:
        return None
    runs = {arm: Mapped(seeds, lambda run: run.scores["test"]) for arm, seeds in study.complete.items()}
    return Ceiling(*ceiling_tables(runs, baseline.scores[store.CEILING], comparison.settings))
