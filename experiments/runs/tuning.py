"""Fair tuning: each arm uses the value of a nuisance key, such as the learning rate, that validates best for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from experiments.frontier.curve import average_precision, pr_curve
from experiments.runs.arms import without_keys
from experiments.runs.fingerprint import flatten
from experiments.runs.store import Run

Runs = Mapping[str, Mapping[int, Run]]

COLUMNS = ["arm", "setting", "val_ap", "behind_best", "n_seeds", "chosen"]


def choose(runs: Runs, keys: Sequence[str]) -> tuple[dict[str, dict[int, Run]], pd.DataFrame]:
    """Choose for each arm the setting of the nuisance keys with the best validation AP, which needs no threshold.

    AP is averaged over masks and seeds. A setting with more surviving runs always wins over one that lost runs
    (diverged, collapsed, failed), because an average over the surviving seeds would flatter it. Test scores are not
    used.

    Args:
        runs: Runs with scores by full arm name and seed.
        keys: The nuisance keys.

    Returns:
        The chosen runs under the arm's name without the keys, and a table with a row per arm and setting: `arm,
        setting, val_ap, behind_best, n_seeds, chosen`; `behind_best` shows how much the choice matters.
    """
    settings: dict[str, dict[str, Mapping[int, Run]]] = {}
    for arm, seeds in runs.items():
        settings.setdefault(without_keys(arm, keys), {})[arm] = seeds
    chosen: dict[str, dict[int, Run]] = {}
    rows = []
    for arm, candidates in settings.items():
        scores = {name: validation_ap(seeds) for name, seeds in candidates.items()}
        kept = {name: sum(run.status == "complete" for run in seeds.values()) for name, seeds in candidates.items()}
        complete = [name for name in candidates if kept[name] == max(kept.values())]
        best = max(complete, key=lambda name: np.nan_to_num(scores[name], nan=-1.0))
        chosen[arm] = dict(candidates[best])
        for name, seeds in candidates.items():
            rows.append(
                {
                    "arm": arm,
                    "setting": _setting(name, seeds, keys),
                    "val_ap": scores[name],
                    "behind_best": scores[best] - scores[name],
                    "n_seeds": len(seeds),
                    "chosen": name == best,
                }
            )
    return chosen, pd.DataFrame(rows, columns=COLUMNS)


def validation_ap(seeds: Mapping[int, Run]) -> float:
    """Average the validation AP over masks and seeds; NaN without a run or a positive pixel."""
    values = [
        average_precision(pr_curve(*run.scores["val"].pooled(mask)))
        for run in seeds.values()
        if "val" in run.scores
        for mask in range(run.scores["val"].n_masks)
    ]
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def _setting(name: str, seeds: Mapping[int, Run], keys: Sequence[str]) -> str:
    if not seeds:
        return name
    config = flatten(next(iter(seeds.values())).config)
    return ", ".join(f"{key}={config.get(key)}" for key in keys)
