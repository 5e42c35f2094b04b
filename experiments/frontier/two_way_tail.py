"""Tail of a difference whose error is a seed part plus a group part, each with its own estimated variance."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special

_STEPS = np.linspace(-12.6, 12.6, 127)
_NODES = np.sinh(_STEPS)
_LOG_WEIGHTS = np.log(np.cosh(_STEPS))
"""Trapezoid in x with t = sinh(x): reaches 1e5 on either side, far into the tail of one degree of freedom."""


def two_way_sf(
    x: ArrayLike, v_seed: ArrayLike, v_group: ArrayLike, n_seeds: float, n_groups: float
) -> NDArray[np.float64]:
    """P(sqrt(v_seed) T_(S-1) + sqrt(v_group) T_(G-1) >= x) for independent t variables: Behrens-Fisher's tail.

    Satterthwaite's single t is close to it in the middle, so intervals use that, and far too thin in the tails:
    where few seeds agree by chance, v_seed reads small, the degrees of freedom large, and a p value after Holm
    tiny. With 3 seeds and 15 tests that makes up to .29 false claims at a nominal .05; this tail keeps to .05.

    Args:
        x: any shape.
        v_seed: broadcasts with x, at least 0; NaN gives NaN.
        v_group: as v_seed; where both are 0 the result is NaN.
        n_seeds: S; v_seed has S - 1 degrees of freedom. A broken number stands for a variance that is known
            better than from its own seeds; not above 1 gives NaN.
        n_groups: G; not above 1 gives NaN.

    Reference: Fisher 1935; Robinson 1976 (its error rate does not exceed the nominal one).
    """
    value, seed, group = np.broadcast_arrays(np.asarray(x, dtype=np.float64), np.sqrt(v_seed), np.sqrt(v_group))
    out = np.full(value.shape, np.nan)
    usable = (seed + group > 0) & ~np.isnan(value) & (min(n_seeds, n_groups) > 1)
    # The wider part is taken exactly, the narrower one is integrated over: so the integrand is smooth.
    for inner, outer, inner_df, outer_df, here in (
        (seed, group, n_seeds - 1, n_groups - 1, usable & (seed <= group)),
        (group, seed, n_groups - 1, n_seeds - 1, usable & (seed > group)),
    ):
        if here.any():
            distance = value[here][:, None] - inner[here][:, None] * _NODES
            tails = special.stdtr(outer_df, -distance / outer[here][:, None])
            out[here] = tails @ _probabilities(inner_df)
    return out


def _probabilities(df: float) -> NDArray[np.float64]:
    """Probabilities of the nodes under t with that many degrees of freedom."""
    log_density = _LOG_WEIGHTS - 0.5 * (df + 1) * np.log1p(_NODES**2 / df)
    weights = np.exp(log_density - log_density.max())
    return weights / weights.sum()


def two_way_isf(level: float, v_seed: float, v_group: float, n_seeds: float, n_groups: float) -> float:
    """Find x with `two_way_sf(x, ...)` = level, to some percent of the level.

    Args:
        level: in (0, .5).
        v_seed: at least 0.
        v_group: at least 0; the result is 0 where both are.
        n_seeds: S, above 1.
        n_groups: G, above 1.
    """
    seed = -float(np.sqrt(v_seed) * special.stdtrit(n_seeds - 1, level))
    group = -float(np.sqrt(v_group) * special.stdtrit(n_groups - 1, level))
    low, high = max(seed, group), seed + group
    if high <= low:
        return low

    def excess(x: float) -> float:
        return float(np.log(two_way_sf(x, v_seed, v_group, n_seeds, n_groups) / level))

    # Adding the smaller part lengthens the tail, and never beyond the sum of the two quantiles; the quadrature's
    # rounding may cross these bounds where one part is all there is.
    if excess(low) <= 0.0:
        return low
    if excess(high) >= 0.0:
        return high
    return float(optimize.brentq(excess, low, high, rtol=1e-3))
