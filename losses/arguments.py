"""What a criterion may ask for besides logits and labels, told by the names of its arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from torch import nn

BY_NAME = {
    "valid": "bool (N, 1, H, W), False = ignore the pixel; None where every pixel counts",
    "index": "int64 (N,), the image of each tile: its place in the training split",
    "image_id": "the names of these images, a list of N texts",
    "update": "the number of updates done before this one",
    "skeleton": "bool (N, C, H, W), the labels thinned to lines one pixel wide",
    "distance": "float32 (N, C, H, W), pixels to the labels' edge: from 1 up outside, from 0 down inside",
}
MAPS = ("skeleton", "distance")  # those of BY_NAME that are derived from the labels of a tile


def taken_arguments(criterion: Callable[..., Any]) -> frozenset[str]:
    """Return which arguments of `BY_NAME` a criterion takes, looking inside adapters and combined losses.

    An argument counts if it has no default, or None; a number is a hyperparameter of the same name.

    Example:
        >>> def annealed(logits, target, update, distance=3.0): ...
        >>> sorted(taken_arguments(annealed))
        ['update']
    """
    return frozenset().union(*(_named(inner) for inner in innermost(criterion)))


def innermost(criterion: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """Yield the criteria that adapters and combined losses hold; a criterion that holds none is its own."""
    held = getattr(criterion, "inner_criteria", None)
    if held is None:
        yield criterion
        return
    for inner in held():
        yield from innermost(inner)


def unknown_arguments(criterion: Callable[..., Any]) -> list[str]:
    """Return the arguments that a criterion needs besides its first two and that nobody could give it."""
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [p for p in _parameters(criterion).values() if p.default is p.empty]
    first = [p.name for p in needed if p.kind in positional and p.name not in BY_NAME][:2]
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in needed if p.kind not in variable and p.name not in (*first, *BY_NAME)]


def name_of(criterion: Callable[..., Any]) -> str:
    """Return the name of a criterion's class or function, for errors."""
    inner = criterion.func if isinstance(criterion, partial) else criterion
    return str(getattr(inner, "__name__", type(inner).__name__))


def _named(criterion: Callable[..., Any]) -> set[str]:
    by_keyword = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {
        name
        for name, p in _parameters(criterion).items()
        if name in BY_NAME and p.kind in by_keyword and (p.default is p.empty or p.default is None)
    }


def _parameters(criterion: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    call = criterion.forward if isinstance(criterion, nn.Module) else criterion
    try:
        parameters = inspect.signature(call).parameters
    except (TypeError, ValueError):  # some callables written in C have no signature
        return {}
    given = call.keywords if isinstance(call, partial) else {}
    return {name: p for name, p in parameters.items() if name not in given}
