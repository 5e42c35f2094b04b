"""Slide against step as SVG within the HTML: the numbers of the figure, with a place to point at for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from experiments.report.figures.labels import Box, place_names
from experiments.report.figures.slide_step import SlideStepDisplay, has_place, place_limits, predicted_shifts
from experiments.report.figures.style import arm_markers
from experiments.report.page.markup import html
from experiments.report.text.wording import signed, typeset, with_interval

_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 22, 44  # around the frame, pixels
_LETTER, _LINE = 8.2, 15.0  # of a bold name, pixels; a bound, as fonts differ
_GAP = 8.0  # between a point and its name, pixels
_TITLE_LETTER = 6.9  # of an axis title

MARKERS: Mapping[str, str] = {
    "o": "M5 0A5 5 0 1 1-5 0A5 5 0 1 1 5 0Z",
    "s": "M-4.4-4.4H4.4V4.4H-4.4Z",
    "^": "M0-5.6L5.2 4H-5.2Z",
    "D": "M0-6L6 0L0 6L-6 0Z",
    "v": "M0 5.6L5.2-4H-5.2Z",
    "P": "M-1.8-5.4H1.8V-1.8H5.4V1.8H1.8V5.4H-1.8V1.8H-5.4V-1.8H-1.8Z",
    "X": "M-5-2.6L-2.6-5L0-2.4L2.6-5L5-2.6L2.4 0L5 2.6L2.6 5L0 2.4L-2.6 5L-5 2.6L-2.4 0Z",
    "<": "M-5.6 0L4-5.2V5.2Z",
    ">": "M5.6 0L-4-5.2V5.2Z",
    "p": "M0-5.6L5.3-1.7L3.3 4.5H-3.3L-5.3-1.7Z",
}
"""Markers as matplotlib names them, as SVG paths around 0, 0."""


@dataclass(frozen=True)
class Look:
    """How the page shows an arm.

    Args:
        place: Its number among the page's arms.
        colour: CSS.
    """

    place: int
    colour: str


@dataclass(frozen=True)
class _Frame:
    """Places numbers on the screen: pixels from the left and from the top."""

    width: int
    height: int
    x: tuple[float, float]
    y: tuple[float, float]

    @property
    def box(self) -> Box:
        return Box(_LEFT, _TOP, self.width - _RIGHT, self.height - _BOTTOM)

    def across(self, value: float) -> float:
        share = (np.clip(value, *self.x) - self.x[0]) / (self.x[1] - self.x[0])
        return round(float(self.box.left + share * (self.box.right - self.box.left)), 2)

    def down(self, value: float) -> float:
        share = (np.clip(value, *self.y) - self.y[0]) / (self.y[1] - self.y[0])
        return round(float(self.box.bottom - share * (self.box.bottom - self.box.top)), 2)


def slide_step_drawing(display: SlideStepDisplay, looks: Mapping[str, Look], width: int, height: int) -> Markup:
    """Draw the figure at a size; a script is needed only to point at it.

    Args:
        display: The numbers.
        looks: Of each arm that has a row.
        width: CSS pixels.
        height: CSS pixels.
    """
    rows = display.table[has_place(display.table)]
    frame = _Frame(width, height, place_limits(rows, "shift"), place_limits(rows, "precision_gain", display.margin))
    markers = arm_markers(display.masks)
    points = [_point(row, frame, display, looks, MARKERS[markers[str(row["mask"])]]) for _, row in rows.iterrows()]
    theories = predicted_shifts(rows)
    base = display.names[display.baseline]
    return html(
        _DRAWING,
        width=width,
        height=height,
        box=frame.box,
        label=typeset(display.caption),
        margin=(frame.down(display.margin), round(frame.down(-display.margin) - frame.down(display.margin), 2)),
        zero=(frame.across(0.0), frame.down(0.0)),
        across=[(frame.across(tick), typeset(f"{tick:g}")) for tick in _ticks(frame.x, width // 80)],
        down=[(frame.down(tick), typeset(f"{tick:g}")) for tick in _ticks(frame.y, height // 60)],
        theories=[(frame.across(shift), typeset(label)) for shift, label in theories.items()],
        points=points,
        names=_names(rows, frame, display.names, looks),
        x_title=_title(base, frame),
        y_title="step: precision gained there",
    )


def _title(base: str, frame: _Frame) -> str:
    """Name the slide's axis, at the length that there is room for."""
    titles = [f"slide: shift of {name}'s logits with the same recall" for name in (base, "the baseline")]
    room = (frame.box.right - frame.box.left + 2 * _RIGHT) / _TITLE_LETTER
    return next((title for title in titles if len(title) <= room), "slide: shift of the logits")


def _ticks(limits: tuple[float, float], most: int) -> list[float]:
    low, high = limits
    ticks = MaxNLocator(max(most, 2), steps=[1, 2, 5, 10]).tick_values(low, high)
    return [round(float(tick), 10) + 0.0 for tick in ticks if low <= tick <= high]


def _point(
    row: pd.Series, frame: _Frame, display: SlideStepDisplay, looks: Mapping[str, Look], marker: str
) -> dict[str, object]:
    x, y = frame.across(row["shift"]), frame.down(row["precision_gain"])
    bars = [
        f"M{frame.across(row['shift_low'])} {y}H{frame.across(row['shift_high'])}" if _known(row, "shift") else "",
        f"M{x} {frame.down(row['precision_gain_low'])}V{frame.down(row['precision_gain_high'])}"
        if _known(row, "precision_gain")
        else "",
    ]
    look = looks[str(row["arm"])]
    return {
        "arm": look.place,
        "mask": display.masks.index(str(row["mask"])),
        "colour": look.colour,
        "bars": "".join(bars),
        "at": f"{x} {y}",
        "marker": marker,
        "told": slide_step_words(row, display.names),
    }


def slide_step_words(row: pd.Series, names: Mapping[str, str]) -> str:
    """Say a point in words: "dice, solid: slide +0.33 [+0.15, +0.52], step +0.005 [-0.016, +0.025]"."""
    slide = signed(row["shift"], 2)
    if _known(row, "shift"):
        slide += f" [{signed(row['shift_low'], 2)}, {signed(row['shift_high'], 2)}]"
    theory = "" if pd.isna(row["predicted_shift"]) else f" (theory {signed(row['predicted_shift'], 2)})"
    step = with_interval(row, "precision_gain")
    return typeset(f"{names[str(row['arm'])]}, {row['mask']}: slide {slide}{theory}, step {step}")


def _known(row: pd.Series, name: str) -> bool:
    return not pd.isna(row[f"{name}_low"])


def _names(
    rows: pd.DataFrame, frame: _Frame, names: Mapping[str, str], looks: Mapping[str, Look]
) -> list[dict[str, object]]:
    """Place each arm's name beside one of its points."""
    at = {
        str(arm): [(frame.across(row["shift"]), frame.down(row["precision_gain"])) for _, row in own.iterrows()]
        for arm, own in rows.groupby("arm", sort=False)
    }
    sizes = {arm: (_LETTER * len(names[arm]), _LINE) for arm in at}
    placed = place_names(at, sizes, frame.box, gap=_GAP, ink=_ink(rows, frame), taken=_theory_texts(rows, frame))
    return [
        {
            "arm": looks[arm].place,
            "colour": looks[arm].colour,
            "text": names[arm],
            "x": round((label.box.left + label.box.right) / 2, 1),
            "y": round(label.box.bottom - 4, 1),
            "leader": "M{0[0]:.1f} {0[1]:.1f}L{1[0]:.1f} {1[1]:.1f}".format(*label.leader) if label.leader else "",
        }
        for arm, label in placed.items()
    ]


def _theory_texts(rows: pd.DataFrame, frame: _Frame) -> list[Box]:
    """Return the boxes of the labels that stand at the foot of the lines of theory."""
    return [
        Box(x - 0.5 * _LETTER * len(label), frame.box.bottom - _LINE, x + 0.5 * _LETTER * len(label), frame.box.bottom)
        for x, label in ((frame.across(shift), label) for shift, label in predicted_shifts(rows).items())
        if label
    ]


def _ink(rows: pd.DataFrame, frame: _Frame) -> NDArray[np.float64]:
    """Return places that points (counted ten times), intervals, and the lines of 0 and of theory cover, (n, 2)."""
    along = np.linspace(0.0, 1.0, 25)
    places: list[tuple[float, float]] = []
    for _, row in rows.iterrows():
        x, y = frame.across(row["shift"]), frame.down(row["precision_gain"])
        places += [(x, y)] * 10
        if _known(row, "shift"):
            ends = frame.across(row["shift_low"]), frame.across(row["shift_high"])
            places += [(float(ends[0] + (ends[1] - ends[0]) * share), y) for share in along]
        if _known(row, "precision_gain"):
            ends = frame.down(row["precision_gain_low"]), frame.down(row["precision_gain_high"])
            places += [(x, float(ends[0] + (ends[1] - ends[0]) * share)) for share in along]
    box = frame.box
    many = np.linspace(0.0, 1.0, 200)
    for shift in (0.0, *predicted_shifts(rows)):
        places += [(frame.across(shift), float(box.top + (box.bottom - box.top) * share)) for share in many]
    places += [(float(box.left + (box.right - box.left) * share), frame.down(0.0)) for share in many]
    return np.asarray(places, dtype=np.float64).reshape(-1, 2)


_DRAWING = (
    '<svg class="slide-step" viewBox="0 0 {{ width }} {{ height }}" role="img" aria-label="{{ label }}">'
    '<rect class="margin" x="{{ box.left }}" y="{{ margin[0] }}" width="{{ box.right - box.left }}" '
    'height="{{ margin[1] }}" stroke-dasharray="{{ box.right - box.left }} {{ margin[1] }}"/>'
    '<path class="axis" d="M{{ box.left }} {{ zero[1] }}H{{ box.right }}'
    'M{{ zero[0] }} {{ box.top }}V{{ box.bottom }}"/>'
    "{% for x, label in theories %}"
    '<path class="theory" d="M{{ x }} {{ box.top }}V{{ box.bottom }}"/>'
    '{% if label %}<text class="halo" x="{{ x }}" y="{{ box.bottom - 4 }}" text-anchor="middle">{{ label }}</text>'
    "{% endif %}{% endfor %}"
    '<path class="frame" d="M{{ box.left }} {{ box.top }}V{{ box.bottom }}H{{ box.right }}"/>'
    "{% for x, label in across %}"
    '<path class="frame" d="M{{ x }} {{ box.bottom }}v4"/>'
    '<text x="{{ x }}" y="{{ box.bottom + 17 }}" text-anchor="middle">{{ label }}</text>{% endfor %}'
    "{% for y, label in down %}"
    '<path class="frame" d="M{{ box.left - 4 }} {{ y }}h4"/>'
    '<text x="{{ box.left - 8 }}" y="{{ y + 4 }}" text-anchor="end">{{ label }}</text>{% endfor %}'
    '<text class="title" x="{{ (box.left + box.right) / 2 }}" y="{{ height - 8 }}" text-anchor="middle">{{ x_title }}'
    '</text><text class="title" x="4" y="13">{{ y_title }}</text>'
    "{% for name in names if name.leader %}"
    '<path class="of-arm leader" data-arm="{{ name.arm }}" style="--arm:{{ name.colour }}" d="{{ name.leader }}"/>'
    "{% endfor %}{% for point in points %}"
    '<g class="of-arm point" data-arm="{{ point.arm }}" data-mask-of="{{ point.mask }}" data-told="{{ point.told }}" '
    'style="--arm:{{ point.colour }}"><path class="interval" d="{{ point.bars }}"/>'
    '<path class="marker" d="{{ point.marker }}" transform="translate({{ point.at }})"/></g>{% endfor %}'
    "{% for name in names %}"
    '<text class="of-arm name halo" data-arm="{{ name.arm }}" style="--arm:{{ name.colour }}" x="{{ name.x }}" '
    'y="{{ name.y }}" text-anchor="middle">{{ name.text }}</text>{% endfor %}</svg>'
)
