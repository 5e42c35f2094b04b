"""ROC and PR of the same counts: areas, hull and achievable curve against independent computations."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from experiments.frontier.arithmetic import from_pixels
from experiments.frontier.codes import N_CODES, logit_to_code
from experiments.frontier.curve import PrCurve, achievable, average_precision, pr_curve
from experiments.frontier.roc import (
    achievable_average_precision,
    achievable_precision,
    roc_auc,
    roc_hull,
    roc_tables,
    tpr_at_fpr,
)


def counts(scores, labels):
    codes = logit_to_code(scores)
    return tuple(np.bincount(codes[labels == side], minlength=N_CODES) for side in (True, False))


def drawn(seed, *, pixels=20_000, separation=2.0, levels=None):
    rng = np.random.default_rng(seed)
    labels = rng.random(pixels) < 0.05
    scores = rng.normal(0, 1, pixels) + separation * labels
    return (np.round(scores * levels) / levels if levels else scores), labels


def _reference_hull(fp, tp):
    """Every pair of points, for a handful of them: a point is on the hull if no line between two others covers it."""
    x, y = np.append(0, fp), np.append(0, tp)
    kept = []
    for i in range(1, len(x)):
        covered = False
        for a in range(i):
            for b in range(i + 1, len(x)):
                if x[b] > x[a]:
                    height = y[a] + (y[b] - y[a]) * (x[i] - x[a]) / (x[b] - x[a])
                    covered |= bool(height >= y[i] - 1e-12)
                else:
                    covered |= bool(y[b] >= y[i])
        if not covered:
            kept.append(i - 1)
    return kept


def _reference_achievable(hull, steps=200_000):
    """Davis and Goadrich: walk from one hull point to the next, adding the false positives of each part of a TP."""
    tp, fp = np.append(0, hull.tp), np.append(0, hull.fp)
    hits = (np.arange(steps) + 0.5) / steps * hull.n_positive
    return float((hits / (hits + np.interp(hits, tp, fp))).mean())


@pytest.mark.parametrize("levels", [None, 2], ids=["continuous", "tied"])
def test_areas_are_those_of_scikit_learn(levels):
    scores, labels = drawn(0, levels=levels)
    curve = pr_curve(*counts(scores, labels))
    rounded = scores.astype(np.float16)  # the histogram's resolution
    assert roc_auc(curve) == pytest.approx(roc_auc_score(labels, rounded), abs=1e-12)
    assert average_precision(curve) == pytest.approx(average_precision_score(labels, rounded), abs=1e-12)


def test_a_score_that_says_nothing_has_half_the_area():
    constant = pr_curve(*counts(np.zeros(100), np.arange(100) < 10))
    assert roc_auc(constant) == 0.5
    assert tpr_at_fpr(constant, [0.25]) == pytest.approx([0.25])
    assert achievable_average_precision(roc_hull(constant)) == pytest.approx(0.1)


def test_area_and_curve_without_a_class_are_undefined():
    for labels in (np.zeros(5, bool), np.ones(5, bool)):
        curve = pr_curve(*counts(np.arange(5.0), labels))
        assert np.isnan(roc_auc(curve))
        assert np.isnan(tpr_at_fpr(curve, [0.5])).all()
    none = pr_curve(*counts(np.arange(5.0), np.zeros(5, bool)))
    assert np.isnan(achievable_average_precision(roc_hull(none)))
    assert np.isnan(achievable_precision(roc_hull(none), [0.5])).all()


def test_a_hand_computed_hull():
    # Thresholds from above: (fp, tp) = (0, 1), (1, 1), (1, 3), (4, 4); (1, 1) lies below the line to (1, 3).
    curve = PrCurve(np.array([9, 8, 7, 6], np.uint16), np.array([1, 1, 3, 4]), np.array([0, 1, 1, 4]), 4, 4)
    hull = roc_hull(curve)
    assert hull.codes.tolist() == [9, 7, 6]
    assert tpr_at_fpr(curve, [0, 0.25, 0.625, 1]) == pytest.approx([0.25, 0.75, 0.875, 1])
    # Half way from (0, 1) to (1, 3): 2 true and 0.5 false positives.
    assert achievable_precision(hull, [0.25, 0.5, 0.75]) == pytest.approx([1, 2 / 2.5, 3 / 4])
    # Integral of t / (1.5 t - 0.5) from 1 to 3 and of t / (4 t - 8) from 3 to 4, and 1 up to the first positive.
    first = 2 / 1.5 + 0.5 / 1.5**2 * np.log(4 / 1)
    second = 1 / 4 + 8 / 16 * np.log(8 / 4)
    assert achievable_average_precision(hull) == pytest.approx((1 + first + second) / 4)


@pytest.mark.parametrize("seed", range(6))
def test_the_hull_is_that_of_all_pairs_of_points(seed):
    rng = np.random.default_rng(seed)
    labels = rng.random(25) < 0.4
    curve = pr_curve(*counts(np.round(rng.normal(0, 1, 25) + labels, 1), labels))
    index = _reference_hull(curve.fp, curve.tp)
    assert roc_hull(curve).codes.tolist() == curve.codes[index].tolist()


@pytest.mark.parametrize("separation", [0.0, 1.0, 4.0])
def test_thinning_before_the_exact_search_changes_nothing(separation):
    curve = pr_curve(*counts(*drawn(1, separation=separation)))
    assert len(curve.codes) > 1000
    assert roc_hull(curve).codes.tolist() == curve.codes[achievable(curve)].tolist()


@pytest.mark.parametrize("seed", range(4))
def test_achievable_area_is_the_integral_along_the_hull_and_never_below_ap(seed):
    curve = pr_curve(*counts(*drawn(seed, separation=0.5 + seed, levels=3 if seed % 2 else None)))
    hull = roc_hull(curve)
    area = achievable_average_precision(hull)
    assert area == pytest.approx(_reference_achievable(hull), abs=1e-5)
    assert area >= average_precision(curve)
    recalls = np.linspace(0.01, 1, 50)
    index = np.searchsorted(curve.recall, recalls - 1e-12)
    assert (achievable_precision(hull, recalls) >= curve.precision[index] - 1e-12).all()


def test_tables_hold_a_row_per_run_and_means_over_seeds():
    runs = {}
    for arm, separation in (("good", 3.0), ("poor", 1.0)):
        runs[arm] = {}
        for seed in (0, 1):
            scores, labels = drawn(seed, pixels=4000, separation=separation)
            pixels = (scores.reshape(2, 1, -1), labels.reshape(2, 1, -1))
            runs[arm][seed] = from_pixels(("thin",), ("a", "b"), ("a", "b"), *pixels)
    areas, roc, pr = roc_tables(runs | {"empty": {}})
    assert areas[["arm", "seed"]].to_numpy().tolist() == [["good", 0], ["good", 1], ["poor", 0], ["poor", 1]]
    curves = [pr_curve(*test.pooled(0)) for test in runs["good"].values()]
    assert areas["roc_auc"].tolist()[:2] == [roc_auc(curve) for curve in curves]
    at = roc[(roc["arm"] == "good") & (roc["fpr"] == 0.01)].iloc[0]
    assert at["tpr"] == pytest.approx(np.mean([tpr_at_fpr(curve, 0.01) for curve in curves]))
    assert (roc["hull_tpr"] >= roc["tpr"] - 1e-12).all()
    half = pr[(pr["arm"] == "good") & (pr["recall"] == 0.5)].iloc[0]
    assert half["precision"] == pytest.approx(np.mean([achievable_precision(roc_hull(c), 0.5) for c in curves]))


def test_a_curve_that_bends_at_every_threshold_is_its_own_hull():
    """Each threshold gives fewer positives for a negative than the one before it, so that none may be left out."""
    positives, negatives = np.zeros(N_CODES, np.int64), np.zeros(N_CODES, np.int64)
    places = np.arange(40_000, 40_400)
    positives[places], negatives[places] = np.arange(1, 401), 1
    curve = pr_curve(positives, negatives)
    hull = roc_hull(curve)
    assert np.array_equal(hull.codes, curve.codes)
    assert np.array_equal(hull.tp, curve.tp)
