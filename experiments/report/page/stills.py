"""The frontiers of all masks as they are printed, and shown where no script runs: small panels, drawn once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from markupsafe import Markup

from experiments.comparison.compare_arms import Comparison
from experiments.report.figures.style import arm_styles
from experiments.report.page.first.slide_step import MARKERS, Look
from experiments.report.page.markup import html
from experiments.report.page.numbers.study import PageNumbers
from experiments.report.page.payload import dash_array

_LEFT, _TOP, _SIDE = 34, 20, 200  # pixels
_EVERY = 2  # levels between the points of a line that is this small


def frontier_stills(
    comparison: Comparison, numbers: PageNumbers, names: Mapping[str, str], looks: Mapping[str, Look]
) -> Markup:
    """Draw a panel per mask: lines as on the page, filled markers at the natural point, hollow ones at the tuned one.

    Args:
        comparison: The comparison.
        numbers: Counts of every arm and mask.
        names: Display name of each arm.
        looks: Of each arm.
    """
    styles = arm_styles(list(names), comparison.baseline)
    panels = []
    for mask, title in enumerate(comparison.masks):
        arms = [
            {
                "colour": looks[arm].colour,
                "dashes": dash_array(styles[arm].dashes, styles[arm].width),
                "line": _line(numbers, mask, arm),
                "points": _points(comparison, title, arm),
                "marker": MARKERS.get(str(styles[arm].marker), MARKERS["o"]),
            }
            for arm in [*(arm for arm in looks if arm != comparison.baseline), comparison.baseline]
        ]
        panels.append({"title": title, "arms": arms})
    keys = [
        (names[arm], looks[arm].colour, dash_array(styles[arm].dashes, styles[arm].width), MARKERS[styles[arm].marker])
        for arm in looks
    ]
    ticks = [(tick, *_at(tick, tick)) for tick in (0.0, 0.5, 1.0)]
    return html(_STILLS, panels=panels, keys=keys, ticks=ticks, left=_LEFT, top=_TOP, side=_SIDE)


def _at(recall: float, precision: float) -> tuple[float, float]:
    return round(_LEFT + _SIDE * recall, 1), round(_TOP + _SIDE * (1.0 - precision), 1)


def _line(numbers: PageNumbers, mask: int, arm: str) -> str:
    """Write an arm's frontier, the mean over seeds at each level that all of them reach, as a path."""
    curve = numbers.by_recall[mask, arm]
    with np.errstate(invalid="ignore"):
        precision = np.mean(curve.tp / (curve.tp + curve.fp), axis=0)
    there = (curve.n_reached == len(numbers.seeds[arm])) & np.isfinite(precision)
    path, before = "", -_EVERY
    for level in range(0, len(numbers.recalls), _EVERY):
        if there[level]:
            x, y = _at(float(numbers.recalls[level]), float(precision[level]))
            path += f"{'L' if before == level - _EVERY and path else 'M'}{x} {y}"
            before = level
    return path


def _points(comparison: Comparison, mask: str, arm: str) -> list[tuple[str, bool]]:
    """Return the places of the natural (filled) and the tuned point, means over seeds."""
    points = comparison.points
    found = []
    for name, filled in (("natural", True), ("tuned", False)):
        rows = points[(points["arm"] == arm) & (points["mask"] == mask) & (points["operating_point"] == name)]
        recall, precision = (float(rows[column].mean(skipna=name == "natural")) for column in ("recall", "precision"))
        if np.isfinite([recall, precision]).all():
            x, y = _at(recall, precision)
            found.append((f"{x} {y}", filled))
    return found


_STILLS = (
    '<div class="stills"><p class="keys">{% for name, colour, dashes, marker in keys %}'
    '<span style="--arm:{{ colour }}">'
    '<svg viewBox="-17 -7 34 14" width="34" height="14" aria-hidden="true"><path class="line" d="M-16 0H16" '
    'stroke-dasharray="{{ dashes }}"/><path class="marker" d="{{ marker }}"/></svg> {{ name }}</span>{% endfor %}'
    "<span>filled: at probability 0.5; hollow: at the threshold tuned on validation</span></p>"
    '{% for panel in panels %}<svg class="still" viewBox="0 0 {{ left + side + 10 }} {{ top + side + 34 }}" role="img" '
    'aria-label="Precision over recall: {{ panel.title }}">'
    '<text class="title" x="{{ left + side / 2 }}" y="12" text-anchor="middle">{{ panel.title }}</text>'
    '<path class="frame" d="M{{ left }} {{ top }}v{{ side }}h{{ side }}"/>'
    "{% for tick, x, y in ticks %}"
    '<text x="{{ x }}" y="{{ top + side + 14 }}" text-anchor="middle">{{ tick }}</text>'
    '<text x="{{ left - 5 }}" y="{{ y + 4 }}" text-anchor="end">{{ tick }}</text>{% endfor %}'
    '<text x="{{ left + side / 2 }}" y="{{ top + side + 29 }}" text-anchor="middle">recall</text>'
    '{% if loop.first %}<text x="{{ left + 6 }}" y="{{ top + side - 6 }}">precision upwards</text>{% endif %}'
    '{% for arm in panel.arms %}<g style="--arm:{{ arm.colour }}"><path class="line" d="{{ arm.line }}" '
    'stroke-dasharray="{{ arm.dashes }}"/>{% for at, filled in arm.points %}'
    '<path class="marker{% if not filled %} hollow{% endif %}" d="{{ arm.marker }}" '
    'transform="translate({{ at }}) scale(.7)"/>{% endfor %}</g>{% endfor %}</svg>{% endfor %}</div>'
)
