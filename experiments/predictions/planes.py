"""Brings the array of a file into the order (masks, H, W): axes, channels, the background."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from experiments.data.image_folder.decode import UnusableFile
from experiments.predictions.read_map import OF_NNUNET, MapFile

BACKGROUND = "background"


def to_planes(
    found: MapFile, masks: Sequence[str], *, axes: str | None = None, channels: Sequence[str] | None = None
) -> NDArray[Any]:
    """Return the planes of some masks.

    Args:
        found: The content of a file.
        masks: The masks in it, in the order that is wanted: all, or one where every mask has a file.
        axes: Letters for the axes, of C, H, W, and 1 for an axis of length 1; None for CHW of arrays, HWC of pictures.
        channels: What each channel is, a mask or "background"; None for the masks in order, after the background in an
            array that nnU-Net wrote.

    Returns:
        (C, H, W), the dtype of the file.

    Raises:
        UnusableFile: The array has other axes or channels.

    Example:
        >>> array = MapFile(np.zeros((3, 1, 4, 5)), picture=False, array="probabilities")
        >>> to_planes(array, ["artery", "vein"]).shape
        (2, 4, 5)
    """
    values = found.values
    if axes is None:
        values = _by_habit(values, picture=found.picture)
    else:
        if values.ndim != len(axes):
            raise UnusableFile(f"expected {len(axes)} axes, {axes}", f"shape {values.shape}")
        single = tuple(place for place, letter in enumerate(axes) if letter == "1")
        if any(values.shape[place] != 1 for place in single):
            raise UnusableFile(f"expected axes of length 1 where {axes} has a 1", f"shape {values.shape}")
        values = np.squeeze(values, single)
        letters = axes.replace("1", "")
        order = [letters.index(letter) for letter in "CHW" if letter in letters]
        values = np.transpose(values, order)
    if values.ndim == 2:
        values = values[None]
    names = _channel_names(len(values), masks, channels, found)
    return values[[names.index(mask) for mask in masks]]


def fitted(planes: NDArray[Any], size: tuple[int, ...], *, resize: bool) -> NDArray[Any]:
    """Return planes in the size of their image.

    Args:
        planes: (C, H, W).
        size: Height and width of the image.
        resize: Whether to interpolate planes of another size, linearly between values; a plane of at most two values,
            such as a hard mask, takes the nearest one.

    Raises:
        UnusableFile: The size differs, and `resize` is false or would distort: rows and columns are swapped, or the
            map is cut rather than scaled.
    """
    have = planes.shape[1:]
    if have == size:
        return planes
    kind = "expected the size of the image, height x width in pixels"
    if have[::-1] == size:
        kind += "; as if rows and columns were swapped: axes=CWH or WH"
    elif resize and abs(have[0] * size[1] - have[1] * size[0]) > 2 * max(size):  # more than rounding of two sides does
        kind += "; as if it were cut, not scaled"
    elif resize:
        return np.stack([_scaled(plane, size) for plane in planes])
    else:
        kind += "; resize=true interpolates maps of another size"
    raise UnusableFile(kind, f"{have[0]} x {have[1]}, the image has {size[0]} x {size[1]}")


def _scaled(plane: NDArray[Any], size: tuple[int, ...]) -> NDArray[Any]:
    two = bool(((plane == plane.min()) | (plane == plane.max())).all())
    image = Image.fromarray(plane.astype(np.float32))
    scaled = image.resize((size[1], size[0]), Image.Resampling.NEAREST if two else Image.Resampling.BILINEAR)
    return np.asarray(scaled).astype(plane.dtype) if two else np.asarray(scaled)


def axes_problems(axes: str | None) -> list[str]:
    """List what is wrong with the letters of axes."""
    if axes is None:
        return []
    letters = axes.replace("1", "")
    if sorted(letters) in (["H", "W"], ["C", "H", "W"]):
        return []
    return [f"axes: expected H and W once each, C at most once, and 1 for an axis of length 1, got {axes}"]


def _by_habit(values: NDArray[Any], *, picture: bool) -> NDArray[Any]:
    if picture:
        return np.moveaxis(values, -1, 0) if values.ndim == 3 else values
    if values.ndim == 4 and 1 in values.shape[:2]:  # (C, 1, H, W) or (1, C, H, W)
        values = np.squeeze(values, 1 if values.shape[1] == 1 else 0)
    if values.ndim not in (2, 3):
        raise UnusableFile("expected (masks, H, W) or (H, W); axes=... tells another order", f"shape {values.shape}")
    return values


def _channel_names(count: int, masks: Sequence[str], channels: Sequence[str] | None, found: MapFile) -> list[str]:
    shape = found.values.shape
    if channels is not None and not (len(masks) == 1 and count == 1):
        if len(channels) != count:
            raise UnusableFile(f"expected {len(channels)} channels, [{', '.join(channels)}]", f"shape {shape}")
        return list(channels)
    if count == len(masks):
        return list(masks)
    if count == len(masks) + 1 and found.array in OF_NNUNET:
        return [BACKGROUND, *masks]
    hint = ""
    if shape[-1] in (len(masks), len(masks) + 1) and not found.picture:
        hint = "; if its channels are last, axes=HWC"
    elif count == len(masks) + 1:
        hint = f"; if one is the background, channels=[{', '.join([BACKGROUND, *masks])}]"
    wanted = f"{len(masks)} channel{'s' if len(masks) > 1 else ''} ({', '.join(masks)})"
    raise UnusableFile(f"expected {wanted}", f"shape {shape}{hint}")
