"""Counts exactly how many of all possible tiles hold foreground, over every place of every image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.data.sample import Sample
from experiments.data.sampling.uniform import Tile
from experiments.data.split import Split

# A census reads every pixel once; all runs of a process on the same images and labels share it.
_known: dict[tuple[str, int, float], NDArray[np.float64]] = {}


def foreground_tile_shares(split: Split, *, side: int, least: float) -> NDArray[np.float64]:
    """Return the share of each image's tiles that are foreground tiles.

    A tile is a foreground tile if it holds a foreground pixel and at least the share `least` of its valid pixels lies
    in some mask. For an image smaller than the tile only the image itself counts, not its mirrored rest.

    Args:
        split: The split; every image is decoded.
        side: Side of a tile in pixels.
        least: Share of the valid pixels, in [0, 1].

    Returns:
        float64 (N,), 0 ... 1.
    """
    key = (split.fingerprint, side, least)
    if key not in _known:
        places = (foreground_places(split.samples[image], side=side, least=least) for image in range(len(split)))
        _known[key] = np.array([place.mean() for place in places], dtype=np.float64)
    return _known[key]


def foreground_places(sample: Sample, *, side: int, least: float) -> NDArray[np.bool_]:
    """Return for each place (top, left) of a tile in an image whether it is a foreground tile.

    Returns:
        bool (max(H - side, 0) + 1, max(W - side, 0) + 1).
    """
    positives = _window_sums(_foreground(sample.target, sample.valid), side)
    height, width = sample.target.shape[1:]
    pixels = min(side, height) * min(side, width) if sample.valid is None else _window_sums(sample.valid, side)
    return _is_foreground_tile(positives, pixels, least)


def is_foreground_tile(sample: Sample, tile: Tile, *, side: int, least: float) -> bool:
    """Return whether one tile is a foreground tile; see `foreground_places`."""
    rows, columns = slice(tile.top, tile.top + side), slice(tile.left, tile.left + side)
    valid = None if sample.valid is None else sample.valid[rows, columns]
    foreground = _foreground(sample.target[:, rows, columns], valid)
    pixels = foreground.size if valid is None else np.count_nonzero(valid)
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
