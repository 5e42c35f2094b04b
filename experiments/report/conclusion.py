"""What a comparison found, in two or three sentences: the first thing that a reader sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from experiments.frontier.comparison import Comparison
from experiments.report.verdict_text import listed

_SAID = {
    "moves out": ("is shown to move the frontier out", "are shown to move the frontier out"),
    "moves in": ("moves it in", "move it in"),
    "crosses": ("crosses it", "cross it"),
    "slides": ("slides along it", "slide along it"),
    "stays": ("stays where it was", "stay where they were"),
    "undecided": ("is undecided", "are undecided"),
}
"""Verdict -> what one arm, and what several, are said to do; the order in which they are told."""


def conclusion(comparison: Comparison, names: Mapping[str, str]) -> str:
    """Tell all verdicts, by the headline and by tuned F1 where that says more, with `**bold**` marks."""
    verdicts, base = comparison.verdicts, names[comparison.baseline]
    if not len(verdicts):
        return f"Only the baseline, {base}, has complete runs: nothing to compare."
    headline = comparison.settings.headline_name
    told = {word: _who(verdicts, "verdict", word, comparison.masks, names) for word in _SAID}
    first = told.pop("moves out")
    opening = _sentence("moves out", first) if first else f"**no arm {_SAID['moves out'][0]}**"
    text = f"Against {base}, {opening} by {headline}."
    rest = "; ".join(_sentence(word, arms) for word, arms in told.items() if arms)
    text += f" {rest}." if rest else ""
    text += "" if told["slides"] else " None is shown to slide along it."
    if comparison.settings.headline != "f1":
        differs = verdicts[verdicts["verdict"] != verdicts["verdict_f1"]]
        for word, change in (("moves out", "higher"), ("moves in", "lower")):
            arms = _who(differs, "verdict_f1", word, comparison.masks, names)
            text += f" Tuned F1 alone is shown to be {change} with {listed(arms)}." if arms else ""
    return text


def _who(verdicts: pd.DataFrame, column: str, word: str, masks: Sequence[str], names: Mapping[str, str]) -> list[str]:
    """Arms with a verdict, each with its masks unless it has it in all of them."""
    found = []
    for arm, rows in verdicts[verdicts[column] == word].groupby("arm", sort=False):
        where = "" if len(rows) == len(masks) else f" ({', '.join(rows['mask'])})"
        found.append(f"**{names[str(arm)]}**{where}")
    return found


def _sentence(word: str, arms: Sequence[str]) -> str:
    return f"{listed(arms)} {_SAID[word][len(arms) > 1]}"
