"""The ceiling of a study whose data know the true probability of every pixel."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from experiments import run_store as store
from experiments.comparable import StudyRuns
from experiments.frontier.ceiling import ceiling_tables
from experiments.frontier.comparison import Comparison


@dataclass(frozen=True)
class Ceiling:
    """How close the arms come to the best frontier there is.

    Args:
        table: A row per arm and mask: AP, the ceiling's AP, the share and the gap with its interval.
        curve: The ceiling's frontier, a row per mask and recall.
    """

    table: pd.DataFrame
    curve: pd.DataFrame


def find_ceiling(study: StudyRuns, comparison: Comparison) -> Ceiling | None:
    """Compare every arm with the ceiling; None where the data do not know it."""
    baseline = next(iter(study.complete[study.baseline].values()))
    if store.CEILING not in baseline.scores:
        return None
    runs = {arm: {seed: run.scores["test"] for seed, run in seeds.items()} for arm, seeds in study.complete.items()}
    return Ceiling(*ceiling_tables(runs, baseline.scores[store.CEILING], comparison.settings))
