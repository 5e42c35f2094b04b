"""Time and memory of a call at growing sizes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.stopwatch import peak_memory


@dataclass(frozen=True)
class Growth:
    """Cost at growing sizes.

    Args:
        work: the measured work.
        axis: the quantity that grows.
        unit: the unit of the constant.
        sizes: along the axis.
        seconds: at each size, the least of the rounds.
        peak: bytes at each size, or empty where it was not measured.
        per: how many units one step along the axis is.
    """

    work: str
    axis: str
    unit: str
    sizes: tuple[int, ...]
    seconds: tuple[float, ...]
    peak: tuple[int, ...] = ()
    per: float = 1.0

    @property
    def exponent(self) -> float:
        """Slope of log time over log size: 1 is linear; below 1 a fixed cost still shows."""
        return float(np.polyfit(np.log(self.sizes), np.log(self.seconds), 1)[0])

    @property
    def constant(self) -> float:
        """Seconds per additional unit, by a straight line through the sizes."""
        return float(np.polyfit(self.sizes, self.seconds, 1)[0] / self.per)


def grow(
    work: str,
    axis: str,
    unit: str,
    sizes: Sequence[int],
    call_at: Callable[[int], Callable[[], object]],
    *,
    rounds: int,
    per: float = 1.0,
) -> Growth:
    """Measure a call at growing sizes."""
    seconds, peaks = [], []
    for size in sizes:
        call = call_at(size)
        call()
        times = []
        for _ in range(rounds):
            started = time.perf_counter()
            call()
            times.append(time.perf_counter() - started)
        seconds.append(min(times))
        peak = peak_memory(call)
        if peak is not None:
            peaks.append(peak)
    complete = tuple(peaks) if len(peaks) == len(sizes) else ()
    return Growth(work, axis, unit, tuple(sizes), tuple(seconds), complete, per)
