"""The images of a folder: decoded whole while memory lasts, and large TIFFs beyond it read in windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from experiments.data.cache import CachedSequence, MemoryBudget
from experiments.data.data_error import DataError
from experiments.data.image_folder.index import SampleFiles
from experiments.data.image_folder.scan import TruthReader, load_sample, read_sample
from experiments.data.image_folder.windowed import Pixels, TiffImage, is_exact_in_pieces, opened
from experiments.data.sample import Sample, sample_bytes


@dataclass(frozen=True)
class SampleReader:
    """Reads the images of a folder from their files, whole or in part.

    Args:
        files: Those of each image.
        sizes: (H, W) of each in pixels.
        ignores: Whether each has pixels that do not count, or a file that says which count.
        reader: Of the files of truth.
        channels: 1 or 3, of the whole data set.
        shift: Bits that 16-bit images lose.
        max_pixels: Most pixels of a file that is decoded whole.
    """

    files: Sequence[SampleFiles]
    sizes: Sequence[tuple[int, int]]
    ignores: Sequence[bool]
    reader: TruthReader
    channels: int
    shift: int
    max_pixels: int

    def whole(self, index: int) -> Sample:
        """Decode an image and its truth."""
        return load_sample(self.files[index], self.reader, self.channels, self.shift, self.max_pixels)

    def window(self, index: int, rows: slice, columns: slice) -> Sample:
        """Read a part of an image and its truth, all of whose files are read in pieces; see `reads_in_pieces`."""
        part = read_sample(
            self.files[index],
            self.reader,
            self.channels,
            self.shift,
            pixels_of=lambda path: _window(path, rows, columns)[0],
            opened=partial(_picture, rows=rows, columns=columns),
            max_pixels=self.max_pixels,
        )
        if part.valid is None and self.ignores[index]:  # none of the ignored pixels lies here
            return replace(part, valid=np.ones(part.target.shape[1:], bool))
        return part

    def reads_in_pieces(self, index: int) -> bool:
        """Return whether all files of an image are large TIFFs whose pieces decode to the same pixels as the whole."""
        files = self.files[index]
        paths = [files.image, *files.masks, *([] if files.valid is None else [files.valid])]
        return all(is_exact_in_pieces(path) for path in paths)

    def n_bytes(self, index: int) -> int:
        """Return the memory that the decoded image takes."""
        height, width = self.sizes[index]
        return height * width * (self.channels + len(self.reader.masks) + self.ignores[index])


class FolderSamples(CachedSequence[Sample]):
    """Images that are decoded when they are asked for and kept while the budget lasts.

    Beyond the budget, a part of a large TIFF is read from the file. Files are opened for every part, so that threads
    and worker processes share no position in a file.

    Args:
        reader: Of the files.
        budget: Memory for decoded images.
    """

    def __init__(self, reader: SampleReader, budget: MemoryBudget) -> None:
        super().__init__(reader.whole, len(reader.files), size_of=sample_bytes, budget=budget)
        self._reader = reader
        self._in_pieces: dict[int, bool] = {}

    def window(self, index: int, rows: slice, columns: slice) -> Sample:
        """Return a part of an image; it has the values that the whole image has there."""
        sample = self.kept(index)
        if sample is None and (self.budget.has_room(self._reader.n_bytes(index)) or not self._is_in_pieces(index)):
            sample = self[index]
        return self._reader.window(index, rows, columns) if sample is None else sample.part(rows, columns)

    def _is_in_pieces(self, index: int) -> bool:
        if index not in self._in_pieces:
            self._in_pieces[index] = self._reader.reads_in_pieces(index)
        return self._in_pieces[index]


def _window(path: Path, rows: slice, columns: slice) -> tuple[Pixels, bool]:
    """Return a part of a file, and whether it holds one bit a pixel."""
    with opened(path) as image:
        if not isinstance(image, TiffImage):
            raise DataError(f"{path}: expected the large TIFF that it was when the data were checked")
        return image.read(rows, columns), image.is_bilevel


def _picture(path: Path, rows: slice, columns: slice) -> Image.Image:
    """Read a part of a file of truth as a picture of the mode that the whole would have."""
    pixels, bilevel = _window(path, rows, columns)
    picture = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    return picture.convert("1", dither=Image.Dither.NONE) if bilevel else picture
