"""The width of strokes, from the area and the length of the boundary of a mask."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def stroke_width(mask: NDArray[np.bool_]) -> float:
    """Estimate the mean width of the strokes of a mask, in pixels.

    width = 2 area / perimeter, which is exact for a long stroke of any width. The perimeter is that of Cauchy and
    Crofton from four directions, pi / 8 (N0 + N90 + (N45 + N135) / sqrt 2), N the pairs of neighbours in a direction of
    which one is inside; it is at most 6 % off for a straight boundary. The border of the picture is no boundary.

    Args:
        mask: bool (H, W).

    Returns:
        The width; NaN if the mask is empty or full.

    Reference:
        Crofton (1868); Legland, Kieu and Devaux (2007), "Computation of Minkowski measures on 2D and 3D binary images".

    >>> import numpy as np
    >>> stroke = np.zeros((40, 200), bool)
    >>> stroke[20:24] = True
    >>> round(stroke_width(stroke), 1)
    4.2
    """
    pairs = (
        (mask[:, 1:], mask[:, :-1], 1.0),
        (mask[1:], mask[:-1], 1.0),
        (mask[1:, 1:], mask[:-1, :-1], np.sqrt(0.5)),
        (mask[1:, :-1], mask[:-1, 1:], np.sqrt(0.5)),
    )
    perimeter = np.pi / 8 * sum(weight * np.count_nonzero(one != other) for one, other, weight in pairs)
    return float(2 * np.count_nonzero(mask) / perimeter) if perimeter else float("nan")
