"""Splits with their counts, prevalence and fingerprints: all that training and evaluation know of any data."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from experiments.data.sample import Sample, SampleFacts, read_window, sample_facts

__all__ = ["Sample", "SegmentationData", "Split", "make_split", "missing_positives", "summary_table"]

NO_POSITIVES = (
    "expected positive pixels of every mask in every split: without any, nothing is learned, no threshold can be tuned "
    "and average precision is undefined"
)

BAND = 512
"""Rows of an image that are looked at together where all of them are looked at."""


@dataclass(frozen=True)
class Split:
    """Images of one role: training, validation or test.

    Args:
        name: "train", "val" or "test".
        samples: The images in order, possibly decoded on demand.
        image_ids: One name per image, unique within the split.
        group_ids: One name per image; images that share it are not independent (tiles of one well).
        sizes: int64 (N, 2), height and width of each image in pixels.
        positives: int64 (N, C), valid positive pixels per image and mask.
        pixels: int64 (N, C), valid pixels per image and mask.
        foreground: int64 (N,), valid pixels positive in at least one mask.
        fingerprint: Hexadecimal SHA-256 of ids, groups, pixels, labels and valid pixels, in order.
        columns: What else is known of the images, such as their scanner: column -> N values, for subgroups.

    Raises:
        ValueError: Lengths differ or an image id occurs twice.
    """

    name: str
    samples: Sequence[Sample]
    image_ids: tuple[str, ...]
    group_ids: tuple[str, ...]
    sizes: NDArray[np.int64]
    positives: NDArray[np.int64]
    pixels: NDArray[np.int64]
    foreground: NDArray[np.int64]
    fingerprint: str
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.samples)
        for name in ("image_ids", "group_ids", "sizes", "positives", "pixels", "foreground"):
            if len(getattr(self, name)) != n:
                raise ValueError(f"{name}: expected {n} entries, one per image, got {len(getattr(self, name))}")
        for column, values in self.columns.items():
            if len(values) != n:
                raise ValueError(f"columns: expected {n} values of {column}, one per image, got {len(values)}")
        if len(set(self.image_ids)) != n:
            twice = sorted({name for name in self.image_ids if self.image_ids.count(name) > 1})
            raise ValueError(f"image_ids: expected unique names, got more than once: {', '.join(twice[:20])}")

    def __len__(self) -> int:
        return len(self.samples)

    def window(self, index: int, rows: slice, columns: slice) -> Sample:
        """Return the part of an image in some rows and columns, cut off where the image ends."""
        height, width = self.sizes[index].tolist()
        rows, columns = (
            slice(part.start, min(part.stop, length)) for part, length in ((rows, height), (columns, width))
        )
        return read_window(self.samples, index, rows, columns)

    def bands(self, index: int, height: int = BAND, shared: int = 0) -> Iterator[tuple[int, Sample]]:
        """Read an image from top to bottom.

        Args:
            index: The image.
            height: Rows of a band, the last one may have fewer.
            shared: Rows of the next band that are read with a band too.

        Yields:
            The band's first row, and the band in its full width.
        """
        rows, width = self.sizes[index].tolist()
        for top in range(0, rows, height):
            yield top, self.window(index, slice(top, top + height + shared), slice(0, width))

    @property
    def channels(self) -> int:
        """K of the images, 1 or 3."""
        return self.window(0, slice(0, 1), slice(0, 1)).image.shape[-1]

    @property
    def ignores_pixels(self) -> bool:
        """Whether any pixel of any image is ignored."""
        return bool((self.pixels < self.sizes.prod(axis=1)[:, None]).any())


@dataclass(frozen=True)
class AnnotatorCounts:
    """How far each annotator of the test images agrees with the others, counted like a model's mask.

    Args:
        names: The annotators.
        counts: int64 (A, N, C, 3): hits, false alarms and misses per annotator, test image and mask.
    """

    names: tuple[str, ...]
    counts: NDArray[np.int64]

    def to_json(self, masks: Sequence[str]) -> list[dict[str, str | int]]:
        """Return the counts of all images for `run.json`, an entry per annotator and mask.

        >>> AnnotatorCounts(("ann",), np.array([[[[3, 1, 2]], [[1, 0, 0]]]])).to_json(["crack"])
        [{'annotator': 'ann', 'mask': 'crack', 'hits': 4, 'false_alarms': 1, 'misses': 2}]
        """
        return [
            {"annotator": name, "mask": mask, "hits": hits, "false_alarms": alarms, "misses": misses}
            for name, counts in zip(self.names, self.counts.sum(axis=1), strict=True)
            for mask, (hits, alarms, misses) in zip(masks, counts.tolist(), strict=True)
        ]


@dataclass(frozen=True)
class SegmentationData:
    """A training, a validation and a test split with the same masks.

    Args:
        name: Where the data come from, for titles.
        masks: Names of the C masks, in channel order.
        channels: K of every image, 1 (grey) or 3 (RGB).
        train: Images that the losses see.
        val: Images that thresholds are tuned on.
        test: Images that results are reported for.
        eta: For each test image float32 (C, H, W), the true probability that a pixel is annotated as positive;
            None where it is not known.
        annotators: How those who drew the test images agree, if there are several.
        shift: Bits that images of 16 bits lost to become 8; 0 where all have 8 bits.
    """

    name: str
    masks: tuple[str, ...]
    channels: int
    train: Split
    val: Split
    test: Split
    eta: Sequence[NDArray[np.float32]] | None = None
    annotators: AnnotatorCounts | None = None
    shift: int = 0

    @property
    def splits(self) -> tuple[Split, Split, Split]:
        """Training, validation and test split."""
        return self.train, self.val, self.test

    def fingerprints(self) -> dict[str, str]:
        """Fingerprint of each split by its name."""
        return {split.name: split.fingerprint for split in self.splits}

    def columns(self) -> dict[str, dict[str, dict[str, str]]]:
        """Return what else is known of the images: split -> column -> image -> value; empty where nothing is."""
        return {
            split.name: {
                column: dict(zip(split.image_ids, values, strict=True)) for column, values in split.columns.items()
            }
            for split in self.splits
            if split.columns
        }

    def prevalence(self, split: str | Split = "train") -> NDArray[np.float64]:
        """Share of the valid pixels that are positive, per mask, pooled over the images of one split.

        Args:
            split: "train", "val", "test", or one of the splits.

        Returns:
            float64 (C,), 0 ... 1; NaN where the split has no valid pixel.
        """
        chosen = {part.name: part for part in self.splits}[split] if isinstance(split, str) else split
        return _share(chosen.positives.sum(axis=0), chosen.pixels.sum(axis=0))


def make_split(
    name: str,
    samples: Sequence[Sample],
    image_ids: Iterable[str],
    group_ids: Iterable[str] | None = None,
    *,
    facts: Sequence[SampleFacts] | None = None,
    n_masks: int | None = None,
    salt: str = "",
    columns: Mapping[str, Sequence[str]] | None = None,
) -> Split:
    """Build a split from samples and their facts.

    Args:
        name: "train", "val" or "test".
        samples: The images in order.
        image_ids: One unique name per image.
        group_ids: One name per image; None makes every image its own group.
        facts: One per image; None reads every sample now.
        n_masks: C, needed only where there may be no image.
        salt: Added to the fingerprint: how the hashed pixels become the samples, where they differ.
        columns: What else is known of the images; it is not in the fingerprint, because no number depends on it.

    Returns:
        The split.
    """
    ids = tuple(image_ids)
    groups = ids if group_ids is None else tuple(group_ids)
    known = [sample_facts(sample) for sample in samples] if facts is None else list(facts)
    n_channels = n_masks if n_masks is not None else (len(known[0].positives) if known else 0)
    positives = np.array([fact.positives for fact in known], dtype=np.int64).reshape(len(known), n_channels)
    valid_pixels = np.array([fact.valid_pixels for fact in known], dtype=np.int64)
    digest = hashlib.sha256(salt.encode())
    for row in zip(ids, groups, known, strict=True):
        digest.update(repr((row[0], row[1], row[2].digest)).encode())
    return Split(
        name=name,
        samples=samples,
        image_ids=ids,
        group_ids=groups,
        sizes=np.array([fact.shape for fact in known], dtype=np.int64).reshape(len(known), 2),
        positives=positives,
        pixels=np.repeat(valid_pixels[:, None], n_channels, axis=1),
        foreground=np.array([fact.foreground for fact in known], dtype=np.int64),
        fingerprint=digest.hexdigest(),
        columns={column: tuple(values) for column, values in (columns or {}).items()},
    )


def missing_positives(data: SegmentationData) -> list[str]:
    """List each split and mask without a positive pixel; see `NO_POSITIVES`."""
    return [
        f"{split.name}: {mask}: none in {len(split)} images"
        for split in data.splits
        for mask, positives in zip(data.masks, split.positives.sum(axis=0), strict=True)
        if not positives
    ]


def summary_table(data: SegmentationData) -> str:
    """Describe the three splits in aligned columns, as printed before training.

    Args:
        data: The data.

    Returns:
        One header line and one line per split: images, groups, valid pixels, prevalence of each mask, share of pixels
        in any mask (in %), and for each mask the number of images where it is empty.
    """
    header = ["split", "images", "groups", "pixels", *[f"{mask} %" for mask in data.masks], "any mask %", "empty"]
    rows = [header]
    for split in data.splits:
        pixels = int(split.pixels[:, 0].sum())
        foreground = _share(split.foreground.sum(keepdims=True), np.array([pixels]))
        rows.append(
            [
                split.name,
                f"{len(split):,}",
                f"{len(set(split.group_ids)):,}",
                f"{pixels:,}",
                *[f"{100 * share:.3f}" for share in data.prevalence(split)],
                f"{100 * foreground[0]:.3f}",
                "/".join(str(count) for count in (split.positives == 0).sum(axis=0)),
            ]
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    title = f"{data.name}: {'grey' if data.channels == 1 else 'RGB'}, masks {', '.join(data.masks)}"
    lines = [
        "  ".join(cell.ljust(width) if i == 0 else cell.rjust(width) for i, (cell, width) in columns).rstrip()
        for columns in (enumerate(zip(row, widths, strict=True)) for row in rows)
    ]
    return "\n".join([title, *lines])


def _share(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    undefined = np.full(part.shape, np.nan)
    return np.divide(part, whole, out=undefined, where=whole > 0)
