"""How figures look: one palette that colour-blind readers can tell apart, one set of sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl

# Okabe and Ito 2008 without yellow and black: black is the baseline's.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p")
BASELINE_COLOUR = "#000000"
QUIET = "#767676"  # contrast of 4.5 on white

RC: Any = {
    "figure.dpi": 150,
    "savefig.dpi": 150,
    "savefig.bbox": "tight",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.labelsize": 9,
    "legend.fontsize": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.6,
    "svg.fonttype": "none",
}


def arm_colours(arms: Sequence[str], baseline: str) -> dict[str, Any]:
    """Give each arm a colour: black for the baseline, then the palette; a colour map when it does not suffice."""
    others = [arm for arm in arms if arm != baseline]
    if len(others) <= len(_COLOURS):
        colours: dict[str, Any] = dict(zip(others, _COLOURS, strict=False))
    else:
        ramp = mpl.colormaps["viridis"]
        colours = {arm: ramp(0.95 * i / (len(others) - 1)) for i, arm in enumerate(others)}
    return {baseline: BASELINE_COLOUR, **colours}


def arm_markers(arms: Sequence[str]) -> dict[str, str]:
    """Give each arm a marker, so that arms are told apart without colour."""
    return {arm: _MARKERS[i % len(_MARKERS)] for i, arm in enumerate(arms)}
