"""The tail of a difference whose error is the sum of a seed part and a group part, each with an estimated variance."""

from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(80)
_FURTHEST = 18.0
"""Integrals over t use asinh(t), cut off here, at |t| = 3e7."""

Part = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Scales (n,) of one t variable, at least 0, and its degrees of freedom (n,)."""


def two_way_sf(
    x: ArrayLike, v_seed: ArrayLike, v_group: ArrayLike, n_seeds: ArrayLike, n_groups: ArrayLike
) -> NDArray[np.float64]:
    """P(sqrt(v_seed) T_(S-1) + sqrt(v_group) T_(G-1) >= x) for independent t variables: Behrens-Fisher's tail.

    Satterthwaite's single t is close to it in the middle, so intervals use that. In the tails it is far too thin: if a
    few seeds agree by chance, v_seed is small, the degrees of freedom are large, and the p value after Holm is tiny.
    With 3 seeds and 15 tests that gives up to .29 false claims at a nominal .05; this tail keeps to .05.

    Args:
        x: any shape.
        v_seed: broadcasts with x, at least 0; NaN gives NaN.
        v_group: as v_seed; where both are 0 the result is NaN.
        n_seeds: S; v_seed has S - 1 degrees of freedom. A broken number stands for a variance that is known
            better than from its own seeds; not above 1 gives NaN.
        n_groups: G, or the effective number where groups differ in weight; not above 1 gives NaN.

    Reference: Fisher 1935; Robinson 1976 (its error rate does not exceed the nominal one).
    """
    value, seed, group, seed_df, df = np.broadcast_arrays(
        np.asarray(x, dtype=np.float64),
        np.sqrt(v_seed),
        np.sqrt(v_group),
        np.subtract(n_seeds, 1.0),
        np.subtract(n_groups, 1.0),
    )
    out = np.full(value.shape, np.nan)
    usable = (seed + group > 0) & ~np.isnan(value) & (seed_df > 0) & (df > 0)
    tail = _upper_tail(np.abs(value[usable]), (seed[usable], seed_df[usable]), (group[usable], df[usable]))
    out[usable] = np.where(value[usable] < 0, 1.0 - tail, tail)
    return out


def _upper_tail(x: NDArray[np.float64], first: Part, second: Part) -> NDArray[np.float64]:
    """Return P(a T + b U >= x) for x >= 0, (n,).

    There are three disjoint cases: a T is at most x / 2 and b U makes up for it; b U is at most x / 2 and a T makes up
    for it; both exceed x / 2. So each tail is integrated only beyond x / 2, where it is smooth however large x is.
    """
    (a, a_df), (b, b_df) = first, second
    tail = special.stdtr(np.where(a > b, a_df, b_df), -x / np.maximum(a, b))
    # A part that is 0 or nearly 0 adds nothing to the other.
    both = np.minimum(a, b) > 1e-9 * np.maximum(a, b)
    if both.any():
        far, a, b, a_df, b_df = (part[both] for part in (x, a, b, a_df, b_df))
        neither_half = special.stdtr(a_df, -far / (2.0 * a)) * special.stdtr(b_df, -far / (2.0 * b))
        tail[both] = _made_up_for(far, (a, a_df), (b, b_df)) + _made_up_for(far, (b, b_df), (a, a_df)) + neither_half
    # The quadrature's error must not give a p value above 1, or one below 1 for a difference of 0.
    return np.where(x == 0.0, 0.5, np.minimum(tail, 0.5))


def _made_up_for(x: NDArray[np.float64], inner: Part, outer: Part) -> NDArray[np.float64]:
    """Return P(a T + b U >= x and a T <= x / 2): Gauss-Legendre over T, its density times the tail of U."""
    (a, df), (b, outer_df) = ((scale, part[:, None]) for scale, part in (inner, outer))
    half = 0.5 * (np.minimum(np.arcsinh(x / (2.0 * a)), _FURTHEST) + _FURTHEST)[:, None]
    place = half * (_NODES + 1.0) - _FURTHEST
    t = np.sinh(place)
    constant = special.gammaln(0.5 * (df + 1)) - special.gammaln(0.5 * df) - 0.5 * np.log(df * np.pi)
    density = np.exp(constant - 0.5 * (df + 1) * np.log1p(t * t / df)) * np.cosh(place)
    return np.asarray((half * density * special.stdtr(outer_df, (a[:, None] * t - x[:, None]) / b[:, None])) @ _WEIGHTS)


def two_way_isf(
    level: float, v_seed: float, v_group: float, n_seeds: float, n_groups: float, *, rtol: float = 1e-4
) -> float:
    """Find x with `two_way_sf(x, ...)` = level.

    Args:
        level: in (0, .5).
        v_seed: at least 0.
        v_group: at least 0; if both are 0 the result is 0.
        n_seeds: S, above 1.
        n_groups: G, above 1.
        rtol: relative error of x.
    """
    low, high = isf_bounds(level, v_seed, v_group, n_seeds, n_groups)
    if high <= low * (1.0 + rtol):
        return low

    # A t variable's tail is nearly a power of x: close to a straight line in these coordinates.
    @cache
    def excess(log_x: float) -> float:
        return float(np.log(two_way_sf(np.exp(log_x), v_seed, v_group, n_seeds, n_groups) / level))

    # The quadrature's rounding may cross the bounds where one part is nearly all there is.
    ends = float(np.log(low)), float(np.log(high))
    if excess(ends[0]) <= 0.0:
        return low
    return high if excess(ends[1]) >= 0.0 else float(np.exp(optimize.brentq(excess, *ends, xtol=rtol)))


def isf_bounds(level: float, v_seed: float, v_group: float, n_seeds: float, n_groups: float) -> tuple[float, float]:
    """Bound `two_way_isf`, at the price of two quantiles of t.

    Adding the smaller part lengthens the tail of the greater, and never beyond the sum of their two quantiles.
    """
    seed = -float(np.sqrt(v_seed) * special.stdtrit(n_seeds - 1, level))
    group = -float(np.sqrt(v_group) * special.stdtrit(n_groups - 1, level))
    return max(seed, group), seed + group
