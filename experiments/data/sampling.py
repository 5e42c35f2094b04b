"""Which tiles a training batch is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from experiments.data.split import Split


@dataclass(frozen=True)
class Tile:
    """A square window of one training image: index of the image, top row and left column in pixels.

    Where the image is smaller than the tile, `top` or `left` is 0 and the image is mirrored to fill the rest.
    """

    image: int
    top: int
    left: int


class Sampling(Protocol):
    """What `sampling=` has to offer."""

    def draw(self, split: Split, rng: np.random.Generator, *, count: int, side: int, progress: float) -> list[Tile]:
        """Draw the tiles of one batch.

        Args:
            split: The training split.
            rng: Source of all randomness; a function of the seed and the update alone.
            count: Number of tiles.
            side: Side of a tile in pixels.
            progress: Share of the updates that have passed, in [0, 1).
        """
        ...


class UniformTiles:
    """Every place of every training image is equally likely: images by their area, positions uniformly."""

    def draw(self, split: Split, rng: np.random.Generator, *, count: int, side: int, progress: float) -> list[Tile]:
        """Draw `count` tiles; see `Sampling`."""
        area = np.prod(split.sizes, axis=1, dtype=np.float64)
        images = rng.choice(len(split.samples), size=count, p=area / area.sum())
        return [place_uniformly(int(image), split, rng, side) for image in images]


def place_uniformly(image: int, split: Split, rng: np.random.Generator, side: int) -> Tile:
    """Place a tile uniformly inside an image."""
    height, width = (int(length) for length in split.sizes[image])
    top = int(rng.integers(max(height - side, 0) + 1))
    left = int(rng.integers(max(width - side, 0) + 1))
    return Tile(image, top, left)
