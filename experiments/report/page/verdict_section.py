"""The top of the page: the verdict in words, and as a matrix of arms and masks."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from experiments.comparable import StudyRuns, short_names
from experiments.frontier.comparison import Comparison
from experiments.report.conclusion import conclusion
from experiments.report.page.markup import marked, table, text, typeset
from experiments.report.prose import paragraph
from experiments.report.verdict_text import row_of, with_interval

_SIGNS = {"moves out": "▲", "moves in": "▼", "crosses": "✕", "slides": "↔", "stays": "=", "undecided": "?"}


def answer(comparison: Comparison, names: Mapping[str, str]) -> str:
    """Tell all verdicts in two or three sentences, HTML."""
    return f'<p class="answer">{marked(conclusion(comparison, names))}</p>'


def matrix(study: StudyRuns, comparison: Comparison) -> str:
    """Write the verdicts as a table of arms and masks, each with the headline's gain; HTML."""
    names = short_names(list(study.complete))
    arms = [arm for arm in study.complete if arm != study.baseline]
    if not len(comparison.verdicts):
        return ""
    rows = []
    for arm in arms:
        cells = [text(names[arm])]
        for mask in comparison.masks:
            row = row_of(comparison.verdicts, arm, mask)
            word = str(row["verdict"])
            gain = text(typeset(with_interval(row, "headline_gain")))
            gain = gain.replace(" [", " <small>[").replace("]", "]</small>")
            sign = f'<i aria-hidden="true">{_SIGNS.get(word, "")}</i>'
            cells.append(
                f'<span class="of">{text(mask)}</span>'
                f'<span class="verdict {text(word.replace(" ", "-"))}">{sign} {text(word)}</span>'
                f'<span class="gain">{gain}</span>'
                f"{_by_f1(row)}"
            )
        rows.append(cells)
    headline = comparison.settings.headline_name
    caption = f"{headline} gain over {names[study.baseline]}, with its interval"
    return table(["", *map(text, comparison.masks)], rows, caption=caption, attributes='id="verdicts"')


def _by_f1(row: pd.Series) -> str:
    """Say the verdict by tuned F1 where it is another; HTML."""
    if row["verdict_f1"] == row["verdict"]:
        return ""
    return f'<span class="gain">tuned F1: {text(str(row["verdict_f1"]))}</span>'


def paragraphs(study: StudyRuns, comparison: Comparison) -> str:
    """Write one paragraph per arm and mask, the report's own; HTML."""
    names = short_names(list(study.complete))
    parts = []
    for arm in study.complete:
        if arm != study.baseline and len(comparison.verdicts):
            parts.append(f"<h3>{text(names[arm])}</h3>")
            parts += [f"<p>{marked(paragraph(comparison, arm, mask, names))}</p>" for mask in comparison.masks]
    return "\n".join(parts)
