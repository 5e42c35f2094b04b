"""The formulas of the cross-entropy, focal and overlap losses, in plain torch: what their fast kernels compute.

Everything is written in z, the logit of the *wrong* answer: z = x where the label is 0, and −x where it is 1. Then
q = sigmoid(z) is the probability of the wrong answer, softplus(z) = −ln(1 − q), and no sum suffers from cancellation.
An ignored pixel has z = −∞, where every loss and its slope are 0.

Under torch.compile these functions are the losses: the compiler fuses them with each other and with their gradients.
Elsewhere :mod:`losses.kernels` computes the same values, and the gradients with them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from losses._inputs import summing_dtype, working_dtype


def wrong_logits(logits: Tensor, target: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return where labels are positive, and z."""
    positive = target != 0
    x = logits.to(working_dtype(logits))
    z = torch.where(positive, -x, x)
    return (positive, z) if valid is None else (positive & valid, z.masked_fill(~valid, -math.inf))


def pixel_mean(
    logits: Tensor, target: Tensor, valid: Tensor | None, *, gamma: float, pos_weights: Sequence[float], factor: float
) -> Tensor:
    """Factor · mean over valid pixels of a(t) · q^gamma · softplus(z),  a(1) = the mask's positive weight,  a(0) = 1.

    gamma 0 is weighted cross-entropy, any other the focal loss. Without a valid pixel the mean is 0.
    """
    positive, z = wrong_logits(logits, target, valid)
    loss = softplus(z)
    if gamma > 0:
        loss = loss * torch.exp(-gamma * softplus(-z))  # q^gamma, with a finite slope at q = 0 for every gamma
    if set(pos_weights) != {1.0}:
        loss = torch.where(positive, per_mask(pos_weights, z) * loss, loss)
    count = z.numel() if valid is None else valid.sum().clamp_min(1)
    return factor * (loss.sum(dtype=summing_dtype(z)) / count).to(z.dtype)


def overlap_mean(
    logits: Tensor,
    target: Tensor,
    valid: Tensor | None,
    *,
    fp_weight: float,
    fn_weight: float,
    gamma: float,
    smooth: float,
    per_image: bool,
) -> Tensor:
    """Mean over masks of (1 − TI)^(1/gamma),  1 − TI = (fp_weight · FP + fn_weight · FN) / (TP + the same + smooth).

    FP = Σ q where t = 0,  FN = Σ q where t = 1,  TP = Σ t − FN. Weights of one half and gamma 1 are Dice.
    """
    positive, z = wrong_logits(logits, target, valid)
    q = torch.exp(-softplus(-z))  # sigmoid(z), with a slope that keeps its digits where q is next to 1
    axes, dtype = (2, 3) if per_image else (0, 2, 3), summing_dtype(z)
    false_positives = torch.where(positive, 0.0, q).sum(axes, dtype=dtype)
    false_negatives = torch.where(positive, q, 0.0).sum(axes, dtype=dtype)
    true_positives = positive.sum(axes, dtype=dtype) - false_negatives
    cost = fp_weight * false_positives + fn_weight * false_negatives
    shortfall = cost / (true_positives + cost + smooth)
    if gamma != 1.0:  # u^(1/gamma), as u · u^(1/gamma − 1) with a finite second factor: its slope at u = 0 is finite
        shortfall = shortfall * shortfall.clamp_min(least_shortfall(z.dtype)) ** (1.0 / gamma - 1.0)
    return (shortfall.mean() if valid is None else (share_of_mean(valid, shortfall) * shortfall).sum()).to(z.dtype)


def softplus(z: Tensor) -> Tensor:
    """ln(1 + e^z), by its own slope right up to z = 40, above which it is z in float64 too."""
    return F.softplus(z, threshold=40.0)


def per_mask(values: Sequence[float], like: Tensor) -> Tensor:
    """Return (C, 1, 1) filled on the device: building a tensor from a list would synchronise."""
    return torch.stack([like.new_full((), value) for value in values])[:, None, None]


def least_shortfall(dtype: torch.dtype) -> float:
    """Return the 1 − TI below which its power is a straight line, so that a slope of about 0 stays finite."""
    return float(torch.finfo(dtype).tiny) ** 0.5


def share_of_mean(valid: Tensor, like: Tensor) -> Tensor:
    """Return each mask's share in the mean, (C,), or each image's and mask's, (N, C): 0 without a valid pixel."""
    seen = valid.any(-1).any(-1)
    seen = seen.any(0) if like.ndim == 1 else seen
    return seen.to(like.dtype) / seen.sum().clamp_min(1)
