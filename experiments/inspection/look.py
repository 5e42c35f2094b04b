"""Looks over data of any kind: a table per image and per mask, warnings, and pictures to draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from experiments.data.sample import Sample
from experiments.data.split import SegmentationData, Split
from experiments.inspection.overlays import Example, choose_window, draw_overlays
from experiments.inspection.strokes import stroke_width
from experiments.inspection.suspicions import suspicions

_MOST_MEASURED = 64  # images of a split whose strokes are measured
OVERLAYS = 12


@dataclass(frozen=True)
class Inspection:
    """What data hold.

    Args:
        name: Of the data.
        channels: 1 if its images are grey, 3 if they are in colour.
        images: A row per image: `split, image, group, height, width, valid_pixels, foreground` (share of the valid
            pixels in any mask).
        masks: A row per split and mask: `split, mask, images, empty, positives, prevalence, stroke_width, measured`;
            width in pixels, over the strokes of `measured` images.
        annotators: A row per annotator and mask: `annotator, mask, recall, precision, f1`, pooled over all images,
            against the others; empty if there is one annotator.
        columns: A row per split, column of the split file and value: `split, column, value, images`.
        warnings: What looks wrong, or will make training or a comparison hard.
        examples: Pictures that `plot` draws.
    """

    name: str
    channels: int
    images: pd.DataFrame
    masks: pd.DataFrame
    annotators: pd.DataFrame
    columns: pd.DataFrame
    warnings: tuple[str, ...]
    examples: tuple[Example, ...] = field(repr=False, default=())

    @property
    def mask_names(self) -> list[str]:
        """The masks, in channel order."""
        return list(dict.fromkeys(self.masks["mask"]))

    def plot(self) -> Figure:
        """Draw the examples with their masks laid over them."""
        return draw_overlays(self.examples, self.mask_names, self.name)


def inspect_data(data: SegmentationData, *, overlays: int = OVERLAYS) -> Inspection:
    """Look over loaded data of any kind.

    Args:
        data: The data.
        overlays: Most images to keep for drawing.
    """
    return look_over(data.name, data.channels, data.masks, data.splits, overlays=overlays)


def look_over(
    name: str,
    channels: int,
    masks: Sequence[str],
    splits: Sequence[Split],
    *,
    overlays: int = OVERLAYS,
    agreement: Mapping[str, NDArray[np.int64]] | None = None,
    columns: Mapping[str, Mapping[str, str]] | None = None,
    noticed: Sequence[str] = (),
) -> Inspection:
    """Look over splits.

    Args:
        name: Of the data.
        channels: 1 for grey, 3 for colour.
        masks: Names of the masks.
        splits: The splits that there are.
        overlays: Most images to keep for drawing.
        agreement: By annotator int64 (C, 3), hits, false alarms and misses against the others.
        columns: Other columns of the split file, by image.
        noticed: Warnings that are known already.
    """
    images = pd.concat([_image_rows(split) for split in splits], ignore_index=True)
    widths = {split.name: _widths(split, len(masks)) for split in splits}
    rows = [
        {
            "split": split.name,
            "mask": mask,
            "images": len(split),
            "empty": int((split.positives[:, channel] == 0).sum()),
            "positives": int(split.positives[:, channel].sum()),
            "prevalence": split.positives[:, channel].sum() / max(int(split.pixels[:, channel].sum()), 1),
            "stroke_width": widths[split.name][channel][0],
            "measured": widths[split.name][channel][1],
        }
        for split in splits
        for channel, mask in enumerate(masks)
    ]
    names = ["split", "mask", "images", "empty", "positives", "prevalence", "stroke_width", "measured"]
    table = pd.DataFrame(rows, columns=names)
    return Inspection(
        name=name,
        channels=channels,
        images=images,
        masks=table,
        annotators=_annotator_rows(masks, agreement or {}),
        columns=_column_rows(splits, columns or {}),
        warnings=(*suspicions(images, table), *noticed),
        examples=_examples(splits, overlays),
    )


def _image_rows(split: Split) -> pd.DataFrame:
    valid = np.array([int(pixels[0]) if len(pixels) else 0 for pixels in split.pixels], dtype=np.int64)
    if not split.pixels.shape[1]:
        valid = split.sizes.prod(axis=1)
    return pd.DataFrame(
        {
            "split": split.name,
            "image": list(split.image_ids),
            "group": list(split.group_ids),
            "height": split.sizes[:, 0],
            "width": split.sizes[:, 1],
            "valid_pixels": valid,
            "foreground": split.foreground / np.maximum(valid, 1),
        }
    )


def _spread(count: int, most: int) -> list[int]:
    """Choose up to `most` of `count` places, evenly spread."""
    return sorted({int(place) for place in np.linspace(0, count - 1, min(count, most))}) if count and most else []


def _widths(split: Split, n_masks: int) -> list[tuple[float, int]]:
    """Measure each mask's strokes on images that are spread over the split; weigh them by their pixels."""
    found: list[list[tuple[float, int]]] = [[] for _ in range(n_masks)]
    for index in _spread(len(split), _MOST_MEASURED) if n_masks else []:
        sample = split.samples[index]
        for channel in range(n_masks):
            width = stroke_width(sample.target[channel])
            if np.isfinite(width):
                found[channel].append((width, int(sample.target[channel].sum())))
    return [(_mean(each), len(each)) for each in found]


def _mean(each: Sequence[tuple[float, int]]) -> float:
    """Divide all area by all length: the mean of widths, each weighted by its length."""
    length = sum(pixels / width for width, pixels in each)
    return sum(pixels for _, pixels in each) / length if length else float("nan")


def _annotator_rows(masks: Sequence[str], agreement: Mapping[str, NDArray[np.int64]]) -> pd.DataFrame:
    rows = []
    for annotator, counts in agreement.items():
        for mask, (hits, alarms, misses) in zip(masks, counts.tolist(), strict=True):
            rows.append(
                {
                    "annotator": annotator,
                    "mask": mask,
                    "recall": hits / (hits + misses) if hits + misses else np.nan,
                    "precision": hits / (hits + alarms) if hits + alarms else np.nan,
                    "f1": 2 * hits / (2 * hits + alarms + misses) if hits + alarms + misses else np.nan,
                }
            )
    return pd.DataFrame(rows, columns=["annotator", "mask", "recall", "precision", "f1"])


def _column_rows(splits: Sequence[Split], columns: Mapping[str, Mapping[str, str]]) -> pd.DataFrame:
    """Count the values of the split file's other columns; a column of a value per image tells nothing."""
    found: dict[tuple[str, str, str], int] = {}
    for split in splits:
        for image in split.image_ids:
            for column, value in columns.get(image, {}).items():
                found[split.name, column, value] = found.get((split.name, column, value), 0) + 1
    rows = [
        (*key, count) for key, count in sorted(found.items(), key=lambda item: (item[0][1], item[0][0], item[0][2]))
    ]
    return pd.DataFrame(rows, columns=["split", "column", "value", "images"])


def _examples(splits: Sequence[Split], most: int) -> tuple[Example, ...]:
    """Take images of every split, by turns, those with positives first."""
    queues = []
    for split in splits:
        shown = [i for i in range(len(split)) if split.foreground[i]] or list(range(len(split)))
        queues.append([(split, shown[place]) for place in _spread(len(shown), most)])
    shares = [most // len(splits) + (i < most % len(splits)) for i in range(len(splits))]
    spare = sum(max(0, share - len(queue)) for share, queue in zip(shares, queues, strict=True))
    chosen = []
    for share, queue in zip(shares, queues, strict=True):
        count = min(len(queue), share + spare)
        spare -= max(0, count - share)
        chosen += [queue[place] for place in _spread(len(queue), count)]
    return tuple(_example(split, index, split.samples[index]) for split, index in chosen[:most])


def _example(split: Split, index: int, sample: Sample) -> Example:
    image, target, valid = choose_window(sample.image, sample.target, sample.valid)
    return Example(f"{split.image_ids[index]}", split.name, image, target, valid)
