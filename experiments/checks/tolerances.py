"""Distances in pixels within which a prediction counts as right: which may be asked for, and which a run records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

MOST_TOLERANCE = 32
"""Largest distance in pixels."""


def tolerance_problem(value: object) -> str:
    """Say what is wrong with a distance; empty if nothing is.

    >>> tolerance_problem(2), tolerance_problem(2.5)
    ('', 'expected a whole number from 0 to 32 (pixels), got 2.5')
    """
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TOLERANCE:
        return ""
    return f"expected a whole number from 0 to {MOST_TOLERANCE} (pixels), got {value!r}"


def tolerances_to_record(config: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the distances that a run's configuration asks for, ascending: `trainer.tolerances`, `report.tolerance`.

    >>> tolerances_to_record({"trainer": {"tolerances": [5, 1]}, "report": {"tolerance": 2}})
    (1, 2, 5)
    """
    asked: Sequence[int] = (config.get("trainer") or {}).get("tolerances") or ()
    reported = (config.get("report") or {}).get("tolerance")
    return tuple(sorted({*asked, *(() if reported is None else (reported,))}))
