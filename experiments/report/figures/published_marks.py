"""How published points of other systems are drawn: grey, apart from everything that is ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patheffects import Normal, withStroke

from experiments.report.figures.style import QUIET, SMALL
from experiments.report.published_point import PublishedPoint

_MARKERS = ("x", "+", "1", "2", "3", "4")
_APART = 1.3
"""Factor between the places at which two points of the same weight are drawn, side by side around it."""


def draw_on_frontier(ax: Axes, points: Sequence[PublishedPoint], mask: str) -> None:
    """Draw the points of a mask into a precision-recall panel."""
    for look, point in _looks(points):
        if point.beside(mask):
            halo = [withStroke(linewidth=3, foreground="white"), Normal()]  # stands out among our markers
            ax.plot(point.recall, point.precision, zorder=6, clip_on=False, path_effects=halo, **look)


def draw_on_seesaw(ax: Axes, points: Sequence[PublishedPoint], mask: str) -> None:
    """Draw recall, F1 and precision of the points that have a weight: letters on a thin line, dodged where they tie.

    Where there are several, each has its number in the legend below its line.
    """
    numbered = [point for point in points if point.weight is not None]
    shown = [point for point in numbered if point.beside(mask)]
    for index, point in enumerate(shown):
        ties = [i for i, other in enumerate(shown) if other.weight == point.weight]
        at = float(point.weight or 1) * _APART ** (ties.index(index) - 0.5 * (len(ties) - 1))
        values = {"R": point.recall, "F": point.f1, "P": point.precision}
        ax.plot([at, at], [min(values.values()), max(values.values())], color=QUIET, linewidth=0.5, zorder=4)
        for letter, value in values.items():
            look: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 7, "color": QUIET, "zorder": 7}
            ax.text(
                at, value, letter, bbox={"boxstyle": "circle,pad=0.08", "fc": "white", "ec": QUIET, "lw": 0.5}, **look
            )
        if len(numbered) > 1:
            below: dict[str, Any] = {"xytext": (0, -6), "textcoords": "offset points", "ha": "center", "va": "top"}
            halo = [withStroke(linewidth=2, foreground="white")]
            number = str(numbered.index(point) + 1)
            ax.annotate(number, (at, min(values.values())), zorder=7, path_effects=halo, **below, **SMALL)


def seesaw_handles(points: Sequence[PublishedPoint]) -> list[Line2D]:
    """Legend entries of a seesaw panel; none without a point that has a weight."""
    labels = [point.label for point in points if point.weight is not None]
    look: dict[str, Any] = {"marker": "o", "markersize": 5, "markerfacecolor": "white", "linestyle": "-"}
    texts = [f"R, F, P {index}: {label} (another system)" for index, label in enumerate(labels, start=1)]
    texts = texts if len(labels) > 1 else ["R, F, P: another system"] * len(labels)
    return [Line2D([], [], color=QUIET, linewidth=0.5, markeredgewidth=0.5, label=text, **look) for text in texts]


def published_handles(points: Sequence[PublishedPoint]) -> list[Line2D]:
    """Legend entries of a precision-recall panel."""
    return [Line2D([], [], label=f"{point.label} (another system)", **look) for look, point in _looks(points)]


def _looks(points: Sequence[PublishedPoint]) -> list[tuple[dict[str, Any], PublishedPoint]]:
    common: dict[str, Any] = {"color": QUIET, "linestyle": "none", "markersize": 6, "markeredgewidth": 1.4}
    return [({**common, "marker": _MARKERS[i % len(_MARKERS)]}, point) for i, point in enumerate(points)]
