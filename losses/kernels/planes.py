"""Runs the compiled loops over all pixels: threads share the work in pieces of planes.

Arrays are contiguous, (planes, pixels); a plane is one mask of one image. The sums of all pieces are added in their
order, so that a sum is the same for any number of threads.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import cache
from typing import Any

import numba
import numpy as np
import torch

from losses.kernels import _loops
from losses.kernels._loops import Doubles, Floats, Labels, Valid

_LEAST_SHARE = 2**16  # pixels a thread; with fewer, waking it takes longer than the work
_turn = threading.Lock()  # some of numba's threading layers do not allow two calls at once


def _new_turn() -> None:
    global _turn
    _turn = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_turn)  # the thread that held the lock does not exist in the child


@cache
def _most_threads() -> int:
    """Start numba's threads and return their number. Where both use OpenMP, that would change torch's number too."""
    of_torch = torch.get_num_threads()
    most = int(numba.get_num_threads())
    torch.set_num_threads(of_torch)
    return most


def _with_threads(name: str, threads: int, pixels: Floats, *arguments: Any) -> None:
    """Call a kernel for all pieces of all planes.

    Where one thread is enough, numba's threads are not used. In a process that was forked after they had started they
    do not work, and neither do torch's.
    """
    alone: Callable[..., None] = getattr(_loops, name)
    together: Callable[..., None] = getattr(_loops, f"{name}_in_threads")
    pieces = len(pixels) * _pieces(pixels)
    threads = min(threads, pieces, pixels.size // _LEAST_SHARE)
    if threads <= 1 or (threads := min(threads, _most_threads())) == 1:
        alone(*arguments, 0, pieces)
        return
    bounds = np.array([pieces * part // threads for part in range(threads + 1)])
    with _turn:
        before = numba.get_num_threads()
        numba.set_num_threads(threads)
        try:
            together(*arguments, bounds)
        finally:
            numba.set_num_threads(before)


def _pieces(pixels: Floats) -> int:
    return -(-pixels.shape[1] // _loops.PIECE)


def pixel_sum(
    x: Floats, t: Labels, valid: Valid, *, weights: Floats, gamma: float, scale: float, slope: Floats, threads: int
) -> tuple[float, float]:
    """Sum a(t) · q^gamma · softplus(z) over all pixels, and write `scale` times the derivative by each logit.

    Args:
        x: logits, (planes, pixels).
        t: labels, the same shape.
        valid: 0 = ignore the pixel, the same shape; None = all count.
        weights: weight of a positive pixel, one per plane.
        gamma: at least 0.
        scale: factor of the slopes, not of the sum.
        slope: overwritten, the same shape.
        threads: the most to use.

    Returns:
        The sum; and the sum of |t − t²|, which is 0 only if all labels of valid pixels are 0 or 1.
    """
    sums = np.zeros((len(x), _pieces(x), 2))
    _with_threads("pixel_sums", threads, x, x, t, valid, weights, float(gamma), float(scale), slope, sums)
    total, excess = sums.sum((0, 1)).tolist()
    return total, excess


def soft_counts(x: Floats, t: Labels, valid: Valid, *, slope: Floats, threads: int) -> tuple[Doubles, float]:
    """Sum soft false positives, soft false negatives and positives of every plane, and write each pixel's slope.

    Args:
        x: logits, (planes, pixels).
        t: labels, the same shape.
        valid: 0 = ignore the pixel, the same shape; None = all count.
        slope: overwritten, the same shape as x, with (1 − 2t) · q · (1 − q), where q is the probability of the wrong
            answer. Its sign tells the label.
        threads: the most to use.

    Returns:
        The counts, (planes, 3); and the sum of |t − t²|, which is 0 only if all labels of valid pixels are 0 or 1.
    """
    sums = np.zeros((len(x), _pieces(x), 4))
    _with_threads("count_sums", threads, x, x, t, valid, slope, sums)
    of_planes = sums.sum(1)
    return of_planes[:, :3], float(of_planes[:, 3].sum())


def weigh_slopes(slope: Floats, of_negative: Floats, of_positive: Floats, *, threads: int) -> None:
    """Multiply the slopes of :func:`soft_counts`, in place, by one factor for negative and one for positive labels.

    Args:
        slope: (planes, pixels).
        of_negative: one per plane.
        of_positive: one per plane.
        threads: the most to use.
    """
    _with_threads("weigh_planes", threads, slope, slope, of_negative, of_positive, _pieces(slope))
