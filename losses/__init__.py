"""Objectives for segmentation with rare positives: ``loss(logits, target, valid=None) -> scalar``.

Logits in, shape (N, C, H, W), one channel per mask; always computed in float32. The modules hold hyperparameters;
the functions hold the formulas. They need torch; on a CPU they take loops compiled by numba where it is installed.
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
