"""The first sentences tell every verdict once, and tuned F1 where it says more."""

from types import SimpleNamespace

import pandas as pd

from experiments.report.conclusion import conclusion

NAMES = {"loss=bce": "bce", "loss=a": "a", "loss=b": "b"}


def made(rows):
    verdicts = pd.DataFrame(rows, columns=["arm", "mask", "verdict", "verdict_f1"])
    settings = SimpleNamespace(headline="ap", headline_name="AP")
    return SimpleNamespace(verdicts=verdicts, baseline="loss=bce", masks=("x", "y"), settings=settings)


def test_every_verdict_is_told_with_its_masks():
    rows = [
        ("loss=a", "x", "moves out", "moves out"),
        ("loss=a", "y", "moves out", "undecided"),
        ("loss=b", "x", "slides", "slides"),
        ("loss=b", "y", "undecided", "moves in"),
    ]
    assert conclusion(made(rows), NAMES) == (
        "Against bce, **a** is shown to move the frontier out by AP. "
        "**b** (x) slides along it; **b** (y) is undecided. "
        "Tuned F1 alone is shown to be lower with **b** (y)."
    )


def test_that_none_is_shown_is_not_that_none_does():
    text = conclusion(made([("loss=a", "x", "undecided", "undecided")]), NAMES)
    assert text.startswith("Against bce, **no arm is shown to move the frontier out** by AP. **a** (x) is undecided.")
    assert text.endswith(" None is shown to slide along it.")


def test_a_baseline_alone_has_no_conclusion():
    assert "nothing to compare" in conclusion(made([]), NAMES)
