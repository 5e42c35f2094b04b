"""The style of figures: a palette that colour-blind readers can tell apart, sizes, and line styles for grey prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.colors import hsv_to_rgb, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from experiments.report.figures.layout import broken
from experiments.report.text.wording import signed, typeset

PAGE = 6.9
"""Width of a figure over two columns, inches; figures are drawn at their printed size."""

COLUMN = 3.3
"""Width of a figure in one column, inches."""

# Marks have a contrast of 3 to the page, white or dark, and text one of 4.5. A colour means one thing in all figures.
# Okabe and Ito 2008 without yellow and black, which is the baseline's; light ones darkened.
ARM_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#C46A9B", "#3A8FC4", "#B07A00")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p")
_DASHES: tuple[Any, ...] = ("-", (0, (6, 1.2)), (0, (3.2, 1.1)), (0, (1.3, 1.0)), (0, (5, 1.1, 1.2, 1.1)), (0, (8, 2)))
BASELINE_COLOUR = "#000000"
BASELINE_DASHES: Any = (0, (4, 2))
QUIET = "#6b6b6b"
FAINT = "#d9d9d9"  # lines that only guide the eye
MARGIN: Any = {"facecolor": "#f2f2f2", "edgecolor": "#c4c4c4", "linewidth": 0.5}
"""The area of differences that do not matter: so pale that marks stand out on it."""

F1_COLOUR = "#5a3fc0"
"""F1 where it stands beside recall and precision."""

OUTCOMES = {
    "true positive": "#111111",
    "false positive": "#E00034",
    "false negative": "#00A0A8",
    "wrong mask": "#a55fc0",
}
"""Colour of a pixel by its outcome; the first three go from dark to light, so that they differ in grey too."""

MASK_COLOURS = ("#6b9900", "#8b1a00", "#1a2a80", "#d63ad6", "#575f00", "#7f7f7f")
"""Colours of masks in pictures; in charts they are told apart by their markers."""

RC: Any = {
    "figure.dpi": 200,
    "savefig.dpi": 200,
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "lines.linewidth": 1.4,
    "hatch.linewidth": 0.6,
    "svg.fonttype": "none",
    "text.parse_math": False,  # in users' names a dollar sign is a dollar sign
    "svg.hashsalt": "lossfrontier",  # the same figure gives the same file
}
MINUS = "\N{MINUS SIGN}"
SMALL: dict[str, Any] = {"fontsize": 7, "color": QUIET}


@dataclass(frozen=True)
class ArmStyle:
    """The style of one arm in every figure.

    Args:
        colour: Of lines and markers.
        marker: Tells arms apart without colour.
        dashes: Line style; curves underneath show through.
        width: Line width in points; arms drawn later are thinner, so that coinciding curves stay visible.
        zorder: Drawing order; the baseline is the topmost.
    """

    colour: Any
    marker: str
    dashes: Any
    width: float
    zorder: float

    @property
    def line(self) -> dict[str, Any]:
        """Arguments of a line."""
        return {"color": self.colour, "linestyle": self.dashes, "linewidth": self.width, "zorder": self.zorder}

    def point(self, *, filled: bool = True, size: float = 5.0) -> dict[str, Any]:
        """Arguments of a marker."""
        return {
            "color": self.colour,
            "marker": self.marker,
            "markerfacecolor": self.colour if filled else "white",
            "markeredgewidth": 1.1,
            "markersize": size,
            "linestyle": "none",
        }


def arm_styles(arms: Sequence[str], baseline: str) -> dict[str, ArmStyle]:
    """Give each arm its style; the baseline is black, dashed and on top."""
    colours, markers = arm_colours(arms, baseline), arm_markers(arms)
    others = [arm for arm in arms if arm != baseline]
    styles = {}
    for index, arm in enumerate(others):
        step = index / max(len(others) - 1, 1)
        dashes = _DASHES[index % len(_DASHES)]
        styles[arm] = ArmStyle(colours[arm], markers[arm], dashes, 2.3 - 1.1 * step, 3 + 0.5 * step)
    styles[baseline] = ArmStyle(colours[baseline], markers.get(baseline, "o"), BASELINE_DASHES, 1.0, 3.9)
    return {arm: styles[arm] for arm in [baseline, *others]}


def arm_handles(names: Mapping[str, str], baseline: str, *, points: bool = True) -> list[Line2D]:
    """Make the legend entries of arms, in the style of their curves.

    Args:
        names: Arm -> display name.
        baseline: The baseline arm.
        points: Whether the marker is part of the entry.
    """
    styles = arm_styles(list(names), baseline)
    handles = []
    for arm, name in names.items():
        marker = styles[arm].point(size=4.5) if points else {}
        look = {**marker, **styles[arm].line}
        handles.append(Line2D([], [], label=legend_label(f"{name} (baseline)" if arm == baseline else name), **look))
    return handles


def legend_label(name: str) -> str:
    """Adapt a name for a legend, because matplotlib leaves out labels that begin with an underscore."""
    return f" {name}" if name.startswith("_") else name


def arm_colours(arms: Sequence[str], baseline: str) -> dict[str, Any]:
    """Give each arm a colour: black for the baseline, then the palette, or hues from violet to red for more arms."""
    others = [arm for arm in arms if arm != baseline]
    if len(others) <= len(ARM_COLOURS):
        colours: dict[str, Any] = dict(zip(others, ARM_COLOURS, strict=False))
    else:
        colours = {arm: _ramp(i / (len(others) - 1)) for i, arm in enumerate(others)}
    return {baseline: BASELINE_COLOUR, **colours}


def _ramp(share: float) -> tuple[float, float, float]:
    """Return a hue from violet (0) to red (1), whose luminance of 0.15 to 0.25 stands out on white and on black."""
    luminance = 0.15 + 0.1 * share
    linear = _linear(np.array(hsv_to_rgb((0.72 * (1 - share), 0.85, 1.0))))
    own = float(linear @ LUMINANCE)
    linear = linear * luminance / own if own > luminance else linear + (1 - linear) * (luminance - own) / (1 - own)
    red, green, blue = (
        float(each) for each in np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)
    )
    return red, green, blue


def text_colour(colour: Any) -> tuple[float, float, float]:
    """Darken the colour of marks for text, which needs more contrast."""
    red, green, blue = to_rgb(colour)
    return 0.75 * red, 0.75 * green, 0.75 * blue


LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
"""Weights of linear red, green and blue (WCAG 2.2)."""


def _linear(colour: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(colour > 0.04045, ((colour + 0.055) / 1.055) ** 2.4, colour / 12.92)


def arm_markers(arms: Sequence[str]) -> dict[str, str]:
    """Give each arm a marker, so that arms differ without colour."""
    return {arm: _MARKERS[i % len(_MARKERS)] for i, arm in enumerate(arms)}


def typeset_change(value: float, digits: int = 3) -> str:
    """Write a difference as figures do: a real minus sign, no sign before nothing, an en dash where undefined."""
    return typeset(signed(value, digits, bare_zero=True, undefined="\N{EN DASH}"))


def add_legend(figure: Figure, handles: Sequence[Line2D | Patch]) -> None:
    """Put a legend below the panels, in as many columns as fit, and extend the figure by its height."""
    width, height = figure.get_size_inches()
    labels = [broken(str(handle.get_label()), int((width - _HANDLE) / _LETTER)) for handle in handles]
    for handle, label in zip(handles, labels, strict=True):
        handle.set_label(label)
    longest = max(len(line) for label in labels for line in label.split("\n")) * _LETTER + _HANDLE
    fit = max(1, int(width / longest))
    rows = -(-len(handles) // fit)
    lines = rows if fit > 1 else sum(label.count("\n") + 1 for label in labels)
    figure.set_size_inches(width, height + 0.155 * lines + 0.1)
    figure.legend(handles=list(handles), loc="outside lower center", ncols=-(-len(handles) // rows))


_LETTER, _HANDLE = 0.055, 0.55  # inches: a letter of 7.5 points; a handle with its gaps
