"""The first sentences state every verdict once, and tuned F1 if it adds something."""

from types import SimpleNamespace

import pandas as pd

from experiments.report.text.markdown import conclusion

NAMES = {"loss=bce": "bce", "loss=a": "a", "loss=b": "b"}


def made(arms, rows, lost=()):
    columns = ["arm", "mask", "verdict", "verdict_f1"]
    verdicts = pd.DataFrame(rows, columns=columns)
    over = pd.DataFrame([(arm, "mean of x and y", *words) for arm, *words in arms], columns=columns)
    settings = SimpleNamespace(headline="ap", headline_name="AP")
    scores = pd.DataFrame(lost, columns=["arm", "seed", "mask", "average_precision", "prevalence", "trained"])
    return SimpleNamespace(
        arm_verdicts=over, verdicts=verdicts, scores=scores, baseline="loss=bce", masks=("x", "y"), settings=settings
    )


def test_arms_come_first_then_what_is_decided_mask_by_mask():
    arms = [("loss=a", "moves out", "moves out"), ("loss=b", "undecided", "moves in")]
    rows = [
        ("loss=a", "x", "moves out", "moves out"),
        ("loss=a", "y", "moves out", "undecided"),
        ("loss=b", "x", "slides", "slides"),
        ("loss=b", "y", "undecided", "moves in"),
    ]
    assert conclusion(made(arms, rows), NAMES) == (
        "Against bce, **a** is shown to move the frontier out by AP, mean over 2 masks. **b** is undecided. "
        "None is shown to slide along it. "
        "Mask by mask, **a** is shown to move the frontier out; **b** (x) slides along it. "
        "Tuned F1 alone is shown to be lower with **b**."
    )


def test_that_none_is_shown_is_not_that_none_does():
    undecided = ("undecided", "undecided")
    text = conclusion(made([("loss=a", *undecided)], [("loss=a", mask, *undecided) for mask in "xy"]), NAMES)
    assert text.startswith("Against bce, **no arm is shown to move the frontier out** by AP, mean over 2 masks.")
    assert "**a** is undecided. None is shown to slide along it. No single mask is decided." in text


def test_what_is_not_trained_comes_first():
    arms = [("loss=a", "not trained", "not trained"), ("loss=b", "not trained", "not trained")]
    rows = [
        ("loss=a", "x", "moves out", "moves out"),
        ("loss=a", "y", "not trained", "not trained"),
        ("loss=b", "x", "not trained", "not trained"),
        ("loss=b", "y", "not trained", "not trained"),
    ]
    lost = [("loss=bce", seed, "y", 0.0104 - 0.0002 * seed, 0.01, False) for seed in (0, 1)]
    lost += [("loss=b", 0, "x", 0.5, 0.02, True), ("loss=b", 1, "x", 0.0201, 0.02, False)]
    warned = (
        "**Not trained:** **bce** (the baseline) is not shown to be better than random scores on y "
        "(AP 0.0103 at a prevalence of 0.01); "
        "1 of 2 seeds of **b** collapsed on x: seed 1 (AP 0.0201 at a prevalence of 0.02). "
        "No verdict rests on such runs. "
    )
    assert conclusion(made(arms, rows, lost), NAMES) == warned + "There is no verdict."
    trained = [("loss=a", "moves out", "moves out"), arms[1]]
    assert conclusion(made(trained, rows, lost), NAMES).startswith(
        f"{warned}Against bce, **a** is shown to move the frontier out by AP, mean over 2 masks. "
    )


def test_a_baseline_alone_has_no_conclusion():
    assert "nothing to compare" in conclusion(made([], []), NAMES)
