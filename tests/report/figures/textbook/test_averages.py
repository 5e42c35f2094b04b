"""Blended scores against scikit-learn's averages over pixels, and the sentence about them."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from experiments.comparison.checked_runs import RunScores
from experiments.comparison.compare_arms import compare_arms
from experiments.comparison.point_table import averages_table
from experiments.comparison.settings import CompareSettings
from experiments.evaluation.histogram_builder import ScoreHistogramBuilder
from experiments.report.figures.textbook.averages import averages_sentence

MASKS = ("solid", "dotted")


def classes(seed, image):
    """True class of each pixel (0, 1: masks, 2: background) and a prediction that errs."""
    world = np.random.default_rng([7, image])
    truth = world.choice(3, size=(30, 30), p=(0.05, 0.02, 0.93))
    own = np.random.default_rng([seed, image])
    wrong = own.random(truth.shape) < (0.04 + 0.06 * image)
    return truth, np.where(wrong, own.choice(3, size=truth.shape), truth)


def histograms(seed):
    builder = ScoreHistogramBuilder(MASKS)
    for image in range(4):
        truth, predicted = classes(seed, image)
        logits = np.stack([np.where(predicted == mask, 2.0, -2.0) for mask in (0, 1)])
        builder.add(f"i{image}", f"i{image}", logits, np.stack([truth == mask for mask in (0, 1)]))
    return builder.build()


@pytest.fixture(scope="module")
def table():
    runs = {
        arm: {seed: RunScores(None, histograms(10 * shift + seed)) for seed in (0, 1)} for shift, arm in enumerate("ab")
    }
    return averages_table(compare_arms(runs, baseline="a", settings=CompareSettings(n_draws=100)).points)


def test_averages_and_classes_are_those_of_the_pixels(table):
    truth, predicted = (np.stack([classes(1, image)[side] for image in range(4)]) for side in (0, 1))
    flat = (truth.ravel(), predicted.ravel())
    run = table[(table["arm"] == "a") & (table["seed"] == 1) & (table["point"] == "natural")].set_index("what")
    assert run.loc["pixel-weighted F1", "value"] == pytest.approx(f1_score(*flat, average="weighted"))
    assert run.loc["macro F1", "value"] == pytest.approx(f1_score(*flat, average="macro"))
    assert run.loc["frame accuracy", "value"] == pytest.approx((truth == predicted).mean(axis=(1, 2)).mean())
    for place, what in enumerate((*MASKS, "background")):
        row = run.loc[what]
        own = [score(*flat, labels=[place], average="macro") for score in (precision_score, recall_score, f1_score)]
        assert [row["precision"], row["recall"], row["f1"]] == pytest.approx(own)
        assert row["value"] == row["f1"]
        assert row["share"] == pytest.approx((truth == place).mean())
    assert list(run["kind"]) == ["average"] * 3 + ["mask", "mask", "background"]
    assert run.loc["macro F1", ["precision", "recall", "f1"]].isna().all()


def test_a_point_without_background_counts_is_left_out(table):
    assert set(table["point"]) == {"natural"}  # the tuned point was never counted jointly


def made(rows):
    columns = ["arm", "what", "kind", "value", "precision", "recall"]
    return pd.DataFrame(rows, columns=columns).assign(seed=0, point="natural")


def test_the_sentence_names_what_the_average_hides():
    rows = []
    for arm, accuracy, thin, precision in (("bce", 0.99, 0.8, 0.85), ("heavy", 0.95, 0.3, 0.2)):
        rows += [(arm, "frame accuracy", "average", accuracy, np.nan, np.nan)]
        rows += [(arm, "pixel-weighted F1", "average", accuracy + 0.005, np.nan, np.nan)]
        rows += [(arm, "thin", "mask", thin, precision, 0.9), (arm, "thick", "mask", 0.9, 0.9, 0.9)]
        rows += [(arm, "background", "background", 0.999, 1.0, 1.0)]
    text = averages_sentence(made(rows), names={"heavy": "heavy weight"})
    assert "frame-averaged accuracy spans 0.950 to 0.990 over arms" in text
    assert "F1 of thin spans 0.300 to 0.800 over arms" in text
    assert "(heavy weight) reads 0.950 in accuracy and 0.999 in F1 of the background, at a precision of 0.20" in text
    alone = averages_sentence(made([row for row in rows if row[0] == "bce"]))
    assert "accuracy is 0.990" in alone
    assert "worst" not in alone
    with pytest.raises(ValueError, match=r"point: expected one of \['natural'\], got 'tuned'"):
        averages_sentence(made(rows), "tuned")
