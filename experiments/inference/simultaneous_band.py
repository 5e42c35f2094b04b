"""Simultaneous band of the precision difference over recall: where an arm is better, and where worse."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from experiments.inference.paired_difference import MIN_SEEDS, PairedDifference, difference_of, satterthwaite

_MANY = 12
"""Above this number, seeds or groups are simulated through their mean and variance instead of one by one."""


@dataclass(frozen=True)
class RecallBand:
    """Precision difference at R recalls with a band that holds at all of them at once.

    Args:
        recalls: (R,), the recalls that every run reaches.
        difference: estimates and variances at each recall.
        low: (R,), lower edge of the simultaneous band; NaN with fewer than `MIN_SEEDS` seeds.
        high: (R,), upper edge.
        p_crosses: p value of "better by more than the margin at some recall and worse by more than it at another"; NaN
            if it cannot be tested.
    """

    recalls: NDArray[np.float64]
    difference: PairedDifference
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    p_crosses: float

    @property
    def better(self) -> NDArray[np.float64]:
        """Recalls at which the whole band lies above 0."""
        return self.recalls[self.low > 0]

    @property
    def worse(self) -> NDArray[np.float64]:
        """Recalls at which the whole band lies below 0."""
        return self.recalls[self.high < 0]


def recall_band(
    recalls: NDArray[np.float64],
    per_seed: NDArray[np.float64],
    left_out: NDArray[np.float64],
    *,
    margin: float,
    level: float = 0.05,
    n_draws: int = 3_000,
    rng: np.random.Generator,
    df_group: float | None = None,
) -> RecallBand:
    """Compute the band from the joint distribution of the differences over recall.

    At each recall the difference has a two-way t, with the smallest degrees of freedom of all recalls. The effective
    number of independent comparisons is found by simulating the whole procedure under "no difference anywhere": draw
    seeds and groups with the observed covariance over recall, estimate each variance anew, and keep the smallest p
    value over recall. A few seeds span few directions and make the recalls look more alike than they are, so each
    component's correlation is shrunk towards independence by 1 / (n - 1). The result is never wider than Bonferroni's
    band, and never narrower than each recall's own interval.

    "Crosses" is an intersection of two claims. So each is tested at the full level, one-sided, against its own margin,
    and the larger p value counts.

    Args:
        recalls: (R,).
        per_seed: (S, R), the arm's precision minus the baseline's.
        left_out: (S, G, R), the same without each group.
        margin: smallest difference of precision that matters, above 0.
        level: 1 - level is the probability that the band covers everywhere.
        n_draws: simulated studies.
        rng: generator of the simulation.
        df_group: degrees of freedom of the groups (`group_df`); G - 1 when None.
    """
    difference = difference_of(per_seed, left_out, df_group)
    error = difference.standard_error
    usable = len(recalls) > 0 and bool(np.isfinite(error).all())
    if not usable:
        nan = np.full(len(recalls), np.nan)
        return RecallBand(recalls, difference, nan, nan.copy(), float("nan"))
    df = _common_df(difference.v_seed, difference.v_group, difference.n_seeds, difference.effective_groups)
    tails = _null_tails(per_seed, left_out, difference, n_draws, rng)
    smallest = 2.0 * np.minimum(tails, 1.0 - tails).min(axis=1)
    # Never narrower than each recall's own interval either, although a simulation of two seeds or groups may give that.
    pointwise = float(np.clip(np.quantile(smallest, level), level / len(recalls), level))
    half = stats.t.ppf(1.0 - pointwise / 2.0, df) * error
    if difference.n_seeds < MIN_SEEDS:
        half = np.full_like(error, np.nan)
    better = _smallest_p(difference.estimate - margin, error, df)
    worse = _smallest_p(-difference.estimate - margin, error, df)
    lowest_tail = tails.min(axis=1)
    adjusted = [_adjusted(p, lowest_tail, len(recalls)) for p in (better, worse)]
    low, high = difference.estimate - half, difference.estimate + half
    return RecallBand(recalls, difference, low, high, max(adjusted))


def _null_tails(
    per_seed: NDArray[np.float64],
    left_out: NDArray[np.float64],
    difference: PairedDifference,
    n_draws: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """One-sided p values at each recall of simulated studies without any difference, (n_draws, R).

    Groups are drawn with the correlation over recall of their jackknife and the variances that the difference has.
    """
    n_seeds, n_groups = left_out.shape[:2]
    seed_part = per_seed - per_seed.mean(axis=0)
    replicates = left_out.mean(axis=0)
    group_part = replicates - replicates.mean(axis=0)
    seed_covariance = seed_part.T @ seed_part / ((n_seeds - 1) * n_seeds)
    group_covariance = group_part.T @ group_part * (n_groups - 1) / n_groups
    jackknife = np.diag(group_covariance)
    ratio = np.divide(difference.v_group, jackknife, out=np.zeros_like(jackknife), where=jackknife > 0)
    group_covariance = group_covariance * np.sqrt(np.outer(ratio, ratio))
    effective = difference.effective_groups
    by_seed, v_seed = _component(seed_covariance, n_seeds, n_draws, rng)
    by_group, v_group = _component(group_covariance, float(effective.min()), n_draws, rng)
    error = np.sqrt(v_seed + v_group)
    t = np.divide(by_seed + by_group, error, out=np.zeros_like(error), where=error > 0)
    return np.asarray(special.stdtr(_common_df(v_seed, v_group, n_seeds, effective), -t))


def _common_df(
    v_seed: NDArray[np.float64], v_group: NDArray[np.float64], n_seeds: int, n_groups: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the smallest degrees of freedom over recall, (..., 1).

    If a few seeds happen to agree at one recall, their variance is small, the degrees of freedom are large and the p
    value is tiny. A search over recalls finds exactly such places, so all recalls use the most cautious degrees of
    freedom.
    """
    return satterthwaite(v_seed, v_group, n_seeds, n_groups).min(axis=-1, keepdims=True)


def _component(
    covariance: NDArray[np.float64], n: float, n_draws: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Means of n draws and the variances of these means as estimated from the draws, (n_draws, R) each.

    An effective number of groups is broken: it is drawn like a whole one below `_MANY` after rounding down.
    """
    spread = np.sqrt(np.diag(covariance))
    shrunk = covariance + (np.diag(spread**2) - covariance) / max(n - 1.0, 1.0)
    values, vectors = np.linalg.eigh(shrunk)
    root = vectors * np.sqrt(np.clip(values, 0.0, None))
    if n > _MANY:
        # With many draws the error of the variance is small, and nearly the same at all recalls.
        scale = rng.chisquare(n - 1, (n_draws, 1)) / (n - 1)
        return rng.standard_normal((n_draws, len(spread))) @ root.T, scale * spread**2
    whole = max(int(n), 2)
    draws = np.sqrt(whole) * rng.standard_normal((n_draws, whole, len(spread))) @ root.T
    return draws.mean(axis=1), draws.var(axis=1, ddof=1) / whole


def _smallest_p(excess: NDArray[np.float64], error: NDArray[np.float64], df: NDArray[np.float64]) -> float:
    """Return the smallest one-sided p value over recall for an excess above 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        p = stats.t.sf(excess / error, df)
    return float(np.where(error == 0.0, 1.0, p).min())


def _adjusted(p: float, lowest_tail: NDArray[np.float64], n_recalls: int) -> float:
    """Return the probability that the smallest of the R p values is at most p by chance; at least p, at most R p."""
    simulated = (float((lowest_tail <= p).sum()) + 1.0) / (len(lowest_tail) + 1.0)
    return min(1.0, max(simulated, p), n_recalls * p)
