"""The interface of a sampling, and the true distribution: uniform tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

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
    """The interface of `sampling=`.

    Two methods are optional. `check(split, masks, side)` raises a ValueError, before anything is trained, if the split
    cannot be sampled this way. `switch_update(max_steps)` returns the number of updates before the distribution
    changes.
    """

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
        return [place_uniformly(image, split, rng, side) for image in draw_images(areas(split), rng, count)]


def check_sampling(sampling: Sampling, split: Split, masks: Sequence[str], *, side: int) -> None:
    """Ask a sampling whether it can sample a split; one without `check` can sample any split.

    Args:
        sampling: What `sampling=` made.
        split: The training split.
        masks: Names of the masks, in channel order.
        side: Side of a tile in pixels.

    Raises:
        ValueError: The sampling cannot; the message says what it expected of the split and what came.
    """
    check = getattr(sampling, "check", None)
    if check is not None:
        check(split, masks, side=side)


def switch_update(sampling: Sampling, max_steps: int) -> int | None:
    """Return the number of updates before a sampling changes its distribution; None if it never does."""
    switch = getattr(sampling, "switch_update", None)
    return None if switch is None else int(switch(max_steps))


def areas(split: Split) -> NDArray[np.float64]:
    """Return the area of each image in pixels, (N,), to which its true probability is proportional."""
    return np.prod(split.sizes, axis=1, dtype=np.float64)


def draw_images(weights: NDArray[np.float64], rng: np.random.Generator, count: int) -> list[int]:
    """Draw `count` indices of images with probability proportional to `weights` (N,), with replacement."""
    return [int(image) for image in rng.choice(len(weights), size=count, p=weights / weights.sum())]


def place_uniformly(image: int, split: Split, rng: np.random.Generator, side: int) -> Tile:
    """Place a tile uniformly inside an image."""
    height, width = (int(length) for length in split.sizes[image])
    top = int(rng.integers(max(height - side, 0) + 1))
    left = int(rng.integers(max(width - side, 0) + 1))
    return Tile(image, top, left)
