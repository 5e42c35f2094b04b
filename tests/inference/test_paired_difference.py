"""The two-way t: by hand, against a plain jackknife, and by its coverage on simulated effects."""

import numpy as np
import pytest
from scipy import integrate, stats

from experiments.inference.paired_difference import PairedDifference, difference_of, paired_difference, satterthwaite


def test_components_and_interval_by_hand() -> None:
    arm, baseline = np.array([[0.5], [0.7]]), np.array([[0.4], [0.4]])
    arm_left_out = np.array([[[0.4], [0.6], [0.5]], [[0.7], [0.7], [0.7]]])
    difference = paired_difference(arm, baseline, arm_left_out, np.zeros((2, 3, 1)))
    # d = (.1 + .3) / 2; Var = .02, / 2 seeds; replicates .55 .65 .60, (3-1)/3 * .005
    assert difference.estimate[0] == pytest.approx(0.2)
    assert difference.v_seed[0] == pytest.approx(0.01)
    assert difference.v_group[0] == pytest.approx(2 / 3 * 0.005)
    v = 0.01 + 2 / 3 * 0.005
    df = v**2 / (0.01**2 / 1 + (2 / 3 * 0.005) ** 2 / 2)
    assert difference.df[0] == pytest.approx(df)
    low, high = difference.interval(0.05)
    half = stats.t.ppf(0.975, df) * np.sqrt(v)
    assert (low[0], high[0]) == pytest.approx((0.2 - half, 0.2 + half))
    # Seed part: sqrt(.01) T_1, group part: sqrt(1/300) T_2.
    tail = integrate.quad(
        lambda t: stats.t.pdf(t, 2) * stats.t.sf((0.2 - np.sqrt(1 / 300) * t) / 0.1, 1), -np.inf, np.inf
    )[0]
    assert difference.p_difference()[0] == pytest.approx(2 * tail, rel=1e-4)


def test_one_variance_alone_is_a_plain_paired_t() -> None:
    d = np.random.default_rng(0).standard_normal((6, 1))
    difference = difference_of(d, np.ones((6, 4, 1)))
    expected = stats.ttest_1samp(d[:, 0], 0.0)
    assert difference.df[0] == pytest.approx(5)
    assert difference.p_difference()[0] == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval(0.95)
    assert (difference.interval()[0][0], difference.interval()[1][0]) == pytest.approx(tuple(interval))


def test_jackknife_of_a_mean_is_its_variance() -> None:
    values = np.random.default_rng(1).standard_normal(12)
    left_out = (values.sum() - values) / 11
    difference = difference_of(np.full((3, 1), values.mean()), np.tile(left_out[None, :, None], (3, 1, 1)))
    assert difference.v_group[0] == pytest.approx(values.var(ddof=1) / 12)
    assert difference.df[0] == pytest.approx(11)


def test_equivalence_is_two_one_sided_tests() -> None:
    difference = PairedDifference(np.array([0.004]), np.array([4e-6]), np.array([0.0]), 5, 9)
    assert difference.p_equivalence(0.01)[0] == pytest.approx(stats.t.sf(0.006 / 0.002, 4))
    mirrored = PairedDifference(np.array([-0.004]), np.array([4e-6]), np.array([0.0]), 5, 9)
    assert mirrored.p_equivalence(0.01)[0] == difference.p_equivalence(0.01)[0]
    outside = PairedDifference(np.array([0.02]), np.array([4e-6]), np.array([0.0]), 5, 9)
    assert outside.p_equivalence(0.01)[0] > 0.99
    # With one part alone, equivalence at level .05 is the 90 % interval inside the margin.
    low, high = difference.interval(0.10)
    assert (difference.p_equivalence(0.01)[0] < 0.05) == (low[0] > -0.01 and high[0] < 0.01)
    with pytest.raises(ValueError, match="margin: expected a number above 0"):
        difference.p_equivalence(0.0)


def test_identical_runs_differ_by_exactly_nothing() -> None:
    same = difference_of(np.zeros((3, 1)), np.zeros((3, 5, 1)))
    assert (same.interval()[0][0], same.interval()[1][0]) == (0.0, 0.0)
    assert same.p_difference()[0] == 1.0
    assert same.p_equivalence(0.01)[0] == 0.0
    rounding = difference_of(np.full((3, 1), 1e-17), np.full((3, 5, 1), -1e-17))
    assert rounding.p_difference()[0] == 1.0


def test_copies_that_differ_are_no_evidence() -> None:
    copies = difference_of(np.full((3, 1), 0.1), np.full((3, 5, 1), 0.1))
    assert np.isnan(copies.p_difference()[0])
    assert np.isnan(copies.p_equivalence(0.2)[0])


def test_what_counts_as_rounding_ends_below_a_picounit() -> None:
    nothing = np.zeros(1)
    for estimate, p, equivalent in ((0.9e-12, 1.0, 0.0), (1e-12, np.nan, np.nan)):
        still = PairedDifference(np.array([estimate]), nothing, nothing, 3, 5)
        np.testing.assert_array_equal([still.p_difference()[0], still.p_equivalence(0.1)[0]], [p, equivalent])
    for variance, error in ((0.9e-24, 0.0), (1e-24, 1e-12)):
        assert PairedDifference(nothing, np.array([variance]), nothing, 3, 5).standard_error[0] == error


def test_one_seed_or_group_has_no_variance_and_no_interval() -> None:
    one_seed = difference_of(np.array([[0.1]]), np.zeros((1, 5, 1)))
    assert one_seed.estimate[0] == pytest.approx(0.1)
    one_group = difference_of(np.array([[0.1], [0.2]]), np.zeros((2, 1, 1)))
    for difference in (one_seed, one_group):
        assert np.isnan([difference.interval()[0][0], difference.p_difference()[0], difference.df[0]]).all()


def test_an_interval_is_shown_from_three_seeds_on() -> None:
    three = PairedDifference(np.array([0.1, 0.2]), np.full(2, 0.01), np.full(2, 0.02), 3, 9)
    for shown, plain in zip(three.shown_interval(), three.interval(0.05), strict=True):
        np.testing.assert_array_equal(shown, plain)
    for shown, plain in zip(three.shown_interval(0.2), three.interval(0.2), strict=True):
        np.testing.assert_array_equal(shown, plain)
    two = PairedDifference(three.estimate, three.v_seed, three.v_group, 2, 9)
    assert np.isnan(two.shown_interval()).all()
    assert np.isfinite(two.interval()).all()


def test_satterthwaite_limits() -> None:
    assert float(satterthwaite(1.0, 0.0, 5, 40)) == pytest.approx(4)
    assert float(satterthwaite(0.0, 1.0, 5, 40)) == pytest.approx(39)
    assert float(satterthwaite(1e-200, 1e-200, 5, 5)) == pytest.approx(8)
    assert float(satterthwaite(0.0, 0.0, 5, 5)) == np.inf


def test_shapes_that_do_not_fit_are_named() -> None:
    with pytest.raises(ValueError, match="per_seed: expected"):
        difference_of(np.zeros((0, 1)), np.zeros((0, 2, 1)))
    with pytest.raises(ValueError, match="left_out: expected"):
        difference_of(np.zeros((2, 1)), np.zeros((3, 2, 1)))


@pytest.mark.parametrize("n_seeds", [3, 5])
@pytest.mark.parametrize("n_groups", [20, 60])
@pytest.mark.parametrize(
    ("seed_sd", "group_sd", "both_sd"), [(1.0, 0.1, 0.1), (0.1, 3.0, 0.1), (0.3, 1.5, 1.0), (0.0, 0.0, 1.0)]
)
def test_coverage_on_simulated_seed_and_group_effects(
    n_seeds: int, n_groups: int, seed_sd: float, group_sd: float, both_sd: float
) -> None:
    n = 2000
    rng = np.random.default_rng([n_seeds, n_groups])
    seed = seed_sd * rng.standard_normal((n, n_seeds, 1))
    group = group_sd * rng.standard_normal((n, 1, n_groups))
    both = both_sd * rng.standard_normal((n, n_seeds, n_groups))
    effects = seed + group + both
    means = effects.mean(axis=2)
    left_out = (effects.sum(axis=2, keepdims=True) - effects) / (n_groups - 1)
    # Simulations stand where columns do: each is one difference whose truth is 0.
    low, high = difference_of(means.T, left_out.transpose(1, 2, 0)).interval(0.05)
    covered = int(((low <= 0) & (high >= 0)).sum())
    # Below .92 only if the true coverage is: 1 in 10,000 by chance when it is exactly .92.
    assert stats.binom.cdf(covered, n, 0.92) > 1e-4, covered / n
    assert covered / n < 0.999
