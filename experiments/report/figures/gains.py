"""Frontier gains of all arms: the forest plot with intervals, margin and verdicts, and the matrix of verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from experiments.comparison.compare_arms import Comparison
from experiments.inference.words import NOT_TRAINED
from experiments.report.facts import StudySize
from experiments.report.figures.panels import arm_rows, check_axes, draw_into, figure_of, gain_table
from experiments.report.figures.style import (
    COLUMN,
    MARGIN_SHADE,
    MINUS,
    PAGE,
    QUIET,
    RC,
    add_legend,
    arm_styles,
    typeset_change,
)
from experiments.report.text.sayings import SAYINGS, UNSHOWN
from experiments.runs.study import StudyRuns, short_names

_LINEAR = 3  # margins, on either side of 0, that the axis shows on a linear scale
_APART = 0.21  # least distance between two tick labels, as a share of a panel's width


@dataclass(frozen=True)
class _GainDisplay:
    """The numbers of both figures of gains.

    Args:
        table: A row per arm and mask: `arm, mask, verdict, gain, gain_low, gain_high, verdict_f1, f1_gain, f1_gain_low,
            f1_gain_high`.
        names: What to call each arm.
        baseline: The baseline arm.
        masks: Names of the masks.
        headline: Name of the statistic.
        size: How many seeds and images the figure rests on.
    """

    table: pd.DataFrame
    names: Mapping[str, str]
    baseline: str
    masks: tuple[str, ...]
    headline: str
    size: StudySize

    @classmethod
    def of(cls, study: StudyRuns, comparison: Comparison) -> Self | None:
        """Take the numbers from a comparison; None without an arm besides the baseline."""
        verdicts = comparison.verdicts
        if not len(verdicts):
            return None
        return cls(
            table=gain_table(verdicts),
            names=short_names(list(study.complete)),
            baseline=study.baseline,
            masks=comparison.masks,
            headline=comparison.settings.headline_name,
            size=StudySize.of(study, comparison),
        )


class ForestDisplay(_GainDisplay):
    """The forest plot: one panel per mask, gains with their intervals."""

    @property
    def caption(self) -> str:
        """What is shown and what it rests on."""
        return (
            f"Frontier gain over {self.names[self.baseline]}: {self.headline} (filled, its verdict beside it) and "
            f"tuned F1 (open) with {self.size.interval}; {self.size.text}. Shaded: ±{self.size.margin:g}, gains that "
            f"do not matter. The scale is linear up to ±{_LINEAR * self.size.margin:g} and logarithmic beyond; "
            f"verdicts at {self.size.corrected}."
        )

    def plot(self, axes: Sequence[Axes] | None = None) -> Figure:
        """Draw one panel per mask.

        Raises:
            ValueError: When `axes` has another length than there are masks.
        """
        with plt.rc_context(RC):
            if axes is not None:
                return draw_into(axes, [(mask,) for mask in self.masks], self._panel, "mask")
            figure = arm_rows(self.masks, len(set(self.table["arm"])), self._panel)
            add_legend(figure, self._legend())
        return figure

    def _panel(self, ax: Axes, mask: str) -> None:
        rows = self.table[self.table["mask"] == mask].reset_index(drop=True)
        styles = arm_styles([self.baseline, *rows["arm"]], self.baseline)
        margin = self.size.margin
        ax.set_xscale("symlog", linthresh=_LINEAR * margin, linscale=0.75)
        ax.axvspan(-margin, margin, color=MARGIN_SHADE, linewidth=0, zorder=0)
        ax.axvline(0, color="black", linewidth=0.7, zorder=1)
        for place, (_, row) in enumerate(rows.iterrows()):
            style = styles[row["arm"]]
            for name, shift, filled in (("gain", -0.14, True), ("f1_gain", 0.2, False)):
                height = place + shift
                ax.hlines(height, row[f"{name}_low"], row[f"{name}_high"], color=style.colour, linewidth=1.3)
                ax.plot(row[name], height, zorder=3, **style.point(filled=filled, size=4.5))
            weight = "normal" if row["verdict"] in UNSHOWN else "bold"
            ax.annotate(
                str(row["verdict"]),
                (1.02, place),
                xycoords=("axes fraction", "data"),
                va="center",
                fontsize=7,
                weight=weight,
            )
        ax.set_yticks(np.arange(len(rows)), [self.names[arm] for arm in rows["arm"]])
        ax.set(ylim=(len(rows) - 0.5, -0.5), xlabel=f"gain (log beyond ±{_LINEAR * margin:g})", title=mask)
        ends = self.table[["gain", "gain_low", "gain_high", "f1_gain", "f1_gain_low", "f1_gain_high"]].to_numpy(
            dtype=float
        )
        low = min(float(np.nanmin(ends, initial=0)), -2 * margin)
        high = max(float(np.nanmax(ends, initial=0)), 2 * margin)
        ax.set_xlim(1.25 * low, 1.25 * high)
        _set_ticks(ax, margin)

    def _legend(self) -> list[Line2D | Patch]:
        look: dict[str, Any] = {"color": QUIET, "marker": "o", "markersize": 4.5, "linewidth": 1.3}
        return [
            Line2D([], [], label=f"{self.headline} gain, {100 * (1 - self.size.level):g} % interval", **look),
            Line2D([], [], label="tuned F1 gain", markerfacecolor="white", **look),
            Patch(color=MARGIN_SHADE, linewidth=0, label=f"margin ±{self.size.margin:g}"),
        ]


def _set_ticks(ax: Axes, margin: float) -> None:
    """Label 0, and 3, 10, 30 and 100 margins from the outside in, as far as there is room; small ticks in between."""
    low, high = ax.get_xlim()
    steps = np.array([1, 2, _LINEAR, *range(4, 10), *range(10, 100, 10), *range(100, 1000, 100)])
    small = margin * np.concatenate([-steps[::-1], steps])
    labelled: list[float] = []
    for factor in (0, 100, -100, 30, -30, 10, -10, _LINEAR, -_LINEAR):
        at = _across(ax, factor * margin)
        if low <= factor * margin <= high and all(abs(at - _across(ax, tick)) >= _APART for tick in labelled):
            labelled.append(factor * margin)
    ax.set_xticks(sorted(labelled), [f"{tick:g}".replace("-", MINUS) for tick in sorted(labelled)])
    ax.set_xticks([tick for tick in small if low <= tick <= high], minor=True)
    ax.tick_params(which="minor", length=1.5)


def _across(ax: Axes, value: float) -> float:
    """Return a value's place on the axis, from 0 at its left end to 1."""
    low, place, high = ax.transScale.transform([(at, 0) for at in (ax.get_xlim()[0], value, ax.get_xlim()[1])])[:, 0]
    return float((place - low) / (high - low))


class VerdictDisplay(_GainDisplay):
    """The verdict matrix: a cell per arm and mask."""

    @property
    def caption(self) -> str:
        """What is shown and what it rests on."""
        return (
            f"Verdict on each arm against {self.names[self.baseline]}, per mask ({self.size.text}; margin "
            f"±{self.size.margin:g}, {self.size.corrected}), with the gain in "
            f"{self.headline}{self._interval} A last line names the verdict by tuned F1 where it is another."
        )

    @property
    def _interval(self) -> str:
        if self.size.few_seeds:
            return f"; {self.size.brackets}."
        return (
            f" and half the width of its {100 * (1 - self.size.level):g} % interval. The interval is the cell's own "
            "and the verdict is corrected for all cells, so an interval without 0 can still be undecided."
        )

    def plot(self, axes: Sequence[Axes] | None = None) -> Figure:
        """Draw the matrix into one axes, or a new figure.

        Raises:
            ValueError: When `axes` does not hold one.
        """
        arms = list(dict.fromkeys(self.table["arm"]))
        with plt.rc_context(RC):
            if axes is None:
                width = min(PAGE, max(COLUMN, 0.75 + 0.95 * len(self.masks)))
                figure, ax = plt.subplots(figsize=(width, 0.45 * len(arms) + 0.45), layout="constrained")
            else:
                check_axes(axes, 1, "matrix")
                figure, ax = figure_of(axes), axes[0]
            for row, arm in enumerate(arms):
                for column, mask in enumerate(self.masks):
                    self._cell(ax, row, column, arm, mask)
            ax.set(xlim=(0, len(self.masks)), ylim=(len(arms), 0))
            ax.set_xticks(np.arange(len(self.masks)) + 0.5, self.masks, fontsize=8)
            ax.set_yticks(np.arange(len(arms)) + 0.5, [self.names[arm] for arm in arms], fontsize=8)
            ax.xaxis.tick_top()
            ax.tick_params(length=0)
            ax.spines[:].set_visible(False)
        return figure

    def _cell(self, ax: Axes, row: int, column: int, arm: str, mask: str) -> None:
        found = self.table[(self.table["arm"] == arm) & (self.table["mask"] == mask)]
        if not len(found):
            return
        cell = found.iloc[0]
        word = str(cell["verdict"])
        fill = SAYINGS[cell["verdict"]].shade
        edge: dict[str, Any] = {"edgecolor": QUIET if word in UNSHOWN else "white", "linewidth": 0.6}
        ax.add_patch(Rectangle((column + 0.02, row + 0.04), 0.96, 0.92, facecolor=fill, **edge))
        lines = [] if word == NOT_TRAINED else [f"{typeset_change(cell['gain'])}{_half(cell)}"]
        if cell["verdict_f1"] != word:
            lines.append(f"F1: {cell['verdict_f1']}")
        weight = "normal" if word in UNSHOWN else "bold"
        ax.text(
            column + 0.5, row + 0.52 - 0.155 * len(lines), word, ha="center", va="center", fontsize=7.5, weight=weight
        )
        for place, line in enumerate(lines):
            height = row + 0.52 - 0.155 * len(lines) + 0.31 * (place + 1)
            ax.text(column + 0.5, height, line, ha="center", va="center", fontsize=7)


def _half(cell: pd.Series) -> str:
    half = 0.5 * (cell["gain_high"] - cell["gain_low"])
    return "" if half != half else f" ±{half:.3f}"
