"""The top of the page: the verdict in words, and as a matrix of arms and masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from experiments.comparable import StudyRuns, short_names
from experiments.frontier.comparison import Comparison
from experiments.report.page.markup import marked, table, text, typeset
from experiments.report.prose import paragraph
from experiments.report.verdict_text import row_of, with_interval

_SAID = {
    "moves out": ("moves the frontier out", "move the frontier out"),
    "moves in": ("moves it in", "move it in"),
    "crosses": ("crosses it", "cross it"),
    "slides": ("slides along it", "slide along it"),
    "stays": ("stays where it was", "stay where they were"),
    "undecided": ("is undecided", "are undecided"),
}
"""Verdict -> what one arm, and what several, are said to do; the order in which they are told."""

_SIGNS = {"moves out": "▲", "moves in": "▼", "crosses": "✕", "slides": "↔", "stays": "=", "undecided": "?"}


def answer(comparison: Comparison, names: Mapping[str, str]) -> str:
    """Tell all verdicts in one or two sentences, HTML."""
    verdicts = comparison.verdicts
    base = text(names[comparison.baseline])
    if not len(verdicts):
        return f'<p class="answer">Only the baseline, {base}, has complete runs: nothing to compare.</p>'
    told = {word: _who(verdicts, word, comparison.masks, names) for word in _SAID}
    first = told.pop("moves out")
    opening = f"no arm {_SAID['moves out'][0]}" if not first else _sentence("moves out", first)
    rest = "; ".join(_sentence(word, arms) for word, arms in told.items() if arms)
    return f'<p class="answer"><strong>Against {base}, {opening}.</strong> {rest + "." if rest else ""}</p>'


def _who(verdicts: pd.DataFrame, word: str, masks: Sequence[str], names: Mapping[str, str]) -> list[str]:
    """Arms with a verdict, each with its masks unless it has it in all of them; HTML."""
    found = []
    for arm, rows in verdicts[verdicts["verdict"] == word].groupby("arm", sort=False):
        where = "" if len(rows) == len(masks) else f" ({text(', '.join(rows['mask']))})"
        found.append(f"<b>{text(names[str(arm)])}</b>{where}")
    return found


def _sentence(word: str, arms: Sequence[str]) -> str:
    listed = arms[0] if len(arms) == 1 else f"{', '.join(arms[:-1])} and {arms[-1]}"
    return f"{listed} {_SAID[word][len(arms) > 1]}"


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
            )
        rows.append(cells)
    headline = comparison.settings.headline_name
    caption = f"{headline} gain over {names[study.baseline]}, with its interval"
    return table(["", *map(text, comparison.masks)], rows, caption=caption, attributes='id="verdicts"')


def paragraphs(study: StudyRuns, comparison: Comparison) -> str:
    """Write one paragraph per arm and mask, the report's own; HTML."""
    names = short_names(list(study.complete))
    parts = []
    for arm in study.complete:
        if arm != study.baseline and len(comparison.verdicts):
            parts.append(f"<h3>{text(names[arm])}</h3>")
            parts += [f"<p>{marked(paragraph(comparison, arm, mask, names))}</p>" for mask in comparison.masks]
    return "\n".join(parts)
