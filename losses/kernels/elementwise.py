"""Values and slopes by torch's own operations, in as few passes over the pixels as they allow: for accelerators.

An eager operation on a GPU is a kernel that reads and writes all pixels, and takes the host about as long to start as
a batch of tiles takes the device. So what counts is their number; `tests/losses/test_kernel_counts.py` bounds it. The
least that any code can do is read logits and labels once and write the gradient once: one kernel for a mean over
pixels, two for an overlap, whose slopes need all counts first.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from losses import formulas
from losses._inputs import check_labels, summing_dtype, working_dtype
from losses.kernels.autograd import Scaling

_SURE = 1e6  # at this loss q is 1 and (1 − q) · loss is 0; the cap keeps it 0 for an infinite loss


def pixel_mean(
    logits: Tensor, target: Tensor, valid: Tensor | None, *, gamma: float, pos_weights: Sequence[float], factor: float
) -> tuple[Tensor, Tensor, Scaling]:
    """See :func:`losses.formulas.pixel_mean`.

    The derivative by z is a(t) · q^gamma · (q + gamma · (1 − q) · softplus(z)). It holds no power below gamma, so it is
    finite at q = 0 for every gamma.
    """
    positive, sign, z = _signs_and_wrong_logits(logits, target, valid)
    loss = formulas.softplus(z)
    if gamma > 0:
        q = torch.sigmoid(z)
        power = q**gamma
        slope = torch.addcmul(q, 1 - q, loss.clamp_max(_SURE), value=gamma).mul_(power).mul_(sign)
        loss.mul_(power)
    else:
        slope = _times_sigmoid(sign, z)
    if set(pos_weights) != {1.0}:
        weight = _weights(positive, pos_weights, z)
        loss.mul_(weight)
        slope.mul_(weight)
    # The mean's divisor goes into the pass that the backward pass makes in any case.
    scale = factor / loss.numel() if valid is None else factor / valid.sum(dtype=summing_dtype(z)).clamp_min(1)
    value = (loss.sum(dtype=summing_dtype(z)) * scale).to(z.dtype)
    return value, slope, lambda slope, grad_value: slope.mul_(grad_value * scale)


def soft_counts(logits: Tensor, target: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Count Σ q where t = 0, Σ q where t = 1 and Σ t of every image and mask.

    Returns:
        The counts, (3, N, C); q · (1 − q), with its digits where q is next to 1; and where labels are positive.
    """
    positive, _, z = _signs_and_wrong_logits(logits, target, valid)
    q = torch.sigmoid(z)
    slope = _times_sigmoid(q, z.neg_())
    missed = q * positive
    sums = [part.sum((-2, -1), dtype=summing_dtype(z)) for part in (q.sub_(missed), missed, positive)]
    return torch.stack(sums), slope, positive


def _signs_and_wrong_logits(logits: Tensor, target: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Return where labels are positive, the sign that labels give to slopes (1 − 2t), and z."""
    check_labels(target, valid)
    positive = target if target.dtype == torch.bool else target != 0
    # The 1 is on the host and goes to the kernel as an argument.
    sign = torch.add(torch.ones((), dtype=working_dtype(logits)), positive, alpha=-2)
    z = logits * sign
    if valid is None:
        return positive, sign, z
    return positive & valid, sign, z.masked_fill_(~valid, -torch.inf)


def _weights(positive: Tensor, pos_weights: Sequence[float], z: Tensor) -> Tensor:
    # Not 1 + (weight − 1), which would round a small weight away.
    few = pos_weights[:1] if len(set(pos_weights)) == 1 else pos_weights
    return torch.where(positive, formulas.per_mask(few, z), z.new_ones(()))


def _times_sigmoid(factor: Tensor, z: Tensor) -> Tensor:
    """Return factor · sigmoid(z) by one kernel: the chain rule through softplus."""
    return torch.ops.aten.softplus_backward(factor, z, 1.0, 40.0)
