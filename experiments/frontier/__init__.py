"""One run: precision-recall frontiers from score histograms; pixels in, curves and operating points out.

>>> from experiments.frontier import average_precision, from_images, pr_curve
>>> histograms = from_images([[[2.0, -1.0], [0.5, -3.0]]], [[[1, 0], [0, 1]]])
>>> round(average_precision(pr_curve(*histograms.pooled(mask=0))), 3)
0.75
"""

from experiments.frontier.arithmetic import from_pixels, merge
from experiments.frontier.codes import code_to_logit, logit_to_code
from experiments.frontier.curve import PrCurve, average_precision, pr_curve
from experiments.frontier.curve_space.centre_line import CurveErrors, curve_errors, curve_of
from experiments.frontier.from_images import from_images, to_logits
from experiments.frontier.histogram import ScoreHistograms
from experiments.frontier.operating_point import (
    OperatingPoint,
    natural_point,
    operating_point,
    tuned_codes,
    tuned_thresholds,
)

__all__ = [
    "CurveErrors",
    "OperatingPoint",
    "PrCurve",
    "ScoreHistograms",
    "average_precision",
    "code_to_logit",
    "curve_errors",
    "curve_of",
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
