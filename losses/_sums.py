"""The two sums over pixels that the losses are made of, each with its analytic gradient.

Both go through the pixels block by block, so that a pass forward and back reads logits and labels from the cache and
holds one tensor of the size of the logits, which is filled on the way forward and handed over as the gradient on the
way back; autograd on the formula holds several. Neither can be differentiated twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from losses._pixels import (
    blocks,
    read_labels,
    read_wrong_logits,
    scratch_like,
    shaped_as,
    working_dtype,
)


class PixelSum(torch.autograd.Function):
    """Sum over pixels of a(t) · q^gamma · softplus(z), where q = sigmoid(z) and z is the wrong answer's logit.

    a(t) is the positive weight of the mask where t = 1, and 1 where t = 0. The derivative by z is
    a(t) · q^gamma · (q + gamma · (1 − q) · softplus(z)): no power below gamma appears, so it is finite at q = 0 for
    every gamma, and dz/dx is ±1. It is taken on the way forward, where z and q are at hand.
    """

    @staticmethod
    def forward(
        ctx: Any,
        logits: Tensor,
        target: Tensor,
        valid: Tensor | None,
        gamma: float,
        pos_weights: Sequence[float],
    ) -> Tensor:
        ctx.save_for_backward(logits, target, valid)
        ctx.gamma, ctx.pos_weights, ctx.logits_dtype = gamma, pos_weights, logits.dtype
        total, ctx.slope = _sum_and_slope(logits, target, valid, gamma, pos_weights, with_slope=ctx.needs_input_grad[0])
        return total

    @staticmethod
    def backward(ctx: Any, grad_total: Tensor) -> tuple[Tensor, None, None, None, None]:
        _refuse_second_derivative()
        slope, ctx.slope = ctx.slope, None  # handed over, so that it can become the gradient where it lies
        if slope is None:  # a second way back through a graph that was retained
            logits, target, valid = ctx.saved_tensors
            slope = _sum_and_slope(logits, target, valid, ctx.gamma, ctx.pos_weights, with_slope=True)[1]
        return slope.mul_(grad_total).to(ctx.logits_dtype), None, None, None, None


def _sum_and_slope(
    logits: Tensor,
    target: Tensor,
    valid: Tensor | None,
    gamma: float,
    pos_weights: Sequence[float],
    *,
    with_slope: bool,
) -> tuple[Tensor, Tensor | None]:
    """Return the sum of :class:`PixelSum` and, if asked for, its derivative by every logit."""
    dtype = working_dtype(logits)
    slopes = logits.new_empty(logits.shape, dtype=dtype) if with_slope else None
    first, second = scratch_like(logits, dtype), scratch_like(logits, dtype)
    third = second if gamma == 0 and set(pos_weights) == {1.0} else scratch_like(logits, dtype)
    one = torch.ones((), dtype=dtype, device=logits.device)
    sums = []
    for block in blocks(logits, one_mask=len(set(pos_weights)) > 1):
        pos_weight = pos_weights[block[1].start]
        labels = read_labels(target, valid, block, first)
        z = read_wrong_logits(logits, labels, valid, block, first)
        slope = q = torch.sigmoid(z, out=None if slopes is None else slopes[block])
        other = torch.sub(one, q, out=shaped_as(second, q))
        if gamma == 0 and pos_weight == 1.0:
            sums.append(_sum_of_softplus(z, torch.minimum(q, other, out=other)))
        else:
            factor = shaped_as(third, q)
            loss = _softplus(z, torch.minimum(q, other, out=factor))
            if gamma > 0:
                torch.pow(q, gamma, out=factor)
                slope = torch.addcmul(q, other, loss, value=gamma, out=other).mul_(factor)
                if pos_weight != 1.0:
                    factor.addcmul_(factor, labels, value=pos_weight - 1.0)
            else:
                torch.add(one, labels, alpha=pos_weight - 1.0, out=factor)
            sums.append(torch.dot(loss.view(-1), factor.view(-1)))
        if slopes is not None:
            torch.addcmul(slope, slope, labels, value=-1.0 - pos_weight, out=q)  # times a(t) · dz/dx
    return torch.stack(sums).sum(), slopes


def _softplus(z: Tensor, rarer: Tensor) -> Tensor:
    """Return ln(1 + e^z) as max(z, 0) − ln(1 − r), given r = min(q, 1 − q) and q = sigmoid(z); overwrites both.

    No digit is lost at either end, and it takes half the time of torch's own, which has no q to start from.
    """
    return z.clamp_min_(0.0).sub_(rarer.neg_().log1p_())


def _sum_of_softplus(z: Tensor, rarer: Tensor) -> Tensor:
    """Return the sum of :func:`_softplus` with one logarithm for four pixels, because logarithms are what is slow.

    (1 − a)(1 − b) = 1 − (a + b − a·b) keeps the digits of a small a and b; and as four factors of at least one half
    make one sixteenth at least, none are lost to the 1 either. Overwrites both.
    """
    rarer = rarer.view(-1)
    if rarer.numel() % 4 == 0:
        for _ in range(2):
            a, b = rarer.chunk(2)
            rarer = a.addcmul_(a, b, value=-1.0).add_(b)
    return z.clamp_min_(0.0).sum().sub_(rarer.neg_().log1p_().sum())


def _refuse_second_derivative() -> None:
    # torch's once_differentiable would hand out a gradient that is silently cut off from the logits.
    if torch.is_grad_enabled():
        raise RuntimeError("this loss can be differentiated once only, so create_graph=True is not supported")


class SoftCounts(torch.autograd.Function):
    """False positives Σ p·(1 − t), false negatives Σ (1 − p)·t and positives Σ t, each of shape (N, C).

    With q the probability given to the wrong answer, the first two are the sums of q over the negative and over the
    positive labels, free of cancellation; their derivatives by the logit are q·(1 − q) and −q·(1 − q). So q is kept.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        ctx.save_for_backward(logits, target, valid)
        ctx.logits_dtype = logits.dtype
        counts, ctx.wrong = _soft_counts(logits, target, valid, keep=ctx.needs_input_grad[0])
        ctx.mark_non_differentiable(counts[2])
        return counts

    @staticmethod
    def backward(ctx: Any, grad_fp: Tensor, grad_fn: Tensor, _: Tensor | None) -> tuple[Tensor, None, None]:
        _refuse_second_derivative()
        logits, target, valid = ctx.saved_tensors
        wrong, ctx.wrong = ctx.wrong, None  # handed over, so that it can become the gradient where it lies
        if wrong is None:  # a second way back through a graph that was retained
            wrong = _soft_counts(logits, target, valid, keep=True)[1]
        scratch = scratch_like(wrong, wrong.dtype)
        of_negative, of_positive = grad_fp[..., None, None], -grad_fn[..., None, None]
        difference = of_positive - of_negative
        for block in blocks(wrong):
            labels = read_labels(target, valid, block, scratch, known=True)
            slope = shaped_as(scratch, labels)
            torch.addcmul(of_negative[block[:2]], difference[block[:2]], labels, out=slope)
            q = wrong[block]
            torch.ops.aten.sigmoid_backward.grad_input(slope, q, grad_input=q)  # slope · q · (1 − q)
        return wrong.to(ctx.logits_dtype), None, None


def _soft_counts(
    logits: Tensor, target: Tensor, valid: Tensor | None, *, keep: bool
) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor | None]:
    """Return the counts of :class:`SoftCounts` and, to be kept, every pixel's probability of the wrong answer."""
    dtype = working_dtype(logits)
    kept = logits.new_empty(logits.shape, dtype=dtype) if keep else None
    wrong, missed, positives = (logits.new_zeros(logits.shape[:2], dtype=dtype) for _ in range(3))
    scratch = scratch_like(logits, dtype)
    for block in blocks(logits):
        labels = read_labels(target, valid, block, scratch)
        z = read_wrong_logits(logits, labels, valid, block, scratch)
        q = torch.sigmoid(z, out=None if kept is None else kept[block])
        rows = block[:2]  # of the three tables
        wrong[rows].add_(q.sum((-2, -1)))
        missed[rows].add_(torch.mul(q, labels, out=z).sum((-2, -1)))
        positives[rows].add_(labels.sum((-2, -1)))
    # Both sums are rounded, so that their difference could come out just below 0.
    return ((wrong - missed).clamp_min_(0.0), missed, positives), kept
