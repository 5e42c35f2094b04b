"""The effect of a loss on the scores in theory, in closed form and in both directions.

eta is the true probability that a pixel is positive, q the probability that the trained model states.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class ScoreMap:
    """Map from eta to the minimiser q of weighted BCE or focal loss; it always increases, so ranks are kept.

    A weight w multiplies the odds of eta; focusing then maps the weighted eta' to q with
    eta' = g(1 - q) / (g(q) + g(1 - q)),  g(q) = (1 - q)^gamma / q - gamma (1 - q)^(gamma - 1) ln q.

    Args:
        weight: weight of a positive pixel over that of a negative one, above 0. A focal loss whose
            `positive_weight` is alpha has weight alpha / (1 - alpha).
        gamma: focusing exponent, at least 0; 0 is (weighted) BCE.

    Reference: Elkan 2001 (weight); Charoenphakdee et al. 2021, theorem 11 (focal).
    """

    weight: float = 1.0
    gamma: float = 0.0

    def __post_init__(self) -> None:
        if not (np.isfinite(self.weight) and self.weight > 0):
            raise ValueError(f"weight: expected a finite number above 0, got {self.weight}")
        if not (np.isfinite(self.gamma) and self.gamma >= 0):
            raise ValueError(f"gamma: expected a finite number of at least 0, got {self.gamma}")

    @classmethod
    def focal(cls, *, gamma: float, positive_weight: float | None = None) -> "ScoreMap":
        """Return the map of a focal loss; `positive_weight` is alpha in (0, 1), or None for no weighting."""
        if positive_weight is None:
            return cls(gamma=gamma)
        if not 0 < positive_weight < 1:
            raise ValueError(f"positive_weight: expected a number in (0, 1), got {positive_weight}")
        return cls(weight=positive_weight / (1.0 - positive_weight), gamma=gamma)

    @property
    def natural_shift(self) -> float:
        """Shift ln w: the natural point is plain BCE's at logit -ln w, whatever gamma (g is the same at q = 1/2)."""
        return float(np.log(self.weight))

    @property
    def natural_threshold(self) -> float:
        """1 / (1 + w): plain BCE's threshold, as a probability, that gives this objective's natural point."""
        return 1.0 / (1.0 + self.weight)

    def to_true_logit(self, logits: ArrayLike) -> NDArray[np.float64]:
        """Return the logit of eta for each logit of q, which restores calibration."""
        scores = np.asarray(logits, dtype=np.float64)
        return self._unfocus(scores) - self.natural_shift

    def to_stated_logit(self, true_logits: ArrayLike) -> NDArray[np.float64]:
        """Return the logit of the minimiser q for each logit of eta, by bisection on the increasing inverse."""
        target = np.asarray(true_logits, dtype=np.float64) + self.natural_shift
        if self.gamma == 0:
            return target
        # Focusing pulls towards logit 0 on both sides, so q lies between 0 and the weighted eta.
        low, high = np.minimum(target, 0.0), np.maximum(target, 0.0)
        for _ in range(80):
            middle = 0.5 * (low + high)
            above = self._unfocus(middle) > target
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        return 0.5 * (low + high)

    def _unfocus(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """logit(eta') = ln g(1 - q) - ln g(q), in log space so that large logits stay finite."""
        if self.gamma == 0:
            return scores
        return self._log_g(-scores) - self._log_g(scores)

    def _log_g(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        log_q, log_not_q = -np.logaddexp(0.0, -scores), -np.logaddexp(0.0, scores)
        # g = (1-q)^(gamma-1) [(1-q)/q - gamma ln q]
        with np.errstate(divide="ignore"):
            second = np.log(-self.gamma * log_q)
        return (self.gamma - 1.0) * log_not_q + np.logaddexp(log_not_q - log_q, second)


def prior_correction(logits: ArrayLike, *, weight: float) -> NDArray[np.float64]:
    """Undo the weight w that a model was trained with: logit - ln w.

    Reference: King and Zeng 2001, section 4.1.
    """
    return ScoreMap(weight=weight).to_true_logit(logits)


def optimal_threshold(best_f: ArrayLike, *, beta: float = 1.0) -> NDArray[np.float64]:
    """Return the threshold on calibrated probabilities that reaches the largest F-beta F*: F* / (1 + beta^2).

    Reference: Lipton, Elkan and Naryanaswamy 2014, theorem 1 (F1: F*/2).
    """
    return np.asarray(best_f, dtype=np.float64) / (1.0 + beta * beta)


def best_f_beta(eta: ArrayLike, *, beta: float = 1.0, mass: ArrayLike | None = None) -> tuple[float, float]:
    """Return the largest expected F-beta of thresholding eta, and its threshold: (F*, F* / (1 + beta^2)).

    F = (1 + b^2) E[TP] / (b^2 E[P] + E[predicted]), over all thresholds at the values of eta.

    Args:
        eta: probabilities, any shape.
        beta: recall counts beta times as much as precision.
        mass: weight of each element; None weighs all the same.
    """
    flat = np.asarray(eta, dtype=np.float64).ravel()
    weights = np.ones_like(flat) if mass is None else np.asarray(mass, dtype=np.float64).ravel()
    order = np.argsort(-flat, kind="stable")
    hits = np.cumsum((flat * weights)[order])
    predicted = np.cumsum(weights[order])
    square = beta * beta
    score = (1.0 + square) * hits / (square * hits[-1] + predicted)
    best = float(score.max())
    return best, float(optimal_threshold(best, beta=beta))


def right_weight(best_f1: float) -> float:
    """Return the weight whose natural point maximises F1: w = 2 / F1* - 1, for which 1/(1+w) = F1*/2."""
    if not 0 < best_f1 <= 1:
        raise ValueError(f"best_f1: expected a number in (0, 1], got {best_f1}")
    return 2.0 / best_f1 - 1.0


def precision_from_f1(recall: ArrayLike, f1: ArrayLike) -> NDArray[np.float64]:
    """P = F1 R / (2 R - F1), for pooled counts; NaN where no precision in [0, 1] gives this pair.

    R = .96 and F1 = .37 give .23. A mean of per-image F1 does not obey it.
    """
    r, f = np.asarray(recall, dtype=np.float64), np.asarray(f1, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = f * r / (2.0 * r - f)
    return np.where((precision >= 0) & (precision <= 1 + 1e-12), precision, np.nan)


def dice_optimum(eta: ArrayLike, *, mass: ArrayLike | None = None) -> NDArray[np.bool_]:
    """Return the minimiser of the population's soft Dice loss, 0 or 1: eta thresholded at half the best Dice.

    Soft Dice 2 E[q y] / (E[q] + E[y]) is a ratio of linear functions of q, so the best q is at a corner, the same
    corner as for F1.
    """
    _, threshold = best_f_beta(eta, mass=mass)
    return np.asarray(eta, dtype=np.float64) >= threshold
