"""Reads a mask file as a boolean array, and explains why a file is not a mask."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from experiments.data.image_folder.decode import UnusableFile

_KIND = "expected a mask of two values, 0 and 255 or 0 and 1"
_ALPHA = "expected a mask without transparency, or one that is opaque where it is positive and nowhere else"
_LISTED = 8  # up to this number of values all are listed, above it the most frequent ones
_FEW = 16  # up to this number of different values may be labels, whatever they are
_LABELS = 32  # class labels count up from 0 and stay below this; JPEG noise does not


def mask_pixels(image: Image.Image) -> NDArray[np.bool_]:
    """Read a mask: 0 is outside; 1, 255 or, with 16 bits, 65535 is inside.

    A black and white palette is read by its colours, any other palette by its indices. Transparency may repeat what the
    values say. If it says something else, the mask can be read in two ways and is refused.

    Args:
        image: In any mode.

    Returns:
        bool (H, W).

    Raises:
        UnusableFile: Other values, more than one value above 0, colours, or transparency that disagrees; the message
            says what was found and gives advice.
    """
    from_jpeg = image.format in ("JPEG", "MPO")
    inside = inside_of_two(grey_plane(image), wide=image.mode.startswith("I"), from_jpeg=from_jpeg)
    _refuse_other_alpha(image, inside)
    return inside


def inside_of_two(values: NDArray[Any], *, wide: bool = True, from_jpeg: bool = False) -> NDArray[np.bool_]:
    """Return where numbers are at the greater of two values.

    Args:
        values: (H, W), 0 outside and 1, 255 or, if `wide`, 65535 inside.
        wide: Whether the file has more than 8 bits.
        from_jpeg: Whether the file is a JPEG, which changes values.

    Raises:
        UnusableFile: There are other values, or more of them.
    """
    top = values.max(initial=0)
    allowed = top in (0, 1, 255) or (top == 65_535 and wide)
    inside = np.asarray(values == top if top > 0 else np.zeros(values.shape, bool))
    if not allowed or np.count_nonzero(inside) != np.count_nonzero(values):
        raise UnusableFile(_KIND, _found(values, from_jpeg=from_jpeg))
    return inside


def grey_plane(image: Image.Image | NDArray[Any]) -> NDArray[Any]:
    """Return the numbers (H, W) of a mask: grey values, or the indices of a palette that is not black and white.

    Raises:
        UnusableFile: The file has colours.
    """
    if not isinstance(image, Image.Image):
        return image
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
        raise UnusableFile(_KIND, listed_colours(colours))
    return colours[:, :, 0]


def _refuse_other_alpha(image: Image.Image, inside: NDArray[np.bool_]) -> None:
    if image.mode.startswith("I") or not image.has_transparency_data:
        return
    alpha = np.asarray(image.convert("RGBA").getchannel("A"))
    opaque = alpha == 255
    if opaque.all() or (np.array_equal(opaque, inside) and np.isin(alpha, (0, 255)).all()):
        return
    share = np.count_nonzero(~opaque) / alpha.size
    filled = f"{np.count_nonzero(inside) / alpha.size:.1%} positive by its values"
    raise UnusableFile(
        _ALPHA,
        f"alpha below 255 in {share:.1%} of the pixels, {filled}; save as grey PNG what is meant: alpha > 127, or the "
        "values without alpha",
    )


def _found(values: NDArray[Any], *, from_jpeg: bool) -> str:
    different, counts = np.unique(values, return_counts=True)
    listing = _listed([f"{value:g}" for value in different], counts)
    return f"{listing}; {_advice(different, counts, from_jpeg=from_jpeg)}"


def _advice(different: NDArray[Any], counts: NDArray[np.int64], *, from_jpeg: bool) -> str:
    """Say what the values of a file look like and what to save instead."""
    least, top = different[0], different[-1]
    whole = bool(np.isfinite(different).all() and (different == np.floor(different)).all())
    labels = different[different != 255] if whole else different
    if not np.isfinite(different).all():
        return "NaN or infinite: save a PNG with 0 and 255"
    if len(different) <= 2:
        lacking = "no pixel is 0" if least != 0 else "the positive value is neither 1 nor 255"
        return f"{lacking}: save mask == {top:g} as PNG with 0 and 255, or data.threshold={(least + top) / 2:g}"
    if from_jpeg:
        return (
            "JPEG changes the values of a mask: save mask > 127 as PNG, better from the original, or data.threshold=127"
        )
    if whole and least >= 0 and labels[-1] <= _LABELS:
        ignored = ", and mask != 255 to valid/ if 255 means ignore" if top == 255 else ""
        return (
            "they look like labels of several classes: write one PNG for each class, such as mask == "
            f"{labels[-1]:g}, to masks/<name>/{ignored}; or name them: data.labels={_example(labels)}"
            + (", data.ignore_value=255" if top == 255 else "")
        )
    if not whole:
        return (
            "they look like probabilities: choose a threshold and save mask > threshold as PNG with 0 and 255, or "
            "data.threshold=..."
        )
    if len(different) <= _FEW:
        return (
            "they look like labels of several classes (write one PNG for each to masks/<name>/, or "
            f"data.labels={_example(labels)}) or, if only edges are grey, like a resized mask (save mask > 127 as PNG, "
            "or data.threshold=127)"
        )
    between = counts[(different > 0) & (different < 255)].sum()
    near = counts[((different > 0) & (different < 32)) | ((different > 223) & (different < 255))].sum()
    if between > 0.5 * counts.sum():
        return "it looks like a picture and not like a mask"
    if near > 0.5 * between:
        return (
            "they look like what JPEG leaves around edges: save mask > 127 as PNG, better from the original, or "
            "data.threshold=127"
        )
    return "they look like edges that resizing has smoothed: save mask > 127 as PNG, or data.threshold=127"


def _example(labels: NDArray[Any]) -> str:
    """Write an option that names the values above 0."""
    above = [value for value in labels.tolist() if value > 0]
    return (
        "{" + ", ".join(f"name{value:g}: {value:g}" for value in above[:3]) + (", ..." if len(above) > 3 else "") + "}"
    )


def listed_colours(colours: NDArray[np.uint8], total: int | None = None) -> str:
    """List the colours of pixels (..., 3) with their shares of `total` pixels, None for these alone; give advice."""
    packed = (colours.astype(np.uint32) @ np.array([65_536, 256, 1], np.uint32)).ravel()
    different, counts = np.unique(packed, return_counts=True)
    names = [f"({colour >> 16}, {colour >> 8 & 255}, {colour & 255})" for colour in different.tolist()]
    listing = _listed(names, counts, word="colours", total=total)
    if len(different) <= _FEW:
        return (
            f"{listing}; write one black and white PNG for each colour that is a class to masks/<name>/, or name them: "
            "data.colours={name: [r, g, b], ...}"
        )
    return f"{listing}; it looks like a picture, or like colours that JPEG or resizing has changed"


def _listed(names: list[str], counts: NDArray[np.int64], word: str = "values", total: int | None = None) -> str:
    """List values with their shares; if there are too many, list the most frequent ones."""
    shares = counts / (counts.sum() if total is None else total)
    all_fit = len(names) <= _LISTED
    order = range(len(names)) if all_fit else np.argsort(-counts, kind="stable")[: _LISTED - 2].tolist()
    told = ", ".join(f"{names[place]} ({_share(shares[place])})" for place in order)
    return f"{word} {told}" if all_fit else f"{len(names)} {word}, most often {told}"


def _share(share: float) -> str:
    return f"{share:.1%}" if share >= 0.001 else "<0.1%"
