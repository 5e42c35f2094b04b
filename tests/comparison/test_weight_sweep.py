"""The weight sweep: theory from the baseline's scores, and the two weights that count as right."""

import numpy as np
import pandas as pd
import pytest

from experiments.comparison.weight_sweep import mark_table, predicted_table, weight_table
from experiments.frontier.arithmetic import from_pixels
from experiments.frontier.curve import f_beta

POSITIVES, NEGATIVES = [2.0, 0.5, -0.5, -3.0], [1.0, -0.25, -1.0, -5.0]


def histograms(logits, labels, masks=("thin",)):
    """One image per row of (N, C, P)."""
    names = [f"i{index}" for index in range(len(logits))]
    return from_pixels(masks, names, names, np.asarray(logits, float), np.asarray(labels, bool))


@pytest.fixture
def baseline():
    labels = [1] * 4 + [0] * 4
    return {0: histograms([[POSITIVES + NEGATIVES]], [[labels]])}


def test_theory_reads_the_baseline_at_its_own_threshold(baseline):
    table = predicted_table(baseline, [1.0, np.exp(0.625)])
    # Weight 1: logit 0, two of four positives and one negative. ln w = .625: logit -.625, three and two.
    assert table["recall"].tolist() == [0.5, 0.75]
    assert table["precision"].tolist() == pytest.approx([2 / 3, 3 / 5])
    assert table["f1"].tolist() == pytest.approx([4 / 7, 2 / 3])
    assert table["threshold"].tolist() == pytest.approx([0.5, 1 / (1 + np.exp(0.625))])


def test_a_baseline_with_a_weight_of_its_own_stands_in_with_the_ratio(baseline):
    first = predicted_table(baseline, [np.exp(0.625)])
    second = predicted_table(baseline, [4 * np.exp(0.625)], baseline_weight=4.0)
    columns = ["recall", "precision", "f1", "threshold"]
    assert second[columns].to_numpy() == pytest.approx(first[columns].to_numpy())


def test_what_is_undefined_is_nan_and_what_is_zero_is_zero(baseline):
    row = predicted_table(baseline, [np.exp(-6.0)]).iloc[0]
    assert (row["recall"], row["f1"]) == (0.0, 0.0)
    assert np.isnan(row["precision"])
    empty = {0: histograms([[[1.0, -1.0]]], [[[0, 0]]])}
    row = predicted_table(empty, [1.0]).iloc[0]
    assert np.isnan([row["recall"], row["f1"]]).all()
    assert row["precision"] == 0.0


@pytest.mark.parametrize("weight", [0.0, -1.0, np.nan, np.inf])
def test_a_weight_must_be_finite_and_positive(baseline, weight):
    with pytest.raises(ValueError, match="weights: expected finite numbers above 0"):
        predicted_table(baseline, [weight])


def test_theory_is_exact_for_a_model_whose_logits_rise_by_ln_w():
    rng = np.random.default_rng(0)
    labels = rng.random((3, 2, 500)) < 0.1
    # Multiples of 1/8 are float16 values, shifted or not.
    logits = np.round(8 * (2.0 * labels - 2 + rng.normal(0, 1, labels.shape))) / 8
    masks = ("solid", "dashed")
    foretold = predicted_table({7: histograms(logits, labels, masks)}, [np.exp(1.5)]).set_index("mask")
    for place, mask in enumerate(masks):
        predicted, truth = logits[:, place] + 1.5 >= 0, labels[:, place]
        tp, fp, fn = (predicted & truth).sum(), (predicted & ~truth).sum(), (~predicted & truth).sum()
        assert foretold.loc[mask, "seed"] == 7
        assert foretold.loc[mask, "recall"] == pytest.approx(tp / (tp + fn))
        assert foretold.loc[mask, "precision"] == pytest.approx(tp / (tp + fp))
        assert foretold.loc[mask, "f1"] == pytest.approx(float(f_beta(tp, fp, fn)))


def points():
    """Two weights, one other arm, a background row."""
    rows = [
        ("w=8", "thin", 0, "natural", 0.9, 0.3, 0.45),
        ("w=1", "thin", 0, "natural", 0.6, 0.8, 0.69),
        ("w=1", "thin", 0, "tuned", 0.7, 0.7, 0.8),
        ("w=1", "thin", 1, "tuned", 0.7, 0.7, 0.5),
        ("w=1", "background", 0, "natural", 1.0, 1.0, 1.0),
        ("dice", "thin", 0, "natural", 0.7, 0.7, 0.7),
        ("w=1", "thin", 0, "tuned_fbeta", 0.7, 0.7, 0.7),
    ]
    columns = ["arm", "mask", "seed", "operating_point", "recall", "precision", "f1"]
    return pd.DataFrame(rows, columns=columns).assign(ap=0.5)


def test_the_sweep_is_in_order_of_the_weight_and_holds_nothing_else():
    table = weight_table(points(), {"w=8": 8.0, "w=1": 1.0})
    assert table["weight"].tolist() == [1.0, 1.0, 1.0, 8.0]
    assert set(table["mask"]) == {"thin"}
    assert set(table["operating_point"]) == {"natural", "tuned"}


def test_the_right_weight_is_2_over_best_f1_minus_1():
    marks = mark_table(weight_table(points(), {"w=8": 8.0, "w=1": 1.0}), "w=1", {"thin": 0.03}).iloc[0]
    assert marks["best_f1"] == pytest.approx(0.65)
    assert marks["right_weight"] == pytest.approx(2 / 0.65 - 1)
    assert (marks["right_weight_low"], marks["right_weight_high"]) == pytest.approx((1.5, 3.0))
    assert marks["inverse_frequency"] == pytest.approx(0.97 / 0.03)


def test_a_mark_without_its_number_is_nan():
    table = weight_table(points(), {"w=1": 1.0})
    table.loc[table["operating_point"] == "tuned", "f1"] = [0.0, np.nan]
    marks = mark_table(table, "w=1", {}).iloc[0]
    assert np.isnan([marks["right_weight"], marks["inverse_frequency"]]).all()
