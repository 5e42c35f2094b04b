"""Reads one file of truth as masks and ignored pixels, by the rule of the data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from experiments.data.image_folder.decode import UnusableFile
from experiments.data.image_folder.masks import grey_plane, inside_of_two, listed_colours, mask_pixels
from experiments.data.image_folder.truth.rule import BACKGROUND, TruthRule


@dataclass(frozen=True)
class Planes:
    """What one annotator says in one file.

    Args:
        target: bool (C, H, W), or (1, H, W) where a file holds one mask.
        ignored: bool (H, W), True where the file has the value to ignore; None for nowhere.
    """

    target: NDArray[np.bool_]
    ignored: NDArray[np.bool_] | None


def read_planes(content: Image.Image | NDArray[Any], rule: TruthRule, names: Sequence[str]) -> Planes:
    """Read a picture or an array of truth.

    Args:
        content: A decoded file, or numbers (H, W).
        rule: How to read it.
        names: The masks that the file holds, in channel order; used where `rule` names values.

    Returns:
        The masks and the ignored pixels.

    Raises:
        UnusableFile: A value has no name, or files that should hold two values hold others.
    """
    if rule.colours is not None:
        return _by_colour(content, rule, names)
    if rule.labels is not None:
        return _by_label(_numbers(content), rule, names)
    if rule.threshold is None and rule.ignore_value is None and isinstance(content, Image.Image):
        inside = mask_pixels(content)
        return Planes((~inside if rule.inverted else inside)[None], None)
    values = grey_plane(content) if rule.threshold is None else _numbers(content, lossy=True)
    ignored = None if rule.ignore_value is None else np.asarray(values == rule.ignore_value)
    if rule.threshold is not None:
        inside = np.asarray(values > rule.threshold)
    else:
        inside = inside_of_two(values if ignored is None else np.where(ignored, 0, values))
    if rule.inverted:
        inside = ~inside
    return Planes((inside if ignored is None else inside & ~ignored)[None], ignored)


def _by_label(values: NDArray[Any], rule: TruthRule, names: Sequence[str]) -> Planes:
    assert rule.labels is not None
    known = {value for entry in rule.labels.values() for value in entry}
    expected = known | {0} | ({rule.ignore_value} if isinstance(rule.ignore_value, int) else set())
    different, counts = np.unique(values, return_counts=True)
    strange = [place for place, value in enumerate(different.tolist()) if value not in expected]
    if strange:
        told = ", ".join(f"{different[place]:g} ({counts[place] / values.size:.2%})" for place in strange[:8])
        more = f" and {len(strange) - 8} more values" if len(strange) > 8 else ""
        raise UnusableFile(
            f"label value without a name: data.labels must name it, {BACKGROUND} if it is of no mask "
            f"(data.labels={{{', '.join(f'{name}: {_short(entry)}' for name, entry in rule.labels.items())}, "
            f"{BACKGROUND}: [...]}}), or data.ignore_value=N",
            told + more,
        )
    target = np.stack([np.isin(values, rule.labels[name]) for name in names])
    return Planes(target, None if rule.ignore_value is None else np.asarray(values == rule.ignore_value))


def _by_colour(content: Image.Image | NDArray[Any], rule: TruthRule, names: Sequence[str]) -> Planes:
    assert rule.colours is not None
    if not isinstance(content, Image.Image):
        raise UnusableFile("data.colours: expected a picture", "an array of numbers, which data.labels reads")
    pixels = np.asarray(content.convert("RGB"))
    packed = pixels.astype(np.uint32) @ np.array([65_536, 256, 1], np.uint32)
    codes = {name: [_packed(colour) for colour in entry] for name, entry in rule.colours.items()}
    ignore = None if not isinstance(rule.ignore_value, tuple) else _packed(rule.ignore_value)
    expected = [code for entry in codes.values() for code in entry] + [0] + ([] if ignore is None else [ignore])
    strange = ~np.isin(packed, expected)
    if strange.any():
        raise UnusableFile(
            f"colour without a name: data.colours must name it, {BACKGROUND} if it is of no mask",
            listed_colours(pixels[strange][None], pixels.shape[0] * pixels.shape[1]),
        )
    target = np.stack([np.isin(packed, codes[name]) for name in names])
    return Planes(target, None if ignore is None else np.asarray(packed == ignore))


def _numbers(content: Image.Image | NDArray[Any], *, lossy: bool = False) -> NDArray[Any]:
    """Take the numbers of a file of labels: the indices of a palette, or grey values."""
    if not isinstance(content, Image.Image):
        return content
    if content.mode == "P" and not lossy:
        return np.asarray(content)
    if content.mode in ("L", "F", "1") or content.mode.startswith("I"):
        return np.asarray(content).astype(np.uint8) * 255 if content.mode == "1" and lossy else np.asarray(content)
    colours = np.asarray(content.convert("RGB"))
    if (colours == colours[:, :, :1]).all():
        return colours[:, :, 0]
    if lossy:  # grey, but for what JPEG has done to it
        return np.asarray(content.convert("L"))
    raise UnusableFile(
        "data.labels: expected numbers; data.colours={name: [r, g, b]} reads colours", listed_colours(colours)
    )


def _packed(colour: Sequence[int]) -> int:
    return colour[0] * 65_536 + colour[1] * 256 + colour[2]


def _short(entry: Sequence[Any]) -> str:
    return f"{entry[0]}" if len(entry) == 1 else f"[{', '.join(str(value) for value in entry)}]"
