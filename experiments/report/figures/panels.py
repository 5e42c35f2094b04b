"""What every figure is: an object that holds its numbers, says what it shows, and draws itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import Normal, withStroke

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
        """What is shown, by which method, on how many seeds and images."""
        ...

    def plot(self, axes: Sequence[Axes] | None = None) -> Figure:
        """Draw into `axes`, or into a new figure with a legend."""
        ...


def panel_grid(
    count: int, columns: int, width: float, panel_height: float, extra: float = 0.0
) -> tuple[Figure, list[Axes]]:
    """Make a figure of `count` panels in rows of `columns`; what is left of the last row stays empty.

    Args:
        count: Number of panels.
        columns: Most panels in a row.
        width: Of the figure, inches.
        panel_height: Of a row, inches.
        extra: Height for what stands around the panels, inches.
    """
    across = min(count, columns)
    rows = -(-count // across)
    size = (width, panel_height * rows + extra)
    figure, grid = plt.subplots(rows, across, figsize=size, squeeze=False, layout="constrained")
    for ax in grid.flat[count:]:
        ax.remove()
    return figure, list(grid.flat[:count])


def draw_into(axes: Sequence[Axes], panels: Sequence[tuple[Any, ...]], draw: Callable[..., None], what: str) -> Figure:
    """Draw panels into axes of the user's.

    Args:
        axes: One per panel.
        panels: What `draw` takes after the axes, one tuple per panel.
        draw: Draws one panel.
        what: What there is one panel of, for the error.

    Raises:
        ValueError: When there is another number of axes than of panels.
    """
    check_axes(axes, len(panels), what)
    for ax, panel in zip(axes, panels, strict=True):
        draw(ax, *panel)
    return figure_of(axes)


def arm_rows(masks: Sequence[str], n_arms: int, draw: Callable[[Axes, str], None]) -> Figure:
    """Make a figure of one panel per mask, in each a row per arm, arms named at the left edge only."""
    across = min(len(masks), 3)
    figure, panels = panel_grid(len(masks), across, PAGE if across > 1 else COLUMN, 0.36 * n_arms + 0.6)
    for index, (ax, mask) in enumerate(zip(panels, masks, strict=True)):
        draw(ax, mask)
        if index % across:
            ax.tick_params(labelleft=False)
    return figure


def gain_table(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Take verdicts and gains with their intervals, `gain` for the headline's, from `comparison.verdicts`."""
    columns = ["arm", "mask", "verdict", "headline_gain", "headline_gain_low", "headline_gain_high"]
    columns += ["verdict_f1", "f1_gain", "f1_gain_low", "f1_gain_high", "n_seeds", "n_groups"]
    return verdicts[columns].rename(columns=lambda name: name.replace("headline_", ""))


def check_axes(axes: Sequence[Axes], count: int, what: str) -> None:
    """Refuse another number of axes than there are panels.

    Raises:
        ValueError: Naming both numbers.
    """
    if len(axes) != count:
        raise ValueError(f"axes: expected {count}, one per {what}, got {len(axes)}")


def figure_of(axes: Sequence[Axes]) -> Figure:
    """Return the figure that axes belong to."""
    return axes[0].get_figure(root=True)  # type: ignore[return-value]


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
