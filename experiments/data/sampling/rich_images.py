"""Oversampling of images that hold much foreground."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from experiments.data.sampling.uniform import Tile, areas, draw_images, place_uniformly
from experiments.data.split import Split


class RichImages:
    """Images with much foreground are drawn more often; the tile's place inside the image is uniform.

    Let a_i be the area of image i, s_i its share of valid pixels in any mask, and s that share over the whole split.
    Image i is drawn with probability proportional to

        a_i * max(s_i / s, floor) ** power

    so, up to a constant, `max(s_i / s, floor) ** power` times as often as under the true distribution. Power 0 is the
    true distribution.

    Args:
        power: At least 0; how steeply the probability rises with the share.
        floor: Above 0; shares below `floor` times the split's are raised to it, so that every image can be drawn.

    Raises:
        ValueError: For a number outside its range.

    Reference:
        Buda, Maki and Mazurowski (2018), A systematic study of the class imbalance problem in convolutional neural
        networks: oversampling replicates examples of the rare class. Here an example is an image and
        has both classes, so replication follows the share.
    """

    def __init__(self, *, power: float, floor: float) -> None:
        if not 0 <= power < np.inf:
            raise ValueError(f"power: expected a number of at least 0, got {power}")
        if not 0 < floor < np.inf:
            raise ValueError(f"floor: expected a number above 0, or an empty image is never drawn, got {floor}")
        self.power = power
        self.floor = floor

    def weights(self, split: Split) -> NDArray[np.float64]:
        """Return the unnormalised probability of each image, (N,).

        Raises:
            ValueError: When no image has foreground.
        """
        pixels = split.pixels[:, 0]
        if not split.foreground.any():
            raise ValueError(
                "rich images: expected foreground pixels in the training split, "
                f"got none in {len(split)} images of {int(pixels.sum())} valid pixels"
            )
        mean = split.foreground.sum() / pixels.sum()
        relative = split.foreground / np.maximum(pixels, 1) / mean
        return areas(split) * np.maximum(relative, self.floor) ** self.power

    def check(self, split: Split, masks: Sequence[str], *, side: int) -> None:
        """Raise a ValueError when the split has no foreground; see `check_sampling`."""
        self.weights(split)

    def draw(self, split: Split, rng: np.random.Generator, *, count: int, side: int, progress: float) -> list[Tile]:
        """Draw `count` tiles; see `Sampling`."""
        return [place_uniformly(image, split, rng, side) for image in draw_images(self.weights(split), rng, count)]
