"""How close each arm comes to the frontier of the true probabilities, if these are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from experiments.comparison.checked_runs import RunScores
from experiments.comparison.compare_arms import Comparison, compare_arms
from experiments.comparison.settings import CompareSettings
from experiments.frontier.histogram import ScoreHistograms
from experiments.process.on_demand import Mapped
from experiments.runs import store
from experiments.runs.study import StudyRuns

CEILING = "ceiling"


@dataclass(frozen=True)
class Ceiling:
    """How close the arms come to the best possible frontier.

    Args:
        table: a row per arm and mask: AP, the ceiling's AP, the share and the gap with its interval.
        curve: the ceiling's frontier, a row per mask and recall.
    """

    table: pd.DataFrame
    curve: pd.DataFrame


def ceiling_tables(
    runs: Mapping[str, Mapping[int, ScoreHistograms]],
    ceiling: ScoreHistograms,
    settings: CompareSettings | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compare every arm's AP with the ceiling's, paired by test group.

    The ceiling is the same for every seed, so a gap varies over seeds only with the arm. An arm above the ceiling by
    more than its interval would reveal an error in the data or in the counting.

    Args:
        runs: arm -> seed -> test histograms, including the baseline.
        ceiling: histograms of logit(eta) on the same test images and labels.
        settings: level of the intervals; None takes the defaults.

    Returns:
        A row per arm and mask: `arm, mask, ap, ceiling_ap, share, gap, gap_low, gap_high, n_seeds, n_groups`, share =
        ap / ceiling_ap and gap = ap - ceiling_ap with its interval; and the ceiling's curve: `mask, recall, precision`.
    """
    chosen = CompareSettings() if settings is None else settings
    plain = CompareSettings(level=chosen.level, n_draws=100)
    seeds = sorted({seed for each in runs.values() for seed in each})
    everything = {CEILING: {seed: RunScores(None, ceiling) for seed in seeds}} | {
        arm: Mapped(each, lambda test: RunScores(None, test)) for arm, each in runs.items() if each
    }
    comparison = compare_arms(everything, baseline=CEILING, settings=plain)
    at_half = comparison.natural_points
    best = at_half[at_half["arm"] == CEILING].groupby("mask")["ap"].first()
    rows = []
    for _, row in comparison.verdicts.iterrows():
        top = float(best[row["mask"]])
        rows.append(
            {
                "arm": row["arm"],
                "mask": row["mask"],
                "ap": top + row["ap_gain"],
                "ceiling_ap": top,
                "share": (top + row["ap_gain"]) / top if top > 0 else np.nan,
                "gap": row["ap_gain"],
                "gap_low": row["ap_gain_low"],
                "gap_high": row["ap_gain_high"],
                "n_seeds": row["n_seeds"],
                "n_groups": row["n_groups"],
            }
        )
    curves = comparison.curves
    return pd.DataFrame(rows), curves[curves["arm"] == CEILING][["mask", "recall", "precision"]].reset_index(drop=True)


def without_holes(curve: pd.DataFrame) -> pd.DataFrame:
    """Fill the recalls of a mask's ceiling that no threshold reaches because many pixels share a probability.

    If ties are broken at random, hits and false alarms grow in proportion: false alarms per positive,
    recall * (1 / precision - 1), are linear in recall, but precision is not (Davis and Goadrich 2006).

    Args:
        curve: a row per recall: `recall, precision`, NaN if no threshold reaches the recall.

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
    """Compare every arm with the ceiling; None if the data do not know it."""
    baseline = study.reference
    if store.CEILING not in baseline.scores:
        return None
    runs = {arm: Mapped(seeds, lambda run: run.scores["test"]) for arm, seeds in study.complete.items()}
    return Ceiling(*ceiling_tables(runs, baseline.scores[store.CEILING], comparison.settings))
