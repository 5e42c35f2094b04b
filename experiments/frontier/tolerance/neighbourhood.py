"""Maximum over a disk around every pixel: scores pooled, and labels dilated, within a distance."""

from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray


def disk_maximum(values: NDArray[Any], radius: int) -> NDArray[Any]:
    """Return the largest value at pixels (y + dy, x + dx) with dy^2 + dx^2 <= radius^2, for every pixel (y, x).

    The disk's rows are windows of half-width floor(sqrt(radius^2 - dy^2)). From the outer rows to the middle one they
    only widen, so each is made from the one before: 4 radius + 1 maxima of whole images in all.

    Args:
        values: (..., H, W), bool or unsigned integers; outside of the image there is 0.
        radius: in pixels, at least 0.

    Example:
        >>> disk_maximum(np.array([[0, 0, 0, 0], [0, 7, 0, 0]], dtype=np.uint8), 1).tolist()
        [[0, 7, 0, 0], [7, 7, 7, 0]]
    """
    height, width = values.shape[-2:]
    out, window, half = np.zeros_like(values), values.copy(), 0
    for dy in range(radius, -1, -1):
        wanted = isqrt(radius * radius - dy * dy)
        for dx in range(half + 1, min(wanted, width - 1) + 1):
            np.maximum(window[..., dx:], values[..., :-dx], out=window[..., dx:])
            np.maximum(window[..., :-dx], values[..., dx:], out=window[..., :-dx])
        half = wanted
        if dy == 0:
            np.maximum(out, window, out=out)
        elif dy < height:
            np.maximum(out[..., dy:, :], window[..., :-dy, :], out=out[..., dy:, :])
            np.maximum(out[..., :-dy, :], window[..., dy:, :], out=out[..., :-dy, :])
    return out
