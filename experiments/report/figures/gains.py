"""Frontier gains of all arms: the forest plot with both intervals, the margin and the verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from experiments.comparison.compare_arms import Comparison
from experiments.inference.words import NOT_TRAINED
from experiments.report.facts import StudySize
from experiments.report.figures.panels import AROUND_ROWS, arm_rows, draw_into, low_row, stacked_panels
from experiments.report.figures.style import (
    MARGIN,
    MINUS,
    QUIET,
    RC,
    ArmStyle,
    add_legend,
    arm_styles,
    typeset_change,
)
from experiments.report.gains import FIRST, SECONDARY, GainAxis, gain_columns, gain_table
from experiments.report.text.sayings import UNSHOWN
from experiments.report.text.wording import digits_of
from experiments.runs.study import StudyRuns, short_names

OWN, RESTS_ON, _CAP = 2.6, 0.8, 0.1
"""Line widths of a row's own interval and of the one that its verdict rests on, points; half a cap, rows."""

_ROW, _LOW_ROW = 0.42, 0.24
"""Heights of a row with tuned F1, and of one without in one column; inches."""


@dataclass(frozen=True)
class ForestDisplay:
    """The forest plot: gains with both intervals, the arms over all masks first, then a panel per mask.

    Args:
        table: As `gain_table` makes it.
        names: What to call each arm.
        baseline: The baseline arm.
        masks: Names of the masks.
        headline: Name of the statistic.
        size: How many seeds and images the figure rests on.
        column: Whether panels stand below each other, in one column of a paper; those of single masks are without
            tuned F1 then.
    """

    table: pd.DataFrame
    names: Mapping[str, str]
    baseline: str
    masks: tuple[str, ...]
    headline: str
    size: StudySize
    column: bool = False

    @classmethod
    def of(cls, study: StudyRuns, comparison: Comparison) -> ForestDisplay | None:
        """Take the numbers from a comparison; None without an arm besides the baseline."""
        if not len(comparison.verdicts):
            return None
        return cls(
            table=gain_table(comparison),
            names=short_names(list(study.complete)),
            baseline=study.baseline,
            masks=comparison.masks,
            headline=comparison.settings.headline_name,
            size=StudySize.of(study, comparison),
        )

    def in_column(self) -> ForestDisplay:
        """Return the figure with its panels below each other, single masks without tuned F1, for one column."""
        return replace(self, column=True)

    @property
    def several(self) -> bool:
        """Whether arms have a verdict over several masks, before those of each mask."""
        return len(self.masks) > 1

    @property
    def blocks(self) -> list[tuple[str, pd.DataFrame]]:
        """Title and rows of the arms over all masks, then of each mask."""
        ranks, own = self.table["rank"], self.table["mask"]
        first = [(f"over all {len(self.masks)} masks", self.table[ranks == FIRST])] if self.several else []
        rank = SECONDARY if self.several else FIRST
        return first + [(mask, self.table[(ranks == rank) & (own == mask)]) for mask in self.masks]

    def with_f1(self, rank: str) -> bool:
        """Whether tuned F1 is shown beside the headline, in the first panel or in those of single masks."""
        return self.headline != "tuned F1" and not (self.column and rank == SECONDARY)

    def axis(self, rank: str) -> GainAxis:
        """Return the axis of the first panel, or of all panels of single masks, which vary more."""
        return GainAxis.of_table(self.table[self.table["rank"] == rank], self.size.margin, f1=self.with_f1(rank))

    @property
    def caption(self) -> str:
        """What is shown and what it rests on."""
        f1 = " (filled) and tuned F1 (open)" if self.with_f1(FIRST) else ""
        alone = f" by {self.headline} alone" if f1 and not self.with_f1(SECONDARY) else ""
        order = (
            f" First the mean over all masks, then each mask{alone}, which is secondary, on an axis of its own."
            if self.several
            else ""
        )
        return (
            f"Frontier gain over {self.names[self.baseline]}: {self.headline}{f1}; {self.size.text}.{order} "
            f"{self._intervals} Shaded: ±{self.size.margin:g}, gains that do not matter. Arrows: what lies "
            "beyond the axis, with its value. What is not trained has no gain."
        )

    @property
    def _intervals(self) -> str:
        if self.size.few_seeds:
            return f"Without intervals: {self.size.brackets}."
        return (
            f"Thick: {self.size.interval}. Thin, with caps: the interval that the verdict rests on, "
            f"{self.size.corrected}; the gain moves where this one leaves out 0, the frontier is the same where it "
            "lies inside the margin, and else the row is undecided. Crossing frontiers rest on their band instead."
        )

    def plot(self, axes: Sequence[Axes] | None = None) -> Figure:
        """Draw one panel over all masks, where there are several, and one per mask.

        Raises:
            ValueError: When `axes` has another length than there are panels.
        """
        titles = [title for title, _ in self.blocks]
        with plt.rc_context(RC):
            if axes is not None:
                return draw_into(axes, [(place,) for place in range(len(titles))], self._panel, "panel")
            n_arms = len(set(self.table["arm"]))
            if self.column:
                low = low_row(list(self.names.values()), _LOW_ROW)
                heights = [_ROW if self.with_f1(self._rank(place)) else low for place in range(len(titles))]
                figure = stacked_panels([AROUND_ROWS + n_arms * height for height in heights], self._panel)
            else:
                columns = 2 if len(titles) <= 4 else 3
                figure = arm_rows(range(len(titles)), n_arms, self._panel, columns=columns, row_height=_ROW)
            add_legend(figure, self._legend())
        return figure

    def _rank(self, place: int) -> str:
        return SECONDARY if place and self.several else FIRST

    def _panel(self, ax: Axes, place: int) -> None:
        title, rows = self.blocks[place]
        styles = arm_styles([self.baseline, *rows["arm"]], self.baseline)
        margin, axis = self.size.margin, self.axis(self._rank(place))
        ax.axvspan(-margin, margin, **MARGIN, zorder=0)
        ax.axvline(0, color="black", linewidth=0.7, zorder=1)
        shifts = (-0.2, 0.22) if self.with_f1(self._rank(place)) else (0.0,)
        for at, (_, row) in enumerate(rows.iterrows()):
            for f1, shift in zip((False, True), shifts, strict=False):
                values = [float(row[name]) for name in gain_columns(f1=f1)]
                draw_gain(ax, at + shift, values, styles[row["arm"]], axis, filled=not f1)
            for line, shift, weight in _words(row, shifts):
                place_of: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "va": "center"}
                ax.annotate(line, (1.03, at + shift), fontsize=7, weight=weight, **place_of)
        ax.set_yticks(np.arange(len(rows)), self._labels(rows))
        rank = " (secondary)" if self._rank(place) == SECONDARY else ""
        ax.set(ylim=(len(rows) - 0.45, -0.6), xlim=(axis.low, axis.high), title=f"{title}{rank}")
        ax.set_xlabel(f"gain over {self.names[self.baseline]}")
        ax.xaxis.set_major_locator(MaxNLocator(4 if self.column else 5, steps=[1, 2, 5, 10]))
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:.6g}".replace("-", MINUS))

    def _labels(self, rows: pd.DataFrame) -> list[str]:
        """Name the arms, with their seeds where they do not all have as many, as in a study in stages."""
        differ = len(set(self.table["n_seeds"])) > 1
        counts = [f"\n{n:.0f} seeds" if differ else "" for n in rows["n_seeds"]]
        return [f"{self.names[arm]}{count}" for arm, count in zip(rows["arm"], counts, strict=True)]

    def _legend(self) -> list[Line2D | Patch]:
        look: dict[str, Any] = {"color": QUIET, "markersize": 4.5}
        thick: dict[str, Any] = {**look, "marker": "o", "linewidth": OWN}
        handles: list[Line2D | Patch] = [
            Line2D([], [], label=f"{self.headline} gain, own {100 * (1 - self.size.level):g} % interval", **thick)
        ]
        if self.with_f1(FIRST):
            handles.append(Line2D([], [], label="tuned F1 gain", markerfacecolor="white", **thick))
        return [
            *handles,
            Line2D([], [], label="interval that the verdict rests on", marker="|", linewidth=RESTS_ON, **look),
            Patch(**MARGIN, label=f"margin ±{self.size.margin:g}"),
        ]


def _words(row: pd.Series, shifts: Sequence[float]) -> list[tuple[str, float, str]]:
    """Lines beside a row, with their height and weight: its verdict; the one by tuned F1, or the collapse, below it."""
    word, by_f1 = str(row["verdict"]), str(row["verdict_f1"])
    below = f"F1: {by_f1}" if by_f1 != word and len(shifts) > 1 else ""
    if word == NOT_TRAINED and 0 < row["n_collapsed"] < row["n_seeds"]:
        below = f"{row['n_collapsed']:.0f} of {row['n_seeds']:.0f} collapsed"
    weight = "normal" if word in UNSHOWN else "bold"
    lines = [(word, shifts[0] if below else 0.0, weight)]
    return lines + ([(below, shifts[-1] or 0.3, "normal")] if below else [])


def draw_gain(
    ax: Axes, height: float, values: Sequence[float], style: ArmStyle, axis: GainAxis, *, filled: bool
) -> None:
    """Draw a gain, its own interval thick, and its verdict's thin; an arrow with a value where an end is off the axis.

    Args:
        ax: Where.
        height: Of the row.
        values: The gain, the ends of its own interval, and those of its verdict's; NaN where there is none.
        style: Of the arm.
        axis: Its ends.
        filled: Whether the marker is.
    """
    gain, own_low, own_high, low, high = values
    if np.isnan(gain):
        return
    ax.hlines(height, own_low, own_high, color=style.colour, linewidth=OWN, zorder=2)
    ax.hlines(height, low, high, color=style.colour, linewidth=RESTS_ON, zorder=2.5)
    ax.vlines([low, high], height - _CAP, height + _CAP, color=style.colour, linewidth=RESTS_ON, zorder=2.5)
    apart = [withStroke(linewidth=2.4, foreground="white")]  # of its own thick bar
    ax.plot(gain, height, zorder=3, path_effects=apart, **style.point(filled=filled, size=4.5))
    ends = {-1: np.nanmin([gain, own_low, low]), 1: np.nanmax([gain, own_high, high])}
    for side, end in ends.items():
        edge = axis.low if side < 0 else axis.high
        if side * (end - edge) <= 0:
            continue
        digits = digits_of(low, high)
        text = typeset_change(end, digits)
        if side * (gain - edge) > 0:
            brackets = f" [{typeset_change(low, digits)}, {typeset_change(high, digits)}]"
            text = typeset_change(gain, digits) + ("" if np.isnan(low) else brackets)
        arrow: dict[str, Any] = {"marker": "<" if side < 0 else ">", "markersize": 4, "clip_on": False, "zorder": 4}
        ax.plot(edge, height, color=style.colour, **arrow)
        ax.annotate(
            text, (edge, height), (-4 * side, 3), textcoords="offset points", ha="left" if side < 0 else "right",
            va="bottom", fontsize=7, path_effects=[withStroke(linewidth=1.5, foreground="white")], zorder=5,
        )  # fmt: skip
