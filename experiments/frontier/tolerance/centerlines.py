"""Centre-line Dice: how much of each mask's skeleton lies within the other mask."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from experiments.frontier.curve import ratio
from experiments.frontier.operating_point import mean_defined

CENTERLINE_COUNTS = ("predicted", "predicted_inside", "true", "true_inside")
"""Columns of `CenterlineCounts.counts`: pixels of either skeleton, and how many of them lie in the other mask."""


@dataclass(frozen=True)
class CenterlineCounts:
    """Pixels of skeletons per image, operating point and mask.

    With S_P and S_T the skeletons of the predicted mask P and the true mask T:

        precision = |S_P and T| / |S_P|,  sensitivity = |S_T and P| / |S_T|,  clDice = their harmonic mean.

    Args:
        image_ids: N names.
        points: Q names of operating points.
        counts: int64 (N, Q, C, 4), columns `CENTERLINE_COUNTS`.

    Reference: Shit et al. 2021 (clDice, CVPR), equations 1 and 2.
    """

    image_ids: tuple[str, ...]
    points: tuple[str, ...]
    counts: NDArray[np.int64]

    def __post_init__(self) -> None:
        shape = (len(self.image_ids), len(self.points))
        if self.counts.ndim != 4 or self.counts.shape[:2] != shape or self.counts.shape[3] != len(CENTERLINE_COUNTS):
            raise ValueError(f"counts: expected shape (*{shape}, C, {len(CENTERLINE_COUNTS)}), got {self.counts.shape}")

    def of_images(self, point: str) -> NDArray[np.float64]:
        """Return clDice per image and mask, (N, C); NaN without a true pixel, 0 if nothing is predicted."""
        return _centerline_dice(self.counts[:, self.points.index(point)])

    def mean(self, point: str) -> NDArray[np.float64]:
        """Mean over the images that have true pixels, (C,), as in the paper."""
        return mean_defined(self.of_images(point))

    def pooled(self, point: str) -> NDArray[np.float64]:
        """Return clDice of the counts of all images together, (C,)."""
        return _centerline_dice(self.counts[:, self.points.index(point)].sum(axis=0))

    def to_arrays(self, prefix: str = "") -> dict[str, NDArray[Any]]:
        """Return all contents as arrays for an npz file; their names begin with `prefix`."""
        names = {name: np.array(getattr(self, name), dtype=np.str_) for name in ("image_ids", "points")}
        return {prefix + name: array for name, array in (names | {"counts": self.counts}).items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], prefix: str = "") -> Self:
        """Rebuild counts from the arrays of `to_arrays`.

        Raises:
            ValueError: an array is missing or has the wrong shape.
        """
        missing = [prefix + name for name in ("image_ids", "points", "counts") if prefix + name not in arrays]
        if missing:
            raise ValueError(f"arrays: expected what to_arrays gives, missing {missing}")
        image_ids, points = (tuple(str(item) for item in arrays[prefix + name]) for name in ("image_ids", "points"))
        return cls(image_ids, points, arrays[prefix + "counts"])


def _centerline_dice(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Harmonic mean of the two shares of (..., 4) counts."""
    predicted, predicted_inside, true, true_inside = np.moveaxis(counts, -1, 0)
    precision, sensitivity = np.nan_to_num(ratio(predicted_inside, predicted)), ratio(true_inside, true)
    both = precision + sensitivity
    nothing = np.where(np.isnan(sensitivity), np.nan, 0.0)
    return np.divide(2.0 * precision * sensitivity, both, out=nothing, where=both > 0)
