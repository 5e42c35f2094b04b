"""What every figure is: an object that holds its numbers, says what it shows, and draws itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.report.figures.style import COLUMN, PAGE


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
