"""Holm, and seed variances shrunk over a study: by hand, and by the resulting error rate."""

import numpy as np
import pytest
from scipy import stats

from experiments.inference.multiplicity import holm, raised_seed_variances, steady_seed_variances
from experiments.inference.paired_difference import PairedDifference, SeedVariance


def test_holm_by_hand() -> None:
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.02, np.nan, 0.03]), [0.04, np.nan, 0.04])
    np.testing.assert_allclose(holm([0.9, 0.8]), [1.0, 1.0])
    assert holm([]).shape == (0,)


@pytest.mark.parametrize("n_seeds", [2, 3, 5])
@pytest.mark.parametrize("group_sd", [0.03, 0.15, 0.7])
def test_holm_over_fifteen_tests_keeps_its_level(n_seeds: int, group_sd: float) -> None:
    """Satterthwaite's t would make up to .6 false claims here: few seeds that agree by chance look certain."""
    n_studies, n_groups = 2000, 60
    rng = np.random.default_rng(n_seeds)
    shape = (n_studies, 15)
    seeds = rng.standard_normal((n_seeds, *shape))
    v_group = group_sd**2 * rng.chisquare(n_groups - 1, shape) / (n_groups - 1)
    estimate = seeds.mean(axis=0) + group_sd * rng.standard_normal(shape)
    v_seed = seeds.var(axis=0, ddof=1) / n_seeds
    every = PairedDifference(estimate, v_seed, v_group, n_seeds, n_groups)
    # The tail is heavier than a normal one: within 2.9 standard errors p is above .0037, and no claim.
    far = np.abs(estimate) > 2.9 * every.standard_error
    p = PairedDifference(estimate[far], v_seed[far], v_group[far], n_seeds, n_groups).p_difference()
    false_claims = len(np.unique(np.nonzero(far)[0][p < 0.05 / 15]))
    assert stats.binom.sf(false_claims - 1, n_studies, 0.05) > 1e-4, false_claims / n_studies
    with_one_t = 2 * stats.t.sf(np.abs(estimate) / every.standard_error, every.df)
    assert (with_one_t.min(axis=1) < 0.05 / 15).mean() > false_claims / n_studies


def _difference(v_seed: float, n_seeds: int, estimate: float = 0.0, v_group: float = 1e-6) -> PairedDifference:
    return PairedDifference(np.array([estimate]), np.array([v_seed]), np.array([v_group]), n_seeds, 40)


def test_steadied_variances_by_hand() -> None:
    # Five comparisons: d0 = 1. Variances of one seed: 3 and 6 four times; their mean is 5.4.
    steadied = steady_seed_variances([_difference(1.0, 3), *[_difference(2.0, 3)] * 4])
    assert steadied[0].variance[0] == pytest.approx((1 * 5.4 + 2 * 3) / 3 / 3)
    assert steadied[1].variance[0] == pytest.approx((1 * 5.4 + 2 * 6) / 3 / 3)
    assert steadied[0].df == 3.0
    # Fifteen: d0 = 2, and no more than that.
    assert steady_seed_variances([_difference(1.0, 3)] * 15)[0].df == 4.0
    assert steady_seed_variances([_difference(1.0, 3)] * 99)[0].df == 4.0
    # Different numbers of seeds meet in the variance of one seed.
    few, many = steady_seed_variances([_difference(1.0, 2), _difference(0.2, 10)])
    assert few.variance[0] == pytest.approx(1.0)
    assert many.variance[0] == pytest.approx(0.2)


def test_one_comparison_keeps_its_own_variance() -> None:
    (alone,) = steady_seed_variances([_difference(0.7, 3)])
    assert (alone.variance[0], alone.df) == (pytest.approx(0.7), 2.0)
    difference = _difference(0.7, 3, estimate=2.0)
    assert difference.p_difference(alone)[0] == pytest.approx(difference.p_difference()[0])
    assert steady_seed_variances([]) == []


def test_a_missing_variance_neither_helps_nor_hurts() -> None:
    with_hole = steady_seed_variances([_difference(1.0, 3), _difference(np.nan, 1), _difference(3.0, 3)])
    without = steady_seed_variances([_difference(1.0, 3), _difference(3.0, 3)])
    assert np.isnan(with_hole[1].variance[0])
    assert [with_hole[k].variance[0] for k in (0, 2)] == [item.variance[0] for item in without]


@pytest.mark.parametrize("n_seeds", [2, 3, 5])
@pytest.mark.parametrize(("n_arms", "n_masks"), [(1, 3), (2, 3), (5, 3)])
@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_steadied_tests_keep_the_level_and_gain_power(n_seeds: int, n_arms: int, n_masks: int, spread: float) -> None:
    """Arms whose log variances scatter by `spread`, masks of a run that go together, one shared baseline."""
    n_studies, group_sd = 400, 0.3
    rng = np.random.default_rng([n_seeds, n_arms])
    m = n_arms * n_masks

    def seeds(arms: int, *, correlation: float = 0.6) -> np.ndarray:
        common = rng.standard_normal((n_studies, arms, n_seeds, 1))
        own = rng.standard_normal((n_studies, arms, n_seeds, n_masks))
        return np.sqrt(correlation) * common + np.sqrt(1 - correlation) * own

    scale = np.exp(0.5 * spread * rng.standard_normal((n_studies, n_arms, 1, 1)))
    effects = scale * seeds(n_arms) - 0.5 * seeds(1)
    v_seed = (effects.var(axis=2, ddof=1) / n_seeds).reshape(n_studies, m)
    v_group = group_sd**2 * rng.chisquare(39, (n_studies, m)) / 39
    noise = effects.mean(axis=2).reshape(n_studies, m) + group_sd * rng.standard_normal((n_studies, m))
    gain = 7.0 * np.sqrt((scale[..., 0] ** 2 + 0.25) / n_seeds + group_sd**2).repeat(n_masks, axis=2).reshape(-1, m)
    steady = [
        steady_seed_variances([_difference(float(v), n_seeds) for v in v_seed[study]]) for study in range(n_studies)
    ]
    variance = np.array([[float(item.variance[0]) for item in family] for family in steady])
    (df,) = {item.df for family in steady for item in family}
    limit = 0.05 / m

    def claims(estimate: np.ndarray, columns: slice, seeds: SeedVariance | None) -> int:
        """Studies with a p below the limit."""
        parts = (part[:, columns].ravel() for part in (estimate, v_seed, v_group))
        p = PairedDifference(*parts, n_seeds, 40).p_difference(seeds)
        return int((p.reshape(n_studies, -1).min(axis=1) < limit).sum())

    false = claims(noise, slice(None), SeedVariance(variance.ravel(), df))
    moved = noise + gain
    found, found_alone = claims(moved, slice(1), SeedVariance(variance[:, 0], df)), claims(moved, slice(1), None)
    assert stats.binom.sf(false - 1, n_studies, 0.05) > 1e-4, false / n_studies
    if m >= 6:
        assert found > found_alone


def test_raised_variances_by_hand() -> None:
    # Per seed 1, 3, 3, 6, 300 at 3 seeds: the median is 3 and d0 is 1. Only the first is below it.
    family = [_difference(each / 3, 3) for each in (1.0, 3.0, 3.0, 6.0, 300.0)]
    calm, *others = raised_seed_variances(family)
    assert calm.variance[0] == pytest.approx((1 * 3 + 2 * 1) / 3 / 3)
    assert calm.df == 3.0
    assert [each.variance[0] for each in others] == [item.v_seed[0] for item in family[1:]]
    assert {each.df for each in others} == {2.0}
    louder = raised_seed_variances([*family[:4], _difference(1e9, 3)])
    assert louder[0].variance[0] == calm.variance[0]
    (alone,) = raised_seed_variances([_difference(0.7, 3)])
    assert (alone.variance[0], alone.df) == (pytest.approx(0.7), 2)


@pytest.mark.parametrize("n_seeds", [3, 5])
@pytest.mark.parametrize("scales", [(1, 1, 1, 1, 1), (6, 2.4, 1.1, 0.9, 0.6), (20, 1, 1, 1, 1)], ids=str)
def test_raised_variances_keep_the_level_whatever_the_arms_noise(n_seeds: int, scales: tuple[float, ...]) -> None:
    n_studies, shared = 2000, 0.3
    rng = np.random.default_rng(n_seeds)
    noise = np.sqrt(1 - shared) * rng.standard_normal((n_studies, n_seeds, 5))
    gains = (noise + np.sqrt(shared) * rng.standard_normal((n_studies, n_seeds, 1))) * np.array(scales)
    estimates, variances = gains.mean(axis=1), gains.var(axis=1, ddof=1) / n_seeds
    false = 0
    for estimate, variance in zip(estimates, variances, strict=True):
        raised = raised_seed_variances([_difference(float(v), n_seeds) for v in variance])
        errors, dfs = np.sqrt([each.variance[0] for each in raised]), [each.df for each in raised]
        false += bool((holm(2 * stats.t.sf(np.abs(estimate) / errors, dfs)) <= 0.05).any())
    assert false / n_studies <= 0.05
