"""Reliability of stated probabilities: how often pixels are positive that a model gives a probability p."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.frontier.calibration import code_probabilities
from experiments.frontier.codes import N_CODES
from experiments.frontier.histogram import ScoreHistograms
from experiments.frontier.theory import ScoreMap

FEWEST_POSITIVES = 10
"""Neighbouring bins are joined until each holds so many positives: else rare positives make the curve jump."""

_EDGES = np.log(10.0) / 2.0 * np.arange(-40, 41)
"""Edges of the bins before joining, in logits: half a decade of the odds."""


def reliability_curve(
    positives: NDArray[np.int64], negatives: NDArray[np.int64], probabilities: NDArray[np.float64]
) -> pd.DataFrame:
    """Frequency of positives over the stated probability, bin by bin.

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
    """First place of each joined bin: from below, as soon as a bin holds enough positives the next one begins."""
    starts, held = [0], 0
    for place, count in enumerate(hits.tolist()):
        held += count
        if held >= FEWEST_POSITIVES:
            starts.append(place + 1)
            held = 0
    if len(starts) == 1:
        return np.array(starts if held else [], dtype=np.intp)
    return np.array(starts[:-1], dtype=np.intp)  # what is left above belongs to the last full bin


def reliability_table(
    runs: Mapping[str, Mapping[int, ScoreHistograms]], theory: Mapping[str, Sequence[ScoreMap] | None]
) -> pd.DataFrame:
    """Reliability of every arm and mask, as stated and after undoing what theory says the objective did.

    Args:
        runs: arm -> seed -> test histograms; the pixels of all seeds are pooled.
        theory: arm -> one map per mask; None, or no entry, where theory says nothing.

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
