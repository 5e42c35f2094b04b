"""The answer of a study in one breath: which arms beat the baseline, which only slide, which are undecided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from experiments.comparison.compare_arms import Comparison
from experiments.inference.words import CROSSES, MOVES_IN, MOVES_OUT, NOT_TRAINED, SLIDES, STAYS, UNDECIDED, Word
from experiments.report.text.wording import listed, signed

MOST_WORDS = 30
"""Of an answer."""

_SAID: Mapping[Word, tuple[str, str]] = {
    CROSSES: ("is better at some recalls and worse at others", "are better at some recalls and worse at others"),
    SLIDES: ("only slides", "only slide"),
    STAYS: ("changes nothing", "change nothing"),
    MOVES_IN: ("is worse", "are worse"),
    UNDECIDED: ("is undecided", "are undecided"),
    NOT_TRAINED: ("is not trained", "are not trained"),
}
"""What is said of one arm and of several, in the order in which it is told."""

_BRIEF: Mapping[Word, tuple[str, str]] = {**_SAID, CROSSES: ("crosses", "cross")}


def answer(comparison: Comparison, names: Mapping[str, str]) -> str:
    """Answer the study's question by the headline over all masks, and by tuned F1 where that alone is decided.

    Names are in `**bold**`. Where it takes more than 30 words to name every arm, the larger groups are counted.

    Args:
        comparison: The comparison.
        names: Display name of each arm, the baseline too.
    """
    base, table, noun = f"**{names[comparison.baseline]}**", comparison.arm_verdicts, noun_of(names)
    if not len(table):
        said = "Only {} has complete runs: there is nothing to compare yet."
        return _fitting([said.format(each) for each in (base, "the baseline")])
    if (table["verdict"] == NOT_TRAINED).all():
        said = f"No answer yet: {{}}, or every other {noun}, is not trained."
        return _fitting([said.format(each) for each in (base, "the baseline")])
    details = [_Detail(base, named) for named in range(len(table), -1, -1)]
    details += [_Detail("the baseline", 0), _Detail("the baseline", 0, brief=True)]
    return _fitting(_told(comparison, names, noun, detail) for detail in details)


def noun_of(names: Mapping[str, str]) -> str:
    """Name what the arms are: "loss" if they are nothing but losses, else "arm"."""
    return "loss" if all(arm.startswith("loss=") and "," not in arm for arm in names) else "arm"


@dataclass(frozen=True)
class _Detail:
    """How much an answer tells.

    Args:
        base: What to call the baseline.
        named: Groups of at most this many arms are named, larger ones counted.
        brief: Whether to leave out by which statistic.
    """

    base: str
    named: int
    brief: bool = False

    def who(self, arms: Sequence[str]) -> str:
        """Name arms, or count them where they are too many."""
        return listed([f"**{arm}**" for arm in arms]) if len(arms) <= self.named else str(len(arms))


def _told(comparison: Comparison, names: Mapping[str, str], noun: str, detail: _Detail) -> str:
    table = comparison.arm_verdicts
    by = "" if detail.brief else f" by {comparison.settings.headline_name}"
    winners = [names[str(arm)] for arm in table["arm"][table["verdict"] == MOVES_OUT]]
    undecided = list(table["arm"][table["verdict"] == UNDECIDED])
    opening = f"No {noun} is shown to beat {detail.base}{by}"
    if winners:
        gain = table.loc[table["verdict"] == MOVES_OUT, "headline_gain"].iloc[0]
        told = f" ({signed(gain)})" if len(winners) == 1 and not detail.brief else ""
        opening = f"{detail.who(winners)} {'beats' if len(winners) == 1 else 'beat'} {detail.base}{by}{told}"
    elif len(undecided) == len(table) and (detail.brief or not _at_one_point(table)):
        whole = {1: "it is", 2: "both are"}.get(len(table), f"all {len(table)} are")
        opening += f": {whole} undecided"
        undecided = []
    at_one_point = [] if detail.brief else _at_one_point(table)
    if at_one_point:
        who = detail.who([names[arm] for arm in at_one_point])
        opening += f"; by tuned F1 {who} {'does' if len(at_one_point) == 1 else 'do'}"
        undecided = [arm for arm in undecided if arm not in at_one_point]
    groups = {word: list(table["arm"][table["verdict"] == word]) for word in _SAID} | {UNDECIDED: undecided}
    rest = [
        f"{detail.who([names[str(arm)] for arm in arms])} {(_BRIEF if detail.brief else _SAID)[word][len(arms) > 1]}"
        for word, arms in groups.items()
        if arms
    ]
    return ". ".join([opening, *(["; ".join(rest)] if rest else [])]) + "."


def _at_one_point(table: pd.DataFrame) -> list[str]:
    """List the arms whose tuned F1 alone is shown to be better."""
    return list(table["arm"][(table["verdict_f1"] == MOVES_OUT) & (table["verdict"] != MOVES_OUT)])


def _fitting(texts: Iterable[str]) -> str:
    """Return the first text within the budget of words, or the last of all."""
    text = ""
    for text in texts:
        if len(text.split()) <= MOST_WORDS:
            break
    return text
