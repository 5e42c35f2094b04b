"""Undersampling of background: enough tiles with little foreground are left out to balance the rest.

How many of all possible tiles hold foreground is counted exactly, over every place of every image.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.data.sample import Sample
from experiments.data.sampling.uniform import Tile, areas, draw_images, place_uniformly
from experiments.data.split import Split

# Failed draws in one image before all of its places are listed.
_TRIES = 64


class BackgroundUndersampling:
    """Uniform tiles, with background tiles kept only with some probability.

    A tile is a foreground tile if it holds foreground and its share of valid pixels in any mask is at least
    `least_foreground` times that share over the whole training split. Every other tile is a background tile. Let P be
    the probability that a uniform tile is a foreground tile, over all places of all images. Foreground tiles are always
    kept, and background tiles with probability

        k = P (1 - t) / (t (1 - P)),  t = foreground_share

    so that P / (P + k (1 - P)) = t: a share t of the kept tiles are foreground tiles. Within each kind the distribution
    stays the same. Tiles are drawn from the resulting distribution directly, so that none has to be thrown away.

    Args:
        foreground_share: t, the share of foreground tiles after undersampling, in (0, 1].
        least_foreground: At least 0; 0 counts every tile with a foreground pixel as a foreground tile.

    Raises:
        ValueError: For a number outside its range.

    Reference:
        Buda, Maki and Mazurowski (2018), A systematic study of the class imbalance problem in convolutional neural
        networks: random examples of the frequent class are removed until the classes are balanced.
        There the removed examples are chosen once. Here every update chooses anew, because there are more tiles than
        updates, and a tile, unlike their examples, holds both classes.
    """

    def __init__(self, *, foreground_share: float, least_foreground: float) -> None:
        if not 0 < foreground_share <= 1:
            raise ValueError(f"foreground_share: expected a number in (0, 1], got {foreground_share}")
        if not 0 <= least_foreground < np.inf:
            raise ValueError(f"least_foreground: expected a number of at least 0, got {least_foreground}")
        self.foreground_share = foreground_share
        self.least_foreground = least_foreground

    def keep_probability(self, split: Split, *, side: int) -> float:
        """Return k, the probability that a background tile is kept.

        Raises:
            ValueError: When there is nothing to balance; see `check`.
        """
        shares = self._shares(split, side)
        share = float(np.average(shares, weights=areas(split)))
        return share * (1 - self.foreground_share) / (self.foreground_share * (1 - share))

    def check(self, split: Split, masks: Sequence[str], *, side: int) -> None:
        """Raise when the split cannot be undersampled to the target; see `check_sampling`.

        Raises:
            ValueError: The split has no foreground or no foreground tile, or its share of them is as large already.
        """
        self._shares(split, side)

    def draw(self, split: Split, rng: np.random.Generator, *, count: int, side: int, progress: float) -> list[Tile]:
        """Draw `count` tiles; see `Sampling`."""
        shares = self._shares(split, side)
        tiles = []
        for foreground in rng.random(count) < self.foreground_share:
            weights = areas(split) * (shares if foreground else 1 - shares)
            image = draw_images(weights, rng, 1)[0]
            tiles.append(self._place(image, split, rng, side, foreground=bool(foreground)))
        return tiles

    def _place(self, image: int, split: Split, rng: np.random.Generator, side: int, *, foreground: bool) -> Tile:
        """Draw uniformly among the foreground tiles, or among the background tiles, of one image."""
        least = self._least(split)
        for _ in range(_TRIES):
            tile = place_uniformly(image, split, rng, side)
            sample = split.window(image, slice(tile.top, tile.top + side), slice(tile.left, tile.left + side))
            if is_foreground_tile(sample, least=least) == foreground:
                return tile
        counts = [int(np.count_nonzero(places == foreground)) for _, places in _places(split, image, side, least)]
        number = int(rng.integers(sum(counts)))
        for (first, places), count in zip(_places(split, image, side, least), counts, strict=True):
            if number < count:
                top, left = np.argwhere(places == foreground)[number].tolist()
                return Tile(image, first + top, left)
            number -= count
        raise AssertionError("expected a place for every number below their count")

    def _least(self, split: Split) -> float:
        return float(self.least_foreground * split.foreground.sum() / split.pixels[:, 0].sum())

    def _shares(self, split: Split, side: int) -> NDArray[np.float64]:
        if not split.foreground.any():
            raise ValueError(
                f"undersampling: expected foreground pixels in the training split, got none in {len(split)} images"
            )
        shares = foreground_tile_shares(split, side=side, least=self._least(split))
        share = float(np.average(shares, weights=areas(split)))
        if share == 0:
            raise ValueError(
                f"least_foreground: expected some tile of {side} x {side} pixels to reach {self.least_foreground:g} "
                f"times the training split's share of foreground, {self._least(split):.3g}; got none"
            )
        if share >= self.foreground_share:
            raise ValueError(
                f"foreground_share: expected more than {share:.3f}, the share of foreground tiles of {side} x {side} "
                f"pixels before undersampling, got {self.foreground_share:g}. Ask for more, or count fewer tiles as "
                f"foreground tiles by a larger least_foreground (now {self.least_foreground:g})"
            )
        return shares


# A census reads every pixel once; all runs of a process on the same images and labels share it.
_known: dict[tuple[str, int, float], NDArray[np.float64]] = {}


def foreground_tile_shares(split: Split, *, side: int, least: float) -> NDArray[np.float64]:
    """Return the share of each image's tiles that are foreground tiles.

    A tile is a foreground tile if it holds a foreground pixel and at least the share `least` of its valid pixels lies
    in some mask. For an image smaller than the tile only the image itself counts, not its mirrored rest.

    Args:
        split: The split; every image is read.
        side: Side of a tile in pixels.
        least: Share of the valid pixels, in [0, 1].

    Returns:
        float64 (N,), 0 ... 1.
    """
    key = (split.fingerprint, side, least)
    if key not in _known:
        _known[key] = np.array([_share(split, image, side, least) for image in range(len(split))], dtype=np.float64)
    return _known[key]


def _share(split: Split, image: int, side: int, least: float) -> float:
    found = total = 0
    for _, places in _places(split, image, side, least):
        found, total = found + int(np.count_nonzero(places)), total + places.size
    return found / total


def _places(split: Split, image: int, side: int, least: float) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """Yield `foreground_places` of an image band by band, each with the row of its first place."""
    last = max(int(split.sizes[image, 0]) - side, 0)
    for top, band in split.bands(image, shared=side - 1):
        if top > last:
            return
        yield top, foreground_places(band, side=side, least=least)


def foreground_places(sample: Sample, *, side: int, least: float) -> NDArray[np.bool_]:
    """Return for each place (top, left) of a tile in an image whether it is a foreground tile.

    Returns:
        bool (max(H - side, 0) + 1, max(W - side, 0) + 1).
    """
    positives = _window_sums(_foreground(sample.target, sample.valid), side)
    height, width = sample.target.shape[1:]
    pixels = min(side, height) * min(side, width) if sample.valid is None else _window_sums(sample.valid, side)
    return _is_foreground_tile(positives, pixels, least)


def is_foreground_tile(tile: Sample, *, least: float) -> bool:
    """Return whether one tile, without its mirrored rest, is a foreground tile; see `foreground_places`."""
    foreground = _foreground(tile.target, tile.valid)
    pixels = foreground.size if tile.valid is None else np.count_nonzero(tile.valid)
    return bool(_is_foreground_tile(np.count_nonzero(foreground), pixels, least))


def _foreground(target: NDArray[np.bool_], valid: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    foreground: NDArray[np.bool_] = np.logical_or.reduce(target, axis=0)
    return foreground if valid is None else foreground & valid


def _is_foreground_tile(positives: Any, pixels: Any, least: float) -> Any:
    return (positives > 0) & (positives >= least * pixels)


def _window_sums(mask: NDArray[np.bool_], side: int) -> NDArray[np.int64]:
    """Count the True pixels of each window, by differences of cumulative sums."""
    height, width = min(side, mask.shape[0]), min(side, mask.shape[1])
    corner = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1), np.int64)
    np.cumsum(mask, axis=0, out=corner[1:, 1:])
    np.cumsum(corner[1:, 1:], axis=1, out=corner[1:, 1:])
    return corner[height:, width:] - corner[:-height, width:] - corner[height:, :-width] + corner[:-height, :-width]
