"""The top of the page: the verdicts in words, and as a matrix of arms and masks."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from markupsafe import Markup

from experiments.comparison.compare_arms import Comparison
from experiments.inference.paired_difference import MIN_SEEDS
from experiments.report.page.markup import html, joined, marked, table
from experiments.report.text.markdown import conclusion, paragraph
from experiments.report.text.sayings import SAYINGS
from experiments.report.text.verdicts import row_of
from experiments.report.text.wording import TOO_FEW_SEEDS, typeset, with_interval
from experiments.runs.study import StudyRuns, short_names


def answer(comparison: Comparison, names: Mapping[str, str]) -> Markup:
    """State all verdicts in two or three sentences, as HTML."""
    return html('<p class="answer">{{ told }}</p>', told=marked(conclusion(comparison, names)))


def matrix(study: StudyRuns, comparison: Comparison) -> Markup:
    """Write the verdicts as an HTML table of arms and masks, each with the headline's gain."""
    names = short_names(list(study.complete))
    arms = [arm for arm in study.complete if arm != study.baseline]
    if not len(comparison.verdicts):
        return Markup()
    rows = []
    for arm in arms:
        cells: list[object] = [names[arm]]
        for mask in comparison.masks:
            row = row_of(comparison.verdicts, arm, mask)
            word = str(row["verdict"])
            shown = with_interval(row, "headline_gain")
            # The caption says why there is no interval; on a narrow screen cells have no room for that.
            gain, _, interval = typeset(shown).partition(" [")
            cells.append(
                html(
                    _CELL,
                    mask=mask,
                    word=word,
                    sign=SAYINGS[row["verdict"]].sign,
                    gain=gain,
                    interval="" if pd.isna(row["headline_gain_low"]) else interval.removesuffix("]"),
                    by_f1="" if row["verdict_f1"] == word else row["verdict_f1"],
                    level=_level(row),
                )
            )
        rows.append(cells)
    headline = comparison.settings.headline_name
    base = names[study.baseline]
    few = comparison.verdicts["n_seeds"].max() < MIN_SEEDS
    interval = TOO_FEW_SEEDS if few else "with its interval"
    caption = f"{headline} gain over {base}, {interval}; AP of the arm, of {base}, and the prevalence"
    return table(["", *comparison.masks], rows, caption=caption, attributes=Markup('id="verdicts"'))


_CELL = (
    '<span class="of">{{ mask }}</span>'
    '<span class="verdict {{ word.replace(" ", "-") }}"><i aria-hidden="true">{{ sign }}</i> {{ word }}</span>'
    '<span class="gain">{{ gain }}{% if interval %} <small>[{{ interval }}]</small>{% endif %}</span>'
    '{% if by_f1 %}<span class="gain">tuned F1: {{ by_f1 }}</span>{% endif %}'
    '{% if level %}<span class="gain level">{{ level }}</span>{% endif %}'
)


def key_of_words(comparison: Comparison) -> Markup:
    """Explain the verdicts that occur, as HTML."""
    if not len(comparison.verdicts):
        return Markup()
    found = {*comparison.verdicts["verdict"], *comparison.verdicts["verdict_f1"]}
    return html(
        '<div class="key"><dl>{% for word, said in sayings %}'
        '<div><dt><i aria-hidden="true">{{ said.sign }}</i> {{ word }}</dt><dd>{{ said.means }}</dd></div>'
        "{% endfor %}</dl>"
        "<p>A frontier is all that a model can do: its precision at every recall. {{ headline }}</p></div>",
        sayings=[(word, said) for word, said in SAYINGS.items() if word in found],
        headline=_OF[comparison.settings.headline],
    )


_OF = {
    "ap": "AP, average precision, is its mean height.",
    "f1": "Tuned F1 is its F1 at the threshold that was best on validation.",
    "fbeta": "F-beta is its F1 with recall weighed otherwise, at the threshold that was best on validation.",
    "mean_precision": "Mean precision is its mean height over the recalls that were asked for.",
    "prg": "AUPRG is the area under it after precision and recall are rescaled to gains over the prevalence.",
}


def _level(row: pd.Series) -> str:
    """AP of arm and baseline and the prevalence, the AP of one score for all pixels; empty where there is none."""
    if pd.isna(row["arm_ap"]) or pd.isna(row["baseline_ap"]):
        return ""
    return f"AP {row['arm_ap']:.3f} / {row['baseline_ap']:.3f} / {row['prevalence']:.3g}"


def paragraphs(study: StudyRuns, comparison: Comparison) -> Markup:
    """Write the report's paragraph for each arm and mask, as HTML."""
    names = short_names(list(study.complete))
    parts = []
    for arm in study.complete:
        if arm != study.baseline and len(comparison.verdicts):
            parts.append(html("<h3>{{ name }}</h3>", name=names[arm]))
            told = [marked(paragraph(comparison, arm, mask, names)) for mask in comparison.masks]
            parts += [html("<p>{{ text }}</p>", text=text) for text in told]
    return joined(parts)
