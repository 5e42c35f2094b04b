"""Simultaneous band of the precision difference over recall: where is an arm better, where worse."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from experiments.frontier.paired_difference import PairedDifference, difference_of


@dataclass(frozen=True)
class RecallBand:
    """Precision difference at R recalls with a band that holds at all of them at once.

    Args:
        recalls: (R,), those that every run reaches.
        difference: estimates and variances at each recall.
        low: (R,), lower edge of the simultaneous band.
        high: (R,), upper edge.
        p_crosses: p value of "better by more than the margin at some recall and worse by more than it at
            another"; NaN where it cannot be tested.
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

    @property
    def better_text(self) -> str:
        """Where the arm is better, as text; the best single recall if the band shows none."""
        best = self.recalls[[int(np.argmax(self.difference.estimate))]]
        return spans(self.better if len(self.better) else best)

    @property
    def worse_text(self) -> str:
        """Where the arm is worse, as text; the worst single recall if the band shows none."""
        worst = self.recalls[[int(np.argmin(self.difference.estimate))]]
        return spans(self.worse if len(self.worse) else worst)


def recall_band(
    recalls: NDArray[np.float64],
    per_seed: NDArray[np.float64],
    left_out: NDArray[np.float64],
    *,
    margin: float,
    level: float = 0.05,
    n_draws: int = 20_000,
    rng: np.random.Generator,
) -> RecallBand:
    """Band from the joint distribution of the differences over recall.

    At each recall the difference has its own two-way t. How much the recalls' errors go together is taken from
    the covariance of the seeds plus that of the groups, and simulated as a Gaussian copula; each simulated
    point's tail probability is then compared with the t's. Few seeds span few directions and would make the
    recalls look more alike than they are, so the correlation is shrunk towards independence by the share of
    variance that seeds carry, divided by S - 1. The result is never wider than Bonferroni's.

    "Crosses" is an intersection of two claims, so each is tested at the full level, one-sided, against its own
    margin, and the larger p value counts.

    Args:
        recalls: (R,).
        per_seed: (S, R), arm's precision minus baseline's.
        left_out: (S, G, R), the same without each group.
        margin: smallest difference of precision that matters, above 0.
        level: 1 - level is the probability that the band covers everywhere.
        n_draws: simulated points.
        rng: generator of the simulation.
    """
    difference = difference_of(per_seed, left_out)
    error, df = difference.standard_error, difference.df
    usable = len(recalls) > 0 and bool(np.isfinite(error).all())
    if not usable:
        nan = np.full(len(recalls), np.nan)
        return RecallBand(recalls, difference, nan, nan.copy(), float("nan"))
    normal = _correlated_normals(_correlation(per_seed, left_out, difference), n_draws, rng)
    smallest = 2.0 * stats.norm.sf(np.abs(normal).max(axis=1))
    pointwise = max(float(np.quantile(smallest, level)), level / len(recalls))
    half = stats.t.ppf(1.0 - pointwise / 2.0, df) * error
    better = _smallest_p(difference.estimate - margin, error, df)
    worse = _smallest_p(-difference.estimate - margin, error, df)
    lowest_tail = stats.norm.sf(normal.max(axis=1))
    adjusted = [_adjusted(p, lowest_tail, len(recalls)) for p in (better, worse)]
    low, high = difference.estimate - half, difference.estimate + half
    return RecallBand(recalls, difference, low, high, max(adjusted))


def _correlation(
    per_seed: NDArray[np.float64], left_out: NDArray[np.float64], difference: PairedDifference
) -> NDArray[np.float64]:
    """Correlation of the estimates over recall, shrunk towards independence."""
    n_seeds, n_groups = difference.n_seeds, difference.n_groups
    seed_part = per_seed - per_seed.mean(axis=0)
    replicates = left_out.mean(axis=0)
    group_part = replicates - replicates.mean(axis=0)
    seeds = seed_part.T @ seed_part / ((n_seeds - 1) * n_seeds)
    groups = group_part.T @ group_part * (n_groups - 1) / n_groups
    covariance = seeds + groups
    scale = np.sqrt(np.diag(covariance))
    scale = np.where(scale > 0, scale, 1.0)
    correlation = covariance / np.outer(scale, scale)
    total = float(np.trace(covariance))
    seed_share = float(np.trace(seeds)) / total if total > 0 else 0.0
    shrink = seed_share / (n_seeds - 1)
    correlation = (1.0 - shrink) * correlation
    np.fill_diagonal(correlation, 1.0)
    return correlation


def _correlated_normals(
    correlation: NDArray[np.float64], n_draws: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw standard normals with that correlation, (n_draws, R): the copula of the estimates' errors."""
    values, vectors = np.linalg.eigh(correlation)
    root = vectors * np.sqrt(np.clip(values, 0.0, None))
    return rng.standard_normal((n_draws, len(values))) @ root.T


def _smallest_p(excess: NDArray[np.float64], error: NDArray[np.float64], df: NDArray[np.float64]) -> float:
    """Smallest one-sided p value over recall of an excess above 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        p = stats.t.sf(excess / error, df)
    return float(np.where(error == 0.0, 1.0, p).min())


def _adjusted(p: float, lowest_tail: NDArray[np.float64], n_recalls: int) -> float:
    """Probability that the smallest of the R p values falls to p by chance; at most R p."""
    simulated = (float((lowest_tail <= p).sum()) + 1.0) / (len(lowest_tail) + 1.0)
    return min(1.0, simulated, n_recalls * p)


def spans(recalls: NDArray[np.float64]) -> str:
    """Recalls as text, neighbours on a grid of .05 joined: [.05, .1, .5] reads "0.05-0.10, 0.50"."""
    if not len(recalls):
        return "none"
    runs = np.split(recalls, np.flatnonzero(np.diff(recalls) > 0.0501) + 1)
    texts = [f"{run[0]:.2f}" if len(run) == 1 else f"{run[0]:.2f}-{run[-1]:.2f}" for run in runs]
    return ", ".join(texts)
