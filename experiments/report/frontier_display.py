"""The frontier figure: per mask, each arm's precision-recall curve, its natural and its tuned operating point."""

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

from experiments.comparable import StudyRuns, short_names
from experiments.frontier.comparison import Comparison
from experiments.report.known_ceiling import Ceiling
from experiments.report.style import QUIET, RC, arm_colours, arm_markers


@dataclass(frozen=True)
class FrontierDisplay:
    """The numbers of the frontier figure; `plot` draws them.

    Args:
        curves: A row per arm, mask and recall: `arm, mask, recall, precision, seed_low, seed_high`; precision is the
            mean over seeds at the first threshold that reaches the recall, low and high are the range of the seeds.
        points: A row per arm, mask and operating point (`natural`, `tuned`): `arm, mask, operating_point, recall,
            precision`, means over seeds.
        prevalence: Positive share of each mask in the test split: the precision of a model that knows nothing.
        names: What to call each arm, the baseline first.
        baseline: The baseline arm.
        caption: How many seeds and images the figure rests on.
        ceiling: The best frontier there is, where it is known: `mask, recall, precision`.
    """

    curves: pd.DataFrame
    points: pd.DataFrame
    prevalence: Mapping[str, float]
    names: Mapping[str, str]
    baseline: str
    caption: str
    ceiling: pd.DataFrame | None = None

    @classmethod
    def of(cls, study: StudyRuns, comparison: Comparison, ceiling: Ceiling | None = None) -> FrontierDisplay:
        """Take the numbers from a comparison."""
        arms = [arm for arm, seeds in study.complete.items() if seeds]
        points = comparison.points[comparison.points["mask"] != "background"]
        keys = ["arm", "mask", "point"]
        means = points.groupby(keys, sort=False)[["recall", "precision"]].mean().reset_index()
        first = points[points["point"] == "natural"].groupby("mask")["prevalence"].first()
        seeds = [len(study.complete[arm]) for arm in arms]
        count = str(min(seeds)) if min(seeds) == max(seeds) else f"{min(seeds)} to {max(seeds)}"
        images = int(comparison.image_means["n_images"].iloc[0])
        return cls(
            curves=comparison.curves,
            points=means.rename(columns={"point": "operating_point"}),
            prevalence={mask: float(first[mask]) for mask in comparison.masks},
            names=short_names(arms),
            baseline=study.baseline,
            caption=f"mean over {count} seeds, band: range of the seeds; {images} test images, counts pooled",
            ceiling=None if ceiling is None else ceiling.curve,
        )

    def plot(self, axes: Sequence[Axes] | None = None) -> Figure:
        """Draw one panel per mask.

        Args:
            axes: One per mask to draw into; None makes a new figure with a legend and the caption.

        Returns:
            The figure.

        Raises:
            ValueError: When `axes` has another length than there are masks.
        """
        masks = list(self.prevalence)
        with plt.rc_context(RC):
            if axes is not None:
                if len(axes) != len(masks):
                    raise ValueError(f"axes: expected {len(masks)}, one per mask, got {len(axes)}")
                for ax, mask in zip(axes, masks, strict=True):
                    self._panel(ax, mask)
                return axes[0].get_figure(root=True)  # type: ignore[return-value]
            columns = min(len(masks), 3)
            rows = -(-len(masks) // columns)
            figure, grid = plt.subplots(
                rows, columns, figsize=(3.6 * columns + 0.3, 3.7 * rows + 0.9), squeeze=False, layout="constrained"
            )
            for ax in grid.flat[len(masks) :]:
                ax.set_visible(False)
            for index, (ax, mask) in enumerate(zip(grid.flat, masks, strict=False)):
                self._panel(ax, mask)
                if index % columns:
                    ax.set_ylabel("")
            figure.legend(handles=self._legend(), loc="outside lower center", ncols=min(5, len(self.names) + 4))
            figure.suptitle(self.caption, fontsize=8, color=QUIET)
        return figure

    def _panel(self, ax: Axes, mask: str) -> None:
        _f1_contours(ax)
        floor = self.prevalence[mask]
        ax.axhline(floor, color=QUIET, linewidth=0.8, linestyle=":")
        ax.annotate(f"prevalence {floor:.3f}", (0.02, floor), xytext=(0, 2), textcoords="offset points", **_SMALL)
        if self.ceiling is not None:
            best = self.ceiling[self.ceiling["mask"] == mask]
            ax.plot(best["recall"], best["precision"], zorder=2, **_CEILING)
        colours, markers = arm_colours(list(self.names), self.baseline), arm_markers(list(self.names))
        # The baseline last: its dashes stay visible on top of a curve that it coincides with.
        for arm in [*(arm for arm in self.names if arm != self.baseline), self.baseline]:
            curve = self.curves[(self.curves["arm"] == arm) & (self.curves["mask"] == mask)].sort_values("recall")
            style = (0, (4, 2)) if arm == self.baseline else "-"
            ax.plot(curve["recall"], curve["precision"], color=colours[arm], linestyle=style, zorder=3)
            ax.fill_between(
                curve["recall"],
                curve["seed_low"],
                curve["seed_high"],
                color=colours[arm],
                alpha=0.10,
                linewidth=0,
            )
            points = self.points[(self.points["arm"] == arm) & (self.points["mask"] == mask)]
            for point, fill in (("natural", colours[arm]), ("tuned", "white")):
                at = points[points["operating_point"] == point]
                ax.plot(
                    at["recall"],
                    at["precision"],
                    markers[arm],
                    color=colours[arm],
                    markerfacecolor=fill,
                    markersize=6.5,
                    markeredgewidth=1.3,
                    zorder=5,
                    clip_on=False,
                )
        ax.set(xlim=(0, 1), ylim=(0, 1), xlabel="recall", ylabel="precision", title=mask)
        ax.set_aspect("equal")

    def _legend(self) -> list[Line2D]:
        colours, markers = arm_colours(list(self.names), self.baseline), arm_markers(list(self.names))
        lines = [
            Line2D(
                [],
                [],
                color=colours[arm],
                marker=markers[arm],
                linestyle=(0, (4, 2)) if arm == self.baseline else "-",
                label=f"{name} (baseline)" if arm == self.baseline else name,
            )
            for arm, name in self.names.items()
        ]
        grey: dict[str, Any] = {"color": QUIET, "linestyle": "none", "marker": "o"}
        ceiling = [] if self.ceiling is None else [Line2D([], [], label="ceiling (true probabilities)", **_CEILING)]
        return [
            *lines,
            *ceiling,
            Line2D([], [], label="natural point (probability 0.5)", **grey),
            Line2D([], [], label="tuned point (best F1 on validation)", markerfacecolor="white", **grey),
        ]


_CEILING: dict[str, Any] = {"color": "black", "linewidth": 1.0, "linestyle": (0, (1, 1.5))}
_SMALL: dict[str, Any] = {"fontsize": 6.5, "color": QUIET}


def _f1_contours(ax: Axes) -> None:
    """Draw the lines of equal F1: precision = F1 * recall / (2 * recall - F1)."""
    for f1 in (0.2, 0.4, 0.6, 0.8):
        recall = np.linspace(f1 / (2 - f1), 1, 200)
        ax.plot(recall, f1 * recall / (2 * recall - f1), color="#d9d9d9", linewidth=0.8, zorder=1)
        # On the diagonal, below most curves; the best contour at the top, clear of the operating points.
        place = (f1, f1) if f1 < 0.7 else (f1 / (2 - f1), 0.96)
        label = ax.annotate(f"F1 {f1}", place, xytext=(3, 0), textcoords="offset points", **_SMALL)
        label.set(zorder=6, path_effects=[withStroke(linewidth=2, foreground="white")])
