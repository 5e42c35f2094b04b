"""Builds the loss that a configuration names: a class, a function, or a loss of probabilities behind a sigmoid."""

from __future__ import annotations

import inspect
import pkgutil
from functools import partial
from typing import Any

from omegaconf import DictConfig, OmegaConf
from torch import nn

from experiments.config import ConfigError, instantiate, to_plain
from losses.adapters import FunctionLoss, ProbabilityLoss

INPUT = "input"  # the key of a loss, or of a term, that says what it takes; `logits` if absent
LOGITS, PROBABILITIES = "logits", "probabilities"


def build_criterion(cfg: DictConfig, key: str = "loss") -> nn.Module:
    """Build the loss at `key`.

    Besides Hydra's own words a loss, or a term of a combined loss, may hold `input: probabilities`: it then gets
    sigmoid(logits). A function is called with (logits, target), with or without `_partial_: true`.

    Args:
        cfg: The root configuration.
        key: Where the loss is.

    Raises:
        ConfigError: The loss cannot be built; the message names the key, what was expected and what came.
    """
    node = cfg.get(key)
    if not OmegaConf.is_config(node) or "_target_" not in node:
        raise ConfigError(f"{key}: expected a group option with a _target_, got {node!r}")
    plain = to_plain(node)
    made = _build(plain, key)
    return made if isinstance(made, nn.Module) else FunctionLoss(made)


def _build(node: dict[str, Any], path: str) -> Any:
    """Build one loss; for a combined loss, build its terms first."""
    node = dict(node)
    target = str(node["_target_"])
    kind = node.pop(INPUT, LOGITS)
    if kind not in (LOGITS, PROBABILITIES):
        raise ConfigError(f"{path}.{INPUT}: expected {LOGITS} or {PROBABILITIES}, got {kind!r}")
    if kind == PROBABILITIES and target.split(".", 1)[0] == "losses":
        raise ConfigError(f"{path}.{INPUT}: {target} takes logits and applies the sigmoid itself; drop this key")
    terms = node.get("terms")
    if isinstance(terms, dict) and target == "losses.CombinedLoss":
        built = {
            name: _build(term, f"{path}.terms.{name}") if isinstance(term, dict) and "_target_" in term else term
            for name, term in terms.items()
        }
        del node["terms"]
        made = _instantiate(node, path, terms=built)
    else:
        made = _instantiate(node, path)
    return ProbabilityLoss(made) if kind == PROBABILITIES else made


def _instantiate(node: dict[str, Any], path: str, **arguments: Any) -> Any:
    target = node["_target_"]
    if is_function_of_a_batch(target, node):
        node = {**node, "_partial_": True}
    made = instantiate(OmegaConf.create({path: node}, flags={"allow_objects": True}), path, **arguments)
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
