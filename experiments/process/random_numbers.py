"""The global random generators of a process: torch's on host and devices, numpy's, and Python's.

A user's loss, augmentation or sampling may draw from any of them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


def seed_generators(seed: int) -> None:
    """Seed all global generators."""
    torch.manual_seed(seed)
    seed_host_generators(seed)


def seed_host_generators(seed: int) -> None:
    """Seed the generators of the host, but not those of devices."""
    torch.default_generator.manual_seed(seed)
    random.seed(seed)
    # numpy's legacy generator, behind `np.random.rand` and the like, takes seeds of 32 bits.
    np.random.seed([seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF])  # noqa: NPY002


def generator_states() -> dict[str, Any]:
    """Return the states of all generators, as tensors and plain values that `torch.load(weights_only=True)` reads."""
    name, words, *rest = np.random.get_state(legacy=True)  # noqa: NPY002
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "mps": torch.mps.get_rng_state() if torch.backends.mps.is_available() else None,
        "numpy": (str(name), torch.from_numpy(np.asarray(words, np.int64)), *rest),
        "python": random.getstate(),
    }


def set_generator_states(states: dict[str, Any]) -> None:
    """Set the states that `generator_states` returned, except those of devices that this machine lacks."""
    torch.set_rng_state(states["torch"])
    if states["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(states["cuda"])
    if states["mps"] is not None and torch.backends.mps.is_available():
        torch.mps.set_rng_state(states["mps"])
    name, words, *rest = states["numpy"]
    np.random.set_state((name, words.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    version, internal, gauss = states["python"]
    random.setstate((version, tuple(internal), gauss))


@contextmanager
def unchanged_generators() -> Iterator[None]:
    """Set all generators back, at the end of this context, to their states at its beginning."""
    states = generator_states()
    try:
        yield
    finally:
        set_generator_states(states)


@contextmanager
def own_numbers(device: torch.device) -> Iterator[Callable[[int], None]]:
    """Let the code inside draw from generators seeded for it, and restore all generators afterwards.

    These are the generators of the host and of the device. Nothing here waits for the device.

    Yields:
        A function that seeds the generators.
    """
    ordinal = torch.cuda.current_device() if device.index is None and device.type == "cuda" else device.index
    numpys, pythons = np.random.get_state(), random.getstate()  # noqa: NPY002

    def seed_numbers(seed: int) -> None:
        if device.type == "cuda":
            torch.cuda.default_generators[ordinal].manual_seed(seed)
        # Not torch.manual_seed, which would also reseed the dropout of a network on a GPU.
        seed_host_generators(seed)

    try:
        with torch.random.fork_rng(devices=[] if device.type != "cuda" else [ordinal]):
            yield seed_numbers
    finally:
        np.random.set_state(numpys)  # noqa: NPY002
        random.setstate(pythons)
