"""Places names beside their points in a drawing, where they cover the least."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_GAP = 8.0  # between a point and its name, pixels
_ASIDE = (
    (0, 1),
    (0, -1),
    (1, 0),
    (-1, 0),
    (1, 1),
    (-1, 1),
    (1, -1),
    (-1, -1),
    (0, 2.4),
    (0, -2.4),
    (2.0, 0),
    (-2.0, 0),
)
_OVER_NAME, _OUTSIDE, _MISTAKEN = 1e3, 1e4, 40.0  # cost, where covering one place of ink costs 1


@dataclass(frozen=True)
class Box:
    """A rectangle on the screen, in pixels, y down."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Box) -> bool:
        """Whether two boxes share an area."""
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.bottom and other.top < self.bottom

    def covers(self, places: NDArray[np.float64]) -> int:
        """Count the places, (n, 2), inside the box."""
        x, y = places[:, 0], places[:, 1]
        return int(((x > self.left) & (x < self.right) & (y > self.top) & (y < self.bottom)).sum())

    def distance(self, points: Sequence[tuple[float, float]]) -> float:
        """Return how far the nearest point lies from the box."""
        return min(
            float(np.hypot(max(self.left - x, 0.0, x - self.right), max(self.top - y, 0.0, y - self.bottom)))
            for x, y in points
        )

    def within(self, other: Box) -> bool:
        """Whether the box lies inside another."""
        return (
            other.left <= self.left
            and self.right <= other.right
            and other.top <= self.top
            and self.bottom <= other.bottom
        )


def place_names(
    points: Mapping[str, Sequence[tuple[float, float]]],
    sizes: Mapping[str, tuple[float, float]],
    ink: NDArray[np.float64],
    frame: Box,
) -> dict[str, Box]:
    """Find a place for each name beside one of its points; names that would cover another or the frame are left out.

    Args:
        points: Name -> its points on the screen, pixels.
        sizes: Name -> width and height of its text, pixels.
        ink: (n, 2), places on the screen that are better not covered.
        frame: Where names may stand.
    """
    placed: dict[str, Box] = {}
    for name, own in points.items():
        width, height = sizes[name]
        boxes = [_beside(point, width, height, aside) for point in own for aside in _ASIDE]
        others = [point for other, each in points.items() if other != name for point in each]
        costs = [
            _cost(box, ink, list(placed.values()), frame)
            + _MISTAKEN * (bool(others) and box.distance(others) < box.distance(own) + _GAP / 2)
            for box in boxes
        ]
        best = int(np.argmin(costs)) if costs else -1
        if best >= 0 and costs[best] < _OVER_NAME:
            placed[name] = boxes[best]
    return placed


def _beside(point: tuple[float, float], width: float, height: float, aside: tuple[float, float]) -> Box:
    x = point[0] + aside[0] * (0.5 * width + _GAP)
    y = point[1] - aside[1] * (0.5 * height + _GAP)
    return Box(x - 0.5 * width, y - 0.5 * height, x + 0.5 * width, y + 0.5 * height)


def _cost(box: Box, ink: NDArray[np.float64], placed: Sequence[Box], frame: Box) -> float:
    over = sum(box.overlaps(other) for other in placed)
    return box.covers(ink) + _OVER_NAME * over + _OUTSIDE * (not box.within(frame))
