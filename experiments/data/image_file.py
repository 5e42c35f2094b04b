"""An image file of any common kind as an array, with what people's files bring: palettes, alpha, 16 bits, EXIF."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
MANY_FRAMES = ("GIF", "TIFF", "WEBP")  # a phone's JPEG may carry a preview as a second frame; that is no page


class UnusableFile(Exception):
    """A file that is readable but not what was expected: `kind` fits all such files, `found` tells of this one."""

    def __init__(self, kind: str, found: str) -> None:
        super().__init__(f"{kind}: {found}")
        self.kind = kind
        self.found = found


def open_upright(path: Path) -> Image.Image:
    """Decode a file completely and turn it as its EXIF orientation says.

    Args:
        path: The file.

    Returns:
        The image in its own mode.

    Raises:
        UnusableFile: The file is no image, is truncated, or has several pages.
    """
    # Pillow warns above 89 megapixels and refuses above 179, against hostile uploads; a user's own scans are
    # long strips that reach it.
    Image.MAX_IMAGE_PIXELS = None
    try:
        with Image.open(path) as image:
            frames = getattr(image, "n_frames", 1)
            if frames > 1 and image.format in MANY_FRAMES:
                raise UnusableFile("expected one page in an image file", f"{frames} pages")
            image.load()
            return ImageOps.exif_transpose(image)
    except UnusableFile:
        raise
    # Pillow's decoders raise more than OSError on damaged files: SyntaxError, struct.error, EOFError and others.
    except Exception as error:
        reason = str(error).replace(str(path), path.name) or type(error).__name__
        raise UnusableFile("cannot be read as an image; damaged, truncated or of another type", reason) from error


def image_pixels(image: Image.Image) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Get the pixels of an image without loss.

    Args:
        image: In any mode but floating point.

    Returns:
        (H, W, 1) for grey images, uint8 or, for more than 8 bits, uint16; uint8 (H, W, 3) RGB for all others.
        Alpha is dropped; a palette of greys is grey; 1-bit images are 0 and 255.

    Raises:
        UnusableFile: Floating-point pixels, or integers outside 0 ... 65535.
    """
    if image.mode in ("1", "L", "LA", "La"):
        return np.asarray(image.convert("L"))[:, :, None]
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
    """Bring the pixels of one file to the form that the data set shares.

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
