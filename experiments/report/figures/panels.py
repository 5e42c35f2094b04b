"""The interface of figures (numbers, caption, drawing), and code for panels that they share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import Normal, withStroke

from experiments.report.figures.layout import FittedLayout
from experiments.report.figures.style import COLUMN, PAGE, QUIET, SMALL
from experiments.report.published import PublishedPoint


class Display(Protocol):
    """A figure: numbers first, `plot` second."""

    @property
    def table(self) -> pd.DataFrame:
        """The numbers that are drawn."""
        ...

    @property
    def caption(self) -> str:
        """What is shown, by which method, and on how many seeds and images it rests."""
        ...

    def plot(self, axes: Sequence[Axes] | None = None) -> Figure:
        """Draw into `axes`, or into a new figure with a legend."""
        ...


@runtime_checkable
class Stackable(Display, Protocol):
    """A figure whose panels stand side by side, and which can stack them in one column of a paper."""

    def in_column(self) -> Display:
        """Return the figure with its panels below each other, `COLUMN` wide."""
        ...


def panel_grid(
    count: int, columns: int, width: float, panel_height: float, extra: float = 0.0
) -> tuple[Figure, list[Axes]]:
    """Make a figure of `count` panels in rows of `columns`; the rest of the last row stays empty.

    Args:
        count: Number of panels.
        columns: Most panels in a row.
        width: Of the figure, inches.
        panel_height: Of a row, inches.
        extra: Height needed around the panels, inches.
    """
    across = min(count, columns)
    rows = -(-count // across)
    size = (width, panel_height * rows + extra)
    figure, grid = plt.subplots(rows, across, figsize=size, squeeze=False, layout=FittedLayout())
    for ax in grid.flat[count:]:
        ax.remove()
    return figure, list(grid.flat[:count])


def draw_into(axes: Sequence[Axes], panels: Sequence[tuple[Any, ...]], draw: Callable[..., None], what: str) -> Figure:
    """Draw panels into the user's axes.

    Args:
        axes: One per panel.
        panels: The arguments of `draw` after the axes, one tuple per panel.
        draw: Draws one panel.
        what: What each panel is for, such as "mask", in the error.

    Raises:
        ValueError: The number of axes is not the number of panels.
    """
    check_axes(axes, len(panels), what)
    for ax, panel in zip(axes, panels, strict=True):
        draw(ax, *panel)
    return figure_of(axes)


def recall_panels(masks: Sequence[str], draw: Callable[[Axes, str], None]) -> Figure:
    """Make a figure of square precision-recall panels, one per mask, naming precision only at the left edge.

    Args:
        masks: Names of the masks.
        draw: Draws the panel of one mask.
    """
    across = min(len(masks), 3)
    width = PAGE if across > 1 else 0.6 * PAGE
    # A panel is square, apart from the labels at its left and those of the F1 lines at its right.
    figure, panels = panel_grid(len(masks), across, width, (width - 0.4) / across + 0.02)
    for index, (ax, mask) in enumerate(zip(panels, masks, strict=True)):
        draw(ax, mask)
        if index % across:
            ax.set_ylabel("")
    return figure


def recall_axes(ax: Axes, mask: str) -> None:
    """Give a panel the axes of precision over recall, and the mask's name."""
    ticks = [0, 0.2, 0.4, 0.6, 0.8, 1]
    ax.set(xlim=(0, 1), ylim=(0, 1), xlabel="recall", ylabel="precision", title=mask, xticks=ticks, yticks=ticks)
    ax.set_aspect("equal")


def arm_rows(
    panels: Sequence[Any], n_arms: int, draw: Callable[[Axes, Any], None], *, columns: int = 3, row_height: float = 0.36
) -> Figure:
    """Make a figure with a row per arm in each panel, naming arms only at the left edge.

    Args:
        panels: What each panel is for, such as its mask.
        n_arms: Rows of a panel.
        draw: Draws one panel.
        columns: Most panels side by side.
        row_height: Of an arm, inches.
    """
    across = min(len(panels), columns)
    figure, grid = panel_grid(len(panels), across, PAGE if across > 1 else COLUMN, row_height * n_arms + 0.6)
    for index, (ax, panel) in enumerate(zip(grid, panels, strict=True)):
        draw(ax, panel)
        if index % across:
            ax.tick_params(labelleft=False)
    return figure


def stacked_panels(heights: Sequence[float], draw: Callable[[Axes, int], None]) -> Figure:
    """Make a figure of panels below each other, in one column; the last one alone names the axis that they share.

    Args:
        heights: Of the panels, inches.
        draw: Draws the panel of a place.
    """
    size = (COLUMN, sum(heights) + _AXIS_NAME)
    figure, grid = plt.subplots(
        len(heights), 1, figsize=size, height_ratios=heights, squeeze=False, layout=FittedLayout()
    )
    for place, ax in enumerate(grid.flat):
        draw(ax, place)
        if place + 1 < len(heights):
            ax.set_xlabel("")
    return figure


_AXIS_NAME = 0.2  # inches
AROUND_ROWS = 0.45
"""Height of a panel's title and ticks, around its rows of arms; inches."""


def low_row(names: Sequence[str], height: float) -> float:
    """Return the height of a row of one column, inches: `height`, more where a name is so long that it is broken."""
    return max(height, _TWO_LINES) if max(map(len, names)) > _ONE_LINE else height


_ONE_LINE, _TWO_LINES = 16, 0.34  # letters; inches


def check_axes(axes: Sequence[Axes], count: int, what: str) -> None:
    """Refuse axes whose number is not that of the panels.

    Raises:
        ValueError: The message gives both numbers.
    """
    if len(axes) != count:
        raise ValueError(f"axes: expected {count}, one per {what}, got {len(axes)}")


def figure_of(axes: Sequence[Axes]) -> Figure:
    """Return the figure that axes belong to."""
    return axes[0].get_figure(root=True)  # type: ignore[return-value]


_MARKERS = ("x", "+", "1", "2", "3", "4")
_APART = 1.3
"""Factor between the places of two points with the same weight, drawn side by side."""


def draw_on_frontier(ax: Axes, points: Sequence[PublishedPoint], mask: str) -> None:
    """Draw the points of a mask into a precision-recall panel."""
    for look, point in _looks(points):
        if point.beside(mask):
            halo = [withStroke(linewidth=3, foreground="white"), Normal()]  # stands out among our markers
            ax.plot(point.recall, point.precision, zorder=6, clip_on=False, path_effects=halo, **look)


def draw_on_seesaw(ax: Axes, points: Sequence[PublishedPoint], mask: str) -> None:
    """Draw recall, F1 and precision of the points with a weight: letters on a thin line, side by side if weights tie.

    If there are several, each has the number of its legend entry below its line.
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
