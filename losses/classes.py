"""Exclusive classes: losses with a softmax over background and masks, and the masks' scores."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor, nn

from losses._inputs import check_inputs, full_precision, working_dtype
from losses.arguments import name_of
from losses.combined import Criterion, as_scalar, taken_of


class ClassLoss(nn.Module):
    """Turns a loss of exclusive classes (softmax) into a loss of one logit per mask.

    loss(logits, target) = inner(z, k),  z = (0, logits),  k = 0 for the background, c + 1 for mask c

    Pixels of no mask are class 0, whose logit is fixed at 0: a softmax over C + 1 free logits does not change when all
    are shifted together, so nothing is lost. A network keeps one output per mask, and :func:`class_scores` turns the
    outputs into scores that rank pixels as the softmax does.

    Ignored pixels, and those that several masks claim, get the ``ignore_index`` of the inner loss. Without one, data
    with ignored pixels are refused, and a pixel of several masks belongs to the first.

    Args:
        inner: a criterion ``(z, k) -> scalar``, z floating point (N, C + 1, H, W).
        channel: False gives k as int64 (N, H, W), as torch and segmentation_models_pytorch take it; True as
            (N, 1, H, W), as MONAI does with ``softmax=True, to_onehot_y=True``.
    """

    def __init__(self, inner: Criterion, *, channel: bool = False) -> None:
        super().__init__()
        self.inner = inner
        self.channel = channel
        self.__name__ = name_of(inner)
        self.ignore_index = _ignore_index(inner)

    def inner_criteria(self) -> list[Criterion]:
        """Return the inner loss."""
        return [self.inner]

    def forward(self, logits: Tensor, target: Tensor, valid: Tensor | None = None, **context: Any) -> Tensor:
        """Return the loss of the classes, computed in float32, or in float64 for float64 logits.

        Raises:
            ValueError: ``valid`` ignores a pixel and the loss has no ``ignore_index``.
        """
        expanded = check_inputs(logits, target, valid)
        labels = class_labels(target)
        if self.ignore_index is not None:
            left_out = (target != 0).sum(dim=1) > 1
            if expanded is not None:
                left_out |= ~expanded.all(dim=1)
            labels = labels.masked_fill(left_out, self.ignore_index)
        elif expanded is not None and not expanded.all():
            raise ValueError(f"{self.__name__} has no ignore_index, but valid ignores pixels, which it would count")
        arguments = taken_of(self.inner, context)
        with full_precision(logits):
            z = with_background(logits.to(working_dtype(logits)))
            loss = self.inner(z, labels[:, None] if self.channel else labels, **arguments)
        return as_scalar(loss, logits, self.__name__)


def with_background(logits: Tensor) -> Tensor:
    """Put the logit of the background, 0, before those of the masks: (N, C, H, W) becomes (N, C + 1, H, W)."""
    return torch.cat([torch.zeros_like(logits[:, :1]), logits], dim=1)


def class_labels(target: Tensor) -> Tensor:
    """Return the class of every pixel: 0 of no mask, c + 1 of mask c; of several masks, the first.

    Args:
        target: labels 0 and 1, (N, C, H, W).

    Returns:
        int64 (N, H, W).

    Example:
        >>> import torch
        >>> class_labels(torch.tensor([[[[0, 1, 0, 1]], [[0, 0, 1, 1]]]])).tolist()
        [[[0, 1, 2, 1]]]
    """
    positive = target != 0
    first = positive.to(torch.uint8).argmax(dim=1)  # the first of equal values
    return torch.where(positive.any(dim=1), first + 1, 0)


def class_scores(logits: Tensor) -> Tensor:
    """Turn the logits of exclusive classes into one score per mask: the log-odds of its softmax probability.

    score_c = ln p_c / (1 - p_c) = logit_c - ln(1 + sum over k != c of exp logit_k),  p = softmax(0, logits)

    The log-odds rise with p_c and do not saturate, so that they rank pixels as the softmax probability does, and a
    score above 0 means p_c > .5, which at most one mask of a pixel reaches. With one mask the score is the logit.

    Args:
        logits: floating point (N, C, H, W).

    Returns:
        The same shape.
    """
    z = with_background(logits)
    others = [torch.logsumexp(z[:, [k for k in range(z.shape[1]) if k != c]], dim=1) for c in range(1, z.shape[1])]
    return logits - torch.stack(others, dim=1)


class ClassScores(nn.Module):
    """:func:`class_scores` as a module."""

    def forward(self, logits: Tensor) -> Tensor:
        """Return the scores."""
        return class_scores(logits)


def takes_classes(criterion: nn.Module) -> bool:
    """Return whether a criterion trains exclusive classes, so that :func:`class_scores` gives the scores of masks."""
    return any(isinstance(part, ClassLoss) for part in criterion.modules())


def _ignore_index(criterion: Criterion) -> int | None:
    """Read the label that a criterion ignores: an attribute, or the argument of a function."""
    if isinstance(criterion, nn.Module):  # some keep it in a loss that they hold
        values = (getattr(part, "ignore_index", None) for part in criterion.modules())
        value = next((value for value in values if value is not None), None)
    else:
        try:
            parameter = inspect.signature(criterion).parameters.get("ignore_index")
        except (TypeError, ValueError):
            return None
        value = None if parameter is None else parameter.default
    return value if isinstance(value, int) and not isinstance(value, bool) else None
