"""The sums over pixels that the losses consist of, each with the slope of every pixel.

On a CPU, loops compiled by numba do the work (:mod:`losses._planes`). torch's own operations do it on an accelerator,
for float64, under torch.compile, and where numba is not installed.

Formulas use z, the logit of the *wrong* answer: z = x where the label is 0, and −x where it is 1. With q = sigmoid(z),
the probability of the wrong answer, no sum here suffers from cancellation.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from losses._inputs import check_labels, is_free_to_read, working_dtype

_SURE = 1e6  # at this loss q is 1 and (1 − q) · loss is 0; the cap keeps it 0 for an infinite loss
Table = Any  # one number per image and mask, in numpy or torch


def pixel_mean(
    logits: Tensor,
    target: Tensor,
    valid: Tensor | None,
    *,
    gamma: float,
    pos_weights: Sequence[float],
    factor: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """Return factor · mean over valid pixels of a(t) · q^gamma · softplus(z), and its derivative by each logit.

    a(t) is the positive weight of the mask where t = 1, and 1 where t = 0. The derivative by z is
    a(t) · q^gamma · (q + gamma · (1 − q) · softplus(z)). It holds no power below gamma, so it is finite at q = 0 for
    every gamma. Without a valid pixel the mean is 0.
    """
    count = logits.numel() if valid is None else torch.count_nonzero(valid).clamp_min(1)
    if (kernels := _kernels_for(logits)) is not None:
        slope = torch.empty(logits.shape, dtype=torch.float32, device=logits.device)
        scale = factor / int(count)
        total, excess = kernels.pixel_sum(
            *_as_planes(logits, target, valid),
            weights=np.tile(np.array(pos_weights, np.float32), len(logits)),
            gamma=gamma,
            scale=scale,
            slope=_flat(slope),
            threads=torch.get_num_threads(),
        )
        if excess != 0:
            _refuse_labels(target, valid)
        return torch.tensor(scale * total, dtype=torch.float32, device=logits.device), slope
    labels, z = _labels_and_wrong_logits(logits, target, valid)
    q, loss = torch.sigmoid(z), z.clamp_min(0.0) + torch.log1p(torch.exp(-z.abs()))
    slope, weight = q, torch.full_like(q, factor)
    if set(pos_weights) != {1.0}:
        # Filled on the device: building the tensor from a list would synchronise.
        of_positive = torch.stack([z.new_full((), pos_weight) for pos_weight in pos_weights])[:, None, None]
        weight = factor * torch.where(labels > 0, of_positive, 1.0)
    if gamma > 0:
        weight = weight * q**gamma
        slope = q + gamma * (1 - q) * loss.clamp_max(_SURE)
    return (_sum(weight * loss) / count).to(z.dtype), slope * weight * (1 - 2 * labels) / count


def soft_counts(logits: Tensor, target: Tensor, valid: Tensor | None) -> tuple[Table, Tensor]:
    """Return false positives Σ p·(1 − t), false negatives Σ (1 − p)·t and positives Σ t, and the slope of every pixel.

    The first two are the sums of q over the negative and over the positive labels; their derivatives by the logit are
    q·(1 − q) and −q·(1 − q).

    Returns:
        Counts of shape (3, N, C), a numpy array where the kernels count, because numpy is faster on so few numbers; and
        (1 − 2t) · q · (1 − q), whose sign tells the label, for :func:`weigh_slopes`.
    """
    if (kernels := _kernels_for(logits)) is not None:
        slope = torch.empty(logits.shape, dtype=torch.float32, device=logits.device)
        planes = _as_planes(logits, target, valid)
        counts, excess = kernels.soft_counts(*planes, slope=_flat(slope), threads=torch.get_num_threads())
        if excess != 0:
            _refuse_labels(target, valid)
        return counts.T.reshape(3, *logits.shape[:2]), slope
    labels, z = _labels_and_wrong_logits(logits, target, valid)
    q = torch.sigmoid(z)
    slope = q * torch.sigmoid(-z) * (1 - 2 * labels)
    return torch.stack([_sum(part, (-2, -1)).to(z.dtype) for part in (q * (1 - labels), q * labels, labels)]), slope


def weigh_slopes(slope: Tensor, of_false_positives: Table, of_false_negatives: Table) -> None:
    """Multiply the slopes of :func:`soft_counts`, in place, by the loss's derivative by the count each belongs to.

    Args:
        slope: shape (N, C, H, W), contiguous.
        of_false_positives: shape (N, C) or (C,), numpy or torch as the counts are.
        of_false_negatives: likewise.
    """
    if (kernels := _kernels_for(slope)) is not None:
        of_planes = np.empty((2, *slope.shape[:2]), np.float32)
        of_planes[0], of_planes[1] = of_false_positives, of_false_negatives
        kernels.weigh_slopes(_flat(slope), *of_planes.reshape(2, -1), threads=torch.get_num_threads())
        return
    slope *= torch.where(slope > 0, of_false_positives[..., None, None], of_false_negatives[..., None, None])


def _refuse_labels(target: Tensor, valid: Tensor | None) -> None:
    check_labels(target, valid)
    raise ValueError("target is bool, but of bytes other than 0 and 1, as a view of a mask of 255 is; give mask != 0")


@cache
def _compiled_kernels() -> ModuleType | None:
    try:
        from losses import _planes  # numba takes a third of a second to import, and a GPU does not need it
    except ModuleNotFoundError:
        return None
    except ImportError as error:
        warnings.warn(f"losses: numba cannot be used, torch's slower operations are: {error}", stacklevel=2)
        return None
    return _planes


def _kernels_for(pixels: Tensor) -> ModuleType | None:
    return _compiled_kernels() if is_free_to_read(pixels) and pixels.dtype != torch.float64 else None


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


def _sum(pixels: Tensor, axes: tuple[int, ...] | None = None) -> Tensor:
    """Sum in float64, so that rounding does not depend on how a device splits the sum; Metal has no float64."""
    return pixels.sum(axes, dtype=torch.float32 if pixels.device.type == "mps" else torch.float64)


def _labels_and_wrong_logits(logits: Tensor, target: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return labels and z. Ignored pixels get label 0 and z = −∞, where every slope is 0."""
    check_labels(target, valid)
    dtype = working_dtype(logits)
    labels = target.to(dtype)
    z = logits.to(dtype) * (1 - 2 * labels)
    if valid is None:
        return labels, z
    return labels.masked_fill(~valid, 0.0), z.masked_fill(~valid, -math.inf)
