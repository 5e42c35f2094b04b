"""Tables of curves: the errors of every run, those of its image groups, and the gains over the baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.comparison.curve_space.numbers import rates_of
from experiments.comparison.pairing import MeasuredStudy, PairedRuns
from experiments.comparison.verdict_table import interval_columns
from experiments.frontier.curve_space.centre_line import SUMS

IN_PIXELS = ("mae", "mae_filled", "bias")
"""Rates that a scale turns into units."""

_GAINS = {"mae": -1.0, "mae_filled": -1.0, "r2": 1.0, "coverage": 1.0, "accuracy": 1.0}  # a gain is better
_ROWS = ("true_rows", "several_rows", "empty_rows", "covered_rows", "extra_rows")


@dataclass(frozen=True)
class CurveTables:
    """The tables of curves; all empty where runs did not count them.

    Args:
        runs: a row per arm, seed, mask and operating point: numbers of rows, the rates of `CurveErrors` in pixels,
            those of `IN_PIXELS` in units too (`mae_units`) given a scale, and `images_without_rows`.
        groups: the same of every test group, `group` in front of the point.
        gains: a row per arm and mask at the tuned point: `mae_gain` and others with their intervals. A gain is what
            is better: of errors the baseline's minus the arm's, in pixels.
    """

    runs: pd.DataFrame = field(default_factory=pd.DataFrame)
    groups: pd.DataFrame = field(default_factory=pd.DataFrame)
    gains: pd.DataFrame = field(default_factory=pd.DataFrame)


def curve_tables(study: MeasuredStudy, pairs: Sequence[PairedRuns]) -> CurveTables:
    """Tabulate the errors of curves.

    Args:
        study: measured.
        pairs: every arm in every mask.
    """
    scale = study.settings.curve_scale
    runs, groups = [], []
    for (arm, seed), numbers in study.numbers.items():
        for mask, name in enumerate(study.checked.masks):
            curve = numbers[mask].curve
            if curve is None:
                continue
            who = {"arm": arm, "seed": seed, "mask": name}
            for point, rows in curve.rows.items():
                without = {"images_without_rows": curve.images_without_rows}
                runs.append(who | {"point": point} | _columns(rows[0], scale) | without)
                of_groups = zip(study.checked.group_names, curve.groups[point], strict=True)
                groups += [who | {"group": group, "point": point} | _columns(own, scale) for group, own in of_groups]
    gains = [_gains(study, pair) for pair in pairs] if runs else []
    return CurveTables(pd.DataFrame(runs), pd.DataFrame(groups), pd.DataFrame(gains))


def _columns(sums: NDArray[np.float64], scale: float | None) -> dict[str, float]:
    found = {name: float(value) for name, value in rates_of(sums).items()}
    units = {} if scale is None else {f"{name}_units": found[name] * scale for name in IN_PIXELS}
    return {name: int(sums[SUMS.index(name)]) for name in _ROWS} | found | units


def _gains(study: MeasuredStudy, pair: PairedRuns) -> dict[str, object]:
    found: dict[str, object] = {"arm": pair.arm, "mask": study.checked.masks[pair.mask], "n_seeds": len(pair.seeds)}
    for name, sign in _GAINS.items():
        limit = 1.0 if name in ("coverage", "accuracy") else np.inf
        gain = interval_columns(f"{name}_gain", pair.difference([f"curve_{name}"]), study.settings.level, limit=limit)
        value, low, high = (sign * number for number in gain.values())
        found |= dict(zip(gain, (value, *sorted((low, high))), strict=True))
    return found
