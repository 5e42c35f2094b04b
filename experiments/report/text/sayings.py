"""How a report phrases and shows each verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from experiments.inference.words import CROSSES, MOVES_IN, MOVES_OUT, NOT_TRAINED, SLIDES, STAYS, UNDECIDED, Word


@dataclass(frozen=True)
class Saying:
    """The forms of one verdict in a report.

    Args:
        one: The phrase after the name of one arm.
        several: The phrase after the names of several arms.
        count: The verb after a number of arms and masks.
        means: The verdict in plain language.
        sign: A symbol for it.
        shade: Fill of its cell; the cell also contains the word, so that nothing depends on colour.
    """

    one: str
    several: str
    count: str
    means: str
    sign: str
    shade: str


SAYINGS: Mapping[Word, Saying] = MappingProxyType(
    {
        MOVES_OUT: Saying(
            "is shown to move the frontier out",
            "are shown to move the frontier out",
            "move out",
            "a better frontier",
            "▲",
            "#9fd3bf",
        ),
        MOVES_IN: Saying("moves it in", "move it in", "move in", "a worse frontier", "▼", "#e9a27c"),
        CROSSES: Saying("crosses it", "cross it", "cross", "better at some recalls, worse at others", "✕", "#e3c3d8"),
        SLIDES: Saying(
            "slides along it", "slide along it", "slide", "the same frontier, another threshold", "↔", "#bcd9ee"
        ),
        STAYS: Saying(
            "stays where it was",
            "stay where they were",
            "stay",
            "the same frontier and threshold",
            "=",
            "#e4e4e4",
        ),
        UNDECIDED: Saying(
            "is undecided", "are undecided", "are undecided", "these seeds and images cannot tell", "?", "#ffffff"
        ),
        NOT_TRAINED: Saying(
            "is not trained",
            "are not trained",
            "are not trained",
            "no better than random scores, in the arm or the baseline: no frontier to compare",
            "∅",
            "#f6f0c4",
        ),
    }
)

UNSHOWN = (UNDECIDED, NOT_TRAINED)
"""Words that claim nothing about frontiers."""
