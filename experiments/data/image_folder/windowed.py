"""Reads images piece by piece: large TIFFs by their strips or tiles, any other file decoded whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from experiments.data.image_folder.decode import MAX_PIXELS, UnusableFile, image_pixels, open_upright

LARGE = 16_000_000
"""Pixels above which a TIFF is read in pieces."""

_LOSSLESS = (1, 2, 3, 4, 5, 8, 32_773, 32_946)  # none, CCITT, LZW, deflate, PackBits: one way to decode them
_EXTRA = "pip install 'lossfrontier[tiff]'"
_BROKEN = "cannot be read as an image; damaged, truncated or of another type"
_ORIENTATION = 274
Pixels = NDArray[np.uint8] | NDArray[np.uint16]


class OpenImage(Protocol):
    """An image whose pixels can be read."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels (1 or 3)."""

    def read(self, rows: slice, columns: slice) -> Pixels:
        """Return pixels (h, w, K).

        Raises:
            UnusableFile: They cannot be decoded.
        """


@dataclass(frozen=True)
class WholeImage:
    """An image that was decoded whole."""

    pixels: Pixels

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels."""
        height, width, channels = self.pixels.shape
        return height, width, channels

    def read(self, rows: slice, columns: slice) -> Pixels:
        """Return pixels (h, w, K)."""
        return self.pixels[rows, columns]


class TiffImage:
    """A page of a TIFF whose strips or tiles are decoded when they are needed.

    Those of the last rows are kept, over the whole width, as pieces side by side are read one after the other.

    Args:
        page: Of tifffile, of a kind that `_in_pieces` takes.
    """

    def __init__(self, page: Any) -> None:
        self._page = page
        self._kept: dict[int, NDArray[Any]] = {}
        height, width = page.imagelength, page.imagewidth
        self.shape: tuple[int, int, int] = (height, width, page.samplesperpixel)
        self._piece = (
            (page.tilelength, page.tilewidth) if page.is_tiled else (min(page.rowsperstrip or height, height), width)
        )

    def read(self, rows: slice, columns: slice) -> Pixels:
        """Return pixels (h, w, K).

        Raises:
            UnusableFile: They cannot be decoded.
        """
        tall, wide = self._piece
        across = -(-self.shape[1] // wide)
        needed = range(rows.start // tall * across, -(-rows.stop // tall) * across)
        self._kept = {index: piece for index, piece in self._kept.items() if index in needed}
        out = np.empty((rows.stop - rows.start, columns.stop - columns.start, self.shape[2]), self._dtype)
        for row in range(rows.start // tall, -(-rows.stop // tall)):
            for column in range(columns.start // wide, -(-columns.stop // wide)):
                piece = self._decoded(row * across + column)
                top, left = row * tall, column * wide
                low, high = max(rows.start, top), min(rows.stop, top + piece.shape[0])
                first, last = max(columns.start, left), min(columns.stop, left + piece.shape[1])
                out[low - rows.start : high - rows.start, first - columns.start : last - columns.start] = piece[
                    low - top : high - top, first - left : last - left
                ]
        return out

    @property
    def is_bilevel(self) -> bool:
        """Whether it has one bit a pixel, which is read as 0 or 255."""
        return bool(self._page.bitspersample == 1)

    @property
    def _dtype(self) -> type[np.uint8] | type[np.uint16]:
        return np.uint16 if self._page.bitspersample == 16 else np.uint8

    def _decoded(self, index: int) -> NDArray[Any]:
        """Return a strip or tile (h, w, K) as grey values or RGB."""
        if index in self._kept:
            return self._kept[index]
        page = self._page
        handle = page.parent.filehandle
        try:
            handle.seek(page.dataoffsets[index])
            data = handle.read(page.databytecounts[index])
            segment, _, shape = page.decode(data, index, jpegtables=page.jpegtables, jpegheader=page.jpegheader)
        except Exception as error:
            raise _unusable(error) from error
        height = min(self._piece[0], self.shape[0] - index // -(-self.shape[1] // self._piece[1]) * self._piece[0])
        if segment is None or shape[1] < height:
            raise UnusableFile(_BROKEN, f"its strip or tile {index} ends early")
        piece = segment[0]
        if page.bitspersample == 1:
            piece = np.where(piece, np.uint8(255), np.uint8(0))
        if page.photometric == 0:  # white is zero
            piece = ~piece
        self._kept[index] = piece
        return piece


@contextmanager
def opened(path: Path, *, large: int | None = None, max_pixels: int = MAX_PIXELS) -> Iterator[OpenImage]:
    """Open an image file.

    Args:
        path: The file.
        large: Pixels above which a TIFF is read in pieces; None takes `LARGE`.
        max_pixels: Most pixels of a file that is decoded whole.

    Raises:
        UnusableFile: It cannot be read, or has pixels that are no picture's.
    """
    size = _tiff_size(path)
    if size is None or size[0] * size[1] <= (LARGE if large is None else large):
        yield WholeImage(image_pixels(open_upright(path, max_pixels)))
        return
    try:
        import tifffile
    except ImportError:
        try:
            image = open_upright(path, max_pixels)
        except UnusableFile as error:
            kind = f"a TIFF of this size or kind needs tifffile and imagecodecs: {_EXTRA}"
            raise UnusableFile(kind, error.found) from error
        yield WholeImage(image_pixels(image))
        return
    try:
        file = tifffile.TiffFile(path)
        page, pages = file.pages[0], len(file.pages)
    except Exception as error:
        raise _unusable(error) from error
    with file:
        if pages > 1:
            raise UnusableFile("expected one picture in a file; save each page or frame as its own", "more than one")
        if not _in_pieces(page):
            yield WholeImage(image_pixels(open_upright(path, max_pixels)))
            return
        yield TiffImage(page)


def is_exact_in_pieces(path: Path) -> bool:
    """Return whether `opened` reads a file in pieces that are, to the bit, those of the file decoded whole.

    Two decoders may round a JPEG in different ways, so its pieces are not taken to be.
    """
    size = _tiff_size(path)
    if size is None or size[0] * size[1] <= LARGE:
        return False
    try:
        import tifffile

        with tifffile.TiffFile(path) as file:
            page = file.pages[0]
            if len(file.pages) > 1 or not _in_pieces(page) or page.compression not in _LOSSLESS:
                return False
            TiffImage(page).read(slice(0, 1), slice(0, 1))  # fails where a codec is missing
    except Exception:  # of tifffile, which is missing or cannot read it: the file is decoded whole
        return False
    return True


def _tiff_size(path: Path) -> tuple[int, int] | None:
    """Return width and height of a TIFF that Pillow knows; None for other files."""
    Image.MAX_IMAGE_PIXELS = None
    try:
        with Image.open(path, formats=("TIFF",)) as image:
            return image.size
    except Exception:
        return None


def _unusable(error: Exception) -> UnusableFile:
    """Say why tifffile cannot decode a file: it has a few codecs itself and asks imagecodecs for the others."""
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return UnusableFile(f"its compression needs imagecodecs: {_EXTRA}" if "imagecodecs" in reason else _BROKEN, reason)


def _in_pieces(page: Any) -> bool:
    """Return whether a page holds plain grey values or RGB, as `image_pixels` gives them, in pieces worth the name."""
    # Where white is zero, Pillow inverts 1 and 8 bits but not 16.
    grey = (0, (1, 8)), (1, (1, 8, 16))
    plain = (page.samplesperpixel == 1 and any(page.photometric == p and page.bitspersample in b for p, b in grey)) or (
        page.photometric in (2, 6) and page.samplesperpixel == 3 and page.bitspersample == 8 and page.planarconfig == 1
    )
    if page.photometric == 6 and page.compression not in (6, 7):  # luminance and colour, which only JPEG turns to RGB
        plain = False
    turned = page.tags.get(_ORIENTATION)
    return bool(plain and page.sampleformat == 1 and (turned is None or turned.value == 1) and len(page.dataoffsets))
