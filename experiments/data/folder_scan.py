"""One look at every file of a folder: what is wrong with it, and the facts that splits need."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from experiments.data.folder_index import SampleFiles
from experiments.data.image_file import UnusableFile, as_uint8, image_pixels, open_upright
from experiments.data.mask_file import mask_pixels
from experiments.data.problem_list import ProblemList
from experiments.data.sample import Sample, SampleFacts, sample_facts

Result = TypeVar("Result")

_FEW = 50  # samples that are read before a progress bar would be of use


@dataclass(frozen=True)
class ScannedSample:
    """What one look at the files of a sample tells.

    Args:
        files: The files.
        facts: Counts and digests; None where a file cannot be used.
        channels: 1 for a grey image, 3 for colour.
        peak: Greatest value of an image of more than 8 bits; 0 for 8 bits.
        constant: Whether all pixels are equal.
        problems: (kind, entry) for each problem.
    """

    files: SampleFiles
    facts: SampleFacts | None
    channels: int
    peak: int
    constant: bool
    problems: tuple[tuple[str, str], ...]


def scan_samples(
    root: Path, samples: Sequence[SampleFiles], problems: ProblemList, *, threads: int | None
) -> list[ScannedSample]:
    """Read all files once, in threads, with a progress bar on a terminal.

    Args:
        root: Folder that paths in problems are relative to.
        samples: The files.
        problems: Receives what is wrong, in the order of the samples.
        threads: Number of threads; None takes the number of cores.

    Returns:
        One entry per sample, in order.
    """
    workers = threads or os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        scanned = list(
            tqdm(
                pool.map(lambda files: _scan(root, files), samples),
                total=len(samples),
                desc="reading images",
                unit="image",
                disable=len(samples) < _FEW or not sys.stderr.isatty(),
                file=sys.stderr,
                leave=False,
            )
        )
    for sample in scanned:
        for kind, entry in sample.problems:
            problems.add(kind, entry)
    return scanned


def load_sample(files: SampleFiles, channels: int, shift: int) -> Sample:
    """Decode a sample whose files were found to be good.

    Args:
        files: The files.
        channels: 1 or 3, of the whole data set.
        shift: Bits that 16-bit images lose.
    """
    masks = [mask_pixels(open_upright(path)) for path in files.masks]
    return Sample(
        as_uint8(image_pixels(open_upright(files.image)), channels, shift),
        np.stack(masks),
        None if files.valid is None else mask_pixels(open_upright(files.valid)),
    )


def _scan(root: Path, files: SampleFiles) -> ScannedSample:
    found: list[tuple[str, str]] = []

    def attempt(path: Path, read: Callable[[Path], Result]) -> Result | None:
        try:
            return read(path)
        except UnusableFile as error:
            found.append((error.kind, f"{path.relative_to(root).as_posix()}: {error.found}"))
            return None

    pixels = attempt(files.image, lambda path: image_pixels(open_upright(path)))
    planes = [
        attempt(path, lambda path: mask_pixels(open_upright(path)))
        for path in (*files.masks, *(() if files.valid is None else (files.valid,)))
    ]
    if pixels is not None:
        for path, plane in zip((*files.masks, files.valid), planes, strict=False):
            if path is not None and plane is not None and plane.shape != pixels.shape[:2]:
                found.append(_size_problem(root, files.image, pixels.shape, path, plane.shape))
    if pixels is None or found:
        return ScannedSample(files, None, 0, 0, False, tuple(found))
    good: list[NDArray[np.bool_]] = [plane for plane in planes if plane is not None]
    target, valid = np.stack(good[: len(files.masks)]), None if files.valid is None else good[-1]
    wide = pixels.dtype != np.uint8
    facts = sample_facts(Sample(as_uint8(pixels, pixels.shape[2], 8), target, valid), pixels)
    return ScannedSample(
        files=files,
        facts=facts,
        channels=pixels.shape[2],
        peak=int(pixels.max()) if wide else 0,
        constant=bool(pixels.min() == pixels.max()),
        problems=(),
    )


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
