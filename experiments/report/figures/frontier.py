"""The frontier figure: per mask, each arm's precision-recall curve, its natural and its tuned operating point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from experiments.comparison.ceiling import Ceiling, without_holes
from experiments.comparison.compare_arms import Comparison
from experiments.report.annotators import HUMAN_WORDS, HumanPoint, human_points
from experiments.report.elsewhere import COLUMNS, HARD_WORDS, no_frontier
from experiments.report.facts import CEILING_WORDS, StudySize
from experiments.report.figures.labels import write_names
from experiments.report.figures.panels import (
    draw_into,
    draw_on_frontier,
    panel_grid,
    published_handles,
    recall_axes,
    recall_panels,
    stacked_panels,
)
from experiments.report.figures.style import (
    COLUMN,
    FAINT,
    QUIET,
    RC,
    SMALL,
    add_legend,
    arm_colours,
    arm_handles,
    arm_styles,
)
from experiments.report.published import PublishedPoint, published_caption
from experiments.runs.study import StudyRuns, short_names


@dataclass(frozen=True)
class FrontierDisplay:
    """The numbers of the frontier figure; `plot` draws them.

    Args:
        curves: A row per arm, mask and recall: `arm, mask, recall, precision, seed_low, seed_high`; precision is the
            mean over seeds at the first threshold that reaches the recall, low and high are the range of the seeds.
        points: A row per arm, mask and operating point (`natural`, `tuned`): `arm, mask, operating_point, recall,
            precision`, means over seeds.
        prevalence: Positive share of each mask in the test split: the precision of random scores.
        names: What to call each arm, the baseline first.
        baseline: The baseline arm.
        size: How many seeds and images the figure rests on.
        ceiling: The best possible frontier, if known: `mask, recall, precision`.
        published: Points of other systems.
        humans: Where the annotators of the test images operate, if there are several.
        hard: Operating points of arms of hard masks, which have no curve: a row per arm and mask; see `no_frontier`.
        near: Whether the axes hold the operating points alone, instead of all recalls and precisions.
        column: Whether panels stand below each other, in one column of a paper.
    """

    curves: pd.DataFrame
    points: pd.DataFrame
    prevalence: Mapping[str, float]
    names: Mapping[str, str]
    baseline: str
    size: StudySize
    ceiling: pd.DataFrame | None = None
    published: tuple[PublishedPoint, ...] = ()
    humans: tuple[HumanPoint, ...] = ()
    hard: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=COLUMNS))
    near: bool = False
    column: bool = False

    @classmethod
    def of(
        cls,
        study: StudyRuns,
        comparison: Comparison,
        ceiling: Ceiling | None = None,
        published: Sequence[PublishedPoint] = (),
    ) -> FrontierDisplay:
        """Take the numbers from a comparison."""
        points = comparison.points[comparison.points["mask"] != "background"]
        keys = ["arm", "mask", "operating_point"]
        means = points.groupby(keys, sort=False)[["recall", "precision"]].mean().reset_index()
        return cls(
            curves=comparison.curves,
            points=means,
            prevalence=comparison.prevalence,
            names=short_names([arm for arm, seeds in study.complete.items() if seeds]),
            baseline=study.baseline,
            size=StudySize.of(study, comparison),
            ceiling=None if ceiling is None else ceiling.curve,
            published=tuple(published),
            humans=human_points(study.reference.info),
            hard=no_frontier(study),
        )

    def in_column(self) -> FrontierDisplay:
        """Return the figure with its panels below each other, for one column of a paper."""
        return replace(self, column=True)

    def close_up(self) -> FrontierDisplay | None:
        """Take the mask on which the arms lie farthest apart, with axes that hold their operating points alone.

        None without a second arm, or where no mask has a frontier.
        """
        if len(self.names) < 2 or not self.points[["recall", "precision"]].notna().all(axis=1).any():
            return None
        mask = self._widest
        curves, points, hard = (rows[rows["mask"] == mask] for rows in (self.curves, self.points, self.hard))
        return replace(
            self,
            curves=curves,
            points=points,
            hard=hard,
            prevalence={mask: self.prevalence[mask]},
            ceiling=None if self.ceiling is None else self.ceiling[self.ceiling["mask"] == mask],
            published=tuple(point for point in self.published if point.beside(mask)),
            humans=tuple(human for human in self.humans if human.mask == mask),
            near=True,
        )

    @property
    def _widest(self) -> str:
        """The mask on which the arms lie farthest apart; the first, where none has a frontier."""
        means = self.curves.groupby(["mask", "arm"])["precision"].mean().groupby("mask")
        spans = (means.max() - means.min()).reindex(list(self.prevalence))
        return str(spans.idxmax()) if spans.notna().any() else next(iter(self.prevalence))

    @property
    def table(self) -> pd.DataFrame:
        """Curves and points in one table: `kind` is curve, natural, tuned, ceiling, annotator or hard masks."""
        curves = self.curves.assign(kind="curve")
        points = self.points.rename(columns={"operating_point": "kind"})
        best = [] if self.ceiling is None else [self.ceiling.assign(kind="ceiling", arm="")]
        people = [
            pd.DataFrame(
                [
                    {
                        "kind": "annotator",
                        "arm": h.annotator,
                        "mask": h.mask,
                        "recall": h.recall,
                        "precision": h.precision,
                    }
                ]
            )
            for h in self.humans
        ]
        columns = ["kind", "arm", "mask", "recall", "precision", "seed_low", "seed_high"]
        hard = [self.hard.assign(kind="hard masks")] if len(self.hard) else []
        return pd.concat([points, curves, *best, *people, *hard], ignore_index=True).reindex(columns=columns)

    @property
    def caption(self) -> str:
        """What is shown and what it rests on."""
        best = "" if self.ceiling is None else f" Dotted: {CEILING_WORDS}"
        (mask, *_) = self.prevalence
        close = (
            f"The frontiers of {mask}, the mask on which arms lie farthest apart, near their operating points"
            if self.near
            else "Precision-recall frontiers on the test set"
        )
        base = f"Black: {self.names[self.baseline]}, the baseline. " if self.baseline in self.names else ""
        floor = "" if self.near else ", and the prevalence, the precision of a model that knows nothing"
        return (
            f"{close} ({self.size.text}). Lines: mean over seeds of the precision "
            "at the highest threshold that reaches the recall, counts pooled over images; shaded: from the lowest to "
            "the highest seed, which is no confidence interval. Filled: natural point (probability 0.5); open: "
            f"threshold of best F1 on validation. {base}"
            f"Grey: lines along which F1 is the value at their right end{floor}."
            f"{best}{HUMAN_WORDS if self.humans else ''}{HARD_WORDS if len(self.hard) else ''}"
            f"{published_caption(self.published)}"
        )

    def plot(self, axes: Sequence[Axes] | None = None) -> Figure:
        """Draw one panel per mask.

        Args:
            axes: One per mask to draw into; None makes a new figure with a legend.

        Returns:
            The figure.

        Raises:
            ValueError: When `axes` has another length than there are masks.
        """
        masks = list(self.prevalence)
        with plt.rc_context(RC):
            if axes is not None:
                return draw_into(axes, [(mask,) for mask in masks], self._named_panel, "mask")
            figure, without_room = self._figure(masks, ())
            if without_room:  # these are named in the legend, whose height moves the panels
                plt.close(figure)
                figure, _ = self._figure(masks, without_room)
        return figure

    def _figure(self, masks: Sequence[str], in_legend: Sequence[str]) -> tuple[Figure, list[str]]:
        """Draw all panels and a legend that names some arms; also return the arms that are named nowhere else."""
        if self.near:
            figure, (panel,) = panel_grid(1, 1, COLUMN, COLUMN - 0.2)
            self._panel(panel, masks[0])
        elif self.column:
            figure = stacked_panels([_STACKED] * len(masks), lambda ax, place: self._panel(ax, masks[place]))
        else:
            figure = recall_panels(masks, self._panel)
        add_legend(figure, self._legend(in_legend))
        return figure, self._names(figure.axes[masks.index(self._widest)], self._widest)

    def _named_panel(self, ax: Axes, mask: str) -> None:
        self._panel(ax, mask)
        self._names(ax, mask)

    def _names(self, ax: Axes, mask: str) -> list[str]:
        """Name the arms beside their operating points; return those that there is no room for."""
        own = self.points[self.points["mask"] == mask]
        places = {arm: own.loc[own["arm"] == arm, ["recall", "precision"]].to_numpy(dtype=float) for arm in self.names}
        return write_names(ax, places, self.names, arm_colours(list(self.names), self.baseline))

    def _panel(self, ax: Axes, mask: str) -> None:
        if not self.near:
            floor = self.prevalence[mask]
            ax.axhline(floor, color=QUIET, linewidth=0.8, linestyle=":")
            above: dict[str, Any] = {"xytext": (0, 2), "textcoords": "offset points", **SMALL}
            halo = [withStroke(linewidth=1.5, foreground="white")]  # stays readable on a low curve
            ax.annotate(f"prevalence {floor:.3f}", (0.02, floor), zorder=4.5, path_effects=halo, **above)
        if self.ceiling is not None:
            best = without_holes(self.ceiling[self.ceiling["mask"] == mask])
            ax.plot(best["recall"], best["precision"], **_CEILING)
        for arm, style in arm_styles(list(self.names), self.baseline).items():
            curve = self.curves[(self.curves["arm"] == arm) & (self.curves["mask"] == mask)].sort_values("recall")
            ax.plot(curve["recall"], curve["precision"], **style.line)
            range_of_seeds = (curve["recall"], curve["seed_low"], curve["seed_high"])
            ax.fill_between(*range_of_seeds, color=style.colour, alpha=0.13, linewidth=0, zorder=2)
            points = self.points[(self.points["arm"] == arm) & (self.points["mask"] == mask)]
            for point in ("natural", "tuned"):
                at = points[points["operating_point"] == point]
                look = style.point(filled=point == "natural")
                ax.plot(at["recall"], at["precision"], zorder=5, clip_on=False, **look)
        draw_on_frontier(ax, self.published, mask)
        for human in self.humans:
            if human.mask == mask:
                ax.plot(human.recall, human.precision, zorder=5.5, clip_on=False, **_HUMAN)
        for arm, look in self._hard_looks().items():
            at = self.hard[(self.hard["arm"] == arm) & (self.hard["mask"] == mask)]
            ax.plot(at["recall"], at["precision"], zorder=5.5, clip_on=False, **look)
        if self.near:
            x, y = (self._limits(name) for name in ("recall", "precision"))
            ax.set(xlim=x, ylim=y, xlabel="recall", ylabel="precision", title=mask)
        else:
            recall_axes(ax, mask)
            if self.column:
                ax.set_aspect("auto")  # square, they would be narrower than the column or longer than the page
        f1_contours(ax)

    def _limits(self, name: str) -> tuple[float, float]:
        """Limits that hold every operating point, with room for names."""
        others = [float(getattr(each, name)) for each in (*self.humans, *self.published)]
        values = np.array([*self.points[name], *self.hard[name], *others], dtype=float)
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        room = max(_ROOM * (high - low), 0.05)
        return max(low - room, 0.0), min(high + room, 1.0)

    def _hard_looks(self) -> dict[str, dict[str, Any]]:
        """One marker for each arm of hard masks."""
        arms = list(dict.fromkeys(self.hard["arm"]))
        return {arm: {**_HUMAN, "marker": _MARKERS[place % len(_MARKERS)]} for place, arm in enumerate(arms)}

    def _legend(self, arms: Sequence[str]) -> list[Line2D | Patch]:
        handles = arm_handles(self.names, self.baseline)
        grey: dict[str, Any] = {"color": QUIET, "linestyle": "none", "marker": "o", "markersize": 4.5}
        ceiling = [] if self.ceiling is None else [Line2D([], [], label="ceiling (true probabilities)", **_CEILING)]
        return [
            *(handle for arm, handle in zip(self.names, handles, strict=True) if arm in arms),
            *ceiling,
            Line2D([], [], label="natural point (0.5)", **grey),
            Line2D([], [], label="tuned on validation", markerfacecolor="white", **grey),
            Patch(color=QUIET, alpha=0.25, linewidth=0, label="range of seeds"),
            Line2D([], [], label="equal F1", **_CONTOUR),
            *([Line2D([], [], label="annotators", **_HUMAN)] if self.humans else []),
            *[Line2D([], [], label=f"{arm} (hard masks)", **look) for arm, look in self._hard_looks().items()],
            *published_handles(self.published),
        ]


_STACKED = 2.3  # height of a panel in one column, inches
_CONTOUR: dict[str, Any] = {"color": FAINT, "linewidth": 0.7}
_HUMAN: dict[str, Any] = {
    "color": "black",
    "linestyle": "none",
    "marker": "*",
    "markersize": 8,
    "markeredgecolor": "white",
}
_ROOM = 0.2  # around operating points, of their span
_FEW_CONTOURS = 0.8  # span of precision from which four lines of equal F1 are enough
_MARKERS = ("X", "P", "D", "h")
_CEILING: dict[str, Any] = {"color": "black", "linewidth": 1.0, "linestyle": (0, (1, 1.5)), "zorder": 2}


def f1_contours(ax: Axes, *, labels: bool = True) -> None:
    """Draw lines of equal F1, precision = F1 * recall / (2 * recall - F1), with labels at their right ends.

    Args:
        ax: A panel whose limits are set, if they are not to be 0 and 1.
        labels: Whether to write them, outside the axes, clear of curves and markers.
    """
    right, (low, high) = ax.get_xlim()[1], ax.get_ylim()
    for f1 in (0.2, 0.4, 0.6, 0.8) if high - low > _FEW_CONTOURS else np.arange(0.1, 1, 0.1):
        recall = np.linspace(f1 / (2 - f1), 1, 300)
        ax.plot(recall, f1 * recall / (2 * recall - f1), zorder=1, **_CONTOUR)
        end = f1 * right / (2 * right - f1)
        if labels and low < end < high:
            ax.annotate(f"F1 {f1:.1f}", (right, end), xytext=(3, -2.5), textcoords="offset points", **SMALL)
