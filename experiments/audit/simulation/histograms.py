"""Studies of the average precision of pooled score histograms: skewed, bounded, and with a truth in closed form.

Scores resemble those of a small U-Net with plain BCE on the synthetic logs: positives with a spread of 2.5 around logit
0, a few percent of the negatives as clutter (grid lines, numbers) around -3.5, the rest at -8. Test groups differ in
their number of positives, in their clutter and in their difficulty. Every pixel count is Poisson.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import special

from experiments.audit.simulation.gaussian import Spread

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ScoreModel:
    """The distribution of scores, in logits; an effect e moves positives up by e / 2 and clutter down by e / 2.

    Args:
        edges: lower edges of the score bins, ascending; the first bin is open below, the last above.
        positives: mean number of positive pixels of a group.
        negatives: mean number of negative pixels of a group.
        positive: mean and standard deviation of positives.
        clutter: mean and standard deviation of clutter.
        bulk: mean and standard deviation of all other negatives.
        clutter_share: share of clutter among negatives.
        amount_spread: standard deviation of a group's log number of positives, and of its log share of clutter.
        empty_share: share of groups without a positive.
        difficulty: standard deviation of a group's effect, the same in all arms and seeds.
    """

    edges: Array = field(default_factory=lambda: np.arange(-9.0, 8.01, 0.5))
    positives: float = 370.0
    negatives: float = 39_000.0
    positive: tuple[float, float] = (0.0, 2.5)
    clutter: tuple[float, float] = (-3.5, 2.0)
    bulk: tuple[float, float] = (-8.0, 0.8)
    clutter_share: float = 0.03
    amount_spread: float = 0.5
    difficulty: float = 1.2
    empty_share: float = 0.0

    def rates(self, effect: Array, extra_variance: float = 0.0) -> tuple[Array, Array]:
        """Return the shares of positives and of clutter in each bin, from the highest scores down: (..., B) each.

        Args:
            effect: (...).
            extra_variance: variance of an effect to average over.
        """
        upper = self.edges[1:][::-1]
        shares = []
        for (mean, sd), sign in ((self.positive, 0.5), (self.clutter, -0.5)):
            wide = np.sqrt(sd**2 + 0.25 * extra_variance)
            above = special.ndtr((mean + sign * effect[..., None] - upper) / wide)
            shares.append(np.diff(above, axis=-1, prepend=0.0, append=1.0))
        return shares[0], shares[1]

    def bulk_rates(self) -> Array:
        """Return the share of the other negatives in each bin, (B,)."""
        mean, sd = self.bulk
        above = special.ndtr((mean - self.edges[1:][::-1]) / sd)
        return np.diff(above, prepend=0.0, append=1.0)

    def true_average_precision(self, separation: float, spread: Spread) -> float:
        """Return the AP of an arm with this effect, for infinitely many test groups and seeds.

        Effects of groups and interactions are averaged inside the pooled counts (a Gaussian plus a Gaussian), those of
        seeds outside the AP (Gauss-Hermite).
        """
        nodes, weights = np.polynomial.hermite_e.hermegauss(41)
        within = self.difficulty**2 + spread.group**2 + spread.interaction**2
        positive, clutter = self.rates(separation + spread.seed * nodes, within)
        negative = self.clutter_share * clutter + (1.0 - self.clutter_share) * self.bulk_rates()
        ap = average_precision(self.positives * positive, self.negatives * negative)
        return float(ap @ weights / weights.sum())


def average_precision(positives: Array, negatives: Array) -> Array:
    """Sum over bins, from the highest scores down: sum_b positives_b TP_b / (TP_b + FP_b) / P.

    Args:
        positives: (..., B).
        negatives: (..., B).
    """
    tp, fp = np.cumsum(positives, axis=-1), np.cumsum(negatives, axis=-1)
    precision = np.divide(tp, tp + fp, out=np.zeros_like(tp), where=tp > 0)
    return (positives * precision).sum(axis=-1) / tp[..., -1]


@dataclass(frozen=True)
class HistogramStudy:
    """One simulated study: counts of two arms.

    Args:
        positives: (2, S, G, B), arm and baseline, from the highest scores down.
        negatives: (2, S, G, B).
    """

    positives: Array
    negatives: Array

    def baseline_average_precision(self) -> float:
        """AP of the baseline, mean over its seeds."""
        return float(average_precision(self.positives[1].sum(axis=1), self.negatives[1].sum(axis=1)).mean())

    def differences(self, n_seeds: int, n_groups: int) -> tuple[Array, Array]:
        """Return AP differences of the first seeds on the first groups: (S,) with all, (S, G) without each group."""
        positives = self.positives[:, :n_seeds, :n_groups]
        negatives = self.negatives[:, :n_seeds, :n_groups]
        total, total_negative = positives.sum(axis=2), negatives.sum(axis=2)
        ap = average_precision(total, total_negative)
        left_out = average_precision(total[:, :, None] - positives, total_negative[:, :, None] - negatives)
        return ap[0] - ap[1], left_out[0] - left_out[1]


def histogram_study(
    model: ScoreModel, spread: Spread, *, separation: float, n_seeds: int, n_groups: int, rng: np.random.Generator
) -> HistogramStudy:
    """Draw a study: the baseline, and an arm whose classes are `separation` logits further apart.

    Args:
        model: shape of the scores.
        spread: of each arm's own effects, in logits of separation.
        separation: the arm's true effect; 0 makes the arms equal.
        n_seeds: S.
        n_groups: G.
        rng: generator.
    """
    amounts = np.exp(model.amount_spread * rng.standard_normal((2, n_groups)) - 0.5 * model.amount_spread**2)
    if model.empty_share:
        amounts[0] = np.where(rng.random(n_groups) < model.empty_share, 0.0, amounts[0])
    effect = np.array([separation, 0.0])[:, None, None] + model.difficulty * rng.standard_normal(n_groups)
    effect = effect + spread.seed * rng.standard_normal((2, n_seeds, 1))
    effect = effect + spread.group * rng.standard_normal((2, 1, n_groups))
    effect = effect + spread.interaction * rng.standard_normal((2, n_seeds, n_groups))
    positive, clutter = model.rates(effect)
    share = (model.clutter_share * amounts[1])[:, None]
    negative = share * clutter + (1.0 - share) * model.bulk_rates()
    return HistogramStudy(
        rng.poisson(model.positives * amounts[0][:, None] * positive).astype(np.float64),
        rng.poisson(model.negatives * np.maximum(negative, 0.0)).astype(np.float64),
    )
