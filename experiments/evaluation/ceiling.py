"""The ceiling: if each pixel's true probability is known, no model can rank pixels better than it does."""

from __future__ import annotations

import numpy as np

from experiments.data.split import SegmentationData
from experiments.evaluation.histogram_builder import ScoreHistogramBuilder
from experiments.frontier.from_images import to_logits
from experiments.frontier.histogram import ScoreHistograms


def score_ceiling(data: SegmentationData) -> ScoreHistograms | None:
    """Histogram ln(eta / (1 - eta)) over the test pixels, as if it were a model's logit.

    Pixels that are certainly negative or positive (eta 0 or 1) get the lowest or highest score.

    Returns:
        The histograms of the test split; None if the data do not know eta.
    """
    if data.eta is None:
        return None
    builder = ScoreHistogramBuilder(data.masks)
    test = data.test
    for index, (image, group) in enumerate(zip(test.image_ids, test.group_ids, strict=True)):
        logits = to_logits(data.eta[index])
        sample = test.samples[index]
        builder.add(image, group, logits.astype(np.float32), sample.target, sample.valid)
    return builder.build()
