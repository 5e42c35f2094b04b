"""Builds the loss that a configuration names: a class or a function, with what stands between it and the network."""

from __future__ import annotations

import inspect
import pkgutil
from functools import partial
from typing import Any

from omegaconf import DictConfig, OmegaConf
from torch import nn

from experiments.checks.targets import package_hint
from experiments.config import ConfigError, instantiate, to_plain
from experiments.data.derived_maps import missing_package
from losses.adapters import EachLoss, FunctionLoss, ProbabilityLoss
from losses.arguments import BY_NAME, innermost, taken_arguments, unknown_arguments
from losses.classes import ClassLoss, takes_classes

INPUT = "input"  # the key of a loss, or of a term, that says what it takes; `logits` if absent
LOGITS, PROBABILITIES, CLASSES, CLASS_CHANNEL = "logits", "probabilities", "classes", "class_channel"
_INPUTS = (LOGITS, PROBABILITIES, CLASSES, CLASS_CHANNEL)
EACH = "each"  # the key that says whether it is called for the whole batch or for each of its parts
_AXES = {"image": 0, "mask": 1}


def build_criterion(cfg: DictConfig, key: str = "loss") -> nn.Module:
    """Build the loss at `key`.

    Besides Hydra's own words a loss, or a term of a combined loss, may hold two keys. `input` says what it takes
    instead of logits: `probabilities` (sigmoid), or exclusive `classes` or `class_channel` (softmax over background and
    masks, labels (N, H, W) or (N, 1, H, W)). `each: image`, `each: mask` or both call it for each image or mask and
    take the mean. A function is called with (logits, target), with or without `_partial_: true`.

    Args:
        cfg: The root configuration.
        key: Where the loss is.

    Raises:
        ConfigError: The loss cannot be built; the message names the key, what was expected and what came.
    """
    node = cfg.get(key)
    if not OmegaConf.is_config(node) or "_target_" not in node:
        raise ConfigError(f"{key}: expected a group option with a _target_, got {node!r}")
    made = _build(to_plain(node), key)
    criterion = made if isinstance(made, nn.Module) else FunctionLoss(made)
    if missing := missing_package(taken_arguments(criterion)):
        raise ConfigError(f"{key} ({node['_target_']}): {missing}")
    return criterion


def _build(node: dict[str, Any], path: str) -> Any:
    """Build one loss; for a combined loss, build its terms first."""
    node = dict(node)
    target = str(node["_target_"])
    kind = node.pop(INPUT, LOGITS)
    if kind not in _INPUTS:
        raise ConfigError(f"{path}.{INPUT}: expected {', '.join(_INPUTS[:-1])} or {_INPUTS[-1]}, got {kind!r}")
    if kind != LOGITS and target.split(".", 1)[0] == "losses":
        raise ConfigError(f"{path}.{INPUT}: {target} takes logits and applies the sigmoid itself; drop this key")
    axes = _axes(node.pop(EACH, []), kind, path)
    terms = node.get("terms")
    if isinstance(terms, dict) and target == "losses.CombinedLoss":
        built = {
            name: _build(term, f"{path}.terms.{name}") if isinstance(term, dict) and "_target_" in term else term
            for name, term in terms.items()
        }
        _check_terms(built, path)
        del node["terms"]
        made = _instantiate(node, path, terms=built)
    else:
        made = _instantiate(node, path)
    _check_arguments(made, path, target)
    if kind == PROBABILITIES:
        made = ProbabilityLoss(made)
    elif kind != LOGITS:
        made = ClassLoss(made, channel=kind == CLASS_CHANNEL)
    for axis in axes:
        made = EachLoss(made, axis=axis)
    return made


def _axes(each: object, kind: str, path: str) -> list[int]:
    """Read `each`: the axes to take apart, the inner one first."""
    names = each if isinstance(each, list) else [each]
    wrong = [name for name in names if str(name) not in _AXES] or (len(set(names)) < len(names) and names)
    if wrong:
        raise ConfigError(f"{path}.{EACH}: expected image, mask or [image, mask], got {each!r}")
    if "mask" in names and kind in (CLASSES, CLASS_CHANNEL):
        raise ConfigError(
            f"{path}.{EACH}: expected image beside {INPUT}={kind}, which is about all masks, got {each!r}"
        )
    return sorted((_AXES[str(name)] for name in names), reverse=True)


def _check_terms(terms: dict[str, Any], path: str) -> None:
    of_classes = [name for name, term in terms.items() if isinstance(term, nn.Module) and takes_classes(term)]
    others = [name for name in terms if name not in of_classes]
    if of_classes and others:
        raise ConfigError(
            f"{path}.terms: expected all terms or none to take exclusive classes, because a mask has one score; "
            f"{', '.join(of_classes)} take them, {', '.join(others)} do not"
        )


def _check_arguments(made: Any, path: str, target: str) -> None:
    """Refuse a loss that needs an argument which nobody could give it."""
    unknown = [name for one in innermost(made) for name in unknown_arguments(one)]
    if unknown:
        raise ConfigError(
            f"{path} ({target}): needs {'the argument' if len(unknown) == 1 else 'the arguments'} "
            f"{', '.join(unknown)}, which training cannot give. A loss is called with (logits, target), and by name it "
            f"may take {', '.join(BY_NAME)}"
        )


def _instantiate(node: dict[str, Any], path: str, **arguments: Any) -> Any:
    target = node["_target_"]
    if is_function_of_a_batch(target, node):
        node = {**node, "_partial_": True}
    try:
        made = instantiate(OmegaConf.create({path: node}, flags={"allow_objects": True}), path, **arguments)
    except ConfigError as error:
        if hint := package_hint(str(target)):
            raise ConfigError(f"{path}._target_: cannot import {target}{hint}") from error
        raise
    inner = made.func if isinstance(made, partial) else made
    if isinstance(made, partial) and inspect.isclass(inner):
        raise ConfigError(f"{path}._partial_: {target} is a class, which makes its loss at once; remove _partial_")
    if inspect.isclass(made) or not callable(made):
        raise ConfigError(
            f"{path} ({target}): expected a torch.nn.Module or a function of (logits, target), got "
            f"{type(made).__name__}. A function needs {path}._partial_=true where its arguments cannot be read"
        )
    return made


def is_function_of_a_batch(target: object, node: dict[str, Any]) -> bool:
    """Return whether a target is a function of two more arguments, which computes a loss instead of returning one."""
    if not isinstance(target, str) or "_partial_" in node or "_args_" in node:
        return False
    try:
        found = pkgutil.resolve_name(target)
        parameters = inspect.signature(found).parameters.values()
    except Exception:  # building it will report the error; some functions written in C have no signature
        return False
    if inspect.isclass(found) or not callable(found):
        return False
    return sum(p.default is p.empty and p.kind in _BY_POSITION and p.name not in node for p in parameters) >= 2


_BY_POSITION = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
