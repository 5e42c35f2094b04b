"""Undecided: which variance dominates, and how many more seeds or test groups would decide."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from experiments.frontier.paired_difference import satterthwaite

_MOST = 100_000
"""More seeds or groups than this are called infinitely many."""


@dataclass(frozen=True)
class Advice:
    """What would decide, if estimate and variance components stay as they are.

    Args:
        dominates: "seeds" or "groups", whichever carries more of the variance.
        share: its share of the variance, in [.5, 1].
        seeds: number of seeds in all that would decide with the present groups; infinite if none would.
        groups: number of test groups in all that would decide with the present seeds; infinite if none would.
        both: factor by which seeds and groups together would have to grow; infinite if none would do.
    """

    dominates: str
    share: float
    seeds: float
    groups: float
    both: float

    def sentence(self, n_seeds: int, n_groups: int) -> str:
        """Say it in words, given what there is."""
        name = {"seeds": "training seeds", "groups": "test groups"}[self.dominates]
        text = f"{self.share:.0%} of the variance comes from {name}; "
        options = [
            f"about {wanted - have:.0f} more {what} would decide"
            for wanted, have, what in (
                (self.seeds, n_seeds, "seeds"),
                (self.groups, n_groups, "test groups"),
            )
            if np.isfinite(wanted)
        ]
        if options:
            return text + ", or ".join(options)
        text += "neither more seeds nor more test groups alone would decide"
        return f"{text}, about {self.both:.2g} times as many of both would" if np.isfinite(self.both) else text


def advise(
    *,
    estimate: float,
    v_seed: float,
    v_group: float,
    n_seeds: int,
    n_groups: int,
    margin: float,
    level_difference: float,
    level_equivalence: float,
) -> Advice:
    """Smallest number of seeds, or of groups, at which either test would decide.

    With S' seeds the variance is v_seed S / S' + v_group, with G' groups v_seed + v_group G / G'. A decision is
    |d| / sqrt(v) >= t(1 - level_difference / 2) or (margin - |d|) / sqrt(v) >= t(1 - level_equivalence), with
    the degrees of freedom that S' and G' give. An estimate is as likely to fall short of its present value as
    to exceed it, so this is where the chance to decide is about one half.

    Args:
        estimate: present difference.
        v_seed: its variance from seeds.
        v_group: its variance from groups.
        n_seeds: S, at least 2.
        n_groups: G, at least 2.
        margin: half-width of the equivalence region.
        level_difference: level of the two-sided test, after multiplicity.
        level_equivalence: level of each one-sided test, after multiplicity.
    """
    total = v_seed + v_group
    seeds_dominate = v_seed >= v_group
    share = (max(v_seed, v_group) / total) if total > 0 else 1.0
    # Every number to about 50, then steps of 2 %.
    numbers = np.unique(np.geomspace(2, _MOST, 500).round())

    def first(seeds: NDArray[np.float64], groups: NDArray[np.float64], candidates: NDArray[np.float64]) -> float:
        seed_part, group_part = v_seed * n_seeds / seeds, v_group * n_groups / groups
        error = np.sqrt(seed_part + group_part)
        df = satterthwaite(seed_part, group_part, seeds, groups)
        size = abs(estimate)
        with np.errstate(divide="ignore", invalid="ignore"):
            differs = stats.t.sf(size / error, df) <= level_difference / 2.0
            inside = stats.t.sf((margin - size) / error, df) <= level_equivalence
        decided = differs | inside
        found = np.flatnonzero(decided)
        return float(candidates[found[0]]) if len(found) else float("inf")

    factors = np.geomspace(1.0, 10_000.0, 400)[1:]
    more_seeds, more_groups = numbers[numbers > n_seeds], numbers[numbers > n_groups]
    return Advice(
        dominates="seeds" if seeds_dominate else "groups",
        share=float(share),
        seeds=first(more_seeds, np.full(len(more_seeds), float(n_groups)), more_seeds),
        groups=first(np.full(len(more_groups), float(n_seeds)), more_groups, more_groups),
        both=first(n_seeds * factors, n_groups * factors, factors),
    )
