"""Timing on a device that works asynchronously: from idle device to idle device."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch


def in_turn_on(device: torch.device, calls: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Time each call once a round, from idle device to idle device."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(-3, rounds):
        for name, call in calls.items():
            wait_for(device)
            started = time.perf_counter()
            call()
            wait_for(device)
            if turn >= 0:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def wait_for(device: torch.device) -> None:
    """Wait until a GPU has finished its work; on a CPU, return at once."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
