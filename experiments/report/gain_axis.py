"""The linear axis on which figures and page draw gains: how far it reaches, and what lies beyond."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

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

        One arm that lies far from all others would otherwise squeeze every interval that a verdict turns on.

        Args:
            ends: (rows, values); each row's gain and the ends of its intervals, NaN where there is none.
            margin: of gains that matter.

        >>> GainAxis.of(np.array([[0.01, -0.02, 0.04], [0.0, -0.05, 0.05], [-0.6, -0.9, -0.3]]), 0.01)
        GainAxis(low=-0.1, high=0.0525)
        """
        values = np.asarray(ends, dtype=np.float64)
        known = values[~np.isnan(values).all(axis=1)]
        least = _LEAST * margin
        if not len(known):
            return cls(-least, least)
        reach = 2.0 * float(np.median(np.nanmax(np.abs(known), axis=1)))
        low, high = (min(reach, _ROOM * float(np.nanmax(sign * known))) for sign in (-1.0, 1.0))
        return cls(-max(low, least), max(high, least))

    def holds(self, value: float) -> bool:
        """Whether a value lies on the axis."""
        return self.low <= value <= self.high

    def share(self, value: float) -> float:
        """Return a value's place, from 0 at the left end to 1; values beyond stand at the end."""
        return float(np.clip((value - self.low) / (self.high - self.low), 0.0, 1.0))
