"""States first, in every report, which arms are not trained and which seeds collapsed."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from experiments.comparison.compare_arms import Comparison
from experiments.report.text.wording import listed


def not_trained(comparison: Comparison, names: Mapping[str, str]) -> str:
    """Name untrained arms and collapsed seeds in one or two sentences, with `**bold**`; empty if all runs are trained.

    Args:
        comparison: The comparison.
        names: Display name of each arm.
    """
    scores = comparison.scores
    if not len(scores) or scores["trained"].all():
        return ""
    parts = []
    for arm, runs in scores.groupby("arm", sort=False):
        name = f"**{names[str(arm)]}**{' (the baseline)' if arm == comparison.baseline else ''}"
        masks = {str(mask): rows for mask, rows in runs.groupby("mask", sort=False) if not rows["trained"].all()}
        flat = [f"{mask} {_level(rows)}" for mask, rows in masks.items() if not rows["trained"].any()]
        if flat:
            parts.append(f"{name} is not shown to be better than random scores on {listed(flat)}")
        for mask, rows in masks.items():
            lost = rows[~rows["trained"]]
            if len(lost) < len(rows):
                seeds = ", ".join(f"seed {row['seed']} {_level(lost.loc[[place]])}" for place, row in lost.iterrows())
                parts.append(f"{len(lost)} of {len(rows)} seeds of {name} collapsed on {mask}: {seeds}")
    return f"**Not trained:** {'; '.join(parts)}. No verdict rests on such runs."


def _level(rows: pd.DataFrame) -> str:
    """Write AP and prevalence of some runs of one mask, in brackets."""
    ap, prevalence = rows["average_precision"].mean(), rows["prevalence"].iloc[0]
    return f"(AP {ap:.3g} at a prevalence of {prevalence:.3g})"
