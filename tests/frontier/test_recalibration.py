"""Recalibration on score codes: known maps are recovered, fits match independent ones, bad counts are refused."""

import numpy as np
import pytest
from scipy import optimize
from scipy.special import expit, logit

from experiments.comparison.thresholding.treated_scores import Treatment
from experiments.frontier.calibration import calibration
from experiments.frontier.codes import N_CODES, NATURAL_CODE, code_to_logit, logit_to_code, ordered_logits
from experiments.frontier.recalibration import (
    AffineMap,
    NotFittable,
    code_logits,
    fit_isotonic,
    fit_platt,
    fit_prior_shift,
)


def dense(pairs):
    """Counts (65536,) from logit -> (positives, negatives)."""
    positives, negatives = np.zeros(N_CODES, np.int64), np.zeros(N_CODES, np.int64)
    for value, counts in pairs.items():
        positives[int(logit_to_code(value))], negatives[int(logit_to_code(value))] = counts
    return positives, negatives


def sampled(seed, true_logits, stated_logits):
    """Counts of pixels that are positive with sigmoid(true) and state another logit."""
    labels = np.random.default_rng(seed).random(len(true_logits)) < expit(true_logits)
    codes = logit_to_code(stated_logits)
    return tuple(np.bincount(codes[labels == truth], minlength=N_CODES).astype(np.int64) for truth in (True, False))


def world(seed, n=200_000):
    """True logits of rare positives."""
    return np.random.default_rng(seed).normal(-4.0, 2.0, n)


def test_code_logits_rise_strictly_and_zero_is_at_the_natural_code():
    logits = code_logits()
    assert (np.diff(logits[0x0400:0xFC00]) > 0).all()
    assert logits[NATURAL_CODE] == 0.0 > logits[NATURAL_CODE - 1]
    np.testing.assert_allclose(logits, ordered_logits(), atol=2.0**-26)


def test_prior_shift_by_hand():
    # One score: sigmoid(1.5 + b) = 1 / 4.
    shift = fit_prior_shift(*dense({1.5: (2, 6)}))
    assert (shift.slope, shift.intercept) == (1.0, pytest.approx(np.log(1 / 3) - 1.5, abs=1e-9))


def test_prior_shift_makes_the_mass_right_and_is_the_maximum_likelihood_intercept():
    counts = sampled(0, world(0), 0.6 * world(0) + 1.0)  # not a pure shift: the mass must be right all the same
    shift = fit_prior_shift(*counts)
    assert calibration(*counts, Treatment.of_map(shift, "").probabilities).mass_ratio == pytest.approx(1.0, abs=1e-9)
    logits, pixels = code_logits(), counts[0] + counts[1]

    def loss(b):
        return float((pixels * np.logaddexp(0.0, logits + b) - counts[0] * (logits + b)).sum())

    found = optimize.minimize_scalar(loss, bounds=(-20, 20), method="bounded", options={"xatol": 1e-9})
    assert shift.intercept == pytest.approx(found.x, abs=1e-4)


def test_prior_shift_takes_back_a_weight():
    true = world(1)
    shift = fit_prior_shift(*sampled(1, true, true + np.log(42.0)))
    # The mass of P positives has a standard deviation below sqrt(P), its slope in b is the sum of q (1 - q).
    error = 4.0 * np.sqrt(expit(true).sum()) / (expit(true) * expit(-true)).sum()
    assert shift.intercept == pytest.approx(-np.log(42.0), abs=error + 1e-3)


def _reference_platt(positives, negatives):
    """Logistic regression of scikit-learn on both labels of every score, weighted with Platt's targets."""
    from sklearn.linear_model import LogisticRegression

    used = np.flatnonzero(positives + negatives)
    p, n = positives.sum(), negatives.sum()
    hits = positives[used] * (p + 1) / (p + 2) + negatives[used] / (n + 2)
    misses = positives[used] + negatives[used] - hits
    x = np.tile(code_to_logit(used.astype(np.uint16)), 2)[:, None]
    y = np.repeat([1, 0], len(used))
    model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-12, max_iter=1000)
    model.fit(x, y, sample_weight=np.concatenate([hits, misses]))
    return model.coef_[0, 0], model.intercept_[0]


@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.0), (3.0, 2.0), (0.2, -1.0), (30.0, -100.0)])
def test_platt_agrees_with_an_independent_fit_and_undoes_an_affine_map(scale, offset):
    true = world(2, 40_000)
    counts = sampled(2, true, scale * true + offset)
    fitted = fit_platt(*counts)
    slope, intercept = _reference_platt(*counts)
    np.testing.assert_allclose([fitted.slope, fitted.intercept], [slope, intercept], rtol=1e-5, atol=1e-5)
    # Standard errors of the population's slope and intercept, from the information matrix.
    weight = expit(true) * expit(-true)
    errors = np.sqrt(np.diag(np.linalg.inv([[(weight * true**2).sum(), (weight * true).sum()],
                                            [(weight * true).sum(), weight.sum()]])))  # fmt: skip
    assert fitted.slope * scale == pytest.approx(1.0, abs=4 * errors[0] + 0.01)
    assert fitted.slope * offset + fitted.intercept == pytest.approx(0.0, abs=4 * errors[1] + 0.02)


def test_platts_targets_keep_separable_and_saturated_scores_finite():
    few = fit_platt(*dense({-2.0: (0, 8), 2.0: (2, 0)}))
    # Two scores, two parameters: the targets themselves are reached, 1 / 10 and 3 / 4.
    np.testing.assert_allclose(expit(few.to_true_logit([-2.0, 2.0])), [0.1, 0.75], rtol=1e-6)
    far = fit_platt(*dense({-60000.0: (3, 90_000), 60000.0: (900, 5)}))
    assert np.isfinite([far.slope, far.intercept]).all()
    # A least slope that is at its optimum: the predicted mass is that of the targets.
    hits = 903 * 904 / 905 + 90_005 / 90_007
    mass = expit(far.to_true_logit([-60000.0, 60000.0])) @ [90_003, 905]
    assert mass == pytest.approx(hits, rel=1e-6)


def _reference_isotonic(y, w):
    """Min-max formula: p_k = max over i <= k of min over j >= k of the weighted mean of y_i ... y_j."""
    n = len(y)

    def mean(i, j):
        return (y[i : j + 1] @ w[i : j + 1]) / w[i : j + 1].sum()

    return np.array([max(min(mean(i, j) for j in range(k, n)) for i in range(k + 1)) for k in range(n)])


@pytest.mark.parametrize("seed", range(5))
def test_isotonic_agrees_with_the_min_max_formula(seed):
    rng = np.random.default_rng(seed)
    values = np.sort(rng.choice(np.arange(-40, 40), 25, replace=False)) / 4.0
    pixels = rng.integers(1, 50, 25)
    hits = rng.binomial(pixels, np.sort(rng.random(25)))
    hits[0] += hits.sum() == 0
    fitted = fit_isotonic(*dense({v: (h, n - h) for v, h, n in zip(values, hits, pixels, strict=True)}))
    np.testing.assert_allclose(fitted.to_probability(values), _reference_isotonic(hits / pixels, pixels), atol=1e-12)


def test_isotonic_agrees_with_scikit_learn_also_between_and_beyond_its_scores():
    from sklearn.isotonic import IsotonicRegression

    true = world(3, 20_000)
    positives, negatives = sampled(3, true, np.tanh(true) * 5)
    used = np.flatnonzero(positives + negatives)
    x, n = code_to_logit(used.astype(np.uint16)), (positives + negatives)[used]
    model = IsotonicRegression(out_of_bounds="clip").fit(x, positives[used] / n, sample_weight=n)
    fitted = fit_isotonic(positives, negatives)
    grid = np.linspace(-8, 8, 4001)
    np.testing.assert_allclose(fitted.to_probability(grid), model.predict(grid), atol=1e-9)
    assert calibration(positives, negatives, Treatment.of_map(fitted, "").probabilities).expected_error < 1e-12


def test_isotonic_by_hand():
    # -1 and 0 violate the order: (1 + 1) / (2 + 8) = 0.2 for both.
    fitted = fit_isotonic(*dense({-2.0: (0, 5), -1.0: (1, 1), 0.0: (1, 7), 3.0: (3, 1)}))
    np.testing.assert_allclose(fitted.to_probability([-9, -2, -1, 0, 1.5, 3, 9]), [0, 0, 0.2, 0.2, 0.475, 0.75, 0.75])
    assert fitted.n_steps == 3
    np.testing.assert_allclose(fitted.to_true_logit([-9.0, 3.0]), [-np.inf, logit(0.75)])


@pytest.mark.parametrize("fit", [fit_prior_shift, fit_platt, fit_isotonic])
def test_counts_that_determine_nothing_are_refused_with_the_reason(fit):
    with pytest.raises(NotFittable, match="no positive pixel"):
        fit(*dense({0.0: (0, 5), 1.0: (0, 2)}))
    with pytest.raises(NotFittable, match="no negative pixel"):
        fit(*dense({0.0: (5, 0)}))
    with pytest.raises(ValueError, match="positives: expected 65536 counts"):
        fit(np.ones(3, np.int64), np.ones(3, np.int64))


def test_platt_refuses_scores_that_do_not_rise_with_the_label():
    with pytest.raises(NotFittable, match="same score"):
        fit_platt(*dense({1.0: (3, 5)}))
    with pytest.raises(NotFittable, match="do not rise with the label"):
        fit_platt(*dense({-1.0: (9, 10), 1.0: (1, 10)}))
    with pytest.raises(ValueError, match="slope: expected"):
        AffineMap(-1.0, 0.0)
    with pytest.raises(ValueError, match="intercept: expected"):
        AffineMap(1.0, np.nan)
