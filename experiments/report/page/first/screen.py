"""The parts of the page's first screen, put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup
from matplotlib.colors import to_hex

from experiments.comparison.compare_arms import Comparison
from experiments.report.figures.slide_step import SlideStepDisplay, predicted_shifts
from experiments.report.figures.style import arm_markers, arm_styles
from experiments.report.page.first.forest import forest
from experiments.report.page.first.slide_step import MARKERS, Look, slide_step_drawing
from experiments.report.page.markup import html, marked
from experiments.report.text.answer import answer
from experiments.report.text.limits import limits_line
from experiments.report.text.not_trained import not_trained
from experiments.report.text.recommendation import recommendations
from experiments.report.text.wording import typeset
from experiments.runs.study import StudyRuns, short_names

_WIDE, _NARROW = (580, 372), (344, 330)
"""Sizes of the drawing: one is shown, by the width of the screen, so that its text keeps its size."""


def first_screen(study: StudyRuns, comparison: Comparison, arms: Sequence[str]) -> Markup:
    """Write the answer, what to do, both drawings, and the limits, as HTML.

    Args:
        study: The runs.
        comparison: Their comparison.
        arms: The page's arms, in its order.
    """
    names = short_names(list(study.complete))
    looks = arm_looks(study, arms)
    display = SlideStepDisplay.of(study, comparison)
    drawn = [] if display is None else [slide_step_drawing(display, looks, *size) for size in (_WIDE, _NARROW)]
    markers = arm_markers(comparison.masks)
    return html(
        _SCREEN,
        warned=marked(not_trained(comparison, names)),
        answer=marked(answer(comparison, names)),
        items=[(marked(item.text), item.command) for item in recommendations(study, comparison)],
        drawn=drawn,
        base=names[study.baseline],
        masks=[(mask, MARKERS[markers[mask]]) for mask in comparison.masks] if len(comparison.masks) > 1 else [],
        dotted="Dotted: the slide that theory predicts." if _has_theory(display) else "",
        forest=forest(comparison, names, looks),
        limits=typeset(limits_line(study, comparison)),
    )


def _has_theory(display: SlideStepDisplay | None) -> bool:
    return display is not None and len(predicted_shifts(display.table)) > 0


def arm_looks(study: StudyRuns, arms: Sequence[str]) -> Mapping[str, Look]:
    """Give each arm its place on the page and its colour; the baseline has that of the text."""
    styles = arm_styles(list(study.complete), study.baseline)
    return {
        arm: Look(place, "var(--ink)" if arm == study.baseline else to_hex(styles[arm].colour))
        for place, arm in enumerate(arms)
    }


_SCREEN = (
    '{% if warned %}<p class="warned">{{ warned }}</p>{% endif %}<p class="answer">{{ answer }}</p>'
    '<section class="do" aria-labelledby="do-title"><h2 id="do-title">Do this</h2><ol>'
    "{% for text, command in items %}<li><p>{{ text }}</p>"
    '{% if command %}<div class="command"><code tabindex="0">{{ command }}</code></div>{% endif %}</li>{% endfor %}'
    "</ol></section>"
    '{% if drawn or forest %}<div class="pair" id="pair">'
    "{% if drawn %}<figure>{% for each in drawn %}{{ each }}{% endfor %}"
    '<figcaption class="fine">'
    '{% if masks %}<span class="keys">{% for mask, marker in masks %}<span>'
    '<svg viewBox="-7 -7 14 14" width="12" height="12" aria-hidden="true"><path d="{{ marker }}"/></svg> '
    "{{ mask }}</span>{% endfor %}</span>{% endif %}"
    '<span id="pointed" aria-live="polite">On the zero line another threshold of {{ base }} does as well at that '
    "recall; off it, the frontiers differ there. Verdicts ask about all recalls. {{ dotted }}</span></figcaption>"
    "</figure>{% endif %}"
    "{{ forest }}</div>{% endif %}"
    '<p class="fine limits">{{ limits }}</p>'
)
