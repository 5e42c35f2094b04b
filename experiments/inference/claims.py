"""The tests behind the verdict: a p value for each claim, arm and mask, adjusted over arms and masks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.inference.multiplicity import holm, steady_seed_variances
from experiments.inference.paired_difference import PairedDifference, SeedVariance
from experiments.inference.simultaneous_band import RecallBand


@dataclass(frozen=True)
class Rule:
    """Margins and level of the verdict.

    Args:
        margin: gains inside (-margin, margin) do not matter.
        point_margin: the operating point counts as unmoved if natural recall and precision change by less than this.
        level: error level of each family of tests, after Holm over arms and masks.
        statistic: name of the headline in sentences.
    """

    margin: float = 0.01
    point_margin: float = 0.05
    level: float = 0.05
    statistic: str = "AP"

    def __post_init__(self) -> None:
        for name in ("margin", "point_margin"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name}: expected a number in (0, 1), got {getattr(self, name)}")
        if not 0 < self.level < 0.5:
            raise ValueError(f"level: expected a number in (0, 0.5), got {self.level}")


@dataclass(frozen=True)
class Evidence:
    """The evidence for one arm and mask against the baseline.

    Args:
        gain: difference of the headline statistic, K = 1.
        point: differences of natural recall and natural precision, K = 2; NaN if undefined.
        point_undefined_alike: natural precision is undefined in both, in every seed: neither predicts any positive, and
            only recall tells whether the point moved.
        band: precision difference over recall; None if the headline is a single point of the curve, which cannot cross.
        problem: why no verdict is possible; empty if one is.
        untrained: which runs are not trained, as text; empty if all are.
        lead: how far the baseline's headline statistic lies above that of random scores.
    """

    gain: PairedDifference
    point: PairedDifference
    point_undefined_alike: bool = False
    band: RecallBand | None = None
    problem: str = ""
    untrained: str = ""
    lead: float = float("inf")


@dataclass(frozen=True)
class PValues:
    """p values of one arm and mask; `_holm` values are adjusted over all arms and masks, each family by itself.

    Args:
        difference: two-sided, for a gain of 0; NaN if not tested, like all the others.
        difference_holm: adjusted.
        equivalence: for a gain outside the margin, two one-sided tests.
        equivalence_holm: adjusted.
        crosses_holm: for curves that do not cross by more than the margin.
        moved_holm: for a natural point that did not move; 1 if no coordinate moved by more than its margin.
        same_holm: for a natural point that moved by more than its margin.
        difference_factor: the factor by which Holm multiplied `difference`.
        equivalence_factor: the factor by which Holm multiplied `equivalence`.
        steady: seed variance used by `difference`.
    """

    difference: float
    difference_holm: float
    equivalence: float
    equivalence_holm: float
    crosses_holm: float
    moved_holm: float
    same_holm: float
    difference_factor: int
    equivalence_factor: int
    steady: SeedVariance


def p_values(evidence: Sequence[Evidence], rule: Rule) -> list[PValues]:
    """Run every test of the whole family and adjust.

    Rows with a problem do not count. Rows that are not trained are not tested, but count like a p of 1: they were left
    out because of their numbers, and a correction that shrank with them would favour the other rows.
    """
    usable = [not item.problem and not item.untrained for item in evidence]

    def family(values: list[float]) -> NDArray[np.float64]:
        return np.array(
            [
                value if ok else np.nan if item.problem else 1.0
                for value, ok, item in zip(values, usable, evidence, strict=True)
            ]
        )

    gain_seeds = _steadied([item.gain for item in evidence], usable)
    pairs = zip(evidence, gain_seeds, strict=True)
    difference = family([float(item.gain.p_difference(seeds)[0]) for item, seeds in pairs])
    equivalence = family([float(item.gain.p_equivalence(rule.margin)[0]) for item in evidence])
    crosses = holm(family([np.nan if item.band is None else item.band.p_crosses for item in evidence]))
    recall_seeds, precision_seeds = (_steadied([item.point.single(k) for item in evidence], usable) for k in (0, 1))
    point_seeds = zip(evidence, recall_seeds, precision_seeds, strict=True)
    moved = holm(family([_p_moved(item, seeds, rule.point_margin) for item, *seeds in point_seeds]))
    same = holm(family([_p_same(item, rule.point_margin) for item in evidence]))
    difference_holm, equivalence_holm = holm(difference), holm(equivalence)
    factors = [[_holm_factor(p, index) for p in (difference, equivalence)] for index in range(len(evidence))]
    for each in (difference, difference_holm, equivalence, equivalence_holm, crosses, moved, same):
        each[np.logical_not(usable)] = np.nan
    return [
        PValues(
            difference=float(difference[index]),
            difference_holm=float(difference_holm[index]),
            equivalence=float(equivalence[index]),
            equivalence_holm=float(equivalence_holm[index]),
            crosses_holm=float(crosses[index]),
            moved_holm=float(moved[index]),
            same_holm=float(same[index]),
            difference_factor=factors[index][0],
            equivalence_factor=factors[index][1],
            steady=gain_seeds[index],
        )
        for index in range(len(evidence))
    ]


def _steadied(differences: list[PairedDifference], usable: list[bool]) -> list[SeedVariance]:
    """Return seed variances, steadied over the comparisons that can have a verdict; others are unchanged."""
    steadied = iter(steady_seed_variances([d for d, ok in zip(differences, usable, strict=True) if ok]))
    return [
        next(steadied) if ok else SeedVariance(d.v_seed, d.n_seeds - 1)
        for d, ok in zip(differences, usable, strict=True)
    ]


def _holm_factor(family: NDArray[np.float64], index: int) -> int:
    """Count the tests of a family whose p is not smaller than this one."""
    return max(1, int((~np.isnan(family)).sum() - (family < family[index]).sum()))


def _p_moved(item: Evidence, seeds: Sequence[SeedVariance], margin: float) -> float:
    """Return the smaller p of the coordinates that moved by more than the margin, doubled because two are tested."""
    estimate, error = item.point.estimate, item.point.standard_error
    far = np.abs(estimate) > margin
    # Recall 0 in every baseline run and 1 in every other run has no variance, and has certainly moved.
    tested = [float(item.point.single(k).p_difference(seeds[k])[0]) for k in (0, 1)]
    p = np.where((error == 0.0) & far, 0.0, tested)
    if np.isnan(p).all():
        return float("nan")
    counted = p[far & ~np.isnan(p)]
    return min(1.0, 2.0 * float(counted.min())) if len(counted) else 1.0


def _p_same(item: Evidence, margin: float) -> float:
    """Return the larger p of the two coordinates' equivalence tests: both must lie inside the margin."""
    estimate, error = item.point.estimate, item.point.standard_error
    still = np.where(np.abs(estimate) < margin, 0.0, 1.0)
    p = np.where(error == 0.0, still, item.point.p_equivalence(margin))
    return float((p[:1] if item.point_undefined_alike else p).max())
