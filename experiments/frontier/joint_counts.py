"""Counts of pixels that no single mask's histogram holds, from masks packed to one bit a pixel."""

import numpy as np
from numpy.typing import NDArray


def joint_counts(
    truth: NDArray[np.uint8], fired: NDArray[np.uint8], keep: NDArray[np.uint8] | None, n_pixels: int
) -> NDArray[np.int64]:
    """Confusion counts of the background, and the pixels at which all masks are right.

    Background means that no mask is positive. Eight pixels share a byte, as `numpy.packbits` packs them.

    Args:
        truth: (N, C, B), the labels of N images and C masks.
        fired: (N, Q, C, B), the predictions at Q operating points.
        keep: (N, B), pixels that take part; None for all.
        n_pixels: pixels of an image, at most 8 B; the bits after them are 0 in `truth` and `fired`.

    Returns:
        int64 (N, Q, 5), columns `histogram.JOINT_COUNTS`.
    """
    any_truth = np.bitwise_or.reduce(truth, axis=1)[:, None]
    any_fired = np.bitwise_or.reduce(fired, axis=2)
    wrong = np.bitwise_or.reduce(fired ^ truth[:, None], axis=2)
    kept = np.full((len(truth), 1), n_pixels)
    if keep is not None:
        any_truth, any_fired, wrong = (bits & keep[:, None] for bits in (any_truth, any_fired, wrong))
        kept = _ones(keep)[:, None]
    n_truth, n_fired, n_both = _ones(any_truth), _ones(any_fired), _ones(any_fired & any_truth)
    columns = (kept - n_truth - n_fired + n_both, n_truth - n_both, n_fired - n_both, n_both, kept - _ones(wrong))
    return np.stack(np.broadcast_arrays(*columns), axis=-1)


def _ones(bits: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Count the bits that are set along the last axis."""
    return np.bitwise_count(bits).sum(-1, dtype=np.int64)
