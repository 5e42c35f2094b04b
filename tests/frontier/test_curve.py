"""Curves from histograms against scikit-learn on the raw scores, and what no rescaling may change."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_recall_curve

from experiments.frontier.arithmetic import from_pixels
from experiments.frontier.codes import N_CODES, code_to_logit, logit_to_code
from experiments.frontier.curve import (
    PrCurve,
    achievable,
    average_precision,
    f_beta,
    mean_precision,
    pr_curve,
    precision_at_recall,
    recall_at_precision,
)


def _curve(logits: np.ndarray, labels: np.ndarray) -> PrCurve:
    histograms = from_pixels(["a"], ["x"], ["x"], logits.reshape(1, 1, -1), labels.reshape(1, 1, -1))
    return pr_curve(*histograms.pooled(0))


def _scores(scale: float, *, saturated: bool, n: int = 400_000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    labels = rng.random(n) < 0.05
    logits = rng.standard_normal(n) * 1.5 - 2.0 + 2.5 * labels
    if saturated:
        # As a Dice-like loss leaves them: pushed away from 0, far out on both sides.
        logits = logits * (1.0 + np.abs(logits))
    return (scale * logits).astype(np.float32), labels


@pytest.mark.parametrize("saturated", [False, True])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_ap_f1_and_curve_agree_with_the_sorted_computation(scale: float, saturated: bool) -> None:
    logits, labels = _scores(scale, saturated=saturated)
    curve = _curve(logits, labels)
    precision, recall, _ = precision_recall_curve(labels, logits)
    assert average_precision(curve) == pytest.approx(average_precision_score(labels, logits), abs=1e-4)
    exact_f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    mine = f_beta(curve.tp, curve.fp, curve.n_positive - curve.tp)
    assert mine.max() == pytest.approx(exact_f1.max(), abs=1e-4)
    # scikit-learn's points come from the lowest threshold up; its last is an end point, not a threshold.
    levels = np.linspace(0.05, 0.95, 19)
    exact = [precision[np.flatnonzero(recall[:-1] >= level)[-1]] for level in levels]
    np.testing.assert_allclose(precision_at_recall(curve, levels), exact, atol=1e-3)


def test_tied_float16_logits_agree_to_rounding() -> None:
    logits, labels = _scores(1.0, saturated=False, n=50_000)
    logits = np.round(logits * 4) / 4
    curve = _curve(logits, labels)
    precision, recall, thresholds = precision_recall_curve(labels, logits)
    assert average_precision(curve) == pytest.approx(average_precision_score(labels, logits), abs=1e-12)
    np.testing.assert_allclose(curve.precision, precision[:-1][::-1], atol=1e-12)
    np.testing.assert_allclose(curve.recall, recall[:-1][::-1], atol=1e-12)
    np.testing.assert_array_equal(code_to_logit(curve.codes), thresholds[::-1])


@pytest.mark.parametrize(
    "increasing",
    [
        lambda x: x + np.log(42.0),
        lambda x: 1e-3 * x,
        lambda x: np.sinh(x),
        lambda x: np.where(x < 0, 0.5 * x, 7.0 * x),
    ],
)
def test_increasing_maps_leave_every_point(increasing) -> None:
    logits, labels = _scores(1.0, saturated=False, n=50_000)
    # Steps of 1/4 within ±8: no map here brings two of them together in float16.
    logits = np.clip(np.round(logits * 4) / 4, -8, 8)
    before, after = _curve(logits, labels), _curve(increasing(logits), labels)
    np.testing.assert_array_equal(before.tp, after.tp)
    np.testing.assert_array_equal(before.fp, after.fp)
    assert average_precision(before) == average_precision(after)


def test_a_curve_by_hand() -> None:
    #       score: 3    2    1    0
    # labels:      1    0,1  0    1
    curve = _curve(np.array([3.0, 2.0, 2.0, 1.0, 0.0]), np.array([True, False, True, False, True]))
    assert curve.tp.tolist() == [1, 2, 2, 3]
    assert curve.fp.tolist() == [0, 1, 2, 2]
    assert average_precision(curve) == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)
    # Recall .1 and 1/3: first threshold. .5: second, which overshoots to 2/3 by one positive's worth.
    np.testing.assert_allclose(precision_at_recall(curve, [0.1, 1 / 3, 0.5, 2 / 3, 1.0]), [1, 1, 2 / 3, 2 / 3, 3 / 5])
    np.testing.assert_allclose(recall_at_precision(curve, [0.5, 0.6, 0.65, 0.9, 1.0]), [1, 1, 2 / 3, 1 / 3, 1 / 3])
    assert mean_precision(curve, low=0.5, high=0.9) == pytest.approx(
        ((2 / 3 - 0.5) * 2 / 3 + (0.9 - 2 / 3) * 0.6) / 0.4
    )
    assert curve.prevalence == 0.6


def test_no_threshold_reaches_a_recall_inside_a_tie() -> None:
    labels = np.repeat([True, False], [1000, 9000])
    logits = np.where(np.arange(10_000) < 400, 5.0, -5.0)
    curve = _curve(logits, labels)
    levels = [0.3, 0.39, 0.4, 0.5, 0.95, 0.99, 1.0]
    # Recall .4 at the upper score, then 1.0 with everything; .39 and .99 lie within .02 of these.
    expected = [np.nan, 1.0, 1.0, np.nan, np.nan, 0.1, 0.1]
    np.testing.assert_allclose(precision_at_recall(curve, levels), expected)
    assert np.isnan(recall_at_precision(_curve(-logits, labels), [0.5])).all()


def test_without_a_positive_everything_is_nan() -> None:
    curve = _curve(np.arange(5.0), np.zeros(5, bool))
    assert np.isnan(average_precision(curve))
    assert np.isnan(curve.recall).all()
    assert np.isnan(precision_at_recall(curve, [0.5])).all()
    assert np.isnan(recall_at_precision(curve, [0.5])).all()
    assert np.isnan(pr_curve(np.zeros(N_CODES), np.zeros(N_CODES)).prevalence)


def test_f_beta_where_it_is_undefined_and_where_it_is_zero() -> None:
    np.testing.assert_allclose(f_beta([0, 0, 2], [0, 3, 2], [0, 0, 1]), [np.nan, 0.0, 4 / 7])
    # beta 2: 5 TP / (5 TP + 4 FN + FP)
    assert f_beta(2, 2, 1, beta=2.0) == pytest.approx(10 / 16)


def test_a_useless_score_has_the_prevalence_as_ap() -> None:
    assert average_precision(_curve(np.zeros(1000), np.arange(1000) < 30)) == pytest.approx(0.03)


def _reference_hull(fp: np.ndarray, tp: np.ndarray) -> set[int]:
    """Points that no segment between two others (or the origin) lies on or above."""
    x, y = np.concatenate([[0], fp]), np.concatenate([[0], tp])
    kept = set()
    for k in range(1, len(x)):
        below = False
        for i in range(len(x)):
            for j in range(len(x)):
                if x[i] <= x[k] <= x[j] and x[i] < x[j] and k not in (i, j):
                    line = y[i] + (y[j] - y[i]) * (x[k] - x[i]) / (x[j] - x[i])
                    below |= line >= y[k] - 1e-12
        higher_at_same_x = ((x == x[k]) & (y > y[k])).any()
        if not below and not higher_at_same_x:
            kept.add(k - 1)
    return kept


def test_achievable_is_the_roc_hull() -> None:
    rng = np.random.default_rng(5)
    for _ in range(20):
        labels = rng.random(60) < 0.3
        labels[:2] = [True, False]
        curve = _curve(np.round(2 * rng.standard_normal(60) + labels), labels)
        mine = achievable(curve)
        assert set(mine.tolist()) == _reference_hull(curve.fp, curve.tp)
        assert mine[-1] == len(curve.tp) - 1


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="positives: expected 65536 counts"):
        pr_curve(np.zeros(3), np.zeros(3))
    fine, negative = np.zeros(N_CODES, int), np.zeros(N_CODES, int)
    negative[5] = -1
    for name, counts in (("positives", (negative, fine)), ("negatives", (fine, negative))):
        with pytest.raises(ValueError, match=f"{name}: expected 65536 counts of at least 0"):
            pr_curve(*counts)
    curve = _curve(np.arange(4.0), np.array([True, False, True, False]))
    for low, high in ((0.5, 0.5), (-0.1, 0.5), (0.5, 1.1), (0.7, 0.2)):
        with pytest.raises(ValueError, match=f"low, high: expected 0 <= low < high <= 1, got {low} and {high}"):
            mean_precision(curve, low=low, high=high)
    # Both ends belong to it.
    assert mean_precision(curve, low=0.0, high=1.0) == average_precision(curve)
    assert logit_to_code(0.0) in curve.codes
