"""What theory says of the objectives of a study, read from the runs' configurations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from experiments.comparison.settings import Theory
from experiments.frontier.theory import ScoreMap
from experiments.runs import store
from experiments.runs.study import StudyRuns


def theories(study: StudyRuns) -> dict[str, Theory | None]:
    """Give each arm whose loss has a known population optimum its map; arms without one are left out.

    A baseline of plain BCE is left out, as `CompareSettings` takes it for that; one without a known optimum is None.
    """
    found: dict[str, Theory | None] = {}
    for arm, seeds in study.complete.items():
        theory = _theory(next(iter(seeds.values()))) if seeds else None
        if theory != 1.0 if arm == study.baseline else theory is not None:
            found[arm] = theory
    return found


def _theory(run: store.Run) -> Theory | None:
    loss: Mapping[str, Any] = run.config.get("loss") or {}
    target = str(loss.get("_target_", ""))
    if target == "losses.WeightedBCELoss":
        weight = loss.get("pos_weight", 1.0)
        if weight == "balanced":
            return [(1 - p) / p for p in run.info["prevalence"].values()]
        return [float(w) for w in weight] if isinstance(weight, list) else float(weight)
    if target == "losses.FocalLoss":
        return ScoreMap.focal(gamma=float(loss.get("gamma", 2.0)), positive_weight=loss.get("positive_weight"))
    return None
