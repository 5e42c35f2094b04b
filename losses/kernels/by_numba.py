"""Values and slopes by numba's loops over the pixels of a CPU: brings tensors to :mod:`losses.kernels.planes`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from losses._inputs import check_labels
from losses.kernels import planes
from losses.kernels.autograd import Scaling, times


def pixel_mean(
    logits: Tensor, target: Tensor, valid: Tensor | None, *, gamma: float, pos_weights: Sequence[float], factor: float
) -> tuple[Tensor, Tensor, Scaling]:
    """See :func:`losses.formulas.pixel_mean`; the slope is the gradient."""
    count = logits.numel() if valid is None else int(torch.count_nonzero(valid).clamp_min(1))
    slope = torch.empty(logits.shape, dtype=torch.float32)
    scale = factor / count
    total, excess = planes.pixel_sum(
        *_as_planes(logits, target, valid),
        weights=np.tile(np.array(pos_weights, np.float32), len(logits)),
        gamma=gamma,
        scale=scale,
        slope=_flat(slope),
        threads=torch.get_num_threads(),
    )
    if excess != 0:
        _refuse_labels(target, valid)
    return torch.tensor(scale * total, dtype=torch.float32), slope, times


def soft_counts(logits: Tensor, target: Tensor, valid: Tensor | None) -> tuple[NDArray[np.float64], Tensor]:
    """Count Σ q where t = 0, Σ q where t = 1 and Σ t of every image and mask.

    Returns:
        The counts, (3, N, C), in numpy, which is faster on so few numbers; and (1 − 2t) · q · (1 − q), whose sign tells
        the label, for :func:`weigh_slopes`.
    """
    slope = torch.empty(logits.shape, dtype=torch.float32)
    counts, excess = planes.soft_counts(
        *_as_planes(logits, target, valid), slope=_flat(slope), threads=torch.get_num_threads()
    )
    if excess != 0:
        _refuse_labels(target, valid)
    return counts.T.reshape(3, *logits.shape[:2]), slope


def weigh_slopes(
    slope: Tensor, of_false_positives: NDArray[np.float64], of_false_negatives: NDArray[np.float64]
) -> None:
    """Multiply the slopes of :func:`soft_counts`, in place, by the loss's derivative by the count each belongs to.

    Args:
        slope: shape (N, C, H, W), contiguous.
        of_false_positives: shape (N, C) or (C,).
        of_false_negatives: likewise.
    """
    of_planes = np.empty((2, *slope.shape[:2]), np.float32)
    of_planes[0], of_planes[1] = of_false_positives, of_false_negatives
    planes.weigh_slopes(_flat(slope), *of_planes.reshape(2, -1), threads=torch.get_num_threads())


def _refuse_labels(target: Tensor, valid: Tensor | None) -> None:
    check_labels(target, valid)
    raise ValueError("target is bool, but of bytes other than 0 and 1, as a view of a mask of 255 is; give mask != 0")


def _as_planes(
    logits: Tensor, target: Tensor, valid: Tensor | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Return what the kernels take: float32 logits, uint8 or float32 labels, and `valid` as bytes."""
    if target.dtype == torch.bool:
        target = target.contiguous().view(torch.uint8)
    elif target.dtype not in (torch.uint8, torch.float32):
        check_labels(target, valid)
        target = (target != 0).view(torch.uint8)
    return (
        _flat(logits.detach().to(torch.float32).contiguous()),
        _flat(target.contiguous()),
        None if valid is None else _flat(valid.contiguous().view(torch.uint8)),
    )


def _flat(pixels: Tensor) -> np.ndarray:
    """Return contiguous pixels as an array (planes, pixels) on the same memory."""
    return pixels.numpy().reshape(-1, pixels.shape[2] * pixels.shape[3])
