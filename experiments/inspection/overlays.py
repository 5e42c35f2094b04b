"""Pictures with their masks laid over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import CSS4_COLORS, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from experiments.report.figures.panels import panel_grid
from experiments.report.figures.style import MASK_COLOURS, PAGE, RC, add_legend

_LONGEST = 1024  # pixels of an image that are looked at; of a longer one the window with most positives
_DRAWN = 400  # pixels of its longer side in the figure
_MOST_LETTERS = 32  # in a title
_IGNORED = 0.35  # brightness of ignored pixels


@dataclass(frozen=True)
class Example:
    """A picture, or the window of it that is shown.

    Args:
        image_id: Its name.
        split: Its split.
        image: uint8 (H, W, K).
        target: bool (C, H, W).
        valid: bool (H, W) or None.
    """

    image_id: str
    split: str
    image: NDArray[np.uint8]
    target: NDArray[np.bool_]
    valid: NDArray[np.bool_] | None


def choose_window(
    image: NDArray[np.uint8], target: NDArray[np.bool_], valid: NDArray[np.bool_] | None
) -> tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.bool_] | None]:
    """Cut a large image to the window with the middle of its positives, and copy what is kept."""
    rows, columns = (_span(np.asarray(target.any(axis=axes))) for axes in ((0, 2), (0, 1)))
    kept = None if valid is None else valid[rows, columns].copy()
    return image[rows, columns].copy(), target[:, rows, columns].copy(), kept


def _span(positive: NDArray[np.bool_]) -> slice:
    length = len(positive)
    places = np.flatnonzero(positive)
    middle = int(np.median(places)) if len(places) else length // 2
    start = min(max(0, middle - _LONGEST // 2), max(0, length - _LONGEST))
    return slice(start, start + _LONGEST)


def mask_colours(masks: Sequence[str]) -> list[tuple[int, int, int]]:
    """Choose a colour per mask, 0 ... 255: those that the masks are named after if all are, else ones that differ.

    >>> mask_colours(["red", "blue"]), mask_colours(["red", "crack"])
    ([(255, 0, 0), (0, 0, 255)], [(107, 153, 0), (139, 26, 0)])
    """
    named = all(mask.lower() in CSS4_COLORS for mask in masks)
    colours = [mask.lower() if named else MASK_COLOURS[index % len(MASK_COLOURS)] for index, mask in enumerate(masks)]
    red_green_blue = [tuple(round(255 * part) for part in to_rgb(colour)) for colour in colours]
    return [(red, green, blue) for red, green, blue in red_green_blue]


def overlay(example: Example, colours: Sequence[tuple[int, int, int]]) -> NDArray[np.uint8]:
    """Lay the masks over a picture, small enough for a figure.

    Args:
        example: The picture.
        colours: Of the masks; as many as there are.

    Returns:
        uint8 (H, W, 3); a pixel that stands for several is in a mask if one of them is, so that thin strokes stay.
    """
    step = -(-max(example.image.shape[:2]) // _DRAWN)
    shown = example.image[::step, ::step].astype(float)
    shown = np.repeat(shown, 3, axis=2) if shown.shape[2] == 1 else shown
    if example.valid is not None:
        shown[~_pooled(example.valid, step)] *= _IGNORED
    for channel, plane in enumerate(example.target):
        inside = _pooled(plane, step)
        shown[inside] = 0.25 * shown[inside] + 0.75 * np.array(colours[channel])
    return shown.astype(np.uint8)


def _pooled(plane: NDArray[np.bool_], step: int) -> NDArray[np.bool_]:
    height, width = (-(-side // step) * step for side in plane.shape)
    padded = np.zeros((height, width), bool)
    padded[: plane.shape[0], : plane.shape[1]] = plane
    return np.asarray(padded.reshape(height // step, step, width // step, step).any(axis=(1, 3)))


def draw_overlays(examples: Sequence[Example], masks: Sequence[str], name: str) -> Figure:
    """Draw pictures in rows of four, with a legend of the masks.

    Args:
        examples: At least one.
        masks: Their names in channel order.
        name: Of the data, for the title.
    """
    colours = mask_colours(masks)
    with plt.rc_context(RC):
        figure, panels = panel_grid(len(examples), 4, PAGE, PAGE / 4 + 0.15, 0.4)
        for ax, example in zip(panels, examples, strict=True):
            ax.imshow(overlay(example, colours), interpolation="nearest")
            ax.set_title(_short(f"{example.split}: {example.image_id}"), fontsize=7)
            ax.set_axis_off()
        figure.suptitle(name, fontsize=9)
        handles = [
            Patch(color="#{:02x}{:02x}{:02x}".format(*colour), label=mask)
            for mask, colour in zip(masks, colours, strict=True)
        ]
        if handles:
            add_legend(figure, handles)
    return figure


def _short(title: str) -> str:
    """Leave out the middle of a title that would run into the next."""
    return title if len(title) <= _MOST_LETTERS else f"{title[: _MOST_LETTERS - 11]}...{title[-8:]}"
