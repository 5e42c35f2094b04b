"""Calibration, reliability and saturation of scores, from pooled counts per score code."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from experiments.frontier.codes import N_CODES, ordered_logits
from experiments.frontier.curve import ratio
from experiments.frontier.histogram import ScoreHistograms
from experiments.frontier.theory import ScoreMap

_N_BINS = 15
"""Bins of the expected calibration error, of equal width in probability (Guo et al. 2017)."""


@dataclass(frozen=True)
class Calibration:
    """How far stated probabilities are from frequencies.

    Args:
        expected_error: sum over 15 equal bins of probability of |positives - stated mass| / pixels. Under
            extreme imbalance the lowest bin holds nearly all pixels, so read the mass ratio too.
        mass_ratio: sum of the stated probabilities over the number of positives; 1 when calibrated on average,
            NaN without positives.
    """

    expected_error: float
    mass_ratio: float


def code_probabilities(correction: ScoreMap | None = None) -> NDArray[np.float64]:
    """Return the probability that each score code states, (65536,), after undoing the loss's effect in theory.

    Args:
        correction: the loss's map; None takes the scores as they are. For a weight w it is the prior
            correction, logit - ln w (King and Zeng 2001).
    """
    logits = ordered_logits()
    if correction is not None:
        logits = correction.to_true_logit(logits)
    return 0.5 * (1.0 + np.tanh(0.5 * logits))


def probability_gaps(
    excess: NDArray[np.float64],
    probabilities: NDArray[np.float64],
    group: NDArray[np.intp] | int = 0,
    n_groups: int = 1,
) -> NDArray[np.float64]:
    """Add up positives minus stated mass in each of 15 equal bins of probability, group by group.

    Args:
        excess: (E,), positives minus pixels times the stated probability.
        probabilities: (E,), the probability that the pixels of an entry state.
        group: (E,), each entry's group.
        n_groups: G.

    Returns:
        (G, 15).
    """
    place = np.minimum((probabilities * _N_BINS).astype(np.intp), _N_BINS - 1)
    sums = np.bincount(group * _N_BINS + place, weights=excess, minlength=n_groups * _N_BINS)
    return np.asarray(sums, np.float64).reshape(n_groups, _N_BINS)


def expected_error(gaps: NDArray[np.float64], n_pixels: ArrayLike) -> NDArray[np.float64]:
    """Add up |gap| over the bins of `probability_gaps`, per pixel: (G, 15) to (G,)."""
    return ratio(np.abs(gaps).sum(axis=-1), n_pixels)


def calibration(
    positives: NDArray[np.int64], negatives: NDArray[np.int64], probabilities: NDArray[np.float64]
) -> Calibration:
    """Measure the calibration of pooled counts (65536,) whose codes state `probabilities`."""
    pixels = positives + negatives
    used = np.flatnonzero(pixels != 0)
    n_pixels, n_positive = int(pixels[used].sum()), int(positives[used].sum())
    if not n_pixels:
        return Calibration(float("nan"), float("nan"))
    probability = probabilities[used]
    stated = pixels[used] * probability
    error = expected_error(probability_gaps(positives[used] - stated, probability), n_pixels)
    return Calibration(float(error[0]), float(ratio(stated.sum(), n_positive)))


@dataclass(frozen=True)
class Saturation:
    """How much of the ranking is lost to ties.

    Args:
        tied_pairs: share of (positive, negative) pairs with equal score codes, which no threshold separates.
        largest_tie: share of the pixels in the fullest code.
        n_codes: codes in use; 1 is a constant output.
        lowest_recall: recall at the highest threshold, the smallest reachable one.
        highest_recall: recall at the lowest threshold that still excludes a pixel.
    """

    tied_pairs: float
    largest_tie: float
    n_codes: int
    lowest_recall: float
    highest_recall: float


def saturation(positives: NDArray[np.int64], negatives: NDArray[np.int64]) -> Saturation:
    """Measure the saturation of pooled counts (65536,); shares of an empty set are NaN."""
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


FEWEST_POSITIVES = 10
"""Neighbouring bins are joined until each holds this many positives; otherwise rare positives make the curve jump."""

_EDGES = np.log(10.0) / 2.0 * np.arange(-40, 41)
"""Edges of the bins before joining, in logits: half a decade of the odds."""


def reliability_curve(
    positives: NDArray[np.int64], negatives: NDArray[np.int64], probabilities: NDArray[np.float64]
) -> pd.DataFrame:
    """Return the frequency of positives for each stated probability, bin by bin.

    Args:
        positives: (65536,), pooled counts per score code.
        negatives: (65536,).
        probabilities: (65536,), what each code states; never decreasing.

    Returns:
        A row per bin, ascending: `stated`, mean of the stated probabilities; `frequency`, share of positives;
        `n_positive`; `n_pixels`. No row without a positive.
    """
    used = np.flatnonzero(positives + negatives)
    stated = probabilities[used]
    inner = np.clip(stated, 1e-300, 1 - 1e-16)
    place = np.searchsorted(_EDGES, np.log(inner) - np.log1p(-inner), side="right")
    pixels = (positives + negatives)[used]
    size = len(_EDGES) + 1
    hits = np.bincount(place, weights=positives[used], minlength=size)
    counts = np.bincount(place, weights=pixels, minlength=size)
    mass = np.bincount(place, weights=pixels * stated, minlength=size)
    group = _joined(hits.astype(np.int64))
    if not len(group):
        return pd.DataFrame({"stated": [], "frequency": [], "n_positive": [], "n_pixels": []})
    hits, counts, mass = (np.add.reduceat(values, group) for values in (hits, counts, mass))
    return pd.DataFrame(
        {
            "stated": mass / counts,
            "frequency": hits / counts,
            "n_positive": hits.astype(np.int64),
            "n_pixels": counts.astype(np.int64),
        }
    )


def _joined(hits: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the first place of each joined bin: going up, the next bin begins once one holds enough positives."""
    starts, held = [0], 0
    for place, count in enumerate(hits.tolist()):
        held += count
        if held >= FEWEST_POSITIVES:
            starts.append(place + 1)
            held = 0
    if len(starts) == 1:
        return np.array(starts if held else [], dtype=np.intp)
    return np.array(starts[:-1], dtype=np.intp)  # the rest above belongs to the last full bin


def reliability_table(
    runs: Mapping[str, Mapping[int, ScoreHistograms]], theory: Mapping[str, Sequence[ScoreMap] | None]
) -> pd.DataFrame:
    """Tabulate the reliability of every arm and mask, as stated and after undoing the loss's effect in theory.

    Args:
        runs: arm -> seed -> test histograms; the pixels of all seeds are pooled.
        theory: arm -> one map per mask; None, or no entry, if theory makes no prediction.

    Returns:
        A row per arm, mask, `scores` ("as stated", "corrected") and bin; columns as `reliability_curve` and `n_seeds`.
    """
    plain = code_probabilities()
    frames = []
    for arm, seeds in runs.items():
        if not seeds:
            continue
        maps = theory.get(arm)
        for index, mask in enumerate(next(iter(seeds.values())).masks):
            positives, negatives = np.zeros((2, N_CODES), np.int64)
            for test in seeds.values():
                of_run = test.pooled(index)
                positives += of_run[0]
                negatives += of_run[1]
            stated = {"as stated": plain}
            if maps is not None:
                stated["corrected"] = code_probabilities(maps[index])
            for name, probabilities in stated.items():
                curve = reliability_curve(positives, negatives, probabilities)
                who = pd.DataFrame({"arm": arm, "mask": mask, "scores": name, "n_seeds": len(seeds)}, index=curve.index)
                frames.append(pd.concat([who, curve], axis=1))
    return pd.concat(frames, ignore_index=True)
