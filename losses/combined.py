"""A weighted sum of named losses, and the one function that calls criteria from other libraries."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from losses._inputs import check_inputs, check_labels, check_number, full_precision, working_dtype
from losses.arguments import taken_arguments
from losses.overlap import DiceLoss, FocalTverskyLoss, TverskyLoss
from losses.pixelwise import FocalLoss, WeightedBCELoss

Criterion = Callable[..., Tensor]

_PLAIN = (WeightedBCELoss, FocalLoss, DiceLoss, TverskyLoss, FocalTverskyLoss)


def accepts_valid(criterion: Criterion) -> bool:
    """Return whether a criterion takes an argument named ``valid``, as every loss of this package does.

    ``**kwargs`` does not count: it does not say what happens to ignored pixels.

    Example:
        >>> import torch
        >>> from losses import DiceLoss
        >>> accepts_valid(DiceLoss()), accepts_valid(torch.nn.BCEWithLogitsLoss())
        (True, False)
    """
    call = criterion.forward if isinstance(criterion, nn.Module) else criterion
    try:
        parameters = inspect.signature(call).parameters
    except (TypeError, ValueError):  # some callables written in C have no signature
        return False
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return "valid" in parameters and parameters["valid"].kind in named


def apply_criterion(
    criterion: Criterion,
    logits: Tensor,
    target: Tensor,
    valid: Tensor | None = None,
    *,
    name: str | None = None,
    context: Mapping[str, Any] | None = None,
) -> Tensor:
    """Call any criterion that takes ``(logits, target)``, from this package or from elsewhere.

    A criterion from elsewhere gets what torch's own losses expect: logits in float32 (float64 stays float64), labels of
    the same dtype, autocast off. It gets ``valid`` if it accepts it. If it does not, checking that ``valid`` ignores no
    pixel takes one synchronisation with the device.

    Args:
        criterion: a module or function ``(logits, target) -> scalar``, with or without ``valid``.
        logits: floating point, shape (N, C, H, W).
        target: labels 0 and 1, bool, integer or floating point, same shape.
        valid: bool, broadcastable to the logits; None = all valid.
        name: of the criterion in errors; None = the name of its class or function.
        context: further arguments by name; the criterion gets those that it takes, see
            :data:`losses.arguments.BY_NAME`.

    Returns:
        Scalar.

    Raises:
        TypeError, ValueError: ``logits``, ``target`` or ``valid`` is not as described.
        ValueError: ``valid`` ignores a pixel and the criterion does not accept ``valid``; or the criterion returns
            something other than a real scalar, or a scalar without a gradient although the logits require one.

    Example:
        >>> import torch
        >>> logits, target = torch.tensor([[[[2.0, -1.0]]]]), torch.tensor([[[[1, 0]]]])
        >>> round(apply_criterion(torch.nn.BCEWithLogitsLoss(), logits, target).item(), 4)
        0.2201
    """
    if type(criterion) in _PLAIN:
        return criterion(logits, target, valid)
    if type(criterion) is CombinedLoss:
        return criterion(logits, target, valid, **(context or {}))
    name = name or str(getattr(criterion, "__name__", type(criterion).__name__))
    expanded = check_inputs(logits, target, valid)
    check_labels(target, expanded)
    arguments = taken_of(criterion, context)
    if accepts_valid(criterion):
        arguments["valid"] = valid
    elif expanded is not None and not expanded.all():
        raise ValueError(
            f"{name} takes no argument named valid, but valid ignores "
            f"{int((~expanded).sum())} of {expanded.numel()} pixels, which it would count"
        )
    dtype = working_dtype(logits)
    with full_precision(logits):
        loss = criterion(logits.to(dtype), target.to(dtype), **arguments)
    return as_scalar(loss, logits, name)


def traces_whole(criterion: Criterion) -> bool:
    """Return whether torch.compile traces :func:`apply_criterion` with this criterion without a break.

    It does for this package's losses of logits, labels and ``valid``, and for sums of them. Any other criterion has its
    signature read at every call, which cannot be traced.

    Example:
        >>> import torch
        >>> from losses import DiceLoss, WeightedBCELoss
        >>> traces_whole(CombinedLoss(terms={"bce": WeightedBCELoss(), "dice": DiceLoss()}))
        True
        >>> traces_whole(CombinedLoss(terms={"bce": torch.nn.BCEWithLogitsLoss()}))
        False
    """
    if type(criterion) is CombinedLoss:
        return all(traces_whole(term) for term in criterion.terms.values())
    return type(criterion) in _PLAIN


def taken_of(criterion: Criterion, context: Mapping[str, Any] | None) -> dict[str, Any]:
    """Choose from a context the arguments that a criterion takes; ``valid`` is given by itself."""
    if not context:
        return {}
    return {name: context[name] for name in taken_arguments(criterion) - {"valid"} if name in context}


def as_scalar(loss: object, logits: Tensor, name: str) -> Tensor:
    """Return a criterion's result as a scalar, or raise an error that says what is wrong with it."""
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        got = f"shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
        raise ValueError(f"{name} must return a scalar tensor, got {got}; {_advice(loss)}")
    if loss.is_complex():
        raise ValueError(f"{name} must return a real number, got {loss.dtype}; return its .real or its .abs()")
    if logits.requires_grad and torch.is_grad_enabled() and not loss.requires_grad:
        raise ValueError(
            f"{name} returned a value with no gradient: on its way from the logits it was detached, turned into "
            "numbers (.item(), numpy), or made by a comparison, argmax or rounding, which have none"
        )
    return loss.reshape(())


def _advice(loss: object) -> str:
    if isinstance(loss, Tensor):
        return "set its reduction to a mean or a sum"
    if isinstance(loss, nn.Module):
        return "it is a loss itself: a class needs no _partial_, and a loss calls the losses it holds"
    if isinstance(loss, tuple | list | dict):
        return "return one value, such as the sum of the parts"
    return "return a torch tensor that was computed from the logits" if loss is not None else "is its return missing?"


class CombinedLoss(nn.Module):
    """A weighted sum of named losses.

    loss = Σ_k  weight_k · term_k(logits, target, valid)

    A term is any criterion that takes ``(logits, target)`` and returns a scalar; see :func:`apply_criterion`.

    Attributes:
        term_values: name -> value of the term in the last forward pass, detached and without its weight, on the
            device of the logits; for the log.

    Args:
        terms: name -> criterion; at least one.
        weights: name -> weight, at least 0, with the names of ``terms``; None = 1 for each.

    Raises:
        TypeError, ValueError: an argument is not as described; the message names it.

    Example:
        >>> import torch
        >>> from losses import DiceLoss, WeightedBCELoss
        >>> logits, target = torch.tensor([[[[2.0, -1.0]]]]), torch.tensor([[[[1, 0]]]])
        >>> loss = CombinedLoss(terms={"bce": WeightedBCELoss(), "dice": DiceLoss()})
        >>> round(loss(logits, target).item(), 4)
        0.3136
    """

    def __init__(self, *, terms: Mapping[str, Criterion], weights: Mapping[str, float] | None = None) -> None:
        super().__init__()
        if not isinstance(terms, Mapping) or not terms:
            raise ValueError(f"terms must map at least one name to a loss, got {terms!r}")
        for name, term in terms.items():
            if not callable(term):
                raise TypeError(f"terms[{name!r}] must be a loss that can be called, got {term!r}")
        if weights is None:
            weights = dict.fromkeys(terms, 1.0)
        if set(weights) != set(terms):
            raise ValueError(
                f"weights must have the names of terms: terms are {sorted(terms)}, weights are {sorted(weights)}"
            )
        self.weights = {name: check_number(f"weights[{name!r}]", weights[name], at_least=0.0) for name in terms}
        self.terms: dict[str, Criterion] = dict(terms)
        # A plain dict allows any name and any callable; the ModuleList registers the modules among them with torch.
        self.term_modules = nn.ModuleList(term for term in self.terms.values() if isinstance(term, nn.Module))
        self.term_values: dict[str, Tensor] = {}

    def inner_criteria(self) -> list[Criterion]:
        """Return the terms."""
        return list(self.terms.values())

    def forward(self, logits: Tensor, target: Tensor, valid: Tensor | None = None, **context: Any) -> Tensor:
        """Return the weighted sum, a scalar, and store each term in ``term_values``.

        A term gets those of the further arguments that it takes; see :data:`losses.arguments.BY_NAME`.

        Raises:
            ValueError: ``valid`` ignores a pixel and a term does not accept ``valid``; the message names the term.
        """
        values = {
            name: apply_criterion(term, logits, target, valid, name=f"term {name!r}", context=context)
            for name, term in self.terms.items()
        }
        self.term_values = {name: value.detach() for name, value in values.items()}
        return torch.stack([self.weights[name] * value for name, value in values.items()]).sum()

    def extra_repr(self) -> str:
        """Return the names and weights."""
        return ", ".join(f"{name}: {weight:g}" for name, weight in self.weights.items())
