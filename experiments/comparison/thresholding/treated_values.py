"""What a run reaches on test under each treatment, with all test groups and without each."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.comparison.thresholding.treated_scores import Treatment
from experiments.frontier.curve import f_beta
from experiments.frontier.histogram import ScoreHistograms

VALUES = ("recall", "precision", "f1", "calibration_error", "mass_ratio")
"""Columns of `treated_values`: the first three at probability 0.5 after treatment, the others as in `Calibration`."""

_N_BINS = 15  # of the calibration error, as in `calibration`


def treated_values(
    test: ScoreHistograms,
    mask: int,
    treatments: Mapping[str, Treatment],
    group_of: NDArray[np.intp],
    n_groups: int,
) -> dict[str, NDArray[np.float64]]:
    """Measure every treatment of one run and mask on the test split.

    Args:
        test: untreated test histograms.
        mask: index of the mask.
        treatments: name -> treatment.
        group_of: (N,), each image's group.
        n_groups: G.

    Returns:
        Name -> (1+G, 5), columns `VALUES`, row 0 with all groups, row 1 + g without group g; NaN where undefined.
    """
    bins, positives, negatives, lengths = test.mask_entries(mask)
    group = np.repeat(group_of, lengths)
    pixels = positives.astype(np.float64) + negatives

    def left_out(sums: NDArray[Any]) -> NDArray[np.float64]:  # (G, ...) to (1+G, ...)
        total = sums.sum(axis=0)
        return np.concatenate([total[None], total - sums]).astype(np.float64)

    def per_group(weights: NDArray[Any]) -> NDArray[np.float64]:
        return left_out(np.bincount(group, weights=weights, minlength=n_groups))

    n_positive, n_pixels = per_group(positives), per_group(pixels)
    found = {}
    for name, treatment in treatments.items():
        fired = bins >= treatment.natural_code
        tp, fp = per_group(positives * fired), per_group(negatives * fired)
        stated = treatment.probabilities[bins]
        place = np.minimum((stated * _N_BINS).astype(np.intp), _N_BINS - 1)
        mass = pixels * stated
        gaps = np.bincount(group * _N_BINS + place, weights=positives - mass, minlength=n_groups * _N_BINS)
        score = np.where(n_positive > 0, f_beta(tp, fp, n_positive - tp), np.nan)
        error = np.abs(left_out(gaps.reshape(n_groups, _N_BINS))).sum(axis=1)
        columns = [
            _ratio(tp, n_positive),
            _ratio(tp, tp + fp),
            score,
            _ratio(error, n_pixels),
            _ratio(per_group(mass), n_positive),
        ]
        found[name] = np.stack(columns, axis=1)
    return found


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
