"""Precision-recall frontiers from score histograms: pixels in, curves and operating points of one run out.

>>> from experiments.frontier import average_precision, from_images, pr_curve
>>> histograms = from_images([[[2.0, -1.0], [0.5, -3.0]]], [[[1, 0], [0, 1]]])
>>> round(average_precision(pr_curve(*histograms.pooled(mask=0))), 3)
0.75
"""

from experiments.frontier.from_images import from_images, to_logits
from experiments.frontier.histogram_sums import from_pixels, merge
from experiments.frontier.operating_point import (
    OperatingPoint,
    natural_point,
    operating_point,
    tuned_codes,
    tuned_thresholds,
)
from experiments.frontier.pr_curve import PrCurve, average_precision, pr_curve
from experiments.frontier.score_codes import code_to_logit, logit_to_code
from experiments.frontier.score_histogram import ScoreHistograms

__all__ = [
    "OperatingPoint",
    "PrCurve",
    "ScoreHistograms",
    "average_precision",
    "code_to_logit",
    "from_images",
    "from_pixels",
    "logit_to_code",
    "merge",
    "natural_point",
    "operating_point",
    "pr_curve",
    "to_logits",
    "tuned_codes",
    "tuned_thresholds",
]
