"""Reads every file of a folder once, for its problems and for the facts that splits need."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from experiments.data.data_error import DataError
from experiments.data.image_folder.decode import TURNED, UnusableFile, as_uint8, image_pixels, open_upright
from experiments.data.image_folder.index import SampleFiles
from experiments.data.image_folder.masks import mask_pixels
from experiments.data.image_folder.problems import ProblemList
from experiments.data.image_folder.truth import segments
from experiments.data.image_folder.truth.annotators import Truth, agreement, put_together
from experiments.data.image_folder.truth.matlab import ENDING, matlab_planes
from experiments.data.image_folder.truth.planes import Planes, read_planes
from experiments.data.image_folder.truth.rule import TruthRule
from experiments.data.reading_progress import with_progress
from experiments.data.sample import Sample, SampleFacts, sample_facts

Result = TypeVar("Result")

_LARGE = 25_000_000  # pixels; files above this are decoded one at a time, which bounds memory


@dataclass(frozen=True)
class ScannedSample:
    """What reading the files of a sample once has shown.

    Args:
        files: The files.
        facts: Counts and digests; None where a file cannot be used.
        channels: 1 for a grey image, 3 for colour.
        peak: Greatest value of an image of more than 8 bits; 0 for 8 bits.
        constant: Whether all pixels are equal.
        copied: Channel of the mask that the image is a copy of; None if it is not.
        turned_alone: Whether EXIF turns either the image or a mask but not both, and the sizes fit either way.
        ignored_positives: Positive pixels of all masks that `valid` leaves out.
        mask_digests: One per mask.
        agreement: By annotator int64 (C, 3): hits, false alarms and misses against the others; see `agreement`.
        problems: (kind, entry) for each problem.
    """

    files: SampleFiles
    facts: SampleFacts | None = None
    channels: int = 0
    peak: int = 0
    constant: bool = False
    copied: int | None = None
    turned_alone: bool = False
    ignored_positives: int = 0
    mask_digests: tuple[bytes, ...] = ()
    agreement: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    problems: tuple[tuple[str, str], ...] = ()

    @property
    def ignores_pixels(self) -> bool:
        """Whether any pixel is ignored, or a file says which ones count."""
        some = self.facts is not None and self.facts.valid_pixels < np.prod(self.facts.shape)
        return bool(some or self.files.valid is not None)


@dataclass(frozen=True)
class TruthReader:
    """How the files of truth of a data set are read.

    Args:
        masks: Names of the masks in channel order.
        rule: What makes a pixel positive.
        annotators: The names of annotators, where file names have them.
    """

    masks: tuple[str, ...]
    rule: TruthRule = field(default_factory=TruthRule)
    annotators: tuple[str, ...] = ()

    def planes(self, path: Path, open_file: Callable[[Path], Image.Image], max_pixels: int) -> list[Planes]:
        """Read one file: one entry, or one for each annotator that a MATLAB file holds."""
        if path.suffix == segments.ENDING:
            return [read_planes(segments.segment_labels(path, max_pixels), self.rule, self.masks)]
        if path.suffix != ENDING:
            return [read_planes(open_file(path), self.rule, self.masks)]
        found = matlab_planes(path, self.rule.field, max_pixels)
        return [read_planes(plane, self.rule, self.masks) for plane in found]

    def truth(self, files: Sequence[Sequence[Planes]]) -> Truth:
        """Put the files of an image together."""
        return put_together(files, self.rule, self.annotators)


def scan_samples(
    root: Path,
    samples: Sequence[SampleFiles],
    reader: TruthReader,
    problems: ProblemList,
    *,
    max_pixels: int,
    threads: int | None,
) -> list[ScannedSample]:
    """Read all files once, in threads, with a progress bar on a terminal.

    Args:
        root: Folder that paths in problems are relative to.
        samples: The files.
        reader: Of the files of truth.
        problems: Receives what is wrong, in the order of the samples.
        max_pixels: Most pixels of a file that is decoded.
        threads: Number of threads; None takes the number of cores.

    Returns:
        One entry per sample, in order.
    """
    workers = threads or os.cpu_count() or 1
    alone = threading.RLock()
    with ThreadPoolExecutor(workers) as pool:
        looks = pool.map(lambda files: _scan(root, files, reader, max_pixels, alone), samples)
        scanned = with_progress(looks, len(samples), "reading images", "image")
    for sample in scanned:
        for kind, entry in sample.problems:
            problems.add(kind, entry)
    return scanned


def load_sample(files: SampleFiles, reader: TruthReader, channels: int, shift: int, max_pixels: int) -> Sample:
    """Decode a sample whose files passed the scan.

    Args:
        files: The files.
        reader: Of the files of truth.
        channels: 1 or 3, of the whole data set.
        shift: Bits that 16-bit images lose.
        max_pixels: Most pixels of a file that is decoded.

    Raises:
        DataError: A file has changed since the scan; the message names it.
    """

    def opened(path: Path) -> Image.Image:
        return open_upright(path, max_pixels)

    return read_sample(
        files,
        reader,
        channels,
        shift,
        pixels_of=lambda path: image_pixels(opened(path)),
        opened=opened,
        max_pixels=max_pixels,
    )


def read_sample(
    files: SampleFiles,
    reader: TruthReader,
    channels: int,
    shift: int,
    *,
    pixels_of: Callable[[Path], NDArray[np.uint8] | NDArray[np.uint16]],
    opened: Callable[[Path], Image.Image],
    max_pixels: int,
) -> Sample:
    """Put a sample together from files that `pixels_of` and `opened` read: all of each, or the same part.

    Raises:
        DataError: A file has changed since the scan; the message names it.
    """

    def read(path: Path, how: Callable[[], Result]) -> Result:
        try:
            return how()
        except UnusableFile as error:
            raise DataError(f"{path}: {error}; it was good when the data were checked") from error

    pixels = read(files.image, lambda: pixels_of(files.image))
    planes = [read(path, partial(reader.planes, path, opened, max_pixels)) for path in files.masks]
    valid = (
        None if files.valid is None else read(files.valid, partial(_valid_pixels, files.valid, opened, files.ignores))
    )
    if not planes:
        return Sample(as_uint8(pixels, channels, shift), np.zeros((0, *pixels.shape[:2]), bool), valid)
    truth = read(files.masks[0], lambda: reader.truth(planes))
    return Sample(as_uint8(pixels, channels, shift), truth.target, _without(valid, truth.ignored))


def _valid_pixels(path: Path, open_file: Callable[[Path], Image.Image], ignores: bool) -> NDArray[np.bool_]:
    inside = mask_pixels(open_file(path))
    return ~inside if ignores else inside


def _without(valid: NDArray[np.bool_] | None, ignored: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
    if ignored is None:
        return valid
    return ~ignored if valid is None else valid & ~ignored


def _scan(
    root: Path, files: SampleFiles, reader: TruthReader, max_pixels: int, alone: threading.RLock
) -> ScannedSample:
    with ExitStack() as held:  # holds the lock for large files until the whole sample is read

        def wait_if_large(pixels: int) -> None:
            if pixels > _LARGE:
                held.enter_context(alone)

        return _look(root, files, reader, lambda path: open_upright(path, max_pixels, wait_if_large), max_pixels)


def _look(
    root: Path,
    files: SampleFiles,
    reader: TruthReader,
    open_file: Callable[[Path], Image.Image],
    max_pixels: int,
) -> ScannedSample:
    found: list[tuple[str, str]] = []
    orientations: list[int] = []

    def opened(path: Path) -> Image.Image:
        image = open_file(path)
        orientations.append(image.info.get(TURNED, 0))
        return image

    def attempt(path: Path, read: Callable[[], Result]) -> Result | None:
        try:
            return read()
        except UnusableFile as error:
            found.append((error.kind, f"{path.relative_to(root).as_posix()}: {error.found}"))
            return None

    pixels = attempt(files.image, lambda: image_pixels(opened(files.image)))
    planes = [attempt(path, partial(reader.planes, path, opened, max_pixels)) for path in files.masks]
    orientations += [0 for path in files.masks if path.suffix in (ENDING, segments.ENDING)]  # which have none
    valid = (
        None
        if files.valid is None
        else attempt(files.valid, partial(_valid_pixels, files.valid, opened, files.ignores))
    )
    if pixels is not None:
        shapes = [
            (path, plane.target.shape[1:])
            for path, each in zip(files.masks, planes, strict=True)
            for plane in each or ()
        ]
        shapes += [] if files.valid is None or valid is None else [(files.valid, valid.shape)]
        found += [
            _size_problem(root, files.image, pixels.shape, path, shape)
            for path, shape in shapes
            if shape != pixels.shape[:2]
        ]
    if pixels is None or found:
        return ScannedSample(files, problems=tuple(found))
    truth = Truth(np.zeros((0, *pixels.shape[:2]), bool))
    if planes:
        together = attempt(files.masks[0], lambda: reader.truth([each for each in planes if each is not None]))
        if together is None:
            return ScannedSample(files, problems=tuple(found))
        truth = together
        if reader.rule.exclusive and (claims := int((truth.target.sum(axis=0) > 1).sum())):
            entry = f"{files.masks[0].relative_to(root).as_posix()}: {claims:,} pixels of several masks"
            return ScannedSample(
                files, problems=(("expected at most one mask at a pixel (data.exclusive=true)", entry),)
            )
    target, valid = truth.target, _without(valid, truth.ignored)
    wide = pixels.dtype != np.uint8
    facts = sample_facts(Sample(as_uint8(pixels, pixels.shape[2], 8), target, valid), pixels)
    height, width = facts.shape
    either_way = height == width or max(orientations) < 5  # orientations from 5 on swap height and width
    return ScannedSample(
        files=files,
        facts=facts,
        channels=pixels.shape[2],
        peak=int(pixels.max()) if wide else 0,
        constant=bool((pixels[0] == pixels[0, 0, 0]).all() and pixels.min() == pixels.max()),
        copied=_copied(pixels, target),
        turned_alone=len(set(orientations)) > 1 and either_way,
        ignored_positives=0 if valid is None else int(np.count_nonzero(target & ~valid)),
        mask_digests=tuple(hashlib.blake2b(np.packbits(plane).data, digest_size=16).digest() for plane in target),
        agreement=agreement(truth, reader.rule.annotation, valid),
    )


def _copied(pixels: NDArray[np.generic], target: NDArray[np.bool_]) -> int | None:
    """Find the mask that the image is a black and white copy of, inverted or not."""
    if len(np.unique(pixels[len(pixels) // 2])) > 2:  # one row is cheap and rules out most pictures
        return None
    other = pixels[:, :, 0] != pixels[0, 0, 0]
    for channel, mask in enumerate(target):
        if other.any() and (np.array_equal(other, mask) or np.array_equal(other, ~mask)):
            return channel if len(np.unique(pixels)) == 2 and (pixels == pixels[:, :, :1]).all() else None
    return None


def _size_problem(
    root: Path, image: Path, image_shape: tuple[int, ...], mask: Path, mask_shape: tuple[int, ...]
) -> tuple[str, str]:
    entry = (
        f"{mask.relative_to(root).as_posix()}: {mask_shape[1]} x {mask_shape[0]}, "
        f"{image.relative_to(root).as_posix()}: {image_shape[1]} x {image_shape[0]}"
    )
    if mask_shape == image_shape[1::-1]:
        entry += " (as if one of them were turned: see the EXIF orientation, which is applied to both)"
    return "expected mask and image of one size, width x height in pixels", entry
