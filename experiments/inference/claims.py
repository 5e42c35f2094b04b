"""The tests behind the verdict: one p value per claim and row, adjusted over arms, and over masks behind them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from experiments.inference.gatekeeping import gated_holm
from experiments.inference.multiplicity import holm, raised_seed_variances, steady_seed_variances
from experiments.inference.paired_difference import PairedDifference, SeedVariance
from experiments.inference.rule import Rule
from experiments.inference.simultaneous_band import RecallBand


@dataclass(frozen=True)
class Evidence:
    """The evidence for one arm and mask against the baseline.

    Args:
        gain: difference of the headline statistic, K = 1.
        point: differences of natural recall and natural precision, K = 2. NaN where one is undefined.
        point_undefined_alike: natural precision is undefined in both, in every seed: nothing is predicted
            positive by either, and recall alone tells whether the point moved.
        band: precision difference over recall; None where the headline is a single point of the curve, of
            which "crosses" cannot be said.
        problem: why there can be no verdict at all; empty where there can.
        untrained: which runs are not trained, in words; empty where all are.
        failed: of an arm, the masks that it did not train in, in words: it is not trained then, and its tests, which
            are of its other masks, serve as their gate.
        lead: how far the baseline's headline statistic lies above that of random scores.
    """

    gain: PairedDifference
    point: PairedDifference
    point_undefined_alike: bool = False
    band: RecallBand | None = None
    problem: str = ""
    untrained: str = ""
    failed: str = ""
    lead: float = float("inf")


@dataclass(frozen=True)
class PValues:
    """p values of one row, an arm or one of its masks; `_holm` ones are adjusted, each family by itself.

    Args:
        difference: two-sided, for a gain of 0; NaN if not tested, like all the others.
        difference_holm: adjusted.
        equivalence: for a gain outside the margin, two one-sided tests.
        equivalence_holm: adjusted.
        crosses_holm: of curves that do not cross by more than the margin.
        moved_holm: of a natural point that moved by no more than its margin.
        same_holm: of a natural point that moved by more than its margin.
        difference_factor: what the adjustment multiplied `difference` by.
        equivalence_factor: what the adjustment multiplied `equivalence` by.
        steady: seed variance that `difference` rests on.
    """

    difference: float
    difference_holm: float
    equivalence: float
    equivalence_holm: float
    crosses_holm: float
    moved_holm: float
    same_holm: float
    difference_factor: float
    equivalence_factor: float
    steady: SeedVariance


Steady = Callable[[Sequence[PairedDifference]], list[SeedVariance]]

FAMILIES = ("difference", "equivalence", "crosses", "moved", "same")


@dataclass(frozen=True)
class Tests:
    """Unadjusted p values of N rows.

    Args:
        p: family -> (N,), NaN where no test is made.
        steady: N, seed variances that the differences rest on.
        usable: (N,), False where a row is not trained or has a problem.
    """

    __test__ = False  # the name begins like a test's

    p: Mapping[str, NDArray[np.float64]]
    steady: Sequence[SeedVariance]
    usable: NDArray[np.bool_]

    def adjusted(self, by_family: Mapping[str, NDArray[np.float64]]) -> list[PValues]:
        """Rows with their adjusted p values, family -> (N,), not cut at 1."""
        cut = {name: np.where(self.usable, np.minimum(values, 1.0), np.nan) for name, values in by_family.items()}
        p = {name: np.where(self.usable, values, np.nan) for name, values in self.p.items()}
        factors = {name: _factors(self.p[name], by_family[name]) for name in ("difference", "equivalence")}
        return [
            PValues(
                difference=float(p["difference"][row]),
                difference_holm=float(cut["difference"][row]),
                equivalence=float(p["equivalence"][row]),
                equivalence_holm=float(cut["equivalence"][row]),
                crosses_holm=float(cut["crosses"][row]),
                moved_holm=float(cut["moved"][row]),
                same_holm=float(cut["same"][row]),
                difference_factor=float(factors["difference"][row]),
                equivalence_factor=float(factors["equivalence"][row]),
                steady=self.steady[row],
            )
            for row in range(len(self.usable))
        ]


def unadjusted(evidence: Sequence[Evidence], rule: Rule, *, steady: Steady = steady_seed_variances) -> Tests:
    """Run every test of every row.

    Rows with a problem do not count. Rows that are not trained are not tested, but count like a p of 1: they were left
    out because of their numbers, and a correction that shrank with them would favour the other rows.

    Args:
        evidence: a row each.
        rule: margins and level.
        steady: makes the seed variances that differences rest on.
    """
    usable = [not item.problem and not item.untrained for item in evidence]

    def family(values: list[float]) -> NDArray[np.float64]:
        return np.array(
            [
                value if ok else np.nan if item.problem else 1.0
                for value, ok, item in zip(values, usable, evidence, strict=True)
            ]
        )

    of_gains = _steadied([item.gain for item in evidence], usable, steady)
    recall_seeds, precision_seeds = (
        _steadied([item.point.single(k) for item in evidence], usable, steady) for k in (0, 1)
    )
    point_seeds = zip(evidence, recall_seeds, precision_seeds, strict=True)
    p = {
        "difference": family(
            [float(item.gain.p_difference(seeds)[0]) for item, seeds in zip(evidence, of_gains, strict=True)]
        ),
        "equivalence": family([float(item.gain.p_equivalence(rule.margin)[0]) for item in evidence]),
        "crosses": family([np.nan if item.band is None else item.band.p_crosses for item in evidence]),
        "moved": family([_p_moved(item, seeds, rule.point_margin) for item, *seeds in point_seeds]),
        "same": family([_p_same(item, rule.point_margin) for item in evidence]),
    }
    return Tests(p, of_gains, np.array(usable, bool))


def p_values(evidence: Sequence[Evidence], rule: Rule) -> list[PValues]:
    """Run every test and adjust by Holm: rows of one kind, none of which goes before another."""
    tests = unadjusted(evidence, rule)
    return tests.adjusted({name: holm(values, cut=False) for name, values in tests.p.items()})


def arm_and_mask_p_values(
    arms: Sequence[Evidence], masks: Sequence[Sequence[Evidence]], counted: Sequence[int], rule: Rule
) -> tuple[list[PValues], list[list[PValues]]]:
    """Run the tests of A arms and of M masks in each; adjust them together, arms first (`gated_holm`).

    Of an arm the natural point moved where it moved in some mask (Bonferroni), and stayed where it stayed in every
    mask. Curves may cross in one mask alone, so "crosses" has no gate: Holm over all arms and masks.

    Arms differ in noise, so one that looks calmer than most is raised towards the median (`raised_seed_variances`).
    Of many masks some look a hundred times too calm by chance, so they are drawn towards the mean of all
    (`steady_seed_variances`).

    Args:
        arms: A, the mean over the counted masks.
        masks: A times M.
        counted: masks that the arms' means are over.
        rule: margins and level.
    """
    if not arms:
        return [], []
    n_arms, n_masks = len(arms), len(masks[0])
    of_rows = steady_seed_variances if n_masks > 1 else raised_seed_variances  # a single mask is the arm
    of_masks = unadjusted([item for row in masks for item in row], rule, steady=of_rows)
    of_arms = unadjusted(arms, rule, steady=raised_seed_variances)
    if len(counted):
        chosen = list(counted)
        moved, same = (of_masks.p[name].reshape(n_arms, n_masks)[:, chosen] for name in ("moved", "same"))
        least = np.where(np.isnan(moved), np.inf, moved).min(axis=1)
        joined = {
            "moved": np.where(np.isinf(least), np.nan, np.minimum(len(chosen) * least, 1.0)),
            "same": same.max(axis=1),
        }
        tested = {name: np.where(of_arms.usable, p, of_arms.p[name]) for name, p in joined.items()}
        of_arms = replace(of_arms, p={**of_arms.p, **tested})
    arm_p, mask_p = {}, {}
    for name in FAMILIES:
        if name == "crosses":
            together = [of_arms.p[name], of_masks.p[name]] if n_masks > 1 else [of_arms.p[name]]
            both = holm(np.concatenate(together), cut=False)
            arm_p[name], mask_p[name] = both[:n_arms], both[n_arms:] if n_masks > 1 else both
            continue
        arm_p[name], gated = gated_holm(of_arms.p[name], of_masks.p[name].reshape(n_arms, n_masks))
        mask_p[name] = gated.ravel()
    rows = iter(of_masks.adjusted(mask_p))
    return of_arms.adjusted(arm_p), [[next(rows) for _ in range(n_masks)] for _ in range(n_arms)]


def _factors(p: NDArray[np.float64], adjusted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return adjusted / p; at a p of 0 the number of tests that are left, and 1 where none is made."""
    with np.errstate(invalid="ignore", divide="ignore"):
        factors = adjusted / p
    tests = max(1, int((~np.isnan(p)).sum()))
    return np.where(np.isnan(p), 1.0, np.where(np.isfinite(factors) & (p > 0), factors, tests))


def _steadied(differences: list[PairedDifference], usable: list[bool], steady: Steady) -> list[SeedVariance]:
    """Return seed variances, steadied over the comparisons that can have a verdict; others are unchanged."""
    steadied = iter(steady([d for d, ok in zip(differences, usable, strict=True) if ok]))
    return [
        next(steadied) if ok else SeedVariance(d.v_seed, d.n_seeds - 1)
        for d, ok in zip(differences, usable, strict=True)
    ]


def _p_moved(item: Evidence, seeds: Sequence[SeedVariance], margin: float) -> float:
    """Smaller p of the two coordinates' moves beyond the margin, doubled for looking at two."""
    p = np.array([float(item.point.single(k).p_beyond(margin, seeds[k])[0]) for k in (0, 1)])
    counted = p[~np.isnan(p)]
    return min(1.0, 2.0 * float(counted.min())) if len(counted) else float("nan")


def _p_same(item: Evidence, margin: float) -> float:
    """Return the larger p of the two coordinates' equivalence tests: both must lie inside the margin."""
    estimate, error = item.point.estimate, item.point.standard_error
    still = np.where(np.abs(estimate) < margin, 0.0, 1.0)
    p = np.where(error == 0.0, still, item.point.p_equivalence(margin))
    return float((p[:1] if item.point_undefined_alike else p).max())
