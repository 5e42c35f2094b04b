"""Losses from elsewhere as modules of (logits, target): plain functions, and losses that expect probabilities."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from losses.combined import Criterion, accepts_valid, apply_criterion

_NEAREST = 2.0**-24  # 1 - 2^-24 is the float32 next to 1


class FunctionLoss(nn.Module):
    """A function ``(logits, target) -> scalar`` as a module.

    Args:
        function: called as ``function(logits, target)``, with ``valid=valid`` if it takes an argument of that name.
    """

    def __init__(self, function: Criterion) -> None:
        super().__init__()
        self.function = function
        inner = function.func if isinstance(function, partial) else function
        self.__name__ = str(getattr(inner, "__name__", type(inner).__name__))

    def forward(self, logits: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return the function's loss.

        Raises:
            ValueError: ``valid`` ignores a pixel and the function takes no such argument.
        """
        return apply_criterion(self.function, logits, target, valid, name=self.__name__)

    def extra_repr(self) -> str:
        """Return the function's name."""
        return self.__name__


class ProbabilityLoss(nn.Module):
    """Turns a loss of probabilities into a loss of logits.

    loss(logits, target) = inner(p, target),  p = sigmoid(logits) kept within [2⁻²⁴, 1 - 2⁻²⁴]

    In float32 a logit above 17 gives p = 1 exactly. There log(1 - p) is infinite and the slope p (1 - p) is 0, so a
    confidently wrong pixel would never be corrected. Within these bounds both stay finite, and the slope is taken at
    the bounded p, so that ``BCELoss`` has the gradient of ``BCEWithLogitsLoss`` at every logit. The price: values stop
    rising at 16.6 (= 24 ln 2) per pixel, and an index over a million empty pixels counts .06 of a pixel. On a CPU this
    takes a quarter longer than ``inner(logits.sigmoid(), target)``, and ``BCELoss`` takes 4 times as long as
    ``BCEWithLogitsLoss``.

    Args:
        inner: a criterion ``(probabilities, target) -> scalar``, with or without ``valid``.
    """

    def __init__(self, inner: Criterion) -> None:
        super().__init__()
        self.inner = inner
        self.__name__ = str(getattr(inner, "__name__", type(inner).__name__))

    def forward(self, logits: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return the loss of the probabilities, computed in float32, or in float64 for float64 logits.

        Raises:
            ValueError: ``valid`` ignores a pixel and the loss takes no such argument.
        """
        dtype = torch.float64 if logits.dtype == torch.float64 else torch.float32
        probabilities = _BoundedSigmoid.apply(logits.to(dtype))
        return apply_criterion(self.inner, probabilities, target, valid, name=self.__name__)


class _BoundedSigmoid(torch.autograd.Function):
    """The sigmoid kept within bounds, with the slope p (1 - p) of the bounded value."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor) -> Tensor:
        probabilities = torch.sigmoid(logits).clamp_(_NEAREST, 1 - _NEAREST)
        ctx.save_for_backward(probabilities)
        return probabilities

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (probabilities,) = ctx.saved_tensors
        return gradients[0] * (probabilities * (1 - probabilities))


def takes_valid(criterion: Criterion) -> bool:
    """Return whether a criterion can ignore pixels, looking inside the adapters of this module."""
    while isinstance(criterion, FunctionLoss | ProbabilityLoss):
        criterion = criterion.function if isinstance(criterion, FunctionLoss) else criterion.inner
    return accepts_valid(criterion)
