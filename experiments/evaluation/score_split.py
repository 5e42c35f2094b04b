"""Scores a split: sends whole images through the network in windows and counts every pixel once, in histograms."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from experiments.data.split import Sample, SegmentationData, Split
from experiments.evaluation.example_collector import ExampleCollector
from experiments.evaluation.histogram_builder import ScoreHistogramBuilder
from experiments.evaluation.whole_images import WholeImages
from experiments.frontier.arithmetic import reorder_images
from experiments.frontier.from_images import to_logits
from experiments.frontier.histogram import ScoreHistograms

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
    starts = [*range(0, length - side, side - 2 * overlap), length - side]
    inner = [(first + second + side) // 2 for first, second in pairwise(starts)]
    edges = [0, *inner, length]
    return [
        Span(start, start + side, core_start, core_stop)
        for start, core_start, core_stop in zip(starts, edges, edges[1:], strict=False)
    ]


@dataclass(frozen=True)
class Window:
    """A padded piece of an image, and which of its pixels count."""

    image_index: int
    pixels: Tensor  # uint8 (K, H, W)
    target: np.ndarray  # bool (C, h, w), the core
    valid: np.ndarray | None  # bool (h, w), the core
    core: tuple[slice, slice]  # of the padded piece
    origin: tuple[int, int]  # row and column of the core in the image


def _windows(index: int, sample: Sample, side: int, overlap: int) -> Iterator[Window]:
    height, width = sample.image.shape[:2]
    for rows in window_spans(height, side, overlap):
        for columns in window_spans(width, side, overlap):
            piece = sample.image[rows.start : rows.stop, columns.start : columns.stop]
            below, right = -piece.shape[0] % DIVISOR, -piece.shape[1] % DIVISOR
            padded = np.pad(piece, ((0, below), (0, right), (0, 0)), mode="symmetric")
            core = (slice(rows.core_start, rows.core_stop), slice(columns.core_start, columns.core_stop))
            yield Window(
                index,
                torch.from_numpy(np.ascontiguousarray(padded.transpose(2, 0, 1))),
                sample.target[:, core[0], core[1]],
                None if sample.valid is None else sample.valid[core],
                (
                    slice(rows.core_start - rows.start, rows.core_stop - rows.start),
                    slice(columns.core_start - columns.start, columns.core_stop - columns.start),
                ),
                (rows.core_start, columns.core_start),
            )


def _is_whole(window: Window) -> bool:
    """Return whether every pixel of the window counts and is valid."""
    return window.valid is None and window.target.shape[1:] == window.pixels.shape[1:]


@torch.inference_mode()
def score_split(
    model: nn.Module,
    split: Split,
    masks: tuple[str, ...],
    accelerator: Accelerator,
    *,
    side: int,
    overlap: int,
    batch_size: int,
    thresholds: Mapping[str, Sequence[float]] | None = None,
    examples: ExampleCollector | None = None,
    whole: WholeImages | None = None,
) -> ScoreHistograms:
    """Histogram the logits of every pixel of a split, per image and mask.

    Args:
        model: Maps uint8 images (N, K, H, W) to logits (N, C, H, W).
        split: The images.
        masks: Names of the C masks.
        accelerator: Device and precision.
        side: Side of a window in pixels; smaller images are scored whole.
        overlap: Context around a window's core in pixels.
        batch_size: Windows at once, of one size.
        thresholds: Operating points, besides the natural one, for the counts of pixels of no mask: a name and C logits
            each.
        examples: Receives the scores too, and keeps those of a few images.
        whole: Receives them too, and counts within distances.

    Returns:
        Histograms, images in the order of the split.
    """
    model.eval()
    builder = ScoreHistogramBuilder(masks, thresholds=thresholds)
    waiting: dict[tuple[int, ...], list[Window]] = defaultdict(list)

    def score(windows: list[Window]) -> None:
        images = torch.stack([window.pixels for window in windows])
        images = images.contiguous(memory_format=torch.channels_last).to(accelerator.device)
        with accelerator.autocast():
            logits = model(images)
        names, groups = ([ids[window.image_index] for window in windows] for ids in (split.image_ids, split.group_ids))
        if examples is not None:
            for window, scores in zip(windows, logits, strict=True):
                examples.add(window.image_index, *window.origin, scores[:, *window.core])
        if all(_is_whole(window) for window in windows):  # small images: counted together, which is faster
            targets = torch.from_numpy(np.stack([window.target for window in windows]))
            builder.add_batch(names, groups, logits, targets)
        else:
            for window, name, group, scores in zip(windows, names, groups, logits, strict=True):
                builder.add(name, group, scores[:, *window.core], window.target, window.valid)
        if whole is not None:  # after the builder, which refuses NaN by the image's name
            for window, scores in zip(windows, logits, strict=True):
                whole.add(window.image_index, *window.origin, scores[:, *window.core])

    for index in range(len(split.samples)):
        for window in _windows(index, split.samples[index], side, overlap):
            batch = waiting[tuple(window.pixels.shape)]
            batch.append(window)
            if len(batch) == batch_size:
                score(batch)
                batch.clear()
    for batch in waiting.values():
        if batch:
            score(batch)
    return _in_order(builder.build(), split.image_ids)


def _in_order(scores: ScoreHistograms, image_ids: Sequence[str]) -> ScoreHistograms:
    """Put images, which were counted by the sizes of their windows, into the order of their split."""
    place = {image: index for index, image in enumerate(scores.image_ids)}
    return reorder_images(scores, np.array([place[image] for image in image_ids], dtype=np.intp))


def score_ceiling(data: SegmentationData) -> ScoreHistograms | None:
    """Histogram ln(eta / (1 - eta)) over the test pixels, as if it were a model's logit.

    Pixels that are certainly negative or positive (eta 0 or 1) get the lowest or highest score.

    Returns:
        The histograms of the test split; None if the data do not know eta.
    """
    if data.eta is None:
        return None
    builder = ScoreHistogramBuilder(data.masks)
    test = data.test
    for index, (image, group) in enumerate(zip(test.image_ids, test.group_ids, strict=True)):
        logits = to_logits(data.eta[index])
        sample = test.samples[index]
        builder.add(image, group, logits.astype(np.float32), sample.target, sample.valid)
    return builder.build()
