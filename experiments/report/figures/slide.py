"""The slide: each arm's path from the baseline's natural point to its own, and the change of F1 that it explains."""

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

from experiments.comparison.compare_arms import Comparison
from experiments.report.facts import StudySize
from experiments.report.figures.frontier import f1_contours
from experiments.report.figures.panels import AROUND_ROWS, arm_rows, draw_into, low_row, panel_grid, stacked_panels
from experiments.report.figures.style import PAGE, QUIET, RC, add_legend, arm_styles, typeset_change
from experiments.runs.study import StudyRuns, short_names

_ACROSS = 6  # panels in a row
_ROOM = 0.1  # precision


@dataclass(frozen=True)
class SlideDisplay:
    """The numbers of the slide figure: one small panel per arm and mask.

    Args:
        slides: `comparison.slides`.
        curves: `comparison.curves`.
        names: What to call each arm, the baseline first.
        baseline: The baseline arm.
        masks: Names of the masks.
        size: How many seeds and images the figure rests on.
    """

    slides: pd.DataFrame
    curves: pd.DataFrame
    names: Mapping[str, str]
    baseline: str
    masks: tuple[str, ...]
    size: StudySize

    @classmethod
    def of(cls, study: StudyRuns, comparison: Comparison) -> SlideDisplay | None:
        """Take the numbers from a comparison; None without an arm besides the baseline."""
        if not len(comparison.slides):
            return None
        names = short_names([arm for arm, seeds in study.complete.items() if seeds])
        slides = comparison.slides[comparison.slides["arm"].isin(list(names))]
        size = StudySize.of(study, comparison)
        return cls(slides, comparison.curves, names, study.baseline, comparison.masks, size) if len(slides) else None

    @property
    def table(self) -> pd.DataFrame:
        """A row per arm and mask: both natural points, the slide, and the step off the frontier."""
        columns = ["arm", "mask", "baseline", "baseline_natural_recall", "baseline_natural_precision"]
        columns += ["natural_recall", "natural_precision", "shift", "shift_low", "shift_high", "predicted_shift"]
        columns += ["precision_gain", "precision_gain_low", "precision_gain_high", "n_seeds", "status"]
        return self.slides[columns]

    @property
    def caption(self) -> str:
        """What is shown and what it rests on."""
        base = self.names[self.baseline]
        return (
            f"From {base}'s natural point (dot) to each arm's ({self.size.text}, means over seeds): first the slide "
            f"along {base}'s frontier (dashed) to the threshold with the arm's recall, named as a shift of all logits; "
            "then the step off it at that recall, named as a difference of precision. A loss that only slides has no "
            "step. Solid: the arm's own frontier."
        )

    def plot(self, axes: Sequence[Axes] | None = None) -> Figure:
        """Draw one panel per arm and mask, masks below each other.

        Args:
            axes: One per mask and arm, all arms of the first mask first; None makes a new figure.

        Raises:
            ValueError: When `axes` has another length.
        """
        arms = [arm for arm in self.names if arm != self.baseline]
        with plt.rc_context(RC):
            if axes is not None:
                return draw_into(
                    axes, [(arm, mask) for mask in self.masks for arm in arms], self._panel, "mask and arm"
                )
            across = min(len(arms), _ACROSS)
            chunks = [arms[start : start + across] for start in range(0, len(arms), across)]
            rows = [(mask, chunk) for chunk in chunks for mask in self.masks]
            side = min(PAGE / across, 1.9)
            figure, panels = panel_grid(len(rows) * across, across, side * across, side - 0.08, extra=0.35)
            grid = np.array(panels, dtype=object).reshape(len(rows), across)
            for row, (mask, chunk) in zip(grid, rows, strict=True):
                for ax in row[len(chunk) :]:
                    ax.remove()
                for column, (ax, arm) in enumerate(zip(row, chunk, strict=False)):
                    self._panel(ax, arm, mask)
                    ax.set(title=self.names[arm] if mask == self.masks[0] else "", ylabel="")
                    ax.set_xlabel("recall" if mask == self.masks[-1] else "")
                    ax.tick_params(labelbottom=mask == self.masks[-1], labelleft=column == 0)
                row[0].set_ylabel(f"{mask}\nprecision" if len(self.masks) > 1 else "precision")
            add_legend(figure, self._legend())
        return figure

    def _panel(self, ax: Axes, arm: str, mask: str) -> None:
        f1_contours(ax, labels=False)
        styles = arm_styles(list(self.names), self.baseline)
        for name in (arm, self.baseline):
            curve = self.curves[(self.curves["arm"] == name) & (self.curves["mask"] == mask)].sort_values("recall")
            dashes = styles[name].dashes if name == self.baseline else "-"
            line = {**styles[name].line, "linestyle": dashes, "linewidth": 1.0}
            ax.plot(curve["recall"], curve["precision"], **line)
            if name == self.baseline:
                base = curve.dropna(subset="precision")
        row = self.slides[(self.slides["arm"] == arm) & (self.slides["mask"] == mask)].iloc[0]
        start = (row["baseline_natural_recall"], row["baseline_natural_precision"])
        end = (row["natural_recall"], row["natural_precision"])
        foot = (end[0], end[1] - row["precision_gain"])
        if row["status"] == "reached" and not np.isnan(foot[1]):
            between = base[(base["recall"] - start[0]) * (base["recall"] - foot[0]) < 0]
            path = between.sort_values("recall", ascending=bool(start[0] < foot[0]))
            route = np.array([start, *path[["recall", "precision"]].to_numpy(), foot])
            ax.plot(*route.T, color=QUIET, linewidth=3.2, alpha=0.75, solid_capstyle="butt", zorder=4)
            _arrow(ax, foot, end, styles[arm].colour)
            ax.plot(*foot, "o", color=QUIET, markersize=3.5, markerfacecolor="white", zorder=5)
            note = f"slide {typeset_change(row['shift'], 1)} logit\nstep {typeset_change(row['precision_gain'])}"
        else:
            note = "no slide:\nunreachable" if "unreachable" in str(row["status"]) else "no slide"
        ax.plot(*start, "o", color="black", markersize=4, zorder=6, clip_on=False)
        ax.plot(*end, zorder=7, clip_on=False, **styles[arm].point(size=4.5))
        ax.annotate(note, (0.05, 0.06), xycoords="axes fraction", fontsize=7, zorder=8, path_effects=_HALO)
        ax.set(xlim=(0, 1), ylim=(0, 1), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1], title=f"{self.names[arm]}, {mask}")
        ax.set(xlabel="recall", ylabel="precision")
        ax.set_aspect("equal")

    def _legend(self) -> list[Line2D]:
        base = arm_styles(list(self.names), self.baseline)[self.baseline]
        name = self.names[self.baseline]
        return [
            Line2D([], [], label=f"{name} (baseline), its natural point", marker="o", markersize=4, **base.line),
            Line2D([], [], color=QUIET, linewidth=3.2, alpha=0.75, label="slide along it"),
            Line2D([], [], color=QUIET, marker="o", markersize=3.5, markerfacecolor="white", linestyle="none",
                   label=f"{name} at the arm's recall"),
            Line2D([], [], color=QUIET, linewidth=1.2, label="step to the arm's natural point"),
        ]  # fmt: skip


_HALO = [withStroke(linewidth=2, foreground="white")]


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float], colour: object) -> None:
    """Draw the step; a short step has no room for an arrow head."""
    ax.plot([start[0], end[0]], [start[1], end[1]], color=colour, linewidth=1.6, zorder=5, solid_capstyle="butt")
    if abs(end[1] - start[1]) > _ROOM:
        middle = (end[0], 0.5 * (start[1] + end[1]))
        head = {"arrowstyle": "-|>", "color": colour, "linewidth": 0, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 8}
        ax.annotate("", middle, start, arrowprops=head, zorder=6)


_PARTS: dict[str, tuple[str, dict[str, Any], float]] = {
    "frontier_part": ("frontier part (tuned F1)", {"facecolor": QUIET, "edgecolor": QUIET}, -0.19),
    "threshold_part": ("threshold part", {"facecolor": "white", "edgecolor": QUIET, "hatch": "////"}, 0.19),
}


@dataclass(frozen=True)
class DecompositionDisplay:
    """The numbers of the decomposition figure: one panel per mask.

    Args:
        table: `comparison.decomposition`: a row per arm and mask, `f1_natural_change` = `frontier_part` +
            `threshold_part`, each with its interval.
        names: What to call each arm.
        baseline: The baseline arm.
        masks: Names of the masks.
        size: How many seeds and images the figure rests on.
        column: Whether panels stand below each other, in one column of a paper.
    """

    table: pd.DataFrame
    names: Mapping[str, str]
    baseline: str
    masks: tuple[str, ...]
    size: StudySize
    column: bool = False

    @classmethod
    def of(cls, study: StudyRuns, comparison: Comparison) -> DecompositionDisplay | None:
        """Take the numbers from a comparison; None without an arm besides the baseline."""
        if not len(comparison.decomposition):
            return None
        names = short_names(list(study.complete))
        size = StudySize.of(study, comparison)
        return cls(comparison.decomposition, names, study.baseline, comparison.masks, size)

    def in_column(self) -> DecompositionDisplay:
        """Return the figure with its panels below each other, for one column of a paper."""
        return replace(self, column=True)

    @property
    def caption(self) -> str:
        """What is shown and what it rests on."""
        return (
            f"Change of F1 at the natural point (probability 0.5) against {self.names[self.baseline]} (diamond) = "
            "frontier part, the change of F1 at the thresholds tuned on validation, + threshold part, the rest: what "
            f"moving the threshold alone accounts for ({self.size.text}; {self.size.interval})."
        )

    def plot(self, axes: Sequence[Axes] | None = None) -> Figure:
        """Draw one panel per mask.

        Raises:
            ValueError: When `axes` has another length than there are masks.
        """
        with plt.rc_context(RC):
            if axes is not None:
                return draw_into(axes, [(mask,) for mask in self.masks], self._panel, "mask")
            n_arms = len(set(self.table["arm"]))
            if self.column:
                heights = [AROUND_ROWS + n_arms * low_row(list(self.names.values()), _LOW_ROW)] * len(self.masks)
                figure = stacked_panels(heights, lambda ax, place: self._panel(ax, self.masks[place]))
            else:
                figure = arm_rows(self.masks, n_arms, self._panel)
            add_legend(figure, self._legend())
        return figure

    def _panel(self, ax: Axes, mask: str) -> None:
        rows = self.table[self.table["mask"] == mask].reset_index(drop=True)
        places = np.arange(len(rows))
        ax.axvline(0, color="black", linewidth=0.7)
        for part, (_, look, shift) in _PARTS.items():
            ax.barh(places + shift, rows[part], height=0.34, linewidth=0.6, zorder=2, **look)
            ends = (rows[f"{part}_low"], rows[f"{part}_high"])
            ax.hlines(places + shift, *ends, color="black", linewidth=0.8, zorder=3)
        ax.plot(rows["f1_natural_change"], places, "D", zorder=4, **_TOTAL)
        ax.set_yticks(places, [self.names[arm] for arm in rows["arm"]])
        ax.set(ylim=(len(rows) - 0.5, -0.5), xlabel="change of F1", title=mask)
        ax.margins(x=0.06)
        ax.locator_params(axis="x", nbins=5)

    def _legend(self) -> list[Patch | Line2D]:
        parts: list[Patch | Line2D] = [Patch(label=label, linewidth=0.6, **look) for label, look, _ in _PARTS.values()]
        return [
            *parts,
            Line2D([], [], marker="D", linestyle="none", label="change of natural F1 (their sum)", **_TOTAL),
            Line2D([], [], color="black", linewidth=0.8, label=f"{100 * (1 - self.size.level):g} % interval"),
        ]


_LOW_ROW = 0.3  # height of an arm in one column, inches
_TOTAL: dict[str, Any] = {"color": "black", "markerfacecolor": "white", "markersize": 4.5, "markeredgewidth": 1.1}
