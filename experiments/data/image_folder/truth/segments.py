"""Reads a file of segments (`.seg`) of the Berkeley data: a label for each run of pixels in a row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.data.image_folder.decode import UnusableFile

ENDING = ".seg"
_KIND = (
    "expected a file of segments: width, height, format ascii cr, data, then lines of label, row, first and last column"
)


def segment_labels(path: Path, max_pixels: int) -> NDArray[np.int64]:
    """Read the label of every pixel.

    Args:
        path: The file, with the format `ascii cr`.
        max_pixels: Most pixels.

    Returns:
        int64 (H, W).

    Raises:
        UnusableFile: The file is damaged, or does not give each pixel one label.

    Reference:
        Martin and Fowlkes (2001), "The Berkeley Segmentation Dataset: segmentation file format", version 1.1.
    """
    try:
        text = path.read_text(encoding="latin-1")
    except OSError as error:
        raise UnusableFile("cannot be read from the disk", error.strerror or str(error)) from error
    head, found, data = text.partition("\ndata")
    fields = dict(line.split(maxsplit=1) for line in head.splitlines() if len(line.split()) > 1)
    try:
        width, height = int(fields["width"]), int(fields["height"])
        runs = np.array(data.split(), dtype=np.int64).reshape(-1, 4)
    except (KeyError, ValueError, OverflowError) as error:
        raise UnusableFile(_KIND, f"{type(error).__name__}: {error}") from error
    if not found or fields.get("format", "").split()[:2] != ["ascii", "cr"]:
        raise UnusableFile(_KIND, f"format {fields.get('format', 'not given')}")
    if width < 1 or height < 1 or width * height > max_pixels:
        raise UnusableFile(
            f"expected at most {max_pixels:,} pixels in a file; data.max_pixels=N allows more", f"{width} x {height}"
        )
    label, row, first, last = runs.T
    inside = (row >= 0) & (row < height) & (first >= 0) & (first <= last) & (last < width)
    if not inside.all():
        raise UnusableFile(_KIND, f"a run outside of {width} x {height} pixels: {runs[~inside][0].tolist()}")
    lengths = last - first + 1
    if int(lengths.sum()) != width * height:
        raise UnusableFile(_KIND, f"runs of {int(lengths.sum()):,} pixels for {width} x {height}")
    starts = row * width + first
    order = np.argsort(starts, kind="stable")
    if not np.array_equal(starts[order], np.cumsum(lengths[order]) - lengths[order]):
        raise UnusableFile(_KIND, "a pixel in two runs")
    return np.repeat(label[order], lengths[order]).reshape(height, width)
