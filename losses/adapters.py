"""Losses from elsewhere as modules of (logits, target): functions, losses of probabilities, losses of one image."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from losses._inputs import check_inputs
from losses.arguments import MAPS, name_of
from losses.classes import ClassLoss
from losses.combined import Criterion, accepts_valid, apply_criterion

_NEAREST = 2.0**-24  # 1 - 2^-24 is the float32 next to 1


class FunctionLoss(nn.Module):
    """A function ``(logits, target) -> scalar`` as a module.

    Args:
        function: called as ``function(logits, target)``, with the arguments of :data:`losses.arguments.BY_NAME` that it
            takes, such as ``valid``.
    """

    def __init__(self, function: Criterion) -> None:
        super().__init__()
        self.function = function
        self.__name__ = name_of(function)

    def inner_criteria(self) -> list[Criterion]:
        """Return the function."""
        return [self.function]

    def forward(self, logits: Tensor, target: Tensor, valid: Tensor | None = None, **context: Any) -> Tensor:
        """Return the function's loss.

        Raises:
            ValueError: ``valid`` ignores a pixel and the function takes no such argument.
        """
        return apply_criterion(self.function, logits, target, valid, name=self.__name__, context=context)

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
        self.__name__ = name_of(inner)

    def inner_criteria(self) -> list[Criterion]:
        """Return the inner loss."""
        return [self.inner]

    def forward(self, logits: Tensor, target: Tensor, valid: Tensor | None = None, **context: Any) -> Tensor:
        """Return the loss of the probabilities, computed in float32, or in float64 for float64 logits.

        Raises:
            ValueError: ``valid`` ignores a pixel and the loss takes no such argument.
        """
        dtype = torch.float64 if logits.dtype == torch.float64 else torch.float32
        probabilities = _BoundedSigmoid.apply(logits.to(dtype))
        return apply_criterion(self.inner, probabilities, target, valid, name=self.__name__, context=context)


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


class EachLoss(nn.Module):
    """The mean of a loss over the images of a batch, or over the masks.

    loss(logits, target) = mean over n of inner(logits[n:n+1], target[n:n+1]),  or over masks c

    Args:
        inner: a criterion ``(logits, target) -> scalar``.
        axis: 0 calls it for each image, 1 for each mask.
    """

    def __init__(self, inner: Criterion, *, axis: int) -> None:
        super().__init__()
        if axis not in (0, 1):
            raise ValueError(f"axis must be 0 (images) or 1 (masks), got {axis!r}")
        self.inner = inner
        self.axis = axis
        self.__name__ = name_of(inner)

    def inner_criteria(self) -> list[Criterion]:
        """Return the inner loss."""
        return [self.inner]

    def forward(self, logits: Tensor, target: Tensor, valid: Tensor | None = None, **context: Any) -> Tensor:
        """Return the mean of the losses of the parts.

        Raises:
            ValueError: ``valid`` ignores a pixel and the loss takes no such argument.
        """
        check_inputs(logits, target, valid)
        if valid is not None:
            valid = valid.reshape((1,) * (4 - valid.ndim) + valid.shape)
        values = [
            apply_criterion(
                self.inner,
                logits.narrow(self.axis, place, 1),
                target.narrow(self.axis, place, 1),
                None if valid is None else _part(valid, self.axis, place),
                name=self.__name__,
                context={name: self._part_of(value, name, place) for name, value in context.items()},
            )
            for place in range(logits.shape[self.axis])
        ]
        return torch.stack(values).mean()

    def _part_of(self, value: Any, name: str, place: int) -> Any:
        if name in MAPS:
            return _part(value, self.axis, place)
        if self.axis == 0 and name in ("index", "image_id"):
            return value[place : place + 1]
        return value

    def extra_repr(self) -> str:
        """Return what it is called for."""
        return f"each {('image', 'mask')[self.axis]}"


def _part(value: Tensor, axis: int, place: int) -> Tensor:
    return value if value.shape[axis] == 1 else value.narrow(axis, place, 1)


def takes_valid(criterion: Criterion) -> bool:
    """Return whether a criterion can ignore pixels, looking inside the adapters of this module."""
    if isinstance(criterion, FunctionLoss | ProbabilityLoss | EachLoss):
        return all(takes_valid(inner) for inner in criterion.inner_criteria())
    if isinstance(criterion, ClassLoss):
        return criterion.ignore_index is not None
    return accepts_valid(criterion)
