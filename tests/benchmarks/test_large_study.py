"""The study behind the load figures has other scores but the same pixels."""

from __future__ import annotations

import numpy as np

from benchmarks.large_study import shifted
from experiments.frontier.arithmetic import from_pixels
from experiments.frontier.curve import average_precision, pr_curve


def test_shifted_scores_keep_every_count_and_each_images_curve() -> None:
    rng = np.random.default_rng(0)
    logits = 3 * rng.standard_normal((4, 2, 12, 12)).astype(np.float32)
    logits[3] = 65504.0  # at the end of the codes: nowhere to go up
    labels = rng.random(logits.shape) < 0.2
    names = [str(image) for image in range(4)]
    rows = from_pixels(("a", "b"), names, names, logits.reshape(4, 2, -1), labels.reshape(4, 2, -1))
    other = shifted(rows, rng, spread=50.0)
    assert not np.array_equal(other.bins, rows.bins)
    for image in range(4):
        for mask in range(2):
            (bins, *counts), (before, *same) = other.row(image, mask), rows.row(image, mask)
            assert len(set(bins.astype(int) - before.astype(int))) == 1
            assert all(np.array_equal(x, y) for x, y in zip(counts, same, strict=True))
    pooled = [average_precision(pr_curve(*each.pooled(0))) for each in (rows, other)]
    assert pooled[0] != pooled[1]
