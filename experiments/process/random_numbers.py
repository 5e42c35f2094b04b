"""The random generators that a process shares: torch's of the host and the devices, numpy's and Python's own.

A loss, an augmentation or a sampling of the user may draw from any of them.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch


def seed_generators(seed: int) -> None:
    """Seed all of them."""
    torch.manual_seed(seed)
    seed_host_generators(seed)


def seed_host_generators(seed: int) -> None:
    """Seed those of the host, and none of a device."""
    torch.default_generator.manual_seed(seed)
    random.seed(seed)
    # The legacy generator takes words of 32 bits. It is what `np.random.rand` and its like draw from.
    np.random.seed([seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF])  # noqa: NPY002


def generator_states() -> dict[str, Any]:
    """Return their states, as tensors and plain values that `torch.load(weights_only=True)` reads."""
    name, words, *rest = np.random.get_state(legacy=True)  # noqa: NPY002
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "mps": torch.mps.get_rng_state() if torch.backends.mps.is_available() else None,
        "numpy": (str(name), torch.from_numpy(np.asarray(words, np.int64)), *rest),
        "python": random.getstate(),
    }


def set_generator_states(states: dict[str, Any]) -> None:
    """Set the states that `generator_states` returned; those of devices that are not here are left out."""
    torch.set_rng_state(states["torch"])
    if states["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(states["cuda"])
    if states["mps"] is not None and torch.backends.mps.is_available():
        torch.mps.set_rng_state(states["mps"])
    name, words, *rest = states["numpy"]
    np.random.set_state((name, words.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    version, internal, gauss = states["python"]
    random.setstate((version, tuple(internal), gauss))
