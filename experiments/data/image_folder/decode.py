"""Decoding of common image files into arrays: palettes, alpha, 16 bits and EXIF orientation included."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

MAX_PIXELS = 200_000_000  # in one file: a scanned strip of 10 m at 200 dots per inch has 130 million
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")  # whatever a file is named; no PostScript, on purpose
TURNED = "turned"  # key in an image's `info`: the EXIF orientation, 2 ... 8, that `open_upright` has undone
_ORIENTATION = 0x0112  # the EXIF tag


class UnusableFile(Exception):
    """A file that cannot be used: `kind` describes all such files, `found` this one."""

    def __init__(self, kind: str, found: str) -> None:
        super().__init__(f"{kind}: {found}")
        self.kind = kind
        self.found = found


def open_upright(
    path: Path, max_pixels: int = MAX_PIXELS, before_decoding: Callable[[int], object] = lambda pixels: None
) -> Image.Image:
    """Decode a file completely and apply its EXIF orientation.

    Args:
        path: The file.
        max_pixels: Most pixels of a file that is decoded.
        before_decoding: Called with the number of pixels in the header.

    Returns:
        The image in its own mode.

    Raises:
        UnusableFile: The file is not an image, is truncated or too large, or has several pages.
    """
    # Pillow warns above 89 megapixels and refuses above 179; here the user sets the limit.
    Image.MAX_IMAGE_PIXELS = None
    try:
        with Image.open(path, formats=_FORMATS) as image:
            _refuse_by_header(image, max_pixels)
            before_decoding(image.width * image.height)
            image.load()
            orientation = image.getexif().get(_ORIENTATION, 1)
            if orientation in range(2, 9):
                ImageOps.exif_transpose(image, in_place=True)
                image.info[TURNED] = orientation
            return image
    except UnusableFile:
        raise
    # On damaged files Pillow's decoders raise not only OSError but SyntaxError, struct.error, EOFError and others.
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise UnusableFile("cannot be read from the disk", os.strerror(error.errno)) from error
        if isinstance(error, UnidentifiedImageError):
            reason = "empty" if not path.stat().st_size else f"none of {', '.join(_FORMATS)}"
        else:
            reason = str(error).replace(str(path), path.name) or type(error).__name__
        raise UnusableFile("cannot be read as an image; damaged, truncated or of another type", reason) from error


def _refuse_by_header(image: Image.Image, max_pixels: int) -> None:
    """Refuse a file whose header shows that it is too large or holds several images."""
    if image.width * image.height > max_pixels:
        raise UnusableFile(
            f"expected at most {max_pixels:,} pixels in a file; data.max_pixels=N allows more, where there are "
            "4 (grey) to 12 (colour) bytes of memory for each",
            f"{image.width:,} x {image.height:,} = {image.width * image.height:,} pixels",
        )
    # A phone's JPEG (MPO) may carry a preview as a second image; that is not a page.
    if image.format != "MPO" and getattr(image, "is_animated", False):
        raise UnusableFile("expected one picture in a file; save each page or frame as its own", "more than one")


def image_pixels(image: Image.Image) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Return the pixels of an image without loss.

    Args:
        image: In any mode except floating point.

    Returns:
        (H, W, 1) for grey images, uint8 or, for more than 8 bits, uint16; uint8 (H, W, 3) RGB for all others.
        Alpha is dropped; a palette of greys is grey; 1-bit images are 0 and 255.

    Raises:
        UnusableFile: Floating-point pixels, or integers outside 0 ... 65535.
    """
    if image.mode in ("1", "L", "LA", "La"):
        return np.asarray(image if image.mode == "L" else image.convert("L"))[:, :, None]
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65_535:
            found = f"{values.min()} to {values.max()}"
            raise UnusableFile("expected grey values of 8 or 16 bits", found)
        return values.astype(np.uint16)[:, :, None]
    if image.mode == "F":
        raise UnusableFile("expected grey values of 8 or 16 bits", "floating-point pixels")
    if image.mode in ("P", "PA"):
        colours = np.asarray(image.convert("RGBA"))[:, :, :3]
        grey = (colours == colours[:, :, :1]).all()
        return np.ascontiguousarray(colours[:, :, :1] if grey else colours)
    if image.mode == "RGB":
        return np.asarray(image)
    # Converting drops alpha without blending: colours under it are kept.
    return np.asarray(image.convert("RGB"))


def as_uint8(pixels: NDArray[np.uint8] | NDArray[np.uint16], channels: int, shift: int) -> NDArray[np.uint8]:
    """Convert the pixels of one file to the format that all images of the data set share.

    Args:
        pixels: From `image_pixels`.
        channels: 1, only where the pixels are grey, or 3.
        shift: Bits that 16-bit values lose, so that the brightest pixel of the data set fits 8 bits.

    Returns:
        uint8 (H, W, channels).
    """
    eight = pixels if pixels.dtype == np.uint8 else (pixels >> shift).astype(np.uint8)
    if eight.shape[2] != channels:
        return np.repeat(eight, channels, axis=2).astype(np.uint8, copy=False)
    return np.ascontiguousarray(eight, dtype=np.uint8)
