"""Tiles drawn where a mask is present."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from experiments.data.sample import Sample
from experiments.data.sampling.uniform import Tile, areas, draw_images, place_uniformly
from experiments.data.split import BAND, Split


class ForegroundTiles:
    """A share of the tiles is placed around a foreground pixel; the rest are uniform.

    With probability `foreground_share`, a tile is placed in three steps, each uniform: choose a mask; choose one of its
    valid positive pixels in the training split; choose a place inside the image that contains the pixel. Otherwise the
    tile is uniform, and may hold foreground too. Share 0 is the true distribution.

    Args:
        foreground_share: In [0, 1].

    Raises:
        ValueError: For a share outside [0, 1].

    Reference:
        Isensee et al. (2021), nnU-Net: a self-configuring method for deep learning-based biomedical image
        segmentation, where a third of each batch contains a randomly chosen class. There the number in a batch is fixed
        and the image is chosen first; here tiles are independent and every pixel of a mask is equally likely.
    """

    def __init__(self, *, foreground_share: float) -> None:
        if not 0 <= foreground_share <= 1:
            raise ValueError(f"foreground_share: expected a number in [0, 1], got {foreground_share}")
        self.foreground_share = foreground_share

    def check(self, split: Split, masks: Sequence[str], *, side: int) -> None:
        """Raise a ValueError that names the masks without a foreground pixel; see `check_sampling`."""
        empty = [mask for mask, count in zip(masks, split.positives.sum(axis=0), strict=True) if count == 0]
        if empty:
            raise ValueError(
                "foreground tiles: expected foreground pixels of every mask in the training split, "
                f"got none of {', '.join(empty)} in {len(split)} images"
            )

    def draw(self, split: Split, rng: np.random.Generator, *, count: int, side: int, progress: float) -> list[Tile]:
        """Draw `count` tiles; see `Sampling`."""
        tiles = []
        for around_foreground in rng.random(count) < self.foreground_share:
            if around_foreground:
                mask = int(rng.integers(split.positives.shape[1]))
                image = draw_images(split.positives[:, mask].astype(np.float64), rng, 1)[0]
                tiles.append(_place_around_pixel(image, mask, split, rng, side))
            else:
                tiles.append(place_uniformly(draw_images(areas(split), rng, 1)[0], split, rng, side))
        return tiles


def _place_around_pixel(image: int, mask: int, split: Split, rng: np.random.Generator, side: int) -> Tile:
    height, width = split.sizes[image].tolist()
    row, column = _pixel(image, mask, split, int(rng.integers(int(split.positives[image, mask]))))
    return Tile(image, _start(row, side, height, rng), _start(column, side, width, rng))


# Positive pixels in each band of an image, by the split's fingerprint and the image: a place is then found in one band.
_known: dict[tuple[str, int], NDArray[np.int64]] = {}


def _pixel(image: int, mask: int, split: Split, place: int) -> tuple[int, int]:
    """Return row and column of one of a mask's valid positive pixels, counted from the top row by row."""
    key = (split.fingerprint, image)
    if key not in _known:
        _known[key] = np.array([_positives(band).sum(axis=(1, 2)) for _, band in split.bands(image)])
    above = _known[key][:, mask].cumsum()
    number = int(np.searchsorted(above, place, side="right"))
    band = split.window(image, slice(number * BAND, (number + 1) * BAND), slice(0, int(split.sizes[image, 1])))
    pixels = np.flatnonzero(_positives(band)[mask])
    row, column = divmod(int(pixels[place - (above[number - 1] if number else 0)]), band.target.shape[2])
    return number * BAND + row, column


def _positives(sample: Sample) -> NDArray[np.bool_]:
    return sample.target if sample.valid is None else sample.target & sample.valid


def _start(place: int, side: int, length: int, rng: np.random.Generator) -> int:
    """Draw the first row (or column) of a tile that lies inside the image and contains `place`."""
    last = max(length - side, 0)
    return int(rng.integers(max(place - side + 1, 0), min(place, last) + 1))
