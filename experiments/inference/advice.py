"""Advice for undecided comparisons: which variance dominates, and how many seeds or test groups would decide."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from experiments.inference.behrens_fisher import isf_bounds, two_way_isf
from experiments.inference.paired_difference import SeedVariance, satterthwaite

_MOST_SEEDS, _MOST_GROUPS = 1_000, 100_000
"""More seeds or groups than this count as infinitely many: nobody would train or label them."""

_RTOL = 3e-3
"""Relative error of a quantile: less than one seed more or less makes."""

_N_TRUTHS = 40
"""Number of equally likely true differences to average over."""


@dataclass(frozen=True)
class Advice:
    """What would decide with probability one half, if the variance components stay as they are.

    Args:
        dominates: "seeds" or "groups", whichever contributes more to the variance in the test of a difference.
        share: its share of that variance, in [.5, 1].
        seeds: total number of seeds that would decide with the present groups; infinite if none would.
        groups: total number of test groups that would decide with the present seeds; infinite if none would.
        both: factor by which seeds and groups together would have to grow; infinite if no factor is enough.
    """

    dominates: str
    share: float
    seeds: float
    groups: float
    both: float


def advise(
    *,
    estimate: float,
    v_seed: float,
    v_group: float,
    n_seeds: int,
    n_groups: int,
    df_group: float | None = None,
    margin: float,
    level_difference: float,
    level_equivalence: float,
    steady: SeedVariance | None = None,
) -> Advice:
    """Find the smallest number of seeds, or of groups, at which either test decides with probability one half.

    With S' seeds the variance is v_seed S / S' + v_group, with G' groups v_seed + v_group G / G', and G' / G times the
    degrees of freedom of the groups. A study of that size decides if its difference D passes either test: |D| at least
    the two-way tail's quantile at level_difference / 2, or margin - |D| at least the one at level_equivalence. The
    true difference is averaged over d + sqrt(v) t: an undecided study tends to have met a small difference by bad
    luck, and taking its estimate for the truth would ask for half as much again as is needed.

    Args:
        estimate: present difference d.
        v_seed: its variance from seeds.
        v_group: its variance from groups.
        n_seeds: S, at least 2.
        n_groups: G, at least 2.
        df_group: degrees of freedom of v_group (`group_df`); G - 1 when None.
        margin: half-width of the equivalence region.
        level_difference: level of the two-sided test, after multiplicity.
        level_equivalence: level of each one-sided test, after multiplicity.
        steady: seed variance for the test of a difference; None takes v_seed. The test of equivalence always uses
            v_seed.
    """
    spread, prior_df = v_seed, 0.0
    if steady is not None:
        spread, prior_df = float(steady.variance[0]), steady.df - (n_seeds - 1)
    total = spread + v_group
    effective = float(n_groups) if df_group is None else df_group + 1.0
    df_now = float(satterthwaite(spread, v_group, prior_df + n_seeds, effective))
    likely = (np.arange(_N_TRUTHS) + 0.5) / _N_TRUTHS
    truths = estimate + np.sqrt(total) * stats.t.ppf(likely, df_now)

    def chance(seeds: float, groups: float) -> float:
        own, shared, by_group = v_seed * n_seeds / seeds, spread * n_seeds / seeds, v_group * n_groups / groups
        error = np.sqrt(shared + by_group)
        if error == 0.0:
            return 1.0
        sizes = (round(seeds), effective * round(groups) / n_groups)
        outer = two_way_isf(level_difference / 2.0, shared, by_group, prior_df + sizes[0], sizes[1], rtol=_RTOL)
        # Out of reach, as the test of equivalence mostly is, costs no search for its quantile.
        reach = margin - isf_bounds(level_equivalence, own, by_group, *sizes)[0]
        if reach > 0.0:
            reach = margin - two_way_isf(level_equivalence, own, by_group, *sizes, rtol=_RTOL)
        inner = min(max(reach, 0.0), outer)
        differs = special.ndtr((truths - outer) / error) + special.ndtr((-truths - outer) / error)
        inside = special.ndtr((inner - truths) / error) - special.ndtr((-inner - truths) / error)
        return float((differs + inside).mean())

    # Every number to about 50, then steps of some percent.
    seeds, groups = (np.unique(np.geomspace(2, most, 300).round()) for most in (_MOST_SEEDS, _MOST_GROUPS))
    factors = np.geomspace(1.0, 10_000.0, 200)[1:]
    return Advice(
        dominates="seeds" if spread >= v_group else "groups",
        share=float(max(spread, v_group) / total) if total > 0 else 1.0,
        seeds=_first(lambda size: chance(size, n_groups), seeds[seeds > n_seeds]),
        groups=_first(lambda size: chance(n_seeds, size), groups[groups > n_groups]),
        both=_first(lambda factor: chance(n_seeds * factor, n_groups * factor), factors),
    )


def _first(chance: Callable[[float], float], candidates: NDArray[np.float64]) -> float:
    """Find the smallest candidate with a chance of one half, by bisection: more data hardly ever lowers it."""
    low, high = -1, len(candidates) - 1
    if high < 0 or chance(float(candidates[high])) < 0.5:
        return float("inf")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if chance(float(candidates[middle])) >= 0.5 else (middle, high)
    return float(candidates[high])
