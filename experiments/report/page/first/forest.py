"""The compact forest of the first screen: arms over all masks and mask by mask, each gain with both its intervals.

An arm whose tuned F1 has another verdict than its headline has a row for it too: what to do may rest on that one.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from markupsafe import Markup

from experiments.comparison.compare_arms import Comparison
from experiments.inference.words import NOT_TRAINED
from experiments.report.figures.style import arm_markers
from experiments.report.gains import GainAxis, gain_table
from experiments.report.page.bars import Bars
from experiments.report.page.first.slide_step import MARKERS, Look
from experiments.report.page.markup import NONE, html
from experiments.report.text.sayings import SAYINGS
from experiments.report.text.verdicts import gain_name, row_of, verdict_gain
from experiments.report.text.wording import signed, typeset

_F1 = "tuned F1"
_WIDTH = 240  # of a bar, CSS pixels
_MOST_ROWS = 32
"""Beyond this number of rows, the forest shows arms over all masks alone; their masks follow below."""


def forest(comparison: Comparison, names: Mapping[str, str], looks: Mapping[str, Look]) -> Markup:
    """Write the forest as an HTML table whose bars share one axis, and what its words mean; empty if there is no arm.

    Args:
        comparison: The comparison.
        names: Display name of each arm.
        looks: Of each arm that has a run; an arm whose runs all failed has no row, and the limits count its runs.
    """
    every = comparison.arm_verdicts
    table = every[every["arm"].isin(list(looks))] if len(every) else every
    if not len(table):
        return Markup()
    masks = comparison.masks if 1 < len(comparison.masks) < _MOST_ROWS / len(table) else ()
    shown = gain_table(comparison)
    shown = shown[shown["arm"].isin(list(looks))]
    if not masks:
        shown = shown[shown["rank"] == "first"]
    margin = comparison.settings.margin
    with_f1 = comparison.settings.headline != "f1" and bool((table["verdict"] != table["verdict_f1"]).any())
    bars = Bars(GainAxis.of_table(shown, margin, f1=with_f1), margin, _WIDTH)
    markers = arm_markers(comparison.masks)
    headline, arms = gain_name(comparison.settings), []
    for _, row in table.iterrows():
        arm = str(row["arm"])
        both = with_f1 and row["verdict"] != row["verdict_f1"]
        lines = [_line(headline if both else "", None, row, bars)]
        lines += [_line(_F1, None, row, bars, f1=True)] if both else []
        lines += [_line(mask, MARKERS[markers[mask]], row_of(comparison.verdicts, arm, mask), bars) for mask in masks]
        arms.append({"name": names[arm], "look": looks[arm], "lines": lines, "verdict": row["verdict"]})
    axis = bars.axis
    ticks = [
        (round(100 * bars.at(value) / _WIDTH, 2), typeset(signed(value, 2, bare_zero=True)))
        for value in (axis.low, 0.0, axis.high)
    ]
    over = f"mean over {len(comparison.masks)} masks" if len(comparison.masks) > 1 else comparison.masks[0]
    words = {line["word"] for arm in arms for line in arm["lines"]}
    return html(
        _FOREST,
        arms=arms,
        ticks=ticks,
        headline=headline,
        base=names[comparison.baseline],
        over=over,
        with_f1=f" (hollow: {_F1})" if with_f1 else "",
        margin=f"±{margin:g}",
        level=f"{100 * (1 - comparison.settings.level):g} %",
        sayings=[(word, said) for word, said in SAYINGS.items() if word in words],
    )


def _line(name: str, marker: str | None, row: pd.Series, bars: Bars, *, f1: bool = False) -> dict[str, object]:
    column, prefix, verdict = ("f1_gain", "f1_", "verdict_f1") if f1 else ("headline_gain", "", "verdict")
    trained = row[verdict] != NOT_TRAINED
    return {
        "name": name,
        "marker": marker,
        "bar": bars.draw(row, column, prefix) if trained else "",
        "gain": typeset(verdict_gain(row, column, prefix)) if trained else NONE,
        "word": str(row[verdict]),
        "sign": SAYINGS[row[verdict]].sign,
    }


_FOREST = (
    '<table class="forest"><caption>{{ headline }} gain over {{ base }}, {{ over }}{{ with_f1 }}. '
    "Thick: own {{ level }} interval; thin, with caps: the one the verdict rests on; grey: margin {{ margin }}; arrow: "
    "off the axis."
    '</caption><thead><tr><th scope="col">arm</th><th scope="col"><span class="scale">'
    '{% for x, label in ticks %}<span style="left:{{ x }}%">{{ label }}</span>{% endfor %}</span></th>'
    '<th scope="col">gain</th><th scope="col">verdict</th></tr></thead>'
    "{% for arm in arms %}"
    '<tbody class="of-arm" data-arm="{{ arm.look.place }}" tabindex="0" style="--arm:{{ arm.look.colour }}">'
    "{% for line in arm.lines %}"
    '<tr{% if line.marker %} class="of-mask"{% endif %}><th scope="row">'
    '{% if loop.first %}<span class="arm-name">{% for word in arm.name.split("_") %}{{ word }}'
    "{% if not loop.last %}_<wbr>{% endif %}{% endfor %}</span> {% endif %}"
    '{% if line.marker %}<svg viewBox="-7 -7 14 14" width="11" height="11" aria-hidden="true">'
    '<path d="{{ line.marker }}"/></svg> {% endif %}{{ line.name }}</th>'
    '<td>{{ line.bar }}</td><td class="number">{{ line.gain }}</td>'
    '<td class="verdict {{ line.word.replace(" ", "-") }}"><i aria-hidden="true">{{ line.sign }}</i> '
    "<span>{{ line.word }}</span></td></tr>{% endfor %}</tbody>{% endfor %}</table>"
    '<p class="fine means">A frontier is the precision at every recall.{% for word, said in sayings %} '
    '<span><b><i aria-hidden="true">{{ said.sign }}</i> {{ word }}</b>: {{ said.means }}.</span>{% endfor %}</p>'
)
