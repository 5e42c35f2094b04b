"""Measuring calls: time in turn, so that a busy machine slows all alike, and the memory of one call at its peak."""

from __future__ import annotations

import ctypes
import gc
import sys
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


def in_turn(
    calls: Mapping[str, Callable[[], Any]],
    *,
    rounds: int,
    warmup: int = 1,
    before_each: Callable[[Callable[[], Any]], Any] | None = None,
) -> dict[str, list[float]]:
    """Time each call once a round, all of them in every round, another one first each time.

    Who comes first pays for what lay between two rounds: cold caches, memory that went back to the system.

    Args:
        calls: name -> call.
        rounds: how often each is timed.
        warmup: rounds before, which are not counted.
        before_each: given every call before it is timed, and not timed itself: `warm` or `cold`; None for nothing.

    Returns:
        name -> seconds of wall time, one per round.
    """
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    names = list(calls)
    for turn in range(-warmup, rounds):
        gc.collect()
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            if before_each is not None:
                before_each(calls[name])
            started = time.perf_counter()
            calls[name]()
            if turn >= 0:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def warm(call: Callable[[], Any]) -> None:
    """Make a call that is not timed, so that the next finds code and data in the caches, as in a loop."""
    call()


def cold(_: Callable[[], Any]) -> None:
    """Leave nothing of code or data in the caches, as after other work."""
    np.add(_much_memory(), 1, out=_much_memory())


@cache
def _much_memory() -> NDArray[np.uint8]:
    """Return more than any cache holds."""
    return np.zeros(128_000_000, np.uint8)


def peak_memory(call: Callable[[], Any], *, times: int = 3) -> int | None:
    """Return by how many bytes a call raises this process's memory at its peak.

    The result of the call counts too, what it makes once and keeps does not. None where the system does not tell (it
    takes Linux's /proc).

    Args:
        call: what is measured.
        times: how often, after one call that is not measured; the least counts, as leftovers of the allocator only add.
    """
    call()
    peaks = []
    try:
        for _ in range(times):
            gc.collect()
            _give_back_free_memory()
            _CLEAR.write_text("5")  # the peak starts anew
            before = _kilobytes("VmRSS")
            result = call()
            peaks.append(_kilobytes("VmHWM") - before)
            del result
    except (OSError, ValueError):
        return None
    return max(0, min(peaks)) * 1024


def _kilobytes(field: str) -> int:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1])
    raise ValueError(f"{_STATUS}: expected a line {field}, got none")


def _give_back_free_memory() -> None:
    """Otherwise memory that earlier calls left behind would hide what this one takes."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
