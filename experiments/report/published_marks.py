"""How published points of other systems are drawn: grey, apart from everything that is ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from experiments.frontier.published_point import PublishedPoint
from experiments.report.style import QUIET

_MARKERS = ("x", "+", "1", "2", "3", "4")
_APART = 1.3
"""Factor between the places at which two points of the same weight are drawn, side by side around it."""


def draw_on_frontier(ax: Axes, points: Sequence[PublishedPoint], mask: str) -> None:
    """Draw the points of a mask into a precision-recall panel."""
    for look, point in _looks(points):
        if point.beside(mask):
            ax.plot(point.recall, point.precision, zorder=6, clip_on=False, **look)


def draw_on_seesaw(ax: Axes, points: Sequence[PublishedPoint], mask: str) -> None:
    """Draw recall, F1 and precision of the points that have a weight: letters on a thin line, dodged where they tie."""
    shown = [point for point in points if point.weight is not None and point.beside(mask)]
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


def seesaw_handles(points: Sequence[PublishedPoint]) -> list[Line2D]:
    """Legend entry of a seesaw panel; none without a point that has a weight."""
    labels = [point.label for point in points if point.weight is not None]
    if not labels:
        return []
    look: dict[str, Any] = {"marker": "o", "markersize": 5, "markerfacecolor": "white", "linestyle": "-"}
    text = "R, F, P: another system" if len(labels) == 1 else "R, F, P: other systems"
    return [Line2D([], [], color=QUIET, linewidth=0.5, markeredgewidth=0.5, label=text, **look)]


def published_handles(points: Sequence[PublishedPoint]) -> list[Line2D]:
    """Legend entries of a precision-recall panel."""
    return [Line2D([], [], label=f"{point.label} (another system)", **look) for look, point in _looks(points)]


def _looks(points: Sequence[PublishedPoint]) -> list[tuple[dict[str, Any], PublishedPoint]]:
    common: dict[str, Any] = {"color": QUIET, "linestyle": "none", "markersize": 6, "markeredgewidth": 1.4}
    return [({**common, "marker": _MARKERS[i % len(_MARKERS)]}, point) for i, point in enumerate(points)]
