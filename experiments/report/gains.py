"""Gains with both their intervals, as figures and page draw them, and the linear axis on which they stand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from experiments.comparison.compare_arms import Comparison
from experiments.inference.words import NOT_TRAINED

FIRST, SECONDARY = "first", "secondary"
"""Rank of a verdict: that of an arm over its masks comes first, that of a single mask is secondary."""


_COLUMNS = ("gain", "gain_low", "gain_high", "verdict_low", "verdict_high")


def gain_table(comparison: Comparison) -> pd.DataFrame:
    """Take verdicts and gains, each with its own interval and the one that its verdict rests on; arms over masks first.

    Shares differ by at most 1, so that verdicts' intervals are cut there, as the text cuts them. What is not trained
    has no gain. In a study of one mask all rows are first.

    Returns:
        A row per arm, and behind them one per arm and mask where there are several: `rank, arm, mask, verdict, gain,
        gain_low, gain_high, verdict_low, verdict_high, verdict_f1`, the same four columns beginning with `f1_`,
        `n_seeds, n_groups, n_collapsed`; `gain` is the headline's.
    """
    parts = [comparison.arm_verdicts.assign(rank=FIRST)]
    if len(comparison.masks) > 1:
        parts.append(comparison.verdicts.assign(rank=SECONDARY))
    columns = ["rank", "arm", "mask", "verdict", "headline_gain", "headline_gain_low", "headline_gain_high"]
    columns += ["verdict_low", "verdict_high", "verdict_f1", "f1_gain", "f1_gain_low", "f1_gain_high"]
    columns += ["f1_verdict_low", "f1_verdict_high", "n_seeds", "n_groups", "n_collapsed"]
    table = pd.concat(parts, ignore_index=True)[columns].rename(columns=lambda name: name.replace("headline_", ""))
    ends = [name for name in table.columns if "verdict_" in name and name != "verdict_f1"]
    table[ends] = table[ends].clip(-1.0, 1.0)
    for word, prefix in (("verdict", ""), ("verdict_f1", "f1_")):
        table.loc[table[word] == NOT_TRAINED, [f"{prefix}{name}" for name in _COLUMNS]] = float("nan")
    return table


def gain_columns(*, f1: bool = False) -> list[str]:
    """Columns of a gain: itself, the ends of its own interval, and those of its verdict's."""
    return [f"{'f1_' if f1 else ''}{name}" for name in _COLUMNS]


_LEAST = 3
"""Margins, on either side of 0, that an axis shows at least."""

_ROOM = 1.05
"""How much further than the furthest end an axis goes, so that its cap stands clear of the edge."""


@dataclass(frozen=True)
class GainAxis:
    """A linear axis of gains.

    Args:
        low: its left end, below 0.
        high: its right end, above 0.
    """

    low: float
    high: float

    @classmethod
    def of(cls, ends: pd.DataFrame | np.ndarray, margin: float) -> GainAxis:
        """Reach twice as far as the median row does, but no further than the furthest row.

        One arm that lies far from all others would otherwise squeeze every interval that a verdict turns on. Ends that
        are cut at 1 bound nothing, and count as none.

        Args:
            ends: (rows, values); each row's gain and the ends of its intervals, NaN where there is none.
            margin: of gains that matter.

        >>> axis = GainAxis.of(np.array([[0.01, -0.02, 0.04], [0.0, -0.05, 0.05], [-0.6, -0.9, -0.3]]), 0.01)
        >>> round(axis.low, 4), round(axis.high, 4)
        (-0.1, 0.0525)
        >>> unbounded = GainAxis.of(np.array([[0.01, -0.03, 0.05, -1.0, 1.0]]), 0.01)
        >>> round(unbounded.low, 4), round(unbounded.high, 4)
        (-0.0315, 0.0525)
        """
        values = np.asarray(ends, dtype=np.float64)
        values = np.where(np.abs(values) < 1, values, np.nan)
        known = values[~np.isnan(values).all(axis=1)]
        least = _LEAST * margin
        if not len(known):
            return cls(-least, least)
        reach = 2.0 * float(np.median(np.nanmax(np.abs(known), axis=1)))
        low, high = (min(reach, _ROOM * float(np.nanmax(sign * known))) for sign in (-1.0, 1.0))
        return cls(-max(low, least), max(high, least))

    @classmethod
    def of_table(cls, table: pd.DataFrame, margin: float, *, f1: bool = True) -> GainAxis:
        """Make the axis for gains of a `gain_table`; single masks vary more than their mean, and have their own.

        Args:
            table: the gains.
            margin: of gains that matter.
            f1: whether tuned F1 is drawn too.
        """
        names = gain_columns() + (gain_columns(f1=True) if f1 else [])
        return cls.of(table[names].to_numpy(dtype=np.float64).reshape(-1, len(_COLUMNS)), margin)

    def holds(self, value: float) -> bool:
        """Whether a value lies on the axis."""
        return self.low <= value <= self.high

    def share(self, value: float) -> float:
        """Return a value's place, from 0 at the left end to 1; values beyond stand at the end."""
        return float(np.clip((value - self.low) / (self.high - self.low), 0.0, 1.0))
