"""Slide against step: how far each loss moves along the baseline's frontier, and what it gains off it."""

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
from matplotlib.patheffects import withStroke

from experiments.comparison.compare_arms import Comparison
from experiments.report.facts import StudySize
from experiments.report.figures.labels import write_names
from experiments.report.figures.panels import draw_into, panel_grid
from experiments.report.figures.style import (
    BASELINE_COLOUR,
    COLUMN,
    MARGIN,
    QUIET,
    RC,
    SMALL,
    add_legend,
    arm_colours,
    arm_markers,
)
from experiments.report.text.wording import listed
from experiments.runs.study import StudyRuns, short_names

_HEIGHT = 2.5  # inches
_ROOM = 0.12  # of the span of the points, on either side of them
_WIDEST = 1.0  # of that span: intervals reach at most this far beyond the points, and are cut there
_MOST_THEORIES = 3  # lines of theory that still have room for a label


@dataclass(frozen=True)
class SlideStepDisplay:
    """The numbers of the slide-step figure: one panel, a point per arm and mask.

    What lies on the line of no step slides; what lies off it moves the frontier at that recall.

    Args:
        table: A row per arm and mask: `shift`, the slide in logits, and `precision_gain`, the step, each with its
            interval, and the `predicted_shift` of theory; rows without a slide say why in `status`.
        names: What to call each arm, the baseline first.
        baseline: The baseline arm.
        masks: Names of the masks.
        margin: Differences inside ±margin count as none.
        size: How many seeds and images the figure rests on.
    """

    table: pd.DataFrame
    names: Mapping[str, str]
    baseline: str
    masks: tuple[str, ...]
    margin: float
    size: StudySize

    @classmethod
    def of(cls, study: StudyRuns, comparison: Comparison) -> SlideStepDisplay | None:
        """Take the numbers from a comparison; None if no arm has a slide."""
        if not len(comparison.slides):
            return None
        names = short_names([arm for arm, seeds in study.complete.items() if seeds])
        columns = ["arm", "mask", "baseline", "shift", "shift_low", "shift_high", "predicted_shift"]
        columns += ["precision_gain", "precision_gain_low", "precision_gain_high", "n_seeds", "status"]
        table = comparison.slides[comparison.slides["arm"].isin(list(names))][columns].reset_index(drop=True)
        if not has_place(table).any():
            return None
        size = StudySize.of(study, comparison)
        return cls(table, names, study.baseline, comparison.masks, comparison.settings.margin, size)

    @property
    def caption(self) -> str:
        """What is shown and what it rests on."""
        base = self.names[self.baseline]
        text = (
            f"Each loss against {base} ({self.size.text}; {self.size.interval}). Across, the slide: how much all of "
            f"{base}'s logits would have to rise for it to reach the loss's recall, which is the same as lowering "
            f"its threshold. Up, the step: the precision that the loss gains over {base} at that recall. On the "
            "zero line another threshold does as well there, and off it the frontiers differ; grey, differences that "
            "count as none. Verdicts ask about all recalls. Dotted, the slide that theory predicts."
        )
        missing = [
            f"{self.names[str(arm)]} ({', '.join(rows['mask'])})"
            for arm, rows in self.table[~has_place(self.table)].groupby("arm", sort=False)
        ]
        return (
            f"{text} Without a point, because {base} does not reach that recall: {listed(missing)}."
            if missing
            else text
        )

    def plot(self, axes: Sequence[Axes] | None = None) -> Figure:
        """Draw the one panel.

        Raises:
            ValueError: When `axes` are not one.
        """
        with plt.rc_context(RC):
            if axes is not None:
                return draw_into(axes, [()], self._panel, "figure")
            figure, panels = panel_grid(1, 1, COLUMN, _HEIGHT)
            if len(self.masks) > 1:
                add_legend(figure, self._legend())
            self._panel(panels[0])
        return figure

    def _panel(self, ax: Axes) -> None:
        rows = self.table[has_place(self.table)]
        colours, markers = arm_colours(list(self.names), self.baseline), arm_markers(self.masks)
        base = self.names[self.baseline]
        ax.axhspan(-self.margin, self.margin, **MARGIN, zorder=0)
        for draw in (ax.axhline, ax.axvline):
            draw(0, color=BASELINE_COLOUR, linewidth=0.8, zorder=1)
        for _, row in rows.iterrows():
            colour, place = colours[row["arm"]], (row["shift"], row["precision_gain"])
            thin: dict[str, Any] = {"color": colour, "linewidth": 0.8, "zorder": 3}
            ax.hlines(place[1], row["shift_low"], row["shift_high"], **thin)
            ax.vlines(place[0], row["precision_gain_low"], row["precision_gain_high"], **thin)
            look: dict[str, Any] = {
                "marker": markers[row["mask"]],
                "markersize": 5,
                "markeredgecolor": "white",
                "markeredgewidth": 0.5,
            }
            ax.plot(*place, color=colour, zorder=5, linestyle="none", **look)
        ax.set(xlim=place_limits(rows, "shift"), ylim=place_limits(rows, "precision_gain", self.margin))
        ax.set_xlabel(f"slide: shift of {base}'s logits with the same recall")
        ax.set_ylabel("step: precision gained there")
        self._theory(ax, rows)
        places = {str(arm): own[["shift", "precision_gain"]].to_numpy() for arm, own in rows.groupby("arm", sort=False)}
        write_names(ax, places, self.names, colours)

    def _theory(self, ax: Axes, rows: pd.DataFrame) -> None:
        for shift, label in predicted_shifts(rows).items():
            ax.axvline(shift, color=QUIET, linewidth=0.8, linestyle=":", zorder=1)
            if label:
                halo = [withStroke(linewidth=2, foreground="white")]
                ax.annotate(
                    label, (shift, 0.01), xycoords=("data", "axes fraction"), ha="center", path_effects=halo, **SMALL
                )

    def _legend(self) -> list[Line2D]:
        look: dict[str, Any] = {"color": QUIET, "linestyle": "none", "markersize": 5}
        return [Line2D([], [], marker=marker, label=mask, **look) for mask, marker in arm_markers(self.masks).items()]


def has_place(table: pd.DataFrame) -> pd.Series:
    """Say of each row whether it has a slide and a step."""
    return table["shift"].notna() & table["precision_gain"].notna()


def predicted_shifts(rows: pd.DataFrame) -> dict[float, str]:
    """Return the slides that theory predicts, each with its label; without labels where they are too many to read."""
    shifts = sorted({round(float(shift), 3) for shift in rows["predicted_shift"].dropna() if shift})
    labels = [f"ln {np.exp(shift):.3g}" if shift > 0 else f"{shift:.2g}" for shift in shifts]
    return dict(zip(shifts, labels if len(shifts) <= _MOST_THEORIES else [""] * len(shifts), strict=True))


def place_limits(rows: pd.DataFrame, name: str, margin: float = 0.0) -> tuple[float, float]:
    """Limits that hold all points, 0 and the margin, and intervals as far as they do not dwarf the points."""
    values = rows[name].to_numpy(dtype=np.float64)
    low, high = min(values.min(), -2 * margin), max(values.max(), 2 * margin)
    span = max(high - low, 1e-6)
    ends = [np.nanmin([*rows[f"{name}_low"], low]), np.nanmax([*rows[f"{name}_high"], high])]
    low, high = max(ends[0], low - _WIDEST * span), min(ends[1], high + _WIDEST * span)
    room = _ROOM * (high - low)
    return float(low - room), float(high + room)
