"""The figure of growing costs: every line is relative to its smallest size, so that all share the axes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from benchmarks.growth_curve import Growth
from benchmarks.result import seconds_text

_MARKS = tuple(
    zip(("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000"), "osD^vPX", strict=True)
)


def draw(growths: Sequence[Growth], path: Path) -> None:
    """Draw time and peak memory over size, each relative to the smallest size of its line, beside linear growth."""
    figure = Figure(figsize=(11, 5.6), layout="constrained")
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    widest = max(growth.sizes[-1] / growth.sizes[0] for growth in growths)
    for axes, title in zip(panels, ("Time", "Peak memory"), strict=True):
        axes.plot([1, widest], [1, widest], "--", color="0.6", linewidth=1, label="linear", zorder=1)
        axes.set(title=title, xlabel="size over the smallest size", xscale="log", yscale="log")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(LogLocator(2))
            axis.set_major_formatter("{x:g}x")
            axis.set_minor_locator(NullLocator())
        axes.grid(color="0.92")
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("cost over that of the smallest size")
    for growth, (colour, marker) in zip(growths, cycle(_MARKS), strict=False):
        sizes = np.array(growth.sizes) / growth.sizes[0]
        look = {"marker": marker, "markersize": 5, "color": colour, "alpha": 0.9}
        label = f"{growth.work}, by {growth.axis}: from {growth.sizes[0]:,}, {seconds_text(growth.seconds[0])}"
        panels[0].plot(sizes, np.array(growth.seconds) / growth.seconds[0], **look, label=label)
        if growth.peak and min(growth.peak) > 0:
            panels[1].plot(sizes, np.array(growth.peak) / growth.peak[0], **look)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    figure.savefig(path)
