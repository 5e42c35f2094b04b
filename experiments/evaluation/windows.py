"""Cuts images into windows that overlap, and sends them through a network in batches of one size."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor, nn

from experiments.evaluation.device_counts import sent

# Encoders halve the image up to five times.
DIVISOR = 32


@dataclass(frozen=True)
class Span:
    """One window along an axis: pixels `start` to `stop` go in; the scores of `core_start` to `core_stop` count."""

    start: int
    stop: int
    core_start: int
    core_stop: int


def window_spans(length: int, side: int, overlap: int) -> list[Span]:
    """Cover an axis with windows whose cores touch and do not overlap.

    Windows start at multiples of 32 where they can, so that a network which halves the image sees the same pixels
    together as in the whole image.

    Args:
        length: Pixels along the axis.
        side: Pixels of a window.
        overlap: Least number of context pixels around a core at an inner edge.

    Raises:
        ValueError: The windows would have no core left.
    """
    if side - 2 * overlap < 1:
        raise ValueError(f"overlap: expected less than half of the window's {side} pixels, got {overlap}")
    if length <= side:
        return [Span(0, length, 0, length)]
    step, last = side - 2 * overlap, length - side
    if step >= DIVISOR and side % DIVISOR == 0:
        step, last = step // DIVISOR * DIVISOR, -(-last // DIVISOR) * DIVISOR
    starts = [*range(0, last, step), last]
    inner = [(first + second + side) // 2 for first, second in pairwise(starts)]
    edges = [0, *inner, length]
    return [
        Span(start, min(start + side, length), core_start, core_stop)
        for start, core_start, core_stop in zip(starts, edges, edges[1:], strict=False)
    ]


@dataclass(frozen=True)
class Place:
    """Where a window lies in its image."""

    rows: Span
    columns: Span

    @property
    def pixels(self) -> tuple[slice, slice]:
        """All of its pixels, in the image."""
        return slice(self.rows.start, self.rows.stop), slice(self.columns.start, self.columns.stop)

    @property
    def core(self) -> tuple[slice, slice]:
        """The pixels that count, in the image."""
        return slice(self.rows.core_start, self.rows.core_stop), slice(self.columns.core_start, self.columns.core_stop)

    @property
    def core_inside(self) -> tuple[slice, slice]:
        """The pixels that count, in the window."""
        return (
            slice(self.rows.core_start - self.rows.start, self.rows.core_stop - self.rows.start),
            slice(self.columns.core_start - self.columns.start, self.columns.core_stop - self.columns.start),
        )


def places(height: int, width: int, side: int, overlap: int) -> list[Place]:
    """Cover an image with windows, row after row; see `window_spans`."""
    columns = window_spans(width, side, overlap)
    return [Place(row, column) for row in window_spans(height, side, overlap) for column in columns]


def padded(piece: NDArray[np.uint8]) -> Tensor:
    """Mirror a piece (h, w, K) at its lower and right edge to multiples of 32; return (K, H, W)."""
    below, right = -piece.shape[0] % DIVISOR, -piece.shape[1] % DIVISOR
    whole = np.pad(piece, ((0, below), (0, right), (0, 0)), mode="symmetric")
    return torch.from_numpy(np.ascontiguousarray(whole.transpose(2, 0, 1)))


@dataclass(frozen=True)
class Window:
    """A padded piece of an image."""

    image_index: int
    place: Place
    pixels: Tensor  # uint8 (K, H, W)


AnyWindow = TypeVar("AnyWindow", bound=Window)


def score_windows(
    model: nn.Module, windows: Iterable[AnyWindow], accelerator: Accelerator, batch_size: int
) -> Iterator[tuple[list[AnyWindow], Tensor]]:
    """Send windows through a network, those of one size together.

    The same windows in the same order always make the same batches, since a batch of another size may round otherwise.

    Args:
        model: Maps uint8 images (N, K, H, W) to logits (N, C, H, W).
        windows: Of any images.
        accelerator: Device and precision.
        batch_size: Windows at once.

    Yields:
        Windows, and their logits (N, C, H, W).
    """
    waiting: dict[tuple[int, ...], list[AnyWindow]] = defaultdict(list)
    for window in windows:
        batch = waiting[tuple(window.pixels.shape)]
        batch.append(window)
        if len(batch) == batch_size:
            yield _scored(model, waiting.pop(tuple(window.pixels.shape)), accelerator)
    for batch in waiting.values():
        yield _scored(model, batch, accelerator)


def _scored(model: nn.Module, windows: list[AnyWindow], accelerator: Accelerator) -> tuple[list[AnyWindow], Tensor]:
    images = torch.stack([window.pixels for window in windows])
    images = sent(images.contiguous(memory_format=torch.channels_last), accelerator.device)
    with torch.inference_mode(), accelerator.autocast():
        return windows, model(images)
