"""Losses for thin structures that need a map derived from the labels: skeleton recall, and the boundary loss.

Their `skeleton` and `distance` are arguments by name (:data:`losses.arguments.BY_NAME`), which training computes. Both
losses are meant as terms beside another loss: alone the one does not see false positives, and the other trains nothing
on tiles without an edge.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from losses._inputs import check_inputs, check_number, full_precision, working_dtype


def skeleton_recall_loss(
    logits: Tensor,
    target: Tensor,
    valid: Tensor | None = None,
    *,
    skeleton: Tensor,
    radius: int = 2,
    smooth: float = 1.0,
) -> Tensor:
    """One minus the soft recall of the labels' skeletons, a mean over masks.

    loss = mean over masks of 1 - (sum p·s + smooth) / (sum s + smooth)

    with p = sigmoid(logit) and s the skeleton, widened by ``radius`` steps to its four neighbours and kept within the
    labels. Sums run over the valid pixels of the batch. A mask without a skeleton has value and gradient 0.

    Args:
        logits: floating point, shape (N, C, H, W).
        target: labels 0 and 1, the same shape.
        valid: bool, broadcastable to the logits; None = all valid.
        skeleton: bool or numbers 0 and 1, the shape of the logits.
        radius: at least 0, in pixels.
        smooth: above 0, in pixels.

    Returns:
        Scalar in [0, 1].

    Raises:
        TypeError, ValueError: an argument is not as described; the message names it.

    Reference:
        Kirchhoff et al. 2024, Skeleton Recall Loss for Connectivity Conserving and Resource Efficient Segmentation of
        Thin Tubular Structures, section 3 (tubed skeletons, radius 2).

    Example:
        >>> import torch
        >>> logits, target = torch.tensor([[[[2.0, -1.0]]]]), torch.tensor([[[[1, 0]]]])
        >>> round(skeleton_recall_loss(logits, target, skeleton=target, smooth=0.1).item(), 4)
        0.1084
    """
    expanded = check_inputs(logits, target, valid)
    _check_map("skeleton", skeleton, logits)
    smooth = check_number("smooth", smooth, above=0.0)
    dtype = working_dtype(logits)
    tube = skeleton.to(dtype)
    for _ in range(_whole("radius", radius)):
        tube = torch.maximum(F.max_pool2d(tube, (3, 1), 1, (1, 0)), F.max_pool2d(tube, (1, 3), 1, (0, 1)))
    tube = tube * target.to(dtype)
    if expanded is not None:
        tube = tube * expanded
    with full_precision(logits):
        found = (torch.sigmoid(logits.to(dtype)) * tube).sum(dim=(0, 2, 3))
        return (1 - (found + smooth) / (tube.sum(dim=(0, 2, 3)) + smooth)).mean()


def boundary_loss(logits: Tensor, target: Tensor, valid: Tensor | None = None, *, distance: Tensor) -> Tensor:
    """Return the mean over valid pixels of the probability times the signed distance to the labels' edge.

    loss = mean of p·d,  p = sigmoid(logit),  d > 0 outside the labels and at most 0 inside

    Without any valid pixel, value and gradient are 0. Where a mask has no edge in a tile, d is 0.

    Args:
        logits: floating point, shape (N, C, H, W).
        target: labels 0 and 1, the same shape; only ``distance`` is used.
        valid: bool, broadcastable to the logits; None = all valid.
        distance: floating point, the shape of the logits, in pixels.

    Returns:
        Scalar, of either sign.

    Raises:
        TypeError, ValueError: an argument is not as described; the message names it.

    Reference:
        Kervadec et al. 2019, Boundary loss for highly unbalanced segmentation, eq. 5, there beside a Dice loss with a
        weight of .01 that rises as training proceeds.

    Example:
        >>> import torch
        >>> logits, target = torch.tensor([[[[2.0, -1.0]]]]), torch.tensor([[[[1, 0]]]])
        >>> round(boundary_loss(logits, target, distance=torch.tensor([[[[0.0, 1.0]]]])).item(), 4)
        0.1345
    """
    expanded = check_inputs(logits, target, valid)
    _check_map("distance", distance, logits)
    dtype = working_dtype(logits)
    with full_precision(logits):
        cost = torch.sigmoid(logits.to(dtype)) * distance.to(dtype)
        if expanded is None:
            return cost.mean()
        return torch.where(expanded, cost, 0.0).sum() / expanded.sum().clamp(min=1)


class SkeletonRecallLoss(nn.Module):
    """:func:`skeleton_recall_loss` with its hyperparameters, which are checked when it is made.

    Example:
        >>> import torch
        >>> logits, target = torch.tensor([[[[2.0, -1.0]]]]), torch.tensor([[[[1, 0]]]])
        >>> round(SkeletonRecallLoss(smooth=0.1)(logits, target, skeleton=target).item(), 4)
        0.1084
    """

    def __init__(self, *, radius: int = 2, smooth: float = 1.0) -> None:
        super().__init__()
        self.radius = _whole("radius", radius)
        self.smooth = check_number("smooth", smooth, above=0.0)

    def forward(self, logits: Tensor, target: Tensor, valid: Tensor | None = None, *, skeleton: Tensor) -> Tensor:
        """Return the loss, a scalar."""
        return skeleton_recall_loss(logits, target, valid, skeleton=skeleton, radius=self.radius, smooth=self.smooth)

    def extra_repr(self) -> str:
        """Return the hyperparameters."""
        return f"radius={self.radius}, smooth={self.smooth:g}"


class BoundaryLoss(nn.Module):
    """:func:`boundary_loss` as a module.

    Example:
        >>> import torch
        >>> logits, target = torch.tensor([[[[2.0, -1.0]]]]), torch.tensor([[[[1, 0]]]])
        >>> round(BoundaryLoss()(logits, target, distance=torch.tensor([[[[0.0, 1.0]]]])).item(), 4)
        0.1345
    """

    def forward(self, logits: Tensor, target: Tensor, valid: Tensor | None = None, *, distance: Tensor) -> Tensor:
        """Return the loss, a scalar."""
        return boundary_loss(logits, target, valid, distance=distance)


def _check_map(name: str, value: object, logits: Tensor) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a tensor, got {type(value).__name__}")
    if value.shape != logits.shape or value.device != logits.device:
        raise ValueError(
            f"{name} must have shape and device of the logits, {tuple(logits.shape)} on {logits.device}, got "
            f"{tuple(value.shape)} on {value.device}"
        )


def _whole(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{name} must be a whole number of at least 0, got {value!r}")
    return value
