"""ODS and OIS beside the definition by which crack detectors publish them, written out here."""

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from experiments.frontier.from_images import from_images
from experiments.frontier.tolerance.histograms import tolerant_from_images
from experiments.frontier.tolerance.scores import scale_scores


def _reference_ods_ois(maps, truths, radius):
    """Try 100 thresholds from 0 in steps of 0.01, `p > threshold`, with both masks dilated by a disk for the match.

    Counts are pooled over the images for ODS; OIS is the mean of each image's best F. Where nothing fires, precision
    is 1.
    """
    axis = np.arange(-radius, radius + 1)
    disk = axis[:, None] ** 2 + axis[None] ** 2 <= radius**2
    table = []
    for threshold in np.arange(0.0, 1.0, 0.01):
        counts = []
        for scores, truth in zip(maps, truths, strict=True):
            fired = scores > threshold
            right = (fired & binary_dilation(truth, disk)).sum()
            found = (truth & binary_dilation(fired, disk)).sum()
            counts.append((right, fired.sum(), found, truth.sum()))
        table.append(counts)
    right, fired, found, true = np.moveaxis(np.array(table, float), -1, 0)

    def best(right, fired, found, true):
        precision, recall = np.divide(right, fired, out=np.ones(len(fired)), where=fired > 0), found / true
        both = precision + recall
        return np.divide(2 * precision * recall, both, out=np.zeros(len(both)), where=both > 0).max()

    own = [best(*(part[:, image] for part in (right, fired, found, true))) for image in range(len(maps))]
    return best(*(part.sum(axis=1) for part in (right, fired, found, true))), np.mean(own)


def cracks(levels):
    """Draw lines, found with some noise, at probabilities in the middle of `levels` steps."""
    maps, truths = [], []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        truth = np.zeros((50, 40), bool)
        truth[np.arange(50), (20 + 8 * np.sin(np.arange(50) / 7 + seed)).astype(int)] = True
        logits = 3 * np.roll(truth, 1, axis=1) + 2 * truth - 3 + rng.normal(0, 1 + 0.3 * seed, truth.shape)
        steps = np.floor(levels / (1 + np.exp(-logits)))
        maps.append((np.clip(steps, 0, levels - 1) + 0.5) / levels)
        truths.append(truth)
    return maps, truths


def ours(maps, truths, radius):
    scores = [np.log(p / (1 - p))[None] for p in maps]
    targets = [truth[None] for truth in truths]
    exact = from_images(scores, targets)
    return scale_scores(tolerant_from_images(scores, targets, radius, exact=exact), 0)


@pytest.mark.parametrize("radius", [0, 1, 2, 5])
def test_equal_where_the_thresholds_tell_all_scores_apart(radius):
    maps, truths = cracks(100)
    found = ours(maps, truths, radius)
    assert (found.ods, found.ois) == pytest.approx(_reference_ods_ois(maps, truths, radius), abs=1e-12)


@pytest.mark.parametrize("radius", [0, 2])
def test_of_finer_scores_theirs_are_a_little_below(radius):
    maps, truths = cracks(5000)
    found = ours(maps, truths, radius)
    ods, ois = _reference_ods_ois(maps, truths, radius)
    assert ods <= found.ods + 1e-3  # our scores are rounded to half precision
    assert ois <= found.ois + 1e-3
    assert (found.ods, found.ois) == pytest.approx((ods, ois), abs=0.02)
