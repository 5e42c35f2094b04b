"""What a comparison found, in two or three sentences: the first thing that a reader sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from experiments.comparison.compare_arms import Comparison
from experiments.inference.words import MOVES_IN, MOVES_OUT, NOT_TRAINED, SLIDES, Word
from experiments.report.text.not_trained import not_trained
from experiments.report.text.sayings import SAYINGS
from experiments.report.text.wording import listed


def conclusion(comparison: Comparison, names: Mapping[str, str]) -> str:
    """Tell what is not trained, then all verdicts, by the headline and by tuned F1 where that says more.

    Names and what matters most stand between `**bold**` marks.
    """
    verdicts, base = comparison.verdicts, names[comparison.baseline]
    warned = not_trained(comparison, names)
    lead = f"{warned} " if warned else ""
    if not len(verdicts):
        return f"{lead}Only the baseline, {base}, has complete runs: nothing to compare."
    told = {word: _who(verdicts, "verdict", word, comparison.masks, names) for word in SAYINGS if word != NOT_TRAINED}
    if not any(told.values()):
        return f"{lead}There is no verdict."
    first = told.pop(MOVES_OUT)
    opening = _sentence(MOVES_OUT, first) if first else f"**no arm {SAYINGS[MOVES_OUT].one}**"
    text = f"{lead}Against {base}, {opening} by {comparison.settings.headline_name}."
    rest = "; ".join(_sentence(word, arms) for word, arms in told.items() if arms)
    text += f" {rest}." if rest else ""
    text += "" if told[SLIDES] else " None is shown to slide along it."
    if comparison.settings.headline != "f1":
        differs = verdicts[verdicts["verdict"] != verdicts["verdict_f1"]]
        for word, change in ((MOVES_OUT, "higher"), (MOVES_IN, "lower")):
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


def _sentence(word: Word, arms: Sequence[str]) -> str:
    said = SAYINGS[word]
    return f"{listed(arms)} {said.several if len(arms) > 1 else said.one}"
