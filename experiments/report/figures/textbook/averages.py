"""The averages figure: blended scores, which look alike for every arm, next to the classes that they blend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.comparison.compare_arms import Comparison
from experiments.comparison.point_table import AVERAGES, averages_table
from experiments.frontier.operating_point import BACKGROUND
from experiments.report.facts import StudySize
from experiments.report.figures.layout import FittedLayout
from experiments.report.figures.panels import check_axes, figure_of
from experiments.report.figures.style import (
    FAINT,
    PAGE,
    QUIET,
    RC,
    add_legend,
    arm_colours,
    arm_markers,
    legend_label,
)
from experiments.runs.study import StudyRuns, short_names

_PANELS = (("value", "averages"), ("precision", "precision"), ("recall", "recall"), ("f1", "F1"))
_BLENDED = (("black", "D"), ("black", "s"), ("black", "x"))


@dataclass(frozen=True)
class AveragesDisplay:
    """The numbers of the averages figure: a panel of averages, then precision, recall and F1 of each class.

    Args:
        table: From `averages_table`.
        names: What to call each arm, the baseline first.
        masks: Names of the masks.
        size: How many seeds and images the figure rests on.
        point: The operating point that is drawn.
    """

    table: pd.DataFrame
    names: Mapping[str, str]
    masks: tuple[str, ...]
    size: StudySize
    point: str = "natural"

    @classmethod
    def of(cls, study: StudyRuns, comparison: Comparison) -> AveragesDisplay | None:
        """Take the numbers from a comparison; None if no run counted its background."""
        table = averages_table(comparison.points)
        if not (table["point"] == "natural").any():
            return None
        arms = [arm for arm in study.complete if (table["arm"] == arm).any()]
        return cls(table, short_names(arms), comparison.masks, StudySize.of(study, comparison))

    @property
    def sentence(self) -> str:
        """What the numbers say."""
        return averages_sentence(self.table, self.point, self.names)

    @property
    def caption(self) -> str:
        """What is shown and what it rests on."""
        return (
            f"Blended scores beside the classes that they blend, at the {self.point} point ({self.size.text}; means "
            "over seeds, counts pooled over images). Pixel-weighted and macro F1 average over the masks and the "
            "background, weighted by each class's true pixels or not at all; frame accuracy is the mean over images of "
            "the share of pixels where every mask is right. The background is a sanity check that the easy class still "
            f"works. {self.sentence}"
        )

    def plot(self, axes: Sequence[Axes] | None = None) -> Figure:
        """Draw the panels: averages, precision, recall, F1.

        Raises:
            ValueError: When `axes` does not hold four.
        """
        with plt.rc_context(RC):
            if axes is not None:
                check_axes(axes, len(_PANELS), "kind of score")
                self._panels(axes)
                return figure_of(axes)
            size = (PAGE, 0.24 * len(self.names) + 0.7)
            figure, row = plt.subplots(1, len(_PANELS), figsize=size, sharey=True, layout=FittedLayout())
            self._panels(list(row))
            add_legend(figure, self._legend())
        return figure

    @property
    def _looks(self) -> dict[str, dict[str, Any]]:
        """How each average and class is drawn."""
        looks = {}
        for what, (colour, marker) in zip(AVERAGES, _BLENDED, strict=True):
            looks[what] = {"color": colour, "marker": marker, "markersize": 4, "markerfacecolor": "none"}
        for mask, marker in arm_markers(self.masks).items():  # as in the slide-step figure, in the colour of the arm
            edge = {"markeredgecolor": "white", "markeredgewidth": 0.5}
            looks[mask] = {"color": QUIET, "marker": marker, "markersize": 5, **edge}
        looks[BACKGROUND] = {"color": QUIET, "marker": "o", "markersize": 4.5, "markerfacecolor": "white"}
        return looks

    def _panels(self, axes: Sequence[Axes]) -> None:
        rows = self.table[self.table["point"] == self.point]
        arms = list(self.names)
        for ax, (column, title) in zip(axes, _PANELS, strict=True):
            kinds = rows[(rows["kind"] == "average") == (column == "value")]
            means = kinds.pivot_table(index="what", columns="arm", values=column, sort=False, dropna=False)
            means = means.reindex(columns=arms)
            for place in range(len(arms)):
                ax.axhline(place, color=FAINT, linewidth=0.7, zorder=0)
            for what in reversed(list(means.index)):
                for place, (arm, colour) in enumerate(arm_colours(arms, arms[0]).items()):
                    look = self._looks[str(what)] | ({"color": colour} if what in self.masks else {})
                    ax.plot(means.loc[what, arm], place, linestyle="none", clip_on=False, zorder=3, **look)
            ax.set(xlim=(0, 1), title=title, xticks=[0, 0.5, 1], ylim=(len(arms) - 0.5, -0.5))
            ax.set_yticks(np.arange(len(arms)), list(self.names.values()))
            ax.tick_params(axis="y", length=0)

    def _legend(self) -> list[Line2D]:
        looks = self._looks.items()
        return [Line2D([], [], linestyle="none", label=legend_label(what), **look) for what, look in looks]


def averages_sentence(table: pd.DataFrame, point: str = "natural", names: Mapping[str, str] | None = None) -> str:
    """Say what the blended scores hide, from the table, means over seeds.

    Args:
        table: from `averages_table`.
        point: the operating point.
        names: display names of the arms; None keeps their names.

    Raises:
        ValueError: the table holds no run at that point.
    """
    rows = table[table["point"] == point]
    if not len(rows):
        raise ValueError(f"point: expected one of {sorted(set(table['point']))}, got {point!r}")
    values = rows.pivot_table(index="what", columns="arm", values="value", sort=False, dropna=False)
    masks = list(dict.fromkeys(rows[rows["kind"] == "mask"]["what"]))
    spread = values.loc[masks].max(axis=1) - values.loc[masks].min(axis=1)
    widest = str(spread.idxmax()) if spread.notna().any() else masks[0]

    def span(what: str) -> str:
        low, high = values.loc[what].min(), values.loc[what].max()
        return f"is {low:.3f}" if len(values.columns) == 1 else f"spans {low:.3f} to {high:.3f} over arms"

    text = (
        f"At the {point} point frame-averaged accuracy {span(AVERAGES[0])} and pixel-weighted F1 {span(AVERAGES[1])}, "
        f"while F1 of {widest} {span(widest)}."
    )
    if len(values.columns) > 1 and spread.notna().any():
        worst = str(values.loc[widest].idxmin())
        mine = {str(what): float(value) for what, value in values[worst].items()}
        own = rows[(rows["arm"] == worst) & (rows["what"] == widest)]
        text += (
            f" The worst there ({(names or {}).get(worst, worst)}) reads {mine[AVERAGES[0]]:.3f} in accuracy and "
            f"{mine[BACKGROUND]:.3f} in F1 of the background, at a precision of "
            f"{own['precision'].mean():.2f} and a recall of {own['recall'].mean():.2f}."
        )
    return text
