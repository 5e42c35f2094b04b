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
from losses.ranking import AveragePrecisionLoss, average_precision_loss
from losses.thin import BoundaryLoss, SkeletonRecallLoss, boundary_loss, skeleton_recall_loss

__all__ = [
    "AveragePrecisionLoss",
    "BoundaryLoss",
    "CombinedLoss",
    "DiceLoss",
    "FocalLoss",
    "FocalTverskyLoss",
    "SkeletonRecallLoss",
    "TverskyLoss",
    "WeightedBCELoss",
    "accepts_valid",
    "apply_criterion",
    "average_precision_loss",
    "boundary_loss",
    "dice_loss",
    "focal_loss",
    "focal_tversky_loss",
    "skeleton_recall_loss",
    "tversky_loss",
    "weighted_bce_loss",
]
