"""Reads one score map: .npy, .npz, 8- and 16-bit PNG, TIFF."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from experiments.data.image_folder.decode import UnusableFile, open_upright

OF_NNUNET = ("probabilities", "softmax")  # arrays that nnU-Net 2 and 1 write; the background is their first channel
_BROKEN = "cannot be read; damaged, truncated or of another type"
_MODES = ("1", "L", "I;16", "I;16B", "I;16L", "I", "F", "RGB")


@dataclass(frozen=True)
class MapFile:
    """The content of a file.

    Args:
        values: The array as it is stored.
        picture: Whether it comes from a picture, whose channels are last.
        array: Its name in an .npz; empty in other files.
    """

    values: NDArray[Any]
    picture: bool
    array: str = ""


def read_map(path: Path, array: str | None = None) -> MapFile:
    """Read one file.

    Args:
        path: The file.
        array: Name of the array of an .npz; None takes the only one, or the one that nnU-Net writes.

    Raises:
        UnusableFile: The file cannot be read, or holds no numbers.
    """
    ending = path.suffix.lower()
    if ending == ".npz":
        name, values = _read_npz(path, array)
        found = MapFile(values, picture=False, array=name)
    elif ending == ".npy":
        found = MapFile(_read_npy(path), picture=False)
    elif ending == ".png":
        found = MapFile(_pixels(open_upright(path)), picture=True)
    else:
        found = MapFile(_read_tiff(path), picture=True)
    if found.values.dtype.kind not in "biuf":
        raise UnusableFile("expected numbers", str(found.values.dtype))
    return found


def _read_npy(path: Path) -> NDArray[Any]:
    try:
        values = np.load(path, allow_pickle=False)
    except Exception as error:
        raise UnusableFile(_BROKEN, _line(error)) from error
    if not isinstance(values, np.ndarray):
        values.close()
        raise UnusableFile(_BROKEN, "an archive named .npy; rename it .npz")
    return values


def _read_npz(path: Path, wanted: str | None) -> tuple[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            names = list(arrays.files)
            name = _chosen(names, wanted)
            return name, arrays[name]
    except UnusableFile:
        raise
    except (Exception, zipfile.BadZipFile) as error:
        raise UnusableFile(_BROKEN, _line(error)) from error


def _chosen(names: list[str], wanted: str | None) -> str:
    if wanted is not None:
        if wanted not in names:
            raise UnusableFile(f"expected an array {wanted} (array=)", f"it holds {', '.join(names) or 'none'}")
        return wanted
    if len(names) == 1:
        return names[0]
    of_nnunet = [name for name in OF_NNUNET if name in names]
    if not of_nnunet:
        raise UnusableFile("expected one array in an .npz, or array=NAME", ", ".join(names) or "none")
    return of_nnunet[0]


def _pixels(image: Image.Image) -> NDArray[Any]:
    """Return (H, W), or (H, W, 3) of a colour picture; the same grey three times is one channel."""
    if image.mode not in _MODES:
        words = {"P": "a palette", "LA": "transparency", "RGBA": "transparency"}
        raise UnusableFile("expected grey or RGB pictures", words.get(image.mode, f"mode {image.mode}"))
    values = np.asarray(image)
    if values.dtype == np.int32 and values.min() >= 0 and values.max() <= 65_535:  # 16 bits, as older Pillows read them
        values = values.astype(np.uint16)
    if values.ndim == 3 and (values == values[:, :, :1]).all():
        return values[:, :, 0]
    return values


def _read_tiff(path: Path) -> NDArray[Any]:
    """Read with Pillow what it reads without loss, and the rest with tifffile."""
    try:
        with Image.open(path, formats=("TIFF",)) as image:
            if image.mode in _MODES and getattr(image, "n_frames", 1) == 1:
                image.load()
                return _pixels(image)
    except UnusableFile:
        raise
    except Exception as error:  # bits, samples or a compression that Pillow does not know, or a damaged file
        reason = _line(error)
    else:
        reason = "several pages" if image.mode in _MODES else f"mode {image.mode}"
    try:
        import tifffile
    except ImportError:
        raise UnusableFile(
            "expected a TIFF of one page that Pillow reads; others need tifffile: pip install 'lossfrontier[tiff]'",
            reason,
        ) from None
    try:
        with tifffile.TiffFile(path) as file:
            series = file.series[0]
            values, letters = series.asarray(), series.axes
    except Exception as error:  # imagecodecs missing for a compression, or a damaged file
        raise UnusableFile(_BROKEN, _line(error)) from error
    if not {"Y", "X"} <= set(letters) or values.ndim > 3:
        raise UnusableFile("expected a TIFF of rows, columns and at most one axis of channels or pages", letters)
    order = [*(letters.index(axis) for axis in "YX"), *(i for i, axis in enumerate(letters) if axis not in "YX")]
    return np.transpose(values, order)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
