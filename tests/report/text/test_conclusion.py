"""The first sentences state every verdict once, and tuned F1 if it adds something."""

from types import SimpleNamespace

import pandas as pd

from experiments.report.text.markdown import conclusion

NAMES = {"loss=bce": "bce", "loss=a": "a", "loss=b": "b"}


def made(rows, lost=()):
    verdicts = pd.DataFrame(rows, columns=["arm", "mask", "verdict", "verdict_f1"])
    settings = SimpleNamespace(headline="ap", headline_name="AP")
    scores = pd.DataFrame(lost, columns=["arm", "seed", "mask", "average_precision", "prevalence", "trained"])
    return SimpleNamespace(verdicts=verdicts, scores=scores, baseline="loss=bce", masks=("x", "y"), settings=settings)


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


def test_what_is_not_trained_comes_first():
    rows = [
        ("loss=a", "x", "moves out", "moves out"),
        ("loss=a", "y", "not trained", "not trained"),
        ("loss=b", "x", "not trained", "not trained"),
        ("loss=b", "y", "not trained", "not trained"),
    ]
    lost = [("loss=bce", seed, "y", 0.0104 - 0.0002 * seed, 0.01, False) for seed in (0, 1)]
    lost += [("loss=b", 0, "x", 0.5, 0.02, True), ("loss=b", 1, "x", 0.0201, 0.02, False)]
    assert conclusion(made(rows, lost), NAMES) == (
        "**Not trained:** **bce** (the baseline) is not shown to be better than random scores on y "
        "(AP 0.0103 at a prevalence of 0.01); "
        "1 of 2 seeds of **b** collapsed on x: seed 1 (AP 0.0201 at a prevalence of 0.02). "
        "No verdict rests on such runs. "
        "Against bce, **a** (x) is shown to move the frontier out by AP. None is shown to slide along it."
    )
    assert "There is no verdict." in conclusion(made(rows[1:], lost), NAMES)


def test_a_baseline_alone_has_no_conclusion():
    assert "nothing to compare" in conclusion(made([]), NAMES)
