"""Two-way t for a paired difference: seeds and test groups both vary, and the interval speaks of new ones.

The variance is that of reader studies, with seeds for readers and test groups for cases:

SE^2 = v_seed + max(0, C),  C = (S v_jack - mean_s v_jack,s) / (S - 1),

with the jackknife over groups of the mean over seeds (v_jack) and of each seed (v_jack,s). C is the mean covariance
between seeds, the part of the groups' variance that more seeds do not remove; v_seed holds all the rest.

With few groups C is known too poorly, and v_jack takes its place, which counts the interaction of seed and group twice:
where the groups have fewer than `FEW_GROUPS` degrees of freedom the interval from C covered .90 to .91.

References: Obuchowski & Rockette 1995; Hillis 2007; MacKinnon, Nielsen & Webb 2024 (groups of unequal weight).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from experiments.inference.behrens_fisher import two_way_sf

MIN_SEEDS = 3
"""Fewest seeds for a shown interval: with two, t has one degree of freedom and reaches from -1 to 1."""

FEW_GROUPS = 10.0
"""Below so many degrees of freedom of the groups, v_jack stands for C."""

_NO_DF = 1e-9
"""Stands for 0 degrees of freedom, of which t has no quantiles."""

_ROUNDING = 1e-12
"""Standard errors below this are due to rounding: the two runs are identical in the statistic."""


@dataclass(frozen=True)
class SeedVariance:
    """Variance of a difference from seeds, shrunk towards that of the study (`steady_seed_variances`).

    Args:
        variance: (K,), of the mean over seeds.
        df: its degrees of freedom.
    """

    variance: NDArray[np.float64]
    df: float


def group_df(weights: ArrayLike) -> float:
    """Degrees of freedom of a variance over groups with weights n.

    min((sum n)^2 / sum n^2 - 1, (sum n^2)^2 / sum n^4).

    G - 1 where all weigh the same. The first is the effective number of groups less one. The second is what
    Satterthwaite gives for a sum of squares with the weights n^2; where 3 of 64 groups weigh 50 times as much as the
    others, the first alone covered .92 and the two together .95.

    Args:
        weights: (G,), at least 0, in any unit.

    Returns:
        At least 0; 0 where one group has all the weight, NaN where no group has any.

    >>> group_df([1.0] * 20), round(group_df([50.0] * 3 + [1.0] * 61), 2)
    (19.0, 3.05)
    """
    n = np.asarray(weights, dtype=np.float64)
    if not n.sum() > 0:
        return float("nan")
    squares = (n / n.max()) ** 2
    effective = float((n / n.max()).sum() ** 2 / squares.sum())
    return max(min(effective - 1.0, float(squares.sum() ** 2 / (squares**2).sum())), 0.0)


@dataclass(frozen=True)
class PairedDifference:
    """Estimates of K paired differences with their two variance components.

    Args:
        estimate: (K,), mean over seeds of arm minus baseline.
        v_seed: (K,), variance of the estimate from the draw of seeds.
        v_group: (K,), variance of the estimate from the draw of test groups, beyond what `v_seed` holds of it.
        n_seeds: S.
        n_groups: G.
        df_group: (K,), degrees of freedom of `v_group` (`group_df`); G - 1 when None.
    """

    estimate: NDArray[np.float64]
    v_seed: NDArray[np.float64]
    v_group: NDArray[np.float64]
    n_seeds: int
    n_groups: int
    df_group: NDArray[np.float64] | None = None

    @property
    def groups_df(self) -> NDArray[np.float64]:
        """Degrees of freedom of `v_group`, (K,)."""
        return np.full(self.estimate.shape, self.n_groups - 1.0) if self.df_group is None else self.df_group

    @property
    def effective_groups(self) -> NDArray[np.float64]:
        """Groups of equal weight that would tell as much about the variance, (K,)."""
        return self.groups_df + 1.0

    @property
    def standard_error(self) -> NDArray[np.float64]:
        """sqrt(v_seed + v_group), or 0 if it is only rounding."""
        error = np.sqrt(self.v_seed + self.v_group)
        return np.where(error < _ROUNDING, 0.0, error)

    @property
    def df(self) -> NDArray[np.float64]:
        """Degrees of freedom by Satterthwaite; infinite if nothing varies.

        df = (v_seed + v_group)^2 / (v_seed^2 / (S - 1) + v_group^2 / df_group); Hillis' leave the last term out, which
        few groups do not allow.
        """
        return satterthwaite(self.v_seed, self.v_group, self.n_seeds, self.effective_groups)

    def single(self, index: int) -> "PairedDifference":
        """Return one of the K differences by itself."""
        one = slice(index, index + 1)
        return PairedDifference(
            self.estimate[one], self.v_seed[one], self.v_group[one], self.n_seeds, self.n_groups, self.groups_df[one]
        )

    def interval(self, level: float = 0.05) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the two-sided interval at 1 - level, for each difference by itself: (low, high)."""
        with np.errstate(invalid="ignore"):
            half = stats.t.ppf(1.0 - level / 2.0, self.df) * self.standard_error
        return self.estimate - half, self.estimate + half

    def shown_interval(self, level: float = 0.05) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the interval that reports show: NaN with fewer than `MIN_SEEDS` seeds."""
        if self.n_seeds < MIN_SEEDS:
            nan = np.full(self.estimate.shape, np.nan)
            return nan, nan.copy()
        return self.interval(level)

    def p_difference(self, steady: SeedVariance | None = None) -> NDArray[np.float64]:
        """Return the two-sided p value for a difference of 0, from the tail of the two parts (`two_way_sf`).

        Verdicts rest on it. If the interval ends at 0, it is somewhat larger than the interval's level: the interval is
        right for a single comparison, the p value also after Holm.

        Without any variation it is 1 for a difference of 0 and NaN for any other: such runs are copies of each other,
        which is no evidence about new runs.

        Args:
            steady: seed variance and degrees of freedom to use instead of this difference's own.
        """
        still = self.standard_error == 0.0
        seeds = SeedVariance(self.v_seed, self.n_seeds - 1) if steady is None else steady
        p = 2.0 * two_way_sf(np.abs(self.estimate), seeds.variance, self.v_group, seeds.df + 1, self.effective_groups)
        same = np.where(np.abs(self.estimate) < _ROUNDING, 1.0, np.nan)
        return np.where(still, same, p)

    def p_beyond(self, margin: float, steady: SeedVariance | None = None) -> NDArray[np.float64]:
        """P value of a difference inside [-margin, margin]: P(D >= |d|) where the truth is the margin.

        Both ends count: two_way_sf(|d| - margin) + two_way_sf(|d| + margin), at most 1. With a margin of 0 it is
        `p_difference`. Without any variation 0 for a difference beyond the margin and 1 for any other.
        """
        seeds = SeedVariance(self.v_seed, self.n_seeds - 1) if steady is None else steady
        size = np.abs(self.estimate)
        near, far = (
            two_way_sf(x, seeds.variance, self.v_group, seeds.df + 1, self.effective_groups)
            for x in (size - margin, size + margin)
        )
        return np.where(self.standard_error == 0.0, np.where(size > margin, 0.0, 1.0), np.minimum(near + far, 1.0))

    def p_equivalence(self, margin: float) -> NDArray[np.float64]:
        """Return the p value of two one-sided tests that the difference lies strictly inside (-margin, margin).

        It is the larger of the two, from the tail of the two parts; without any variation it is 0 for a difference of 0
        and NaN for any other.

        Reference: Schuirmann 1987.
        """
        if not margin > 0:
            raise ValueError(f"margin: expected a number above 0, got {margin}")
        still = self.standard_error == 0.0
        inside = margin - np.abs(self.estimate)
        p = two_way_sf(inside, self.v_seed, self.v_group, self.n_seeds, self.effective_groups)
        same = np.where(np.abs(self.estimate) < _ROUNDING, 0.0, np.nan)
        return np.where(still, same, p)


def paired_difference(
    arm: ArrayLike, baseline: ArrayLike, arm_left_out: ArrayLike, baseline_left_out: ArrayLike
) -> PairedDifference:
    """Mean paired difference over seeds with its variance from seeds and from test groups of equal weight.

    d = mean_s d_s,  v_seed = Var(d_s) / S; `v_group`: see the head of this file.

    Args:
        arm: (S, K), the statistic of each seed's run.
        baseline: (S, K), the same for the baseline; row s is the same seed.
        arm_left_out: (S, G, K), the statistic without each group.
        baseline_left_out: (S, G, K).

    Returns:
        The differences; NaN if a value is NaN, and in `v_seed` (`v_group`) with fewer than two seeds (groups).

    Raises:
        ValueError: shapes do not match, or there is no seed.
    """
    theta = np.asarray(arm, dtype=np.float64) - np.asarray(baseline, dtype=np.float64)
    left_out = np.asarray(arm_left_out, dtype=np.float64) - np.asarray(baseline_left_out, dtype=np.float64)
    return difference_of(theta, left_out)


def difference_of(
    per_seed: NDArray[np.float64], left_out: NDArray[np.float64], df_group: ArrayLike | None = None
) -> PairedDifference:
    """Like `paired_difference`, from the differences themselves: (S, K) and (S, G, K).

    Args:
        per_seed: (S, K).
        left_out: (S, G, K).
        df_group: degrees of freedom of the groups (`group_df`), one number or (K,); G - 1 when None.
    """
    if per_seed.ndim != 2 or not len(per_seed):
        raise ValueError(f"per_seed: expected (S, K) with S at least 1, got {per_seed.shape}")
    n_seeds, n_values = per_seed.shape
    if left_out.ndim != 3 or (left_out.shape[0], left_out.shape[2]) != (n_seeds, n_values):
        raise ValueError(f"left_out: expected ({n_seeds}, G, {n_values}), got {left_out.shape}")
    n_groups = left_out.shape[1]
    nan = np.full(n_values, np.nan)
    df = np.broadcast_to(np.asarray(n_groups - 1.0 if df_group is None else df_group, np.float64), nan.shape)
    jackknife = (n_groups - 1) * left_out.mean(axis=0).var(axis=0) if n_groups > 1 else nan
    shared = np.where(df < FEW_GROUPS, jackknife, np.maximum(covariance_over_groups(left_out), 0.0))
    return PairedDifference(
        estimate=per_seed.mean(axis=0),
        v_seed=per_seed.var(axis=0, ddof=1) / n_seeds if n_seeds > 1 else nan,
        v_group=shared,
        n_seeds=n_seeds,
        n_groups=n_groups,
        df_group=df,
    )


def covariance_over_groups(left_out: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean covariance between two seeds of the jackknife over groups: C at the head of this file.

    Args:
        left_out: (S, G, K), the statistic of each seed without each group.

    Returns:
        (K,); below 0 where the groups vary less than chance, the jackknife itself with one seed, NaN with one group.
    """
    n_seeds, n_groups = left_out.shape[:2]
    if n_groups < 2:
        return np.full(left_out.shape[2], np.nan)
    of_mean = (n_groups - 1) * left_out.mean(axis=0).var(axis=0)
    if n_seeds < 2:
        return of_mean
    of_each = ((n_groups - 1) * left_out.var(axis=1)).mean(axis=0)
    return (n_seeds * of_mean - of_each) / (n_seeds - 1)


def rows_difference(rows: NDArray[np.float64], df_group: ArrayLike | None = None) -> PairedDifference:
    """Like `difference_of`, from rows (S, 1+G, K): row 0 with all groups, row 1 + g without group g.

    Everything is NaN without a seed.
    """
    if not len(rows):
        nan = np.full(rows.shape[2], np.nan)
        return PairedDifference(nan, nan, nan, 0, rows.shape[1] - 1)
    return difference_of(rows[:, 0], rows[:, 1:], df_group)


def seed_interval(values: NDArray[np.float64], level: float) -> tuple[float, float]:
    """Return the interval of a mean that varies only over seeds, such as a time: mean ± t sqrt(Var / S).

    Args:
        values: (S,), one per seed.
        level: the interval covers 1 - level.

    Returns:
        Low and high; NaN with fewer than `MIN_SEEDS` seeds.
    """
    if len(values) < MIN_SEEDS:
        return float("nan"), float("nan")
    half = float(stats.t.ppf(1 - level / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return float(values.mean()) - half, float(values.mean()) + half


def level_interval(rows: NDArray[np.float64], level: float, df_group: ArrayLike | None = None) -> NDArray[np.float64]:
    """Interval of a level, not of a difference: the mean over seeds of a ratio in [0, 1], cut at 0 and 1.

    Like the interval of a difference it is for new seeds and new test groups, with the same training set.

    Args:
        rows: (S, 1+G, K), the statistic of each seed's run; row 0 with all groups, row 1 + g without group g.
        level: the interval covers 1 - level.
        df_group: degrees of freedom of the groups (`group_df`); G - 1 when None.

    Returns:
        (K, 2), low and high; NaN with fewer than `MIN_SEEDS` seeds, with one group, or if a value is undefined.
    """
    low, high = rows_difference(rows, df_group).shown_interval(level)
    return np.clip(np.stack([low, high], axis=1), 0.0, 1.0)


def satterthwaite(
    v_seed: ArrayLike, v_group: ArrayLike, n_seeds: ArrayLike, n_groups: ArrayLike
) -> NDArray[np.float64]:
    """Return the degrees of freedom of a sum of two variance estimates; infinite if both are 0, NaN if one is NaN.

    All arguments broadcast; a component that was estimated from one seed (group) must be NaN. `n_groups` may be the
    effective number of groups.
    """
    first, second = np.asarray(v_seed, dtype=np.float64), np.asarray(v_group, dtype=np.float64)
    # Scaled by the larger one: squares of tiny variances would underflow.
    largest = np.maximum(first, second)
    scale = np.where(largest > 0, largest, 1.0)
    seed, group = first / scale, second / scale
    below = seed**2 / np.maximum(np.subtract(n_seeds, 1), 1) + group**2 / np.maximum(np.subtract(n_groups, 1), _NO_DF)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(largest == 0, np.inf, (seed + group) ** 2 / below)
