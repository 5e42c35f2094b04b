"""Figures for one column of a paper: panels that stand side by side are stacked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.report.figures.panels import Display
from experiments.report.figures.style import COLUMN


@runtime_checkable
class Stackable(Display, Protocol):
    """A figure whose panels stand side by side, and which can stack them in one column of a paper."""

    def in_column(self) -> Display:
        """Return the figure with its panels below each other, `COLUMN` wide."""
        ...


def stacked_panels(heights: Sequence[float], draw: Callable[[Axes, int], None]) -> Figure:
    """Make a figure of panels below each other, in one column; the last one alone names the axis that they share.

    Args:
        heights: Of the panels, inches.
        draw: Draws the panel of a place.
    """
    size = (COLUMN, sum(heights) + _AXIS_NAME)
    figure, grid = plt.subplots(
        len(heights), 1, figsize=size, height_ratios=heights, squeeze=False, layout="constrained"
    )
    for place, ax in enumerate(grid.flat):
        draw(ax, place)
        if place + 1 < len(heights):
            ax.set_xlabel("")
    return figure


_AXIS_NAME = 0.2  # inches
AROUND_ROWS = 0.45
"""Height of a panel's title and ticks, around its rows of arms; inches."""
