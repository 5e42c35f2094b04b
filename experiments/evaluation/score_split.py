"""Scores a split: sends whole images through the network in windows and counts every pixel once, in histograms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn

from experiments.data.split import SegmentationData, Split
from experiments.evaluation.example_collector import ExampleCollector
from experiments.evaluation.histogram_builder import ScoreHistogramBuilder
from experiments.evaluation.whole_images import WholeImages
from experiments.evaluation.windows import Place, Window, padded, score_windows, window_spans
from experiments.frontier.arithmetic import reorder_images
from experiments.frontier.from_images import to_logits
from experiments.frontier.histogram import ScoreHistograms


@dataclass(frozen=True)
class LabelledWindow(Window):
    """A window with the labels of its core."""

    target: np.ndarray  # bool (C, h, w)
    valid: np.ndarray | None  # bool (h, w)


def _windows(split: Split, side: int, overlap: int) -> Iterator[LabelledWindow]:
    for index, (height, width) in enumerate(split.sizes.tolist()):
        columns = window_spans(width, side, overlap)
        for rows in window_spans(height, side, overlap):
            band = split.window(index, slice(rows.start, rows.stop), slice(0, width))  # all that is held of the image
            for place in (Place(rows, span) for span in columns):
                core = (place.core_inside[0], place.core[1])
                yield LabelledWindow(
                    index,
                    place,
                    padded(band.image[:, place.pixels[1]]),
                    band.target[:, *core],
                    None if band.valid is None else band.valid[core],
                )


def _is_whole(window: LabelledWindow) -> bool:
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
    windows = _windows(split, side, overlap)
    for batch, logits in score_windows(model, windows, accelerator, batch_size):
        names, groups = ([ids[window.image_index] for window in batch] for ids in (split.image_ids, split.group_ids))
        cores = [scores[:, *window.place.core_inside] for window, scores in zip(batch, logits, strict=True)]
        origins = [(window.place.rows.core_start, window.place.columns.core_start) for window in batch]
        if examples is not None:
            for window, origin, scores in zip(batch, origins, cores, strict=True):
                examples.add(window.image_index, *origin, scores)
        if all(_is_whole(window) for window in batch):  # small images: counted together, which is faster
            builder.add_batch(names, groups, logits, torch.from_numpy(np.stack([window.target for window in batch])))
        else:
            for window, name, group, scores in zip(batch, names, groups, cores, strict=True):
                builder.add(name, group, scores, window.target, window.valid)
        if whole is not None:  # after the builder, which names the mask of a NaN too, on a CPU
            for window, origin, scores in zip(batch, origins, cores, strict=True):
                whole.add(window.image_index, *origin, scores)
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
