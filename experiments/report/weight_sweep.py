"""The arms of a study that differ in the positive weight alone, and the seesaw's numbers from their runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from experiments.comparison.compare_arms import Comparison
from experiments.comparison.weight_sweep import (
    hump_table,
    mark_table,
    natural_f1,
    predicted_table,
    step_table,
    weight_table,
)
from experiments.process.on_demand import Mapped
from experiments.runs import store
from experiments.runs.study import StudyRuns

KEY = "loss.pos_weight"
FEWEST_ARMS = 3
_TO: tuple[Literal["next", "heaviest"], ...] = ("next", "heaviest")
_GRID = 49  # weights at which theory's curves are drawn, beside the measured ones


@dataclass(frozen=True)
class WeightSweep:
    """The numbers of a seesaw; each table is documented where it is made.

    Args:
        weights: Arm -> weight, ascending.
        baseline: The baseline arm, one of them.
        points: Operating points (`weight_table`).
        predicted: Natural points by theory, from the baseline alone, at the measured weights and between
            (`predicted_table`).
        marks: Weights that are said to be right, per mask (`mark_table`).
        steps: Changes of natural F1 from each weight to the next (`step_table`).
        to_heaviest: Changes of natural F1 from each weight to the heaviest (`step_table`).
        humps: Whether F1 has stopped rising, per mask (`hump_table`).
        masks: Names of the masks.
    """

    weights: dict[str, float]
    baseline: str
    points: pd.DataFrame
    predicted: pd.DataFrame
    marks: pd.DataFrame
    steps: pd.DataFrame
    to_heaviest: pd.DataFrame
    humps: pd.DataFrame
    masks: tuple[str, ...]

    @classmethod
    def of(cls, study: StudyRuns, comparison: Comparison) -> WeightSweep | None:
        """Count from the runs' histograms; None where no three arms differ in the weight alone."""
        weights = arm_weights(study)
        if weights is None:
            return None
        settings = comparison.settings
        tests = {arm: Mapped(study.complete[arm], lambda run: run.scores["test"]) for arm in weights}
        own = weights[study.baseline]
        values = list(weights.values())
        grid = np.unique(np.concatenate([values, np.geomspace(min(values), max(values), _GRID)]))
        prevalence = next(iter(study.complete[study.baseline].values())).info.get("prevalence") or {}
        points = weight_table(comparison.points, weights)
        scores = {arm: {seed: natural_f1(test) for seed, test in seeds.items()} for arm, seeds in tests.items()}
        steps, to_heaviest = (
            step_table(scores, weights, comparison.masks, to=to, level=settings.level, margin=settings.margin)
            for to in _TO
        )
        return cls(
            weights=weights,
            baseline=study.baseline,
            points=points,
            predicted=predicted_table(tests[study.baseline], grid.tolist(), baseline_weight=own),
            marks=mark_table(points, study.baseline, prevalence),
            steps=steps,
            to_heaviest=to_heaviest,
            humps=hump_table(steps, to_heaviest),
            masks=comparison.masks,
        )


def arm_weights(study: StudyRuns) -> dict[str, float] | None:
    """Find the arms whose configuration is the baseline's but for `loss.pos_weight`, a single number in each.

    Keys that a study tunes for each arm (`nuisance`) may differ too.

    Returns:
        Arm -> weight, ascending; None unless there are at least three, the baseline among them.
    """
    reference = _facts(next(iter(study.complete[study.baseline].values())))
    found: dict[str, float] = {}
    for arm, seeds in study.complete.items():
        if not seeds:
            continue
        run = next(iter(seeds.values()))
        weight = (run.config.get("loss") or {}).get("pos_weight")
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < np.inf:
            continue
        if _facts(run) == reference and float(weight) not in found.values():
            found[arm] = float(weight)
    if len(found) < FEWEST_ARMS or study.baseline not in found:
        return None
    return dict(sorted(found.items(), key=lambda item: item[1]))


def _facts(run: store.Run) -> dict[str, object]:
    """Collect what a run is configured by, less its seed, its weight and what the study tunes."""
    return store.result_config(run.config, ("seed", KEY, *run.info.get("nuisance", [])))
