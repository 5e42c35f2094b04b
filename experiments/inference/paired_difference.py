"""Two-way t for a paired difference: the interval is for new seeds and new test groups."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from experiments.inference.behrens_fisher import two_way_sf

MIN_SEEDS = 3
"""Fewest seeds for a shown interval: with two, t has one degree of freedom and reaches from -1 to 1."""

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


@dataclass(frozen=True)
class PairedDifference:
    """Estimates of K paired differences with their two variance components.

    Args:
        estimate: (K,), mean over seeds of arm minus baseline.
        v_seed: (K,), variance of the estimate from the draw of seeds.
        v_group: (K,), variance of the estimate from the draw of test groups.
        n_seeds: S.
        n_groups: G.
    """

    estimate: NDArray[np.float64]
    v_seed: NDArray[np.float64]
    v_group: NDArray[np.float64]
    n_seeds: int
    n_groups: int

    @property
    def standard_error(self) -> NDArray[np.float64]:
        """sqrt(v_seed + v_group), or 0 if it is only rounding."""
        error = np.sqrt(self.v_seed + self.v_group)
        return np.where(error < _ROUNDING, 0.0, error)

    @property
    def df(self) -> NDArray[np.float64]:
        """Degrees of freedom by Satterthwaite; infinite if nothing varies.

        df = (v_seed + v_group)^2 / (v_seed^2 / (S - 1) + v_group^2 / (G - 1)).
        """
        return satterthwaite(self.v_seed, self.v_group, self.n_seeds, self.n_groups)

    def single(self, index: int) -> "PairedDifference":
        """Return one of the K differences by itself."""
        one = slice(index, index + 1)
        return replace(self, estimate=self.estimate[one], v_seed=self.v_seed[one], v_group=self.v_group[one])

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
        p = 2.0 * two_way_sf(np.abs(self.estimate), seeds.variance, self.v_group, seeds.df + 1, self.n_groups)
        same = np.where(np.abs(self.estimate) < _ROUNDING, 1.0, np.nan)
        return np.where(still, same, p)

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
        p = two_way_sf(inside, self.v_seed, self.v_group, self.n_seeds, self.n_groups)
        same = np.where(np.abs(self.estimate) < _ROUNDING, 0.0, np.nan)
        return np.where(still, same, p)


def paired_difference(
    arm: ArrayLike, baseline: ArrayLike, arm_left_out: ArrayLike, baseline_left_out: ArrayLike
) -> PairedDifference:
    """Compute the mean paired difference over seeds, with its variance from seeds and from test groups.

    d = mean_s d_s,  v_seed = Var(d_s) / S,  v_group = (G - 1) / G * sum_g (d_(-g) - mean_g d_(-g))^2.

    Both contain the interaction of seed and group, which makes the sum slightly too large, never too small.

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


def difference_of(per_seed: NDArray[np.float64], left_out: NDArray[np.float64]) -> PairedDifference:
    """Like `paired_difference`, from the differences themselves: (S, K) and (S, G, K)."""
    if per_seed.ndim != 2 or not len(per_seed):
        raise ValueError(f"per_seed: expected (S, K) with S at least 1, got {per_seed.shape}")
    n_seeds, n_values = per_seed.shape
    if left_out.ndim != 3 or (left_out.shape[0], left_out.shape[2]) != (n_seeds, n_values):
        raise ValueError(f"left_out: expected ({n_seeds}, G, {n_values}), got {left_out.shape}")
    n_groups = left_out.shape[1]
    nan = np.full(n_values, np.nan)
    replicates = left_out.mean(axis=0)
    return PairedDifference(
        estimate=per_seed.mean(axis=0),
        v_seed=per_seed.var(axis=0, ddof=1) / n_seeds if n_seeds > 1 else nan,
        v_group=(n_groups - 1) * replicates.var(axis=0) if n_groups > 1 else nan,
        n_seeds=n_seeds,
        n_groups=n_groups,
    )


def rows_difference(rows: NDArray[np.float64]) -> PairedDifference:
    """Like `difference_of`, from rows (S, 1+G, K): row 0 with all groups, row 1 + g without group g.

    Everything is NaN without a seed.
    """
    if not len(rows):
        nan = np.full(rows.shape[2], np.nan)
        return PairedDifference(nan, nan, nan, 0, rows.shape[1] - 1)
    return difference_of(rows[:, 0], rows[:, 1:])


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


def level_interval(rows: NDArray[np.float64], level: float) -> NDArray[np.float64]:
    """Return the interval of a level, not of a difference: the mean over seeds of a ratio in [0, 1], cut at 0 and 1.

    Like the interval of a difference it is for new seeds and new test groups, with the same training set.

    Args:
        rows: (S, 1+G, K), the statistic of each seed's run; row 0 with all groups, row 1 + g without group g.
        level: the interval covers 1 - level.

    Returns:
        (K, 2), low and high; NaN with fewer than `MIN_SEEDS` seeds, with one group, or if a value is undefined.
    """
    low, high = rows_difference(rows).shown_interval(level)
    return np.clip(np.stack([low, high], axis=1), 0.0, 1.0)


def satterthwaite(
    v_seed: ArrayLike, v_group: ArrayLike, n_seeds: ArrayLike, n_groups: ArrayLike
) -> NDArray[np.float64]:
    """Return the degrees of freedom of a sum of two variance estimates; infinite if both are 0, NaN if one is NaN.

    All arguments broadcast; a component estimated from one seed (group) must be NaN.
    """
    first, second = np.asarray(v_seed, dtype=np.float64), np.asarray(v_group, dtype=np.float64)
    # Scaled by the larger one: squares of tiny variances would underflow.
    largest = np.maximum(first, second)
    scale = np.where(largest > 0, largest, 1.0)
    seed, group = first / scale, second / scale
    below = seed**2 / np.maximum(np.subtract(n_seeds, 1), 1) + group**2 / np.maximum(np.subtract(n_groups, 1), 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(largest == 0, np.inf, (seed + group) ** 2 / below)
