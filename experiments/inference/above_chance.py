"""Tests whether a run is trained at all, with an average precision above that of random scores."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

_PRIOR_SPREAD = float(np.log(2.0))
"""Prior spread of the odds of AP between groups: a factor of two."""
_PRIOR_DF = 2.0
"""Number of groups that this prior counts as."""


@dataclass(frozen=True)
class AboveChance:
    """One run's average precision, compared with that of random scores.

    Args:
        average_precision: pooled over the test images; NaN without positives.
        prevalence: share of positives; the AP of one score for every pixel.
        chance: expected AP of random scores; close to the prevalence unless positives are few.
        low: lower end of the one-sided interval of the AP, for new test groups; of an AP that counts as at most
            halfway from chance to 1.
        constant: every pixel has the same score.
    """

    average_precision: float
    prevalence: float
    chance: float
    low: float
    constant: bool = False

    @property
    def untrained(self) -> bool:
        """Whether the AP is not shown to be above chance; False if it is undefined."""
        return self.low <= self.chance


def chance_average_precision(n_positive: ArrayLike, n_pixels: ArrayLike) -> NDArray[np.float64]:
    """Return the expected AP of P positives among N pixels in random order, without ties.

    E[AP] = (H_N + (N - H_N) (P - 1) / (N - 1)) / N, with the harmonic number H_N = 1 + 1/2 + ... + 1/N.

    Args:
        n_positive: P, at least 1.
        n_pixels: N.

    Returns:
        The expectation; NaN if P is 0.

    Reference: Bestgen 2015.

    >>> float(chance_average_precision(1, 2))  # first or second: AP 1 or 1/2
    0.75
    """
    positive, pixels = np.asarray(n_positive, np.float64), np.asarray(n_pixels, np.float64)
    harmonic = special.digamma(pixels + 1.0) + np.euler_gamma
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (positive - 1.0) / np.maximum(pixels - 1.0, 1.0)
        return np.where(positive > 0, (harmonic + (pixels - harmonic) * share) / pixels, np.nan)


def above_chance(
    average_precision: NDArray[np.float64],
    n_positive: NDArray[np.int64],
    n_negative: NDArray[np.int64],
    *,
    level: float = 0.05,
    constant: bool = False,
) -> AboveChance:
    """Compute a lower bound of a run's AP and compare it with the AP of random scores.

    x = logit(AP) - logit(chance), where an AP above (1 + chance) / 2 counts as that: it is far above chance anyway, and
    one bad image among good ones would change its odds a thousandfold. v is the delete-one-group jackknife of x, around
    the x of all groups; n = (sum p)^2 / sum p^2 is the effective number of groups with p positives each. Few groups
    give a poor estimate of their spread, so a prior spread s0, a factor of two in the odds, counts like d0 = 2 groups:

    SE^2 = (d0 s0^2 / n + (n - 1) v) / (d0 + n - 1),  trained if x > t(1 - level; d0 + n - 1) SE.

    Args:
        average_precision: (1+G,), row 0 with all groups, row 1 + g without group g.
        n_positive: (1+G,).
        n_negative: (1+G,).
        level: one-sided.
        constant: every pixel has the same score.
    """
    prevalence = float(n_positive[0] / max(int(n_positive[0] + n_negative[0]), 1))
    reached, chance = average_precision, chance_average_precision(n_positive, n_positive + n_negative)
    # With a single positive that is too near 1, so AP is capped half a positive below 1 too.
    most = np.minimum((1.0 + chance) / 2.0, 1.0 - 0.5 / np.maximum(n_positive, 1))
    lead = special.logit(np.minimum(reached, most)) - special.logit(np.minimum(chance, most))
    per_group = (n_positive[0] - n_positive[1:]).astype(np.float64)
    squares = float((per_group**2).sum())
    if squares == 0.0:
        return AboveChance(float(reached[0]), prevalence, float(chance[0]), float("nan"), constant)
    n_effective = float(per_group.sum()) ** 2 / squares
    n_groups = len(per_group)
    variance = (n_groups - 1) / n_groups * float(((lead[1:] - lead[0]) ** 2).sum())
    # NaN if all positives lie in one group, which is then the only effective one.
    own = (n_effective - 1.0) * variance if np.isfinite(variance) else 0.0
    df = _PRIOR_DF + n_effective - 1.0
    error = np.sqrt((_PRIOR_DF * _PRIOR_SPREAD**2 / n_effective + own) / df)
    low = special.expit(special.logit(chance[0]) + lead[0] - special.stdtrit(df, 1.0 - level) * error)
    return AboveChance(float(reached[0]), prevalence, float(chance[0]), float(low), constant)
