"""What a benchmark finds: rows of a table, each a measured number beside the goal it was held to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles


@dataclass(frozen=True)
class Spread:
    """Median and quartiles of repeated measurements.

    Args:
        middle: the median.
        low: lower quartile; the least of fewer than four.
        high: upper quartile; the greatest of fewer than four.
        n: number of measurements.
    """

    middle: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Summarise measurements.

        Raises:
            ValueError: there are none.
        """
        if not values:
            raise ValueError("values: expected at least one measurement, got none")
        if len(values) < 4:
            return cls(median(values), min(values), max(values), len(values))
        low, middle, high = quantiles(values, n=4, method="inclusive")
        return cls(middle, low, high, len(values))


@dataclass(frozen=True)
class Goal:
    """What a measured number was to reach.

    Args:
        bound: the number.
        at_most: whether it was to stay at or below the bound; if not, at or above.
    """

    bound: float
    at_most: bool = False

    def is_met(self, value: float) -> bool:
        """Say whether a number reaches the goal; NaN never does."""
        return value <= self.bound if self.at_most else value >= self.bound


@dataclass(frozen=True)
class Row:
    """One measured number.

    Args:
        work: what was done.
        peer: what it is measured against; "" where there is no peer.
        ours: our side in words, such as "12.3 ms"; "" where there is nothing to add.
        theirs: the peer's side in words.
        measured: the number held to the goal; None where it could not be measured, and `note` says why.
        unit: of the number: "x" for a ratio.
        goal: None for a number that is only stated.
        even: where a ratio stands for neither side being better, so that a row can be lost; None for none.
        note: what a reader must know to read the number.
    """

    work: str
    peer: str
    ours: str
    theirs: str
    measured: Spread | None
    unit: str = "x"
    goal: Goal | None = None
    even: float | None = None
    note: str = ""

    @property
    def key(self) -> str:
        """Name of the row, to find it in an earlier run."""
        return f"{self.work} | {self.peer}"

    @property
    def outcome(self) -> str:
        """Say "meets", "misses" (better than the peer, not by enough), "loses" or "not measured"."""
        if self.measured is None:
            return "not measured"
        value = self.measured.middle
        if self.even is not None and (value < self.even if self.goal is None or not self.goal.at_most else False):
            return "loses"
        if self.goal is None:
            return "stated"
        return "meets" if self.goal.is_met(value) else "misses"


@dataclass(frozen=True)
class Table:
    """A table of the page.

    Args:
        name: as on the command line.
        title: its heading.
        about: what was measured and how, a few sentences of Markdown.
        rows: the numbers.
        appendix: Markdown below the table.
        draw: draws the figure of the table into a folder; None for none.
    """

    name: str
    title: str
    about: str
    rows: tuple[Row, ...]
    appendix: str = ""
    draw: Callable[[Path], None] | None = None


@dataclass(frozen=True)
class Settings:
    """How thoroughly to measure.

    Args:
        quick: small sizes and few rounds, to see that a table runs; its numbers say nothing.
    """

    quick: bool = False

    def rounds(self, usual: int) -> int:
        """Return how often to measure, given how often a full run does."""
        return 2 if self.quick else usual


def ratio_row(
    work: str,
    peer: str,
    ours: Sequence[float],
    theirs: Sequence[float],
    *,
    goal: Goal | None = None,
    note: str = "",
) -> Row:
    """Make the row of a comparison from seconds that were measured in turn: their time over ours, round by round."""
    return Row(
        work,
        peer,
        seconds_text(Spread.of(ours).middle),
        seconds_text(Spread.of(theirs).middle),
        Spread.of([b / a for a, b in zip(ours, theirs, strict=True)]),
        goal=goal,
        even=1.0,
        note=note,
    )


def seconds_text(seconds: float) -> str:
    """Write a time with three digits and its unit."""
    for limit, factor, unit in ((1e-6, 1e9, "ns"), (1e-3, 1e6, "µs"), (1.0, 1e3, "ms"), (120.0, 1.0, "s")):
        if seconds < limit:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds / 60:.3g} min"


def bytes_text(count: float) -> str:
    """Write a number of bytes with three digits and its unit."""
    for limit, factor, unit in ((1e6, 1e3, "kB"), (1e9, 1e6, "MB"), (1e12, 1e9, "GB")):
        if count < limit:
            return f"{count / factor:.3g} {unit}"
    return f"{count / 1e12:.3g} TB"
