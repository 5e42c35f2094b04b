"""The band covers all recalls at once, and crossing is claimed only for curves that cross."""

import numpy as np
import pytest
from scipy import stats

from experiments.inference.simultaneous_band import RecallBand, _adjusted, _component, recall_band
from experiments.inference.words import spans

RECALLS = np.round(np.arange(1, 20) * 0.05, 2)


def _band(
    truth: np.ndarray,
    n_seeds: int,
    n_groups: int,
    rng: np.random.Generator,
    *,
    length: float = 0.3,
    seed_sd: float = 0.03,
) -> RecallBand:
    """Band of a simulated study whose errors vary smoothly over recall, over seeds and over groups."""
    distance = np.abs(RECALLS[:, None] - RECALLS[None])
    root = np.linalg.cholesky(np.exp(-((distance / length) ** 2)) + 1e-6 * np.eye(len(RECALLS)))
    seed = seed_sd * rng.standard_normal((n_seeds, 1, len(RECALLS))) @ root.T
    group = 0.1 * rng.standard_normal((1, n_groups, len(RECALLS))) @ root.T
    both = 0.05 * rng.standard_normal((n_seeds, n_groups, len(RECALLS))) @ root.T
    effects = truth + seed + group + both
    left_out = (effects.sum(axis=1, keepdims=True) - effects) / (n_groups - 1)
    return recall_band(RECALLS, effects.mean(axis=1), left_out, margin=0.01, n_draws=600, rng=np.random.default_rng(0))


@pytest.mark.parametrize(
    ("n_seeds", "n_groups", "length", "seed_sd"),
    [(3, 30, 0.05, 0.03), (3, 100, 0.3, 0.1), (5, 60, 0.2, 0.03), (10, 40, 0.3, 0.0)],
)
def test_the_band_covers_everywhere_at_once(n_seeds: int, n_groups: int, length: float, seed_sd: float) -> None:
    rng = np.random.default_rng([n_seeds, n_groups])
    n = 150
    covered = 0
    for _ in range(n):
        band = _band(np.zeros(19), n_seeds, n_groups, rng, length=length, seed_sd=seed_sd)
        covered += bool((band.low <= 0).all() and (band.high >= 0).all())
    # Nominal .95. Fails by chance once in 10,000 when the true coverage is .92.
    assert stats.binom.cdf(covered, n, 0.92) > 1e-4, covered / n


def test_the_band_is_between_pointwise_and_bonferroni() -> None:
    band = _band(np.zeros(19), 5, 60, np.random.default_rng(3))
    error, df = band.difference.standard_error, band.difference.df.min()
    half = (band.high - band.low) / 2
    assert (half >= stats.t.ppf(0.975, df) * error).all()
    assert (half <= stats.t.ppf(1 - 0.025 / 19, df) * error * (1 + 1e-9)).all()
    # Smooth errors need far less than 19 independent comparisons.
    assert (half < stats.t.ppf(1 - 0.025 / 12, df) * error).all()


def test_a_true_crossing_is_found_and_located() -> None:
    truth = np.where(RECALLS < 0.5, 0.15, -0.15)
    band = _band(truth, 5, 100, np.random.default_rng(1))
    assert band.p_crosses < 0.01
    assert set(band.better) <= set(RECALLS[RECALLS < 0.5])
    assert set(band.worse) <= set(RECALLS[RECALLS >= 0.5])
    assert len(band.better) and len(band.worse)


@pytest.mark.parametrize(
    "truth", [np.zeros(19), np.where(RECALLS < 0.5, 0.2, 0.0), np.where(RECALLS < 0.5, 0.2, -0.01)]
)
def test_curves_that_do_not_cross_by_more_than_the_margin(truth: np.ndarray) -> None:
    rng = np.random.default_rng(2)
    n = 200
    claimed = sum(_band(truth, 3, 40, rng).p_crosses < 0.05 for _ in range(n))
    assert stats.binom.sf(claimed - 1, n, 0.05) > 1e-4, claimed


def test_identical_runs_have_a_band_of_no_width() -> None:
    band = recall_band(RECALLS, np.zeros((3, 19)), np.zeros((3, 8, 19)), margin=0.01, rng=np.random.default_rng(0))
    assert (band.low == 0).all() and (band.high == 0).all()
    assert band.p_crosses == 1.0
    assert len(band.better) == len(band.worse) == 0


def test_nothing_to_test() -> None:
    one_seed = recall_band(RECALLS, np.zeros((1, 19)), np.zeros((1, 8, 19)), margin=0.01, rng=np.random.default_rng(0))
    no_recall = recall_band(
        RECALLS[:0], np.zeros((3, 0)), np.zeros((3, 8, 0)), margin=0.01, rng=np.random.default_rng(0)
    )
    for band in (one_seed, no_recall):
        assert np.isnan(band.p_crosses)
        assert np.isnan(band.low).all()


def test_the_same_generator_gives_the_same_band() -> None:
    first, second = (_band(np.zeros(19), 3, 30, np.random.default_rng(0)) for _ in range(2))
    np.testing.assert_array_equal(first.low, second.low)
    assert first.p_crosses == second.p_crosses


@pytest.mark.parametrize("n", [3, 6, 40])
def test_simulated_means_and_their_variances_are_those_of_n_draws(n: int) -> None:
    """To 4 standard errors of 100,000 draws, for few draws simulated each and for many by their distribution."""
    draws = 100_000
    covariance = np.array([[4.0, 1.5], [1.5, 1.0]])
    means, variances = _component(covariance, n, draws, np.random.default_rng(n))
    correlation = 1.5 / 2 * (1 - 1 / (n - 1))  # shrunk, as the covariance is estimated from n
    assert means.var(axis=0) == pytest.approx([4.0, 1.0], rel=4 * np.sqrt(2 / draws))
    assert np.corrcoef(means.T)[0, 1] == pytest.approx(correlation, abs=4 / np.sqrt(draws))
    spread = 4 * np.sqrt(2 / (n - 1) / draws)
    assert variances.mean(axis=0) == pytest.approx([4.0, 1.0], rel=spread)
    assert variances.var(axis=0) / [16.0, 1.0] == pytest.approx(2 / (n - 1), rel=0.05)


def test_a_p_value_counts_the_simulated_ones_that_are_as_small() -> None:
    lowest = np.array([0.005, 0.02, 0.03, 0.5])
    assert _adjusted(0.02, lowest, 40) == (2 + 1) / (4 + 1)
    assert _adjusted(0.02, lowest, 10) == pytest.approx(0.2)  # Bonferroni
    assert _adjusted(0.9, lowest[3:] + 0.45, 2) == 0.9  # (0 + 1) / (1 + 1) would be below its own
    assert _adjusted(0.9, lowest, 2) == 1.0


def test_spans() -> None:
    assert spans(np.array([0.05, 0.1, 0.5])) == "0.05-0.10, 0.50"
    assert spans(np.array([])) == "none"
