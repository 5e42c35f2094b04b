"""The tail of the sum of two t variables: against quadrature, simulation and its limits."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import integrate, stats

from experiments.inference.behrens_fisher import two_way_isf, two_way_sf


@pytest.mark.parametrize(("n_seeds", "n_groups"), [(2, 30), (3, 2), (3, 30), (5, 200)])
@pytest.mark.parametrize(("v_seed", "v_group"), [(0.2, 1.0), (1.0, 0.3), (1.0, 1.0), (4.0, 1e-3)])
def test_against_quadrature(n_seeds: int, n_groups: int, v_seed: float, v_group: float) -> None:
    parts = sorted([(np.sqrt(v_seed), n_seeds - 1), (np.sqrt(v_group), n_groups - 1)])
    (inner, inner_df), (outer, outer_df) = parts
    for x in (-1.0, 0.5, 3.0, 6.0):

        def integrand(t: float, x: float = x) -> float:
            return float(stats.t.pdf(t, inner_df) * stats.t.sf((x - inner * t) / outer, outer_df))

        edges = [-np.inf, -5.0, 5.0, np.inf]
        reference = sum(integrate.quad(integrand, a, b)[0] for a, b in pairwise(edges))
        assert float(two_way_sf(x, v_seed, v_group, n_seeds, n_groups)) == pytest.approx(reference, rel=5e-5)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.5, 0.99])
@pytest.mark.parametrize("x", [1.0, 5.0, 40.0, 1000.0])
def test_two_cauchy_variables_add_up_to_one(share: float, x: float) -> None:
    """With two seeds and two groups the tail is known in closed form, however far out."""
    scale = np.sqrt(share) + np.sqrt(1 - share)
    assert float(two_way_sf(x, share, 1 - share, 2, 2)) == pytest.approx(stats.cauchy.sf(x / scale), rel=1e-6)


@pytest.mark.parametrize("n_groups", [3, 10, 60])
@pytest.mark.parametrize("v_seed", [0.1, 0.5, 0.9])
def test_far_tails_against_a_fine_sum(n_groups: int, v_seed: float) -> None:
    place = np.linspace(-20, 20, 40_001)
    t = np.sinh(place)
    weights = stats.t.pdf(t, 2) * np.cosh(place) * (place[1] - place[0])
    for x in (3.0, 10.0, 30.0, 100.0):
        exact = weights @ stats.t.sf((x - np.sqrt(v_seed) * t) / np.sqrt(1 - v_seed), n_groups - 1)
        assert float(two_way_sf(x, v_seed, 1 - v_seed, 3, n_groups)) == pytest.approx(exact, rel=1e-4)


def test_one_part_alone_is_a_t() -> None:
    x = np.array([0.0, 1.0, 4.0])
    np.testing.assert_allclose(two_way_sf(x, 4.0, 0.0, 3, 30), stats.t.sf(x / 2, 2), rtol=1e-6)
    np.testing.assert_allclose(two_way_sf(x, 0.0, 4.0, 3, 30), stats.t.sf(x / 2, 29), rtol=1e-6)


def test_symmetry_and_order() -> None:
    x = np.linspace(-5, 5, 21)
    tail = two_way_sf(x, 1.0, 0.5, 3, 30)
    np.testing.assert_allclose(tail + tail[::-1], 1.0, atol=1e-9)
    assert (np.diff(tail) < 0).all()


@pytest.mark.parametrize(("v_seed", "v_group"), [(1.0, 1e-3), (1.0, 0.7), (1e-6, 1.0), (1e-12, 1.0), (0.0, 1.0)])
@pytest.mark.parametrize("size", [2, 3, 30])
def test_half_of_the_distribution_lies_above_its_middle(v_seed: float, v_group: float, size: int) -> None:
    assert float(two_way_sf(0.0, v_seed, v_group, size, size)) == 0.5
    # A part a thousand times narrower than the other is a step between two nodes there, at a p value of 1.
    assert float(two_way_sf(1e-30, v_seed, v_group, size, size)) == pytest.approx(0.5, rel=1e-3)


def test_undefined_is_nan() -> None:
    assert np.isnan(two_way_sf([1.0, np.nan], [np.nan, 1.0], 1.0, 3, 30)).all()
    assert np.isnan(two_way_sf(1.0, 0.0, 0.0, 3, 30))
    assert np.isnan(two_way_sf(1.0, 1.0, 1.0, 1, 30))


@pytest.mark.parametrize("level", [0.2, 0.05, 0.0017])
@pytest.mark.parametrize(
    ("n_seeds", "n_groups", "v_seed", "v_group"),
    [(2, 30, 0.2, 1.0), (3, 30, 1e-6, 1.0), (3, 30, 1.0, 0.3), (5, 200, 0.0, 1.0), (300, 40, 1.0, 1.0)],
)
def test_quantiles_invert_the_tail(level: float, n_seeds: int, n_groups: int, v_seed: float, v_group: float) -> None:
    x = two_way_isf(level, v_seed, v_group, n_seeds, n_groups)
    assert float(two_way_sf(x, v_seed, v_group, n_seeds, n_groups)) == pytest.approx(level, rel=0.03)


@pytest.mark.parametrize("level", [0.3, 0.05, 0.001])
@pytest.mark.parametrize(("n_seeds", "n_groups"), [(2, 9), (4, 3)])
def test_a_quantile_of_one_part_alone_is_that_of_its_t(level: float, n_seeds: int, n_groups: int) -> None:
    seeds, groups = two_way_isf(level, 0.04, 0.0, n_seeds, n_groups), two_way_isf(level, 0.0, 0.04, n_seeds, n_groups)
    assert seeds == pytest.approx(0.2 * stats.t.isf(level, n_seeds - 1), rel=1e-9)
    assert groups == pytest.approx(0.2 * stats.t.isf(level, n_groups - 1), rel=1e-9)


def test_a_quantile_of_nothing_is_zero() -> None:
    assert two_way_isf(0.05, 0.0, 0.0, 3, 30) == 0.0
