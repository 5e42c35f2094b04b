"""Objectives for segmentation with rare positives: ``loss(logits, target, valid=None) -> scalar``.

Logits have shape (N, C, H, W), one channel per mask. The losses compute in float32 whatever the precision of training.
The modules hold hyperparameters, the functions the formulas. They need torch; on a CPU they use loops compiled by numba
where it is installed.
"""

from losses.combined import CombinedLoss, accepts_valid, apply_criterion
from losses.overlap import (
    DiceLoss,
    FocalTverskyLoss,
    TverskyLoss,
    dice_loss,
    focal_tversky_loss,
    tversky_loss,
)
from losses.pixelwise import FocalLoss, WeightedBCELoss, focal_loss, weighted_bce_loss

__all__ = [
    "CombinedLoss",
    "DiceLoss",
    "FocalLoss",
    "FocalTverskyLoss",
    "TverskyLoss",
    "WeightedBCELoss",
    "accepts_valid",
    "apply_criterion",
    "dice_loss",
    "focal_loss",
    "focal_tversky_loss",
    "tversky_loss",
    "weighted_bce_loss",
]
