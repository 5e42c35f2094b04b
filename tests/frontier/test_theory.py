"""Theory as executable checks: tables of cells with known eta, for which the optimum can be reached."""

import numpy as np
import pytest
from scipy import optimize, stats

from experiments.frontier.arithmetic import from_pixels
from experiments.frontier.calibration import calibration, code_probabilities
from experiments.frontier.codes import logit_to_code
from experiments.frontier.curve import average_precision, pr_curve
from experiments.frontier.operating_point import natural_point, operating_point, tuned_codes
from experiments.frontier.theory import (
    ScoreMap,
    best_f_beta,
    dice_optimum,
    optimal_threshold,
    precision_from_f1,
    prior_correction,
    right_weight,
)

CELLS = 12
ETA = 1.0 / (1.0 + np.exp(-np.linspace(-6.0, 2.0, CELLS)))
MASS = np.exp(-0.5 * np.arange(CELLS))
"""Cells of a table: a pixel falls into cell k with probability proportional to MASS, and is positive with ETA."""


def _logit(probability: np.ndarray) -> np.ndarray:
    return np.log(probability) - np.log1p(-probability)


def _sample(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Cell and label of n pixels."""
    rng = np.random.default_rng(seed)
    cells = rng.choice(CELLS, n, p=MASS / MASS.sum())
    return cells, rng.random(n) < ETA[cells]


def _fit(positives: np.ndarray, negatives: np.ndarray, weight: float, gamma: float) -> np.ndarray:
    """Logit per cell that minimises the empirical weighted focal loss, found numerically cell by cell."""

    def loss(z: float, n1: float, n0: float) -> float:
        log_q, log_not_q = -np.logaddexp(0, -z), -np.logaddexp(0, z)
        return -weight * n1 * np.exp(gamma * log_not_q) * log_q - n0 * np.exp(gamma * log_q) * log_not_q

    found = []
    for n1, n0 in zip(positives, negatives, strict=True):
        result = optimize.minimize_scalar(
            loss, bounds=(-15, 15), args=(n1, n0), method="bounded", options={"xatol": 1e-10}
        )
        found.append(result.x)
    return np.array(found)


@pytest.mark.parametrize("weight", [1.0, 4.0, 42.0])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_the_trained_optimum_is_the_map_of_eta(weight: float, gamma: float) -> None:
    cells, labels = _sample(200_000)
    counts = [np.bincount(cells[labels == truth], minlength=CELLS) for truth in (True, False)]
    trained = _fit(*counts, weight=weight, gamma=gamma)
    theory = ScoreMap(weight=weight, gamma=gamma)
    # In the sample the optimum is exact: eta is the cell's own frequency.
    np.testing.assert_allclose(trained, theory.to_stated_logit(np.log(counts[0] / counts[1])), atol=1e-5)
    # In the population it is off by the error of the cell's log odds, sd = 1 / sqrt(n eta (1 - eta)), and
    # focusing contracts it. Four standard errors, with room for the slope of focusing near 0.
    error = 4.0 / np.sqrt((counts[0] + counts[1]) * ETA * (1 - ETA))
    assert (np.abs(theory.to_true_logit(trained) - _logit(ETA)) < error).all()


def test_weighting_shifts_the_logit_by_ln_w() -> None:
    logits = np.linspace(-8, 8, 9)
    np.testing.assert_allclose(ScoreMap(weight=42.0).to_stated_logit(logits) - logits, np.log(42.0))
    assert ScoreMap(weight=42.0).natural_shift == pytest.approx(3.738, abs=5e-4)
    assert ScoreMap(weight=42.0).natural_threshold == pytest.approx(0.0233, abs=5e-5)
    # q = w eta / (w eta + 1 - eta)
    q = 42.0 * ETA / (42.0 * ETA + 1.0 - ETA)
    np.testing.assert_allclose(ScoreMap(weight=42.0).to_stated_logit(_logit(ETA)), _logit(q))


@pytest.mark.parametrize("weight", [2.0, 12.0, 42.0])
def test_weighted_natural_point_is_the_baseline_at_one_over_one_plus_w(weight: float) -> None:
    cells, labels = _sample(50_000)
    theory = ScoreMap(weight=weight)
    logits = _logit(ETA)[cells]
    plain = from_pixels(["a"], ["x"], ["x"], logits[None, None], labels[None, None])
    weighted = from_pixels(["a"], ["x"], ["x"], theory.to_stated_logit(logits)[None, None], labels[None, None])
    code = int(logit_to_code(_logit(np.array(theory.natural_threshold))))
    moved, natural = operating_point(plain, 0, code, name="natural"), natural_point(weighted, 0)
    assert (moved.tp, moved.fp, moved.fn, moved.tn) == (natural.tp, natural.fp, natural.fn, natural.tn)
    assert average_precision(pr_curve(*plain.pooled(0))) == average_precision(pr_curve(*weighted.pooled(0)))


@pytest.mark.parametrize("gamma", [0.5, 2.0, 5.0])
@pytest.mark.parametrize("positive_weight", [None, 0.25, 0.9])
def test_focal_is_undone_in_closed_form(gamma: float, positive_weight: float | None) -> None:
    theory = ScoreMap.focal(gamma=gamma, positive_weight=positive_weight)
    logits = np.linspace(-40, 40, 81)
    np.testing.assert_allclose(theory.to_true_logit(theory.to_stated_logit(logits)), logits, atol=1e-9)
    assert (np.diff(theory.to_stated_logit(logits)) > 0).all()
    # The formula of Charoenphakdee et al. as it stands, where it does not overflow.
    q = np.linspace(0.01, 0.99, 99)

    def g(p: np.ndarray) -> np.ndarray:
        return (1 - p) ** gamma / p - gamma * (1 - p) ** (gamma - 1) * np.log(p)

    eta = g(1 - q) / (g(q) + g(1 - q))
    odds = 1.0 if positive_weight is None else positive_weight / (1 - positive_weight)
    np.testing.assert_allclose(theory.to_true_logit(_logit(q)), _logit(eta) - np.log(odds), atol=1e-10)
    # A natural point that gamma does not move: q = 1/2 only where the weighted eta is.
    assert theory.to_true_logit([0.0])[0] == pytest.approx(-np.log(odds), abs=1e-12)


def test_focal_with_gamma_0_is_weighted_bce() -> None:
    logits = np.linspace(-9, 9, 7)
    np.testing.assert_array_equal(ScoreMap(weight=3.0).to_stated_logit(logits), logits + np.log(3.0))
    assert ScoreMap.focal(gamma=0.0, positive_weight=0.5) == ScoreMap()
    far = ScoreMap(gamma=2.0).to_true_logit([-3e4, 3e4])
    assert np.isfinite(far).all()


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_f_is_best_at_the_threshold_that_theory_gives(beta: float) -> None:
    eta = np.linspace(0.0005, 0.9995, 20_001)
    mass = stats.beta.pdf(eta, 0.3, 4.0)
    best, threshold = best_f_beta(eta, beta=beta, mass=mass)
    square = beta * beta
    every = np.linspace(0.005, 0.9, 500)
    scores = []
    for limit in every:
        fired = eta >= limit
        hits = (eta * mass)[fired].sum()
        scores.append((1 + square) * hits / (square * (eta * mass).sum() + mass[fired].sum()))
    assert best == pytest.approx(max(scores), abs=1e-5)
    # F is flat at its top: the grid's argmax is within its step and the flatness.
    assert every[int(np.argmax(scores))] == pytest.approx(threshold, abs=0.01)
    assert threshold == pytest.approx(best / (1 + square))


def test_the_tuned_threshold_of_calibrated_scores_is_half_of_f1() -> None:
    n = 400_000
    rng = np.random.default_rng(1)
    eta = rng.beta(0.3, 4.0, n)
    labels = rng.random(n) < eta
    histograms = from_pixels(
        ["a"], ["x"], ["x"], _logit(np.clip(eta, 1e-12, 1 - 1e-12))[None, None], labels[None, None]
    )
    (code,) = tuned_codes(histograms)
    tuned = operating_point(histograms, 0, code, name="tuned")
    # F1 is quadratic in the threshold around its top, so the argmax strays by n^(-1/3) while F1 itself is within
    # its own sampling error: the theory's threshold must do as well.
    at_theory = operating_point(histograms, 0, int(logit_to_code(_logit(np.array(tuned.f_beta() / 2)))), name="theory")
    standard_error = np.sqrt(2 * tuned.f_beta() * (1 - tuned.f_beta()) / labels.sum())
    assert tuned.f_beta() - at_theory.f_beta() < standard_error
    assert tuned.probability == pytest.approx(tuned.f_beta() / 2, abs=3 * n ** (-1 / 3))


def test_the_right_weight_puts_the_natural_point_where_f1_is_best() -> None:
    best, threshold = best_f_beta(ETA, mass=MASS)
    assert ScoreMap(weight=right_weight(best)).natural_threshold == pytest.approx(threshold)
    assert right_weight(1.0) == 1.0
    with pytest.raises(ValueError, match="best_f1"):
        right_weight(0.0)


def test_dice_is_minimised_by_a_thresholded_eta() -> None:
    corner = dice_optimum(ETA, mass=MASS)

    def soft_dice(q: np.ndarray) -> float:
        return 2.0 * float((MASS * q * ETA).sum() / (MASS * (q + ETA)).sum())

    best = soft_dice(corner.astype(float))
    assert best == pytest.approx(best_f_beta(ETA, mass=MASS)[0])
    # No other table of 0s and 1s does better, and neither does any optimiser between them.
    every = (np.arange(2**CELLS)[:, None] >> np.arange(CELLS)) & 1
    scores = 2.0 * (every @ (MASS * ETA)) / (every @ MASS + (MASS * ETA).sum())
    assert scores.max() == pytest.approx(best)
    for start in (0.1, 0.5, 0.9):
        found = optimize.minimize(
            lambda q: -soft_dice(q), np.full(CELLS, start), bounds=[(0, 1)] * CELLS, method="L-BFGS-B"
        )
        assert -found.fun <= best + 1e-9
        np.testing.assert_allclose(found.x, corner, atol=1e-3)


@pytest.mark.parametrize("weight", [4.0, 42.0])
def test_prior_correction_restores_calibration(weight: float) -> None:
    cells, labels = _sample(200_000)
    theory = ScoreMap(weight=weight)
    np.testing.assert_allclose(
        prior_correction(theory.to_stated_logit(_logit(ETA)), weight=weight), _logit(ETA), atol=1e-12
    )
    stated = theory.to_stated_logit(_logit(ETA))[cells]
    pooled = from_pixels(["a"], ["x"], ["x"], stated[None, None], labels[None, None]).pooled(0)
    raw, corrected = (calibration(*pooled, code_probabilities(item)) for item in (None, theory))
    # Predicted mass over positives: relative standard error of the count of positives, doubled for rounding.
    error = 4.0 * np.sqrt((MASS * ETA * (1 - ETA)).sum() / MASS.sum() * 200_000) / labels.sum()
    assert corrected.mass_ratio == pytest.approx(1.0, abs=error + 1e-3)
    assert raw.mass_ratio > 1.5
    # The expected error of a calibrated model is sampling noise: sum over cells of sd / n, times sqrt(2 / pi).
    noise = np.sqrt(MASS / MASS.sum() * ETA * (1 - ETA) / 200_000).sum()
    assert corrected.expected_error < 2 * noise
    assert raw.expected_error > 10 * noise


def test_precision_from_f1_places_the_published_pairs() -> None:
    np.testing.assert_allclose(precision_from_f1([0.96, 0.97], [0.37, 0.26]), [0.229, 0.150], atol=5e-4)
    precision, recall = np.array([0.2, 0.9, 1.0]), np.array([0.5, 0.3, 1.0])
    f1 = 2 * precision * recall / (precision + recall)
    np.testing.assert_allclose(precision_from_f1(recall, f1), precision)
    assert np.isnan(precision_from_f1([0.1], [0.9])).all()


def test_optimal_threshold_of_f1_is_half_of_it() -> None:
    assert float(optimal_threshold(0.6)) == pytest.approx(0.3)
    assert float(optimal_threshold(0.6, beta=2.0)) == pytest.approx(0.12)


@pytest.mark.parametrize(
    ("options", "message"), [({"weight": 0.0}, "weight"), ({"gamma": -1.0}, "gamma"), ({"weight": np.inf}, "weight")]
)
def test_bad_parameters_are_named(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=f"{message}: expected a finite number"):
        ScoreMap(**options)
    with pytest.raises(ValueError, match="positive_weight: expected a number in"):
        ScoreMap.focal(gamma=2.0, positive_weight=1.0)
