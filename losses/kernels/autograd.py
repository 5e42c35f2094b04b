"""Connects a loss that computes its own gradient to autograd."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from losses._inputs import full_precision, is_free_to_read

Scaling = Callable[[Tensor, Tensor], Tensor]
ValueAndSlope = Callable[[Tensor, Tensor, Tensor | None], tuple[Tensor, Tensor, Scaling]]


def times(slope: Tensor, grad_value: Tensor) -> Tensor:
    """Multiply a slope that is the gradient already by the derivative by the loss, in place."""
    if not (is_free_to_read(grad_value) and grad_value.item() == 1.0):
        slope *= grad_value
    return slope


def analytic_loss(logits: Tensor, target: Tensor, valid: Tensor | None, value_and_slope: ValueAndSlope) -> Tensor:
    """Return the value of a loss and give autograd the gradient that the loss computes itself.

    The forward pass computes the gradient, while the probabilities are at hand. It keeps one tensor of the logits' size
    for the backward pass; autograd would keep several. The loss can be differentiated once.

    Args:
        logits: floating point, shape (N, C, H, W).
        target: labels, the same shape.
        valid: bool, the same shape; None when every pixel counts.
        value_and_slope: returns the loss, a scalar; a tensor of the logits' shape; and the function that makes the
            gradient of it, in place, given the derivative by the loss, a scalar. What the function multiplies by
            besides costs no pass of its own.
    """
    with full_precision(logits):
        loss: Tensor = _AnalyticLoss.apply(logits, target, valid, value_and_slope)
        return loss


class _AnalyticLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, target: Tensor, valid: Tensor | None, value_and_slope: ValueAndSlope
    ) -> Tensor:
        ctx.save_for_backward(logits, target, valid)
        ctx.value_and_slope = value_and_slope
        value, slope, scaled = value_and_slope(logits, target, valid)
        ctx.slope = (slope, scaled) if ctx.needs_input_grad[0] else None
        return value

    @staticmethod
    def backward(ctx: Any, grad_value: Tensor) -> tuple[Tensor, None, None, None]:
        # torch's once_differentiable would return a gradient that is silently detached from the logits.
        if torch.is_grad_enabled():
            raise RuntimeError("this loss can be differentiated once only, so create_graph=True is not supported")
        logits, target, valid = ctx.saved_tensors
        kept, ctx.slope = ctx.slope, None  # given up here, so that it can become the gradient in place
        if kept is None:  # a second backward pass through a retained graph
            kept = ctx.value_and_slope(logits, target, valid)[1:]
        slope, scaled = kept
        return scaled(slope, grad_value).to(logits.dtype), None, None, None
