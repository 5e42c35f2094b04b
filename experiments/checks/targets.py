"""Checks the arguments of every `_target_` against its signature before anything is built: names, and our own types."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from hydra.utils import get_object
from omegaconf import DictConfig, ListConfig, OmegaConf

from experiments.checks.composing import similar
from experiments.checks.values import is_number
from experiments.config import PARTS

# Arguments that the caller adds, by keyword or as the single positional argument of a partial.
_GIVEN = {"model": ("in_channels", "classes")}
_FINISHED_LATER = ("optimizer", "scheduler")
_OWN_WORDS = ("_target_", "_partial_", "_recursive_", "_convert_", "_args_")
_WORD_VALUES = {
    "_convert_": ("none", "partial", "object", "all"),
    "_recursive_": (True, False),
    "_partial_": (True, False),
}
_MODULE_INIT = ("torch.nn.modules.module", "Module.__init__")  # compared by name, so that torch is not imported
# Packages whose annotations are exact enough to refuse a value.
EXTRAS = {"monai": "zoo", "skimage": "zoo"}  # packages that options name and that may not be there -> their extra
_TYPED = ("losses", "experiments", "torch", "segmentation_models_pytorch")


def target_problems(cfg: DictConfig, in_doubt: Collection[str] = ()) -> list[str]:
    """List arguments that a target does not take, that it lacks, or that have the wrong type.

    For a target that takes any keyword (`**kwargs`) only types are checked.

    Args:
        cfg: The root configuration of one run.
        in_doubt: Parts that are known to be wrong and are left out.
    """
    problems: list[str] = []
    for part in PARTS:
        if part in in_doubt:
            continue
        node = None if OmegaConf.is_missing(cfg, part) else cfg.get(part)
        if part in _FINISHED_LATER and isinstance(node, DictConfig) and not node.get("_partial_"):
            problems.append(f"{part}._partial_: expected true, got {node.get('_partial_')}")
            continue
        for path, target in _targets(node, part):
            outer = path == part
            problems += _check(
                path, target, given=_GIVEN.get(part, ()) if outer else (), partial=outer and part in _FINISHED_LATER
            )
    return problems


def _targets(node: Any, path: str) -> Iterator[tuple[str, DictConfig]]:
    """Find every node with a target, the outer ones first."""
    if isinstance(node, DictConfig):
        if "_target_" in node and not OmegaConf.is_missing(node, "_target_"):
            yield path, node
        for name in node:
            if not OmegaConf.is_missing(node, name):
                yield from _targets(node[name], f"{path}.{name!s}")
    elif isinstance(node, ListConfig):
        for index, entry in enumerate(node):
            yield from _targets(entry, f"{path}.{index}")


def _check(path: str, node: DictConfig, *, given: Sequence[str], partial: bool) -> Iterator[str]:
    name = node["_target_"]
    try:
        target = locate(name)
    except (ImportError, ValueError) as error:
        yield f"{path}._target_: {error}"
        return
    unknown_words = [str(key) for key in node if str(key).startswith("_") and key not in _OWN_WORDS]
    for word in unknown_words:
        yield f"{path}.{word}: expected one of {', '.join(_OWN_WORDS)}"
    for word, values in _WORD_VALUES.items():
        if word in node and node[word] not in values:
            yield f"{path}.{word}: expected one of {', '.join(map(str, values))}, got {node[word]}"
    try:
        parameters = {} if _is_bare_module(target) else inspect.signature(target).parameters
    except (TypeError, ValueError):  # compiled classes may have none
        return
    # Every loss may have `input` and `each`; `criteria.build` reads them.
    read_elsewhere = ("input", "each") if path.split(".", 1)[0] == "loss" else ()
    arguments = {str(key): node[key] for key in node if not str(key).startswith("_") and key not in read_elsewhere}
    named = [n for n, p in parameters.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        for argument in arguments:
            if argument not in named:
                takes = f"it takes {', '.join(n for n in named if n not in given)}" if named else "it takes none"
                yield f"{path}.{argument}: {name} has no such argument; {takes}.{similar(argument, named)}"
        for argument in given:
            if argument not in named:
                yield f"{path} ({name}): expected an argument {argument}, which is given to it; it has none"
    if read_elsewhere and (node.get("_partial_") or not inspect.isclass(target)):
        return  # a function, which gets its logits and target in training
    positional = len(node.get("_args_") or ()) + int(partial)
    for argument in named[positional:]:
        parameter = parameters[argument]
        if parameter.default is parameter.empty and argument not in arguments and argument not in given:
            yield f"{path}.{argument}: {name} needs this argument; give it as +{path}.{argument}=..."
    if str(name).split(".", 1)[0] in _TYPED:
        yield from _wrong_types(path, target, parameters, arguments)


def _is_bare_module(target: Callable[..., Any]) -> bool:
    """Return whether a class inherits `__init__` from `nn.Module`, which accepts any keyword, only to refuse it."""
    if not inspect.isclass(target):
        return False
    init: Any = inspect.getattr_static(target, "__init__")
    return (getattr(init, "__module__", ""), getattr(init, "__qualname__", "")) == _MODULE_INIT


def locate(name: object) -> Callable[..., Any]:
    """Import the object that a `_target_` names.

    Raises:
        ImportError: There is no such object.
        ValueError: It is not a class or a function, or `name` is not a dotted name.
    """
    if not isinstance(name, str) or not all(part.isidentifier() for part in name.split(".")):
        raise ValueError(f"expected the dotted name of a class or function, got {name!r}")
    try:
        found = get_object(name)
    except Exception as error:  # importing a user's own module may raise anything
        raise ImportError(f"cannot import {name}: {_first_reason(error)}{package_hint(name)}") from error
    if not callable(found):
        raise ValueError(f"expected a class or function, got {name}, a {type(found).__name__}")
    return typing.cast(Callable[..., Any], found)


def package_hint(name: str) -> str:
    """Say which package to install for a target; nothing if it is there or none of those that come as an extra.

    >>> package_hint("torch.nn.Nothing")
    ''
    """
    package = name.split(".", 1)[0]
    if package not in EXTRAS or find_spec(package) is not None:
        return ""
    return f". {package} is not part of the base install: pip install {package}, or the extra {EXTRAS[package]}"


def _first_reason(error: BaseException) -> str:
    """Return the reason underneath Hydra's message."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {error}"


def _wrong_types(
    path: str, target: Callable[..., Any], parameters: Mapping[str, inspect.Parameter], arguments: Mapping[str, Any]
) -> Iterator[str]:
    function = target.__init__ if inspect.isclass(target) else target
    try:
        annotations = typing.get_type_hints(function)
    except Exception:  # names that exist only for type checkers
        return
    for name, value in arguments.items():
        annotation = annotations.get(name)
        plain = OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
        if annotation is None or _has_target(plain) or fits(plain, annotation):
            continue
        default = parameters[name].default if name in parameters else inspect.Parameter.empty
        if default is inspect.Parameter.empty or type(default) is not type(plain) or default != plain:
            yield f"{path}.{name}: expected {in_words(annotation)}, got {plain!r}"


def _has_target(value: Any) -> bool:
    if isinstance(value, Mapping):
        return "_target_" in value or any(_has_target(entry) for entry in value.values())
    return isinstance(value, list) and any(_has_target(entry) for entry in value)


def fits(value: Any, annotation: Any) -> bool:
    """Return whether a value of a configuration fits an annotation; if YAML cannot tell, it does.

    A whole number fits float, true and false are not numbers, and a list fits any sequence.
    """
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, one) for one in inner)
    if origin is typing.Literal:
        return value in inner
    if annotation is None or annotation is type(None):
        return value is None
    if annotation is bool:
        return isinstance(value, bool)
    if annotation is int:
        return is_number(value) and isinstance(value, int)
    if annotation is float:
        return is_number(value)
    if annotation is str:
        return isinstance(value, str)
    kind = origin or annotation
    if not inspect.isclass(kind) or kind is object:
        return True
    if issubclass(kind, Mapping):
        return isinstance(value, Mapping)
    if _is_listed(kind):
        return isinstance(value, list) and _entries_fit(value, kind, inner)
    # YAML can express a path but not a tensor.
    return isinstance(value, str) and kind.__module__.startswith("pathlib")


def _is_listed(kind: type) -> bool:
    """Return whether a YAML list fits a type: `Sequence`, `Iterable`, tuples and sets do too."""
    return issubclass(list, kind) or issubclass(kind, tuple | set | frozenset)


def _entries_fit(values: list[Any], kind: type, inner: tuple[Any, ...]) -> bool:
    if issubclass(kind, tuple) and inner and inner[-1] is not Ellipsis:
        return len(values) == len(inner) and all(fits(v, one) for v, one in zip(values, inner, strict=True))
    return all(fits(value, inner[0]) for value in values) if inner else True


def in_words(annotation: Any) -> str:
    """Describe an annotation in YAML terms: `int | Sequence[int]` is `a whole number or [whole number, ...]`."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(in_words(one) for one in inner if _is_writable(one))) or str(annotation)
    if origin is typing.Literal:
        return " or ".join(str(one) for one in inner)
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "a text", type(None): "null"}
    if annotation in words:
        return words[annotation]
    kind = origin or annotation
    if inspect.isclass(kind) and issubclass(kind, Mapping):
        return "a mapping {name: value}"
    if inspect.isclass(kind) and _is_listed(kind):
        entry = in_words(inner[0]) if inner else "value"
        return f"a list [{entry}, ...]"
    return getattr(kind, "__name__", str(annotation)) if kind is not Any else "any value"


def _is_writable(annotation: Any) -> bool:
    kind = typing.get_origin(annotation) or annotation
    return not (inspect.isclass(kind) and kind.__module__.startswith(("torch", "pathlib")))
