"""Keeps the pixel scores of a few test images while a split is scored, and chooses these images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from experiments.data.split import Split
from experiments.frontier.codes import logit_to_code
from experiments.runs.example_scores import ExampleScores

LARGEST_SIDE = 512
"""Pixels; of a larger image only a window of at most this side is kept."""

_STRIDE = 32
_FEWEST = 3  # to show a best, a median and a worst one

Box = tuple[int, int, int, int]
"""Top, left, height and width in pixels."""


@dataclass(frozen=True)
class KeptWindow:
    """A window of a test image whose scores are kept.

    Args:
        index: The image's place in its split.
        box: The window in the image.
    """

    index: int
    box: Box


def choose_windows(split: Split, max_pixels: int) -> list[KeptWindow]:
    """Choose the images to keep without looking at any model, so that all arms keep the same ones.

    The images with a positive pixel (all images, if none has any) are sorted by their share of foreground. As many as
    fit into `max_pixels` are taken, evenly spaced in that order, both ends included; if only one fits, it is the middle
    one. If fewer than three fit, windows are made smaller until three do.

    Args:
        split: The test split.
        max_pixels: Most pixels of all windows together; 0 keeps none.

    Returns:
        Windows in the order of the split: the whole image or, if a side is longer than 512 pixels, the window of that
        size with the most foreground.
    """
    pixels = split.pixels[:, 0] if split.pixels.size else np.zeros(len(split), np.int64)
    candidates = np.flatnonzero(split.foreground > 0) if (split.foreground > 0).any() else np.arange(len(split))
    share = split.foreground[candidates] / np.maximum(pixels[candidates], 1)
    ordered = candidates[np.argsort(share, kind="stable")]
    chosen = _evenly_spaced(ordered, split.sizes, LARGEST_SIDE, max_pixels)
    side = LARGEST_SIDE
    if len(chosen) < min(_FEWEST, len(ordered)):
        side = min(LARGEST_SIDE, isqrt(max_pixels // _FEWEST))
        chosen = _evenly_spaced(ordered, split.sizes, side, max_pixels)
    return [KeptWindow(int(index), _window(split, int(index), side)) for index in chosen] if side else []


def _evenly_spaced(ordered: NDArray[np.intp], sizes: NDArray[np.int64], side: int, max_pixels: int) -> NDArray[np.intp]:
    """Choose as many of the sorted images as fit, evenly spaced, and return them in the order of the split."""
    areas = np.minimum(sizes, side).prod(axis=1)
    most = min(len(ordered), max_pixels // max(int(areas[ordered].min(initial=max_pixels + 1)), 1))
    for count in range(most, 0, -1):
        places = np.linspace(0, len(ordered) - 1, count) if count > 1 else np.array([(len(ordered) - 1) / 2])
        chosen = np.sort(ordered[np.round(places).astype(int)])
        if areas[chosen].sum() <= max_pixels:
            return chosen
    return ordered[:0]


def _window(split: Split, index: int, side: int) -> Box:
    height, width = (int(side) for side in split.sizes[index])
    rows, columns = min(height, side), min(width, side)
    if (rows, columns) == (height, width):
        return (0, 0, height, width)
    tops, lefts = _starts(height - rows), _starts(width - columns)
    beside = np.empty((height + 1, len(lefts)), np.int64)  # foreground above a row, in the columns of each window
    beside[0] = 0
    for top, band in split.bands(index):
        foreground: NDArray[np.bool_] = np.logical_or.reduce(band.target, axis=0)
        if band.valid is not None:
            foreground = foreground & band.valid
        sums = np.zeros((len(foreground), width + 1), np.int64)
        np.cumsum(foreground, axis=1, out=sums[:, 1:])
        beside[top + 1 : top + 1 + len(foreground)] = sums[:, lefts + columns] - sums[:, lefts]
    beside = beside.cumsum(axis=0)
    inside = beside[tops + rows] - beside[tops]
    row, column = np.unravel_index(int(inside.argmax()), inside.shape)
    return (int(tops[row]), int(lefts[column]), rows, columns)


def _starts(last: int) -> NDArray[np.intp]:
    return np.unique(np.append(np.arange(0, last + 1, _STRIDE), last))


class ExampleCollector:
    """Receives the scores of every evaluated window and keeps those of the chosen pixels.

    Args:
        split: The split that is scored.
        windows: The windows to keep, each of another image.
        n_masks: C.
    """

    def __init__(self, split: Split, windows: Sequence[KeptWindow], n_masks: int) -> None:
        self.split = split
        self.windows = tuple(windows)
        self._boxes = {window.index: window.box for window in windows}
        self._logits = {
            window.index: np.full((n_masks, *window.box[2:]), np.nan, dtype=np.float32) for window in windows
        }

    def add(self, image_index: int, top: int, left: int, logits: Tensor) -> None:
        """Keep the scores inside the image's window.

        Args:
            image_index: The image's place in the split; for an image that is not kept, this is only a look-up.
            top: Row of the piece's first pixel in the image.
            left: Its column.
            logits: (C, H, W), on any device.
        """
        if image_index not in self._boxes:
            return
        box = self._boxes[image_index]
        rows, columns = (
            slice(max(start, first), min(start + length, first + size))
            for start, length, first, size in zip((top, left), logits.shape[1:], box[:2], box[2:], strict=True)
        )
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return
        piece = logits[:, rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
        kept = self._logits[image_index]
        kept[:, rows.start - box[0] : rows.stop - box[0], columns.start - box[1] : columns.stop - box[1]] = (
            piece.detach().to("cpu", torch.float32).numpy()
        )

    def finish(self) -> ExampleScores:
        """Combine images, labels and scores.

        Raises:
            ValueError: A pixel of a window was never scored, or its logit is NaN.
        """
        images, targets, valids, codes = [], [], [], []
        for window in self.windows:
            top, left, height, width = window.box
            sample = self.split.window(window.index, slice(top, top + height), slice(left, left + width))
            images.append(np.ascontiguousarray(sample.image))
            targets.append(np.ascontiguousarray(sample.target))
            valids.append(None if sample.valid is None else np.ascontiguousarray(sample.valid))
            codes.append(logit_to_code(self._logits[window.index]))
        return ExampleScores(
            image_ids=tuple(self.split.image_ids[window.index] for window in self.windows),
            windows=tuple(window.box for window in self.windows),
            images=tuple(images),
            targets=tuple(targets),
            valids=tuple(valids),
            codes=tuple(codes),
        )


def example_collector(split: Split, n_masks: int, max_pixels: int) -> ExampleCollector | None:
    """Make the collector of a split; None if nothing is to be kept."""
    windows = choose_windows(split, max_pixels) if max_pixels > 0 else []
    return ExampleCollector(split, windows, n_masks) if windows else None
