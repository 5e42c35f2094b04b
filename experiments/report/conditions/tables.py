"""Tables of a study that repeats its comparison under conditions: gains and levels for each condition."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from experiments.comparison.compare_arms import Comparison
from experiments.frontier.operating_point import BACKGROUND
from experiments.runs.study import condition_values

LEVELS = ("average_precision", "f1_tuned", "f1_natural", "background_f1", "frame_accuracy")
"""Statistics of `level_table`; the last two belong to no single mask and are in rows of the mask `background`."""


def verdicts_by_condition(comparisons: Mapping[str, Comparison]) -> pd.DataFrame:
    """Concatenate the verdict tables of all conditions, with the condition and its keys in front."""
    return pd.concat([_labelled(name, item.verdicts) for name, item in comparisons.items()], ignore_index=True)


def arm_verdicts_by_condition(comparisons: Mapping[str, Comparison]) -> pd.DataFrame:
    """Concatenate the verdicts of arms over their masks, as `verdicts_by_condition` does those of each mask."""
    return pd.concat([_labelled(name, item.arm_verdicts) for name, item in comparisons.items()], ignore_index=True)


def level_table(comparisons: Mapping[str, Comparison]) -> pd.DataFrame:
    """Tabulate the level that each arm reaches under each condition: mean and range over its seeds.

    Returns:
        A row per condition, arm, mask and statistic of `LEVELS`: `condition`, a column per condition key, `arm, mask,
        statistic, mean, lowest, highest, n_seeds`.
    """
    frames = []
    for name, item in comparisons.items():
        values = _levels(item.points).dropna(subset="value")
        summary = values.groupby(["arm", "mask", "statistic"], sort=False)["value"].agg(["mean", "min", "max", "count"])
        columns = {"min": "lowest", "max": "highest", "count": "n_seeds"}
        frames.append(_labelled(name, summary.reset_index().rename(columns=columns)))
    return pd.concat(frames, ignore_index=True)


def _levels(points: pd.DataFrame) -> pd.DataFrame:
    """Take the statistics of `LEVELS` from a table of operating points, a row per arm, seed, mask and statistic."""
    natural, tuned = points[points["operating_point"] == "natural"], points[points["operating_point"] == "tuned"]
    behind = natural["mask"] == BACKGROUND
    wanted = (
        (natural[~behind], "ap", "average_precision"),
        (tuned[tuned["mask"] != BACKGROUND], "f1", "f1_tuned"),
        (natural[~behind], "f1", "f1_natural"),
        (natural[behind], "f1", "background_f1"),
        (natural[behind], "frame_accuracy", "frame_accuracy"),
    )
    keys = ["arm", "seed", "mask"]
    return pd.concat(
        [
            table[[*keys, column]].rename(columns={column: "value"}).assign(statistic=name)
            for table, column, name in wanted
        ],
        ignore_index=True,
    )


def _labelled(condition: str, table: pd.DataFrame) -> pd.DataFrame:
    labels = {"condition": condition, **condition_values(condition)}
    return pd.concat([pd.DataFrame(labels, index=table.index), table], axis=1)
