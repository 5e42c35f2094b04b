"""The two sums over pixels that the losses are made of, each with its analytic gradient.

Both go through the pixels block by block, so that a pass forward and back reads logits and labels from the cache and
holds one tensor of the size of the logits, which is filled on the way forward and handed over as the gradient on the
way back; autograd on the formula holds several. Neither can be differentiated twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from losses._pixels import (
    Block,
    blocks,
    by_label,
    read_labels,
    read_wrong_logits,
    working_dtype,
)


class PixelSum(torch.autograd.Function):
    """Sum over pixels of a(t) · q^gamma · softplus(z), where q = sigmoid(z) and z is the wrong answer's logit.

    Its derivative by z is a(t) · q^gamma · (q + gamma · (1 − q) · softplus(z)): no power below gamma appears, so it
    is finite at q = 0 for every gamma, and dz/dx is ±1. It is taken on the way forward, where z and q are at hand.
    """

    @staticmethod
    def forward(
        ctx: Any,
        logits: Tensor,
        target: Tensor,
        valid: Tensor | None,
        gamma: float,
        weights: list[tuple[float, float]],
    ) -> Tensor:
        ctx.save_for_backward(logits, target, valid)
        ctx.gamma, ctx.weights, ctx.logits_dtype = gamma, weights, logits.dtype
        total, ctx.slope = _sum_and_slope(logits, target, valid, gamma, weights, with_slope=ctx.needs_input_grad[0])
        return total

    @staticmethod
    def backward(ctx: Any, grad_total: Tensor) -> tuple[Tensor, None, None, None, None]:
        _refuse_second_derivative()
        slope, ctx.slope = ctx.slope, None  # handed over, so that it can become the gradient where it lies
        if slope is None:  # a second way back through a graph that was retained
            logits, target, valid = ctx.saved_tensors
            slope = _sum_and_slope(logits, target, valid, ctx.gamma, ctx.weights, with_slope=True)[1]
        return slope.mul_(grad_total).to(ctx.logits_dtype), None, None, None, None


def _sum_and_slope(
    logits: Tensor,
    target: Tensor,
    valid: Tensor | None,
    gamma: float,
    weights: list[tuple[float, float]],
    *,
    with_slope: bool,
) -> tuple[Tensor, Tensor | None]:
    """Return the sum of :class:`PixelSum` and, if asked for, its derivative by every logit."""
    dtype = working_dtype(logits)
    slopes = logits.new_empty(logits.shape, dtype=dtype) if with_slope else None
    sums = []
    for block, (positive, negative) in _blocks_with_weights(logits, weights):
        labels = read_labels(target, valid, block, dtype)
        z = read_wrong_logits(logits, labels, valid, block)
        slope = q = torch.sigmoid(z, out=None if slopes is None else slopes[block])
        if gamma == 0 and positive == negative == 1.0:
            sums.append(_sum_of_softplus(z, q))
        else:
            loss = _softplus(z, q)
            if gamma > 0:
                focus = q.pow(gamma)
                slope = (1.0 - q).mul_(loss).mul_(gamma).add_(q).mul_(focus)
                loss *= focus
            if not positive == negative == 1.0:
                weight = by_label(labels, negative=negative, positive=positive)
                slope *= weight
                loss *= weight
            sums.append(loss.sum())
        if slopes is not None:
            torch.addcmul(slope, slope, labels, value=-2.0, out=q)  # times dz/dx
    return torch.stack(sums).sum(), slopes


def _softplus(z: Tensor, q: Tensor) -> Tensor:
    """Return ln(1 + e^z), given q = sigmoid(z), as max(z, 0) − ln(1 − min(q, 1 − q)); overwrites z.

    No digit is lost at either end, and it takes half the time of torch's own, which has no q to start from.
    """
    return z.clamp_min_(0.0).sub_(_at_most_half(q).neg_().log1p_())


def _sum_of_softplus(z: Tensor, q: Tensor) -> Tensor:
    """Return the sum of :func:`_softplus` with one logarithm for four pixels, because logarithms are what is slow.

    (1 − a)(1 − b) = 1 − (a + b − a·b) keeps the digits of a small a and b; and as four factors of at least one half
    make one sixteenth at least, none are lost to the 1 either. Overwrites z.
    """
    rarer = _at_most_half(q).flatten()
    if rarer.numel() % 4 == 0:
        for _ in range(2):
            a, b = rarer.chunk(2)
            rarer = a.addcmul_(a, b, value=-1.0).add_(b)
    return z.clamp_min_(0.0).sum().sub_(rarer.neg_().log1p_().sum())


def _at_most_half(q: Tensor) -> Tensor:
    """Return min(q, 1 − q), in a new tensor."""
    other = 1.0 - q
    return torch.minimum(q, other, out=other)


def _refuse_second_derivative() -> None:
    # torch's once_differentiable would hand out a gradient that is silently cut off from the logits.
    if torch.is_grad_enabled():
        raise RuntimeError("this loss can be differentiated once only, so create_graph=True is not supported")


def _blocks_with_weights(
    pixels: Tensor, weights: list[tuple[float, float]]
) -> Iterator[tuple[Block, tuple[float, float]]]:
    """Yield each block with its (positive, negative) weight; a block spans all masks when they share one."""
    one_mask = len(set(weights)) > 1
    for block in blocks(pixels, one_mask=one_mask):
        yield block, weights[block[1].start]


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
        slope_negative, slope_positive = grad_fp[..., None, None], -grad_fn[..., None, None]
        for block in blocks(wrong):
            labels = read_labels(target, valid, block, wrong.dtype, known=True)
            slope = by_label(labels, negative=slope_negative[block[:2]], positive=slope_positive[block[:2]])
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
    for block in blocks(logits):
        labels = read_labels(target, valid, block, dtype)
        z = read_wrong_logits(logits, labels, valid, block)
        q = torch.sigmoid(z, out=None if kept is None else kept[block])
        rows = block[:2]  # of the three tables
        wrong[rows].add_(q.sum((-2, -1)))
        missed[rows].add_(torch.mul(q, labels, out=z).sum((-2, -1)))
        positives[rows].add_(labels.sum((-2, -1)))
    # Both sums are rounded, so that their difference could come out just below 0.
    return ((wrong - missed).clamp_min_(0.0), missed, positives), kept
