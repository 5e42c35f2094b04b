"""Recalibration: maps from a model's logits to those of calibrated probabilities, fitted on validation counts.

No map decreases anywhere, so the ranking of pixels stays the same. `theory.ScoreMap` undoes a loss's effect in closed
form. The maps here are fitted: a shift from the class frequency, Platt scaling, isotonic regression.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq, isotonic_regression, minimize
from scipy.special import expit, logit

from experiments.frontier.codes import N_CODES, NATURAL_CODE, ordered_logits


class NotFittable(ValueError):
    """A map that these counts cannot determine; the message says why."""


class LogitMap(Protocol):
    """A non-decreasing map from stated to treated logits."""

    def to_true_logit(self, logits: ArrayLike) -> NDArray[np.float64]:
        """Treated logit of each logit."""
        ...


def code_logits() -> NDArray[np.float64]:
    """Return the logit of every score code, (65536,), like `ordered_logits`, but with the code just below 0 negative.

    That code stands for negative logits that float16 rounds to -0.0. Here it gets minus half of the smallest float16,
    so that the unchanged map crosses 0 at `NATURAL_CODE`.
    """
    logits = ordered_logits()
    logits[NATURAL_CODE - 1] = -(2.0**-26)
    return logits


@dataclass(frozen=True)
class AffineMap:
    """slope * logit + intercept.

    Args:
        slope: above 0.
        intercept: shift of the logits.
    """

    slope: float
    intercept: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.slope) and self.slope > 0):
            raise ValueError(f"slope: expected a finite number above 0, got {self.slope}")
        if not np.isfinite(self.intercept):
            raise ValueError(f"intercept: expected a finite number, got {self.intercept}")

    def to_true_logit(self, logits: ArrayLike) -> NDArray[np.float64]:
        """Treated logit of each logit."""
        return self.slope * np.asarray(logits, dtype=np.float64) + self.intercept


@dataclass(frozen=True)
class IsotonicMap:
    """Probability as a non-decreasing function of the logit: linear between knots, constant outside.

    Args:
        knots: (K,), ascending logits.
        probabilities: (K,), in [0, 1], never decreasing.
        n_steps: number of distinct probabilities.
    """

    knots: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    n_steps: int

    def to_probability(self, logits: ArrayLike) -> NDArray[np.float64]:
        """Probability of each logit."""
        return np.interp(np.asarray(logits, dtype=np.float64), self.knots, self.probabilities)

    def to_true_logit(self, logits: ArrayLike) -> NDArray[np.float64]:
        """Logit of each logit's probability: infinite where it is 0 or 1."""
        return np.asarray(logit(self.to_probability(logits)), dtype=np.float64)


def fit_prior_shift(positives: NDArray[np.int64], negatives: NDArray[np.int64]) -> AffineMap:
    """Shift all logits by one b such that the predicted positive mass equals the number of positives.

    sum_i sigmoid(z_i + b) = P, over all pixels i of the counts; P is the number of positives. Only the class frequency
    is used, not which pixels are positive. It is also the maximum likelihood estimate of the intercept in a logistic
    regression with slope 1.

    Elkan 2001 (theorem 2) and Saerens et al. 2002 shift by logit(P / n) - logit(M / n) instead, with M the mass before
    the shift. That is right for scores that are calibrated except for the prior, if M / n is the prior that they were
    trained for. In general the mass after that shift is not P, so here the shift is solved for.

    Args:
        positives: (65536,), validation pixels per score code.
        negatives: (65536,).

    Raises:
        NotFittable: no positive or no negative pixel.

    Reference: Steyerberg 2009 (calibration in the large).
    """
    _, logits, pixels = _used(positives, negatives)
    n_positive = float(positives.sum())
    prevalence = float(logit(n_positive / float(pixels.sum())))

    def excess(shift: float) -> float:
        return float((pixels * expit(logits + shift)).sum()) / n_positive - 1.0

    # These shifts put every pixel below, or every pixel above, the prevalence.
    low, high = prevalence - float(logits.max()) - 1.0, prevalence - float(logits.min()) + 1.0
    return AffineMap(1.0, float(brentq(excess, low, high, xtol=1e-12)))


def fit_platt(positives: NDArray[np.int64], negatives: NDArray[np.int64]) -> AffineMap:
    """Platt scaling: logistic regression of the label on the logit, by Newton's method in a trust region.

    Minimises -sum_i [t_i ln q_i + (1 - t_i) ln(1 - q_i)], q_i = sigmoid(slope * z_i + intercept), over pixels, with the
    targets t = (P + 1) / (P + 2) for positives and t = 1 / (N + 2) for negatives, which keep the slope finite.

    Args:
        positives: (65536,), validation pixels per score code.
        negatives: (65536,).

    Raises:
        NotFittable: no positive or no negative pixel, equal scores throughout, or a slope that is not positive: then
            the scores do not rise with the label, and the map would reverse the ranking.

    Reference: Platt 1999; Lin, Lin and Weng 2007 (numerics).
    """
    used, logits, pixels = _used(positives, negatives)
    n_positive, n_negative = float(positives.sum()), float(negatives.sum())
    total = float(pixels.sum())
    centre = float((pixels * logits).sum()) / total
    spread = float(np.sqrt((pixels * (logits - centre) ** 2).sum() / total))
    if spread == 0.0:
        raise NotFittable("all validation pixels have the same score")
    scaled = (logits - centre) / spread
    hits = positives[used] * (n_positive + 1) / (n_positive + 2) + negatives[used] / (n_negative + 2)

    # All per positive pixel: rare ones would leave no gradient per pixel. Sums rather than products of vectors: their
    # rounding does not depend on the number of threads.
    def loss(at: NDArray[np.float64]) -> float:
        score = at[0] * scaled + at[1]
        return float((pixels * np.logaddexp(0.0, score) - hits * score).sum()) / n_positive

    def gradient(at: NDArray[np.float64]) -> NDArray[np.float64]:
        gap = (pixels * expit(at[0] * scaled + at[1]) - hits) / n_positive
        return np.array([(gap * scaled).sum(), gap.sum()])

    def curvature(at: NDArray[np.float64]) -> NDArray[np.float64]:
        q = expit(at[0] * scaled + at[1])
        weight = pixels * q * (1.0 - q) / n_positive
        cross = (weight * scaled).sum()
        return np.array([[(weight * scaled**2).sum(), cross], [cross, weight.sum()]])

    found = minimize(
        loss,
        np.array([0.0, np.log((n_positive + 1) / (n_negative + 1))]),
        jac=gradient,
        hess=curvature,
        method="trust-exact",
        options={"gtol": 1e-9, "maxiter": 500},
    )
    slope = float(found.x[0]) / spread
    if not slope > 0:
        raise NotFittable(f"Platt's slope is {slope:.3g}: on validation the scores do not rise with the label")
    return AffineMap(slope, float(found.x[1]) - slope * centre)


def fit_isotonic(positives: NDArray[np.int64], negatives: NDArray[np.int64]) -> IsotonicMap:
    """Isotonic regression of the label on the logit: pool adjacent violators over the score codes.

    Minimises sum_k n_k (p_k - P_k / n_k)^2 over p_1 <= p_2 <= ..., with P_k positives among the n_k pixels of code k.

    Args:
        positives: (65536,), validation pixels per score code.
        negatives: (65536,).

    Raises:
        NotFittable: no positive or no negative pixel.

    Reference: Zadrozny and Elkan 2002; Barlow et al. 1972 (pool adjacent violators).
    """
    used, logits, pixels = _used(positives, negatives)
    fitted = isotonic_regression(positives[used] / pixels, weights=pixels)
    blocks = fitted.blocks
    # Both ends of each block: linear between two blocks, constant inside.
    ends = np.unique(np.concatenate([blocks[:-1], blocks[1:] - 1])).astype(np.intp)
    levels = np.maximum.accumulate(np.clip(fitted.x[ends], 0.0, 1.0))
    return IsotonicMap(logits[ends], levels, len(np.unique(levels)))


def _used(
    positives: NDArray[np.int64], negatives: NDArray[np.int64]
) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]:
    """Codes that hold a pixel, their logits and their numbers of pixels.

    Raises:
        ValueError: another shape.
        NotFittable: no positive or no negative pixel.
    """
    for name, counts in (("positives", positives), ("negatives", negatives)):
        if counts.shape != (N_CODES,):
            raise ValueError(f"{name}: expected {N_CODES} counts, one per score code, got shape {counts.shape}")
        if not counts.sum():
            raise NotFittable(f"no {name[:-1]} pixel in validation")
    used = np.flatnonzero(positives + negatives)
    return used, code_logits()[used], (positives + negatives)[used].astype(np.float64)
