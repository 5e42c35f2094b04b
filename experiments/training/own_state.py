"""State that a module keeps outside its `state_dict`: a count of its calls, a running mean, its own generator.

Without it, a loss that anneals by counting its calls would start over when a run resumes from a checkpoint.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

_PLAIN = (bool, int, float, str, type(None))
_GENERATORS = ("generator", "numpy generator", "numpy state", "python generator")
_OF_TORCH = frozenset(vars(nn.Module())) - {"training"}


def own_state(module: nn.Module) -> dict[str, dict[str, Any]]:
    """Read the numbers, arrays, tensors and generators among the attributes of a module and its submodules.

    Lists, tuples and mappings are searched; objects of the user's own classes are not. For those, torch offers
    `register_buffer` and `get_extra_state`.

    Returns:
        Submodule -> attribute -> value, all readable by `torch.load(weights_only=True)`.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, part in module.named_modules():
        values = {key: value for key, value in vars(part).items() if key not in _OF_TORCH}
        values |= {key: part._buffers[key] for key in part._non_persistent_buffers_set}
        found[name] = {key: coded for key, value in values.items() if (coded := _encode(value)) is not None}
    return found


def set_own_state(module: nn.Module, state: dict[str, dict[str, Any]]) -> None:
    """Restore the state that `own_state` returned; generators are set in place, because others may share them."""
    parts = dict(module.named_modules())
    for name, values in state.items():
        for key, coded in values.items():
            before = getattr(parts[name], key, None)
            value = _decode(coded, before)
            if value is not before:
                setattr(parts[name], key, value)


def _encode(value: Any) -> tuple[str, Any] | None:
    """Return kind and content of a value; None for any other kind."""
    if type(value) in _PLAIN:
        return "plain", value
    if isinstance(value, Tensor):
        return "tensor", value.detach()
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biuf":
        return "array" if isinstance(value, np.ndarray) else "scalar", torch.from_numpy(np.array(value))
    if isinstance(value, torch.Generator):
        return "generator", value.get_state()
    if isinstance(value, np.random.Generator):
        return "numpy generator", _plain_arrays(value.bit_generator.state)
    if isinstance(value, np.random.RandomState):
        return "numpy state", _plain_arrays(value.get_state(legacy=False))
    if isinstance(value, random.Random):
        return "python generator", value.getstate()
    if type(value) in (list, tuple):
        parts = [_encode(part) for part in value]
        return None if None in parts else (type(value).__name__, parts)
    if type(value) is dict and all(type(key) in _PLAIN for key in value):
        items = {key: _encode(part) for key, part in value.items()}
        return None if None in items.values() else ("dict", items)
    return None


def _decode(coded: tuple[str, Any], before: Any) -> Any:
    kind, content = coded
    if kind in _GENERATORS and before is None:
        return None  # not initialised before its first use
    if kind == "tensor":
        return content.to(before.device) if isinstance(before, Tensor) else content
    if kind in ("array", "scalar"):
        return content.numpy() if kind == "array" else content.numpy()[()]
    if kind == "generator":
        before.set_state(content)
        return before
    if kind == "numpy generator":
        before.bit_generator.state = _with_arrays(content)
        return before
    if kind == "numpy state":
        before.set_state(_with_arrays(content))
        return before
    if kind == "python generator":
        before.setstate((content[0], tuple(content[1]), content[2]))
        return before
    if kind in ("list", "tuple"):
        known = before if isinstance(before, list | tuple) and len(before) == len(content) else [None] * len(content)
        parts = [_decode(part, old) for part, old in zip(content, known, strict=True)]
        return parts if kind == "list" else tuple(parts)
    if kind == "dict":
        olds = before if isinstance(before, dict) else {}
        return {key: _decode(part, olds.get(key)) for key, part in content.items()}
    return content


def _plain_arrays(state: Any) -> Any:
    if isinstance(state, dict):
        return {key: _plain_arrays(value) for key, value in state.items()}
    if isinstance(state, np.ndarray):
        return torch.from_numpy(state.astype(np.int64)), str(state.dtype)
    return state.item() if isinstance(state, np.generic) else state


def _with_arrays(state: Any) -> Any:
    if isinstance(state, dict):
        return {key: _with_arrays(value) for key, value in state.items()}
    return state[0].numpy().astype(state[1]) if isinstance(state, tuple | list) else state
