"""The two sums over pixels that the losses are made of, each with its analytic gradient.

Both go through the pixels block by block, so that a pass forward and back holds one or two tensors of the size of
the logits, the gradient included, where autograd on the formula holds several. Neither can be differentiated twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from losses._pixels import (
    Block,
    blocks,
    by_label,
    full_precision,
    read_labels,
    read_wrong_logits,
    working_dtype,
)


class PixelSum(torch.autograd.Function):
    """Sum over pixels of a(t) · q^gamma · softplus(z), where q = sigmoid(z) and z is the wrong answer's logit.

    Its derivative by z is a(t) · q^gamma · (q + gamma · (1 − q) · softplus(z)): no power below gamma appears, so it
    is finite at q = 0 for every gamma, and dz/dx is ±1. Nothing is kept for it but the inputs.
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
        dtype = working_dtype(logits)
        sums = []
        for block, (positive, negative) in _blocks_with_weights(logits, weights):
            labels = read_labels(target, valid, block, dtype)
            z = read_wrong_logits(logits, labels, valid, block)
            loss = _softplus(z)
            if gamma > 0:
                loss *= z.sigmoid_().pow_(gamma)
            if (positive, negative) != (1.0, 1.0):
                loss *= by_label(labels, negative=negative, positive=positive)
            sums.append(loss.sum())
        ctx.save_for_backward(logits, target, valid)
        ctx.gamma, ctx.weights = gamma, weights
        return torch.stack(sums).sum()

    @staticmethod
    def backward(ctx: Any, grad_total: Tensor) -> tuple[Tensor, None, None, None, None]:
        _refuse_second_derivative()
        logits, target, valid = ctx.saved_tensors
        gamma = ctx.gamma
        grad = torch.empty_like(logits, memory_format=torch.contiguous_format)
        with full_precision(logits):
            for block, (positive, negative) in _blocks_with_weights(logits, ctx.weights):
                labels = read_labels(target, valid, block, grad_total.dtype)
                slope = q = read_wrong_logits(logits, labels, valid, block).sigmoid_()
                if gamma > 0:
                    # softplus(z) = −ln(1 − q); at q = 1 the factor 1 − q is 0, and the clamp only avoids 0 · inf.
                    minus_softplus = torch.log1p(-q).clamp_min_(-100.0)
                    slope = torch.sub(q, minus_softplus.mul_(1.0 - q), alpha=gamma).mul_(q.pow_(gamma))
                weight = by_label(labels, negative=negative * grad_total, positive=-positive * grad_total)
                torch.mul(slope, weight, out=grad[block])
        return grad, None, None, None, None


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


def _softplus(z: Tensor) -> Tensor:
    """Return ln(1 + e^z), which above the threshold is z to the last bit (torch's own threshold suits float32)."""
    return functional.softplus(z, threshold=20.0 if z.dtype == torch.float32 else 40.0)


class SoftCounts(torch.autograd.Function):
    """False positives Σ p·(1 − t), false negatives Σ (1 − p)·t and positives Σ t, each of shape (N, C).

    With q the probability given to the wrong answer, the first two are the sums of q over the negative and over the
    positive labels, free of cancellation; their derivatives by the logit are q·(1 − q) and −q·(1 − q). So q is kept.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        dtype = working_dtype(logits)
        kept = logits.new_empty(logits.shape, dtype=dtype) if ctx.needs_input_grad[0] else None
        wrong, missed, positives = (logits.new_zeros(logits.shape[:2], dtype=dtype) for _ in range(3))
        for block in blocks(logits):
            labels = read_labels(target, valid, block, dtype)
            z = read_wrong_logits(logits, labels, valid, block)
            q = torch.sigmoid(z, out=None if kept is None else kept[block])
            rows = block[:2]  # of the three tables
            wrong[rows].add_(q.sum((-2, -1)))
            missed[rows].add_(torch.mul(q, labels, out=z).sum((-2, -1)))
            positives[rows].add_(labels.sum((-2, -1)))
        if kept is not None:
            ctx.save_for_backward(kept, target, valid)
            ctx.logits_dtype = logits.dtype
        ctx.mark_non_differentiable(positives)
        # Both sums are rounded, so that their difference could come out just below 0.
        return (wrong - missed).clamp_min_(0.0), missed, positives

    @staticmethod
    def backward(ctx: Any, grad_fp: Tensor, grad_fn: Tensor, _: Tensor | None) -> tuple[Tensor, None, None]:
        _refuse_second_derivative()
        kept, target, valid = ctx.saved_tensors
        grad = kept.new_empty(kept.shape, dtype=ctx.logits_dtype)
        slope_negative, slope_positive = grad_fp[..., None, None], -grad_fn[..., None, None]
        with full_precision(kept):
            for block in blocks(kept):
                labels = read_labels(target, valid, block, kept.dtype)
                q = kept[block]
                slope = by_label(labels, negative=slope_negative[block[:2]], positive=slope_positive[block[:2]])
                torch.mul(torch.addcmul(q, q, q, value=-1.0), slope, out=grad[block])
        return grad, None, None
