"""A mask file as a boolean array, and clear words for one that is none."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from experiments.data.image_file import UnusableFile

_KIND = "expected a mask of two values, 0 and 255 or 0 and 1"


def mask_pixels(image: Image.Image) -> NDArray[np.bool_]:
    """Read a mask: 0 is outside; 1, 255 or, with 16 bits, 65535 is inside.

    A palette of black and white counts by its colours, any other palette by its indices.

    Args:
        image: In any mode.

    Returns:
        bool (H, W).

    Raises:
        UnusableFile: Other values, more than one value above 0, or colours; with the values found and advice.
    """
    values = _plane(image)
    top = values.max(initial=0)
    inside = values == top if top > 0 else np.zeros(values.shape, bool)
    allowed = top in (0, 1, 255) or (top == 65_535 and image.mode.startswith("I"))
    if not allowed or np.count_nonzero(inside) != np.count_nonzero(values):
        raise UnusableFile(_KIND, _found(values))
    return inside


def _plane(image: Image.Image) -> NDArray[Any]:
    if image.mode == "1":
        return np.asarray(image)
    if image.mode in ("P", "PA"):
        colours = np.asarray(image.convert("RGBA"))[:, :, :3]
        if (colours == colours[:, :, :1]).all() and np.isin(colours, (0, 255)).all():
            return colours[:, :, 0]
        return np.asarray(image if image.mode == "P" else image.getchannel(0))
    if image.mode in ("L", "F") or image.mode.startswith("I"):
        return np.asarray(image)
    if image.mode in ("LA", "La"):
        return np.asarray(image.convert("LA").getchannel(0))
    colours = np.asarray(image.convert("RGB"))
    if not (colours == colours[:, :, :1]).all():
        n_colours = len(np.unique(colours.reshape(-1, 3), axis=0))
        raise UnusableFile(_KIND, f"{n_colours} colours; write one black and white PNG for each mask")
    return colours[:, :, 0]


def _found(values: NDArray[Any]) -> str:
    different = np.unique(values)
    shown = ", ".join(f"{value:g}" for value in different[:6])
    listing = shown if len(different) <= 6 else f"{shown}, ... {different[-1]:g} ({len(different)} values)"
    if len(different) <= 2:
        advice = f"save mask == {different[-1]:g} as PNG with 0 and 255"
    elif different[-1] <= 32:
        advice = "for labels of several classes write one PNG for each class to masks/<name>/"
    else:
        advice = "JPEG and resizing leave values in between: save mask > 127 as PNG"
    return f"values {listing}; {advice}"
