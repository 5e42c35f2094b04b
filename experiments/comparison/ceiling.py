"""How close each arm comes to the frontier of the true probabilities, where these are known."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from experiments.comparison.checked_runs import RunScores
from experiments.comparison.compare_arms import compare_arms
from experiments.comparison.settings import CompareSettings
from experiments.frontier.histogram import ScoreHistograms
from experiments.process.on_demand import Mapped

CEILING = "ceiling"


def ceiling_tables(
    runs: Mapping[str, Mapping[int, ScoreHistograms]],
    ceiling: ScoreHistograms,
    settings: CompareSettings | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compare every arm's AP with the ceiling's, paired by test group.

    The ceiling is the same for every seed, so a gap varies over seeds as the arm alone does. An arm above it beyond
    its interval would show an error in the data or in the counting.

    Args:
        runs: arm -> seed -> test histograms, the baseline among them.
        ceiling: histograms of logit(eta) on the same test images and labels.
        settings: level of the intervals; the defaults when None.

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
