"""Calibration and saturation of scores, from pooled counts per score code."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.frontier.codes import ordered_logits
from experiments.frontier.theory import ScoreMap

_N_BINS = 15
"""Bins of the expected calibration error, of equal width in probability (Guo et al. 2017)."""


@dataclass(frozen=True)
class Calibration:
    """How far stated probabilities are from frequencies.

    Args:
        expected_error: sum over 15 equal bins of probability of |positives - stated mass| / pixels. Under
            extreme imbalance the lowest bin holds nearly all pixels: read the mass ratio beside it.
        mass_ratio: sum of the stated probabilities over the number of positives; 1 when calibrated on average,
            NaN without positives.
    """

    expected_error: float
    mass_ratio: float


def code_probabilities(correction: ScoreMap | None = None) -> NDArray[np.float64]:
    """Probability that each score code states, (65536,), after undoing what theory says the loss did.

    Args:
        correction: the objective's map; None takes the scores as they are. For a weight w it is the prior
            correction, logit - ln w (King and Zeng 2001).
    """
    logits = ordered_logits()
    if correction is not None:
        logits = correction.to_true_logit(logits)
    return 0.5 * (1.0 + np.tanh(0.5 * logits))


def calibration(
    positives: NDArray[np.int64], negatives: NDArray[np.int64], probabilities: NDArray[np.float64]
) -> Calibration:
    """Calibration of pooled counts (65536,) whose codes state `probabilities`."""
    pixels = positives + negatives
    used = np.flatnonzero(pixels != 0)
    n_pixels, n_positive = int(pixels[used].sum()), int(positives[used].sum())
    if not n_pixels:
        return Calibration(float("nan"), float("nan"))
    probability = probabilities[used]
    stated = pixels[used] * probability
    place = np.minimum((probability * _N_BINS).astype(np.intp), _N_BINS - 1)
    gap = np.bincount(place, weights=positives[used] - stated, minlength=_N_BINS)
    ratio = float(stated.sum()) / n_positive if n_positive else float("nan")
    return Calibration(float(np.abs(gap).sum()) / n_pixels, ratio)


@dataclass(frozen=True)
class Saturation:
    """How much of the ranking is lost to ties.

    Args:
        tied_pairs: share of (positive, negative) pairs with equal score codes: pairs that no threshold parts.
        largest_tie: share of the pixels in the fullest code.
        n_codes: codes in use; 1 is a constant output.
        lowest_recall: recall at the highest threshold, the smallest that can be reached.
        highest_recall: recall at the lowest threshold that still leaves a pixel out.
    """

    tied_pairs: float
    largest_tie: float
    n_codes: int
    lowest_recall: float
    highest_recall: float


def saturation(positives: NDArray[np.int64], negatives: NDArray[np.int64]) -> Saturation:
    """Saturation of pooled counts (65536,); shares of nothing are NaN."""
    pixels = positives + negatives
    used = np.flatnonzero(pixels != 0)
    n_positive, n_negative, n_pixels = (int(part.sum()) for part in (positives, negatives, pixels))
    tied = float("nan")
    if n_positive and n_negative:
        # In float64: the product of two counts may pass 2**63.
        tied = float(((positives[used] / n_positive) * (negatives[used] / n_negative)).sum())
    recalls = (float("nan"), float("nan"))
    if n_positive and len(used):
        above_lowest = n_positive - int(positives[used[0]])
        recalls = (int(positives[used[-1]]) / n_positive, above_lowest / n_positive)
    return Saturation(
        tied_pairs=tied,
        largest_tie=int(pixels.max()) / n_pixels if n_pixels else float("nan"),
        n_codes=len(used),
        lowest_recall=recalls[0],
        highest_recall=recalls[1],
    )
