"""The answer takes at most 30 words, accounts for every arm, and says no more than the verdicts do."""

import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from experiments.inference.words import WORDS
from experiments.report.text.answer import MOST_WORDS, answer


def made(words, *, headline_name="AP", baseline="loss=bce"):
    """A comparison with one arm for each verdict, or pair of verdicts (by the headline, by tuned F1)."""
    pairs = [pair if isinstance(pair, tuple) else (pair, pair) for pair in words]
    arms = [f"loss=arm{place}" for place in range(len(pairs))]
    table = pd.DataFrame(
        [(arm, *pair, 0.021) for arm, pair in zip(arms, pairs, strict=True)],
        columns=["arm", "verdict", "verdict_f1", "headline_gain"],
    )
    comparison = SimpleNamespace(
        arm_verdicts=table, baseline=baseline, settings=SimpleNamespace(headline_name=headline_name)
    )
    return comparison, {baseline: "bce"} | {arm: arm.removeprefix("loss=") for arm in arms}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "Only **bce** has complete runs: there is nothing to compare yet."),
        (["undecided"], "No loss is shown to beat **bce** by AP: it is undecided."),
        (["undecided"] * 3, "No loss is shown to beat **bce** by AP: all 3 are undecided."),
        (
            ["undecided", ("undecided", "moves out")],
            "No loss is shown to beat **bce** by AP; by tuned F1 **arm1** does. **arm0** is undecided.",
        ),
        (["moves out"], "**arm0** beats **bce** by AP (+0.021)."),
        (["moves out", "moves out", "moves in"], "**arm0** and **arm1** beat **bce** by AP. **arm2** is worse."),
        (["moves in"] * 2, "No loss is shown to beat **bce** by AP. **arm0** and **arm1** are worse."),
        (
            ["slides", "stays"],
            "No loss is shown to beat **bce** by AP. **arm0** only slides; **arm1** changes nothing.",
        ),
        (["not trained"] * 2, "No answer yet: **bce**, or every other loss, is not trained."),
        (
            ["undecided", ("undecided", "moves out"), "not trained"],
            "No loss is shown to beat **bce** by AP; by tuned F1 **arm1** does. **arm0** is undecided; "
            "**arm2** is not trained.",
        ),
        (
            [("moves in", "moves out"), "crosses"],
            "No loss is shown to beat **bce** by AP; by tuned F1 **arm0** does. "
            "**arm1** is better at some recalls and worse at others; **arm0** is worse.",
        ),
    ],
)
def test_it_says_what_the_verdicts_say(words, said):
    assert answer(*made(words)) == said


def test_other_levers_are_arms():
    comparison, names = made(["undecided"], baseline="sampling=uniform")
    assert answer(comparison, names).startswith("No arm is shown to beat")


def test_many_arms_are_counted_but_few_are_still_named():
    told = answer(*made(["moves out", *["undecided"] * 30, "moves in"]))
    assert told == "**arm0** beats **bce** by AP (+0.021). **arm31** is worse; 30 are undecided."


LONG = "a name of {} words with **stars** - and (brackets), quite a long one"


def test_it_keeps_to_its_words_whatever_is_compared():
    rng = np.random.default_rng(0)
    for name in ["arm{}", LONG] * 50:
        pairs = [tuple(rng.choice(WORDS, 2)) for _ in range(rng.integers(1, 40))]
        comparison, names = made(pairs, headline_name=str(rng.choice(["AP", "mean precision at recall 0.5 to 0.9"])))
        told = answer(comparison, {arm: name.format(place) for place, arm in enumerate(names)})
        assert len(told.split()) <= MOST_WORDS


def test_every_arm_is_named_or_counted_once():
    rng = np.random.default_rng(1)
    for _ in range(100):
        words = [*rng.choice(WORDS, rng.integers(1, 20)), "slides"]
        comparison, names = made(words)
        told = answer(comparison, names)
        named = len(re.findall(r"\*\*arm\d+\*\*", told))
        counted = sum(map(int, re.findall(r"(?<![\w.+])(\d+) [a-z]", told)))
        assert named + counted == len(words), told
