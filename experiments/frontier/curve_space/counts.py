"""Sums of the errors of curves per image, operating point and mask: what a run stores of its curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from experiments.config import CURVE_AXES
from experiments.frontier.codes import logit_to_code
from experiments.frontier.curve_space.centre_line import SUMS, in_rows, sums_of_predictions
from experiments.frontier.from_images import Kind, image_pixels
from experiments.frontier.histogram import ScoreHistograms
from experiments.frontier.operating_point import tuned_thresholds


@dataclass(frozen=True)
class CurveSums:
    """Sums over the rows of each image, from which errors are pooled over any images.

    Args:
        axis: "rows" or "columns": along which there is a value each.
        image_ids: N names.
        points: Q names of operating points.
        sums: float64 (N, Q, C, K), columns `SUMS`.
    """

    axis: str
    image_ids: tuple[str, ...]
    points: tuple[str, ...]
    sums: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.axis not in CURVE_AXES:
            raise ValueError(f"axis: expected {' or '.join(CURVE_AXES)}, got {self.axis!r}")
        shape = (len(self.image_ids), len(self.points))
        if self.sums.ndim != 4 or self.sums.shape[:2] != shape or self.sums.shape[3] != len(SUMS):
            raise ValueError(f"sums: expected shape (*{shape}, C, {len(SUMS)}), got {self.sums.shape}")
        if not (np.isfinite(self.sums).all() and self.sums.dtype == np.float64):
            raise ValueError(f"sums: expected finite float64, got {self.sums.dtype}")

    def of(self, point: str, mask: int) -> NDArray[np.float64]:
        """Return the sums of one point and mask, (N, K)."""
        return self.sums[:, self.points.index(point), mask]

    def in_order(self, image_ids: Sequence[str]) -> Self:
        """Return the same with images in another order.

        Raises:
            ValueError: these are not the images.
        """
        if set(image_ids) != set(self.image_ids) or len(image_ids) != len(self.image_ids):
            raise ValueError(f"images: expected {len(image_ids)} of the run's scores, got {len(self.image_ids)} others")
        place = {image: index for index, image in enumerate(self.image_ids)}
        return self.of_images(np.array([place[image] for image in image_ids], dtype=np.intp))

    def of_images(self, which: NDArray[np.intp]) -> Self:
        """Return the sums of some images, given by their places."""
        names = tuple(self.image_ids[index] for index in which)
        return type(self)(self.axis, names, self.points, self.sums[which])

    @classmethod
    def side_by_side(cls, parts: Sequence[Self | None]) -> Self | None:
        """Join the images of several runs, at the points that all have; None unless all count along one axis."""
        there = [part for part in parts if part is not None]
        if len(there) < len(parts) or len({part.axis for part in there}) != 1:
            return None
        points = [name for name in there[0].points if all(name in part.points for part in there)]
        sums = [part.sums[:, [part.points.index(name) for name in points]] for part in there]
        images = tuple(name for part in there for name in part.image_ids)
        return cls(there[0].axis, images, tuple(points), np.concatenate(sums))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return all contents as arrays for an npz file."""
        names = {name: np.array(getattr(self, name), dtype=np.str_) for name in ("axis", "image_ids", "points")}
        return names | {"columns": np.array(SUMS, dtype=np.str_), "sums": self.sums}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Rebuild sums from the arrays of `to_arrays`.

        Raises:
            ValueError: an array is missing or has the wrong shape.
        """
        missing = [name for name in ("axis", "image_ids", "points", "columns", "sums") if name not in arrays]
        if missing:
            raise ValueError(f"arrays: expected what to_arrays gives, missing {missing}")
        columns = tuple(str(name) for name in arrays["columns"])
        if columns != SUMS:
            raise ValueError(f"columns: expected {SUMS}, got {columns}")
        image_ids, points = (tuple(str(item) for item in arrays[name]) for name in ("image_ids", "points"))
        return cls(str(arrays["axis"]), image_ids, points, arrays["sums"])


def curves_from_images(
    scores: Sequence[ArrayLike],
    targets: Sequence[ArrayLike],
    axis: str,
    *,
    exact: ScoreHistograms,
    validation: ScoreHistograms | None = None,
    kind: Kind = "logits",
    valid: Sequence[ArrayLike] | None = None,
) -> CurveSums:
    """Read the score maps of images as curves, one image at a time.

    Args:
        scores: as `from_images` takes them.
        targets: as `from_images` takes them.
        axis: "rows" or "columns".
        exact: what `from_images` gave for the same arguments; masks and names are taken from it.
        validation: histograms that thresholds are tuned on; without them there is no tuned point.
        kind: "logits" or "probabilities".
        valid: as `from_images` takes them.

    Example:
        >>> from experiments.frontier import from_images
        >>> scores, targets = [[[2.0, -1.0, -1.0]]], [[[0, 1, 0]]]
        >>> found = curves_from_images(scores, targets, "rows", exact=from_images(scores, targets))
        >>> found.points, found.of("natural", 0)[0, SUMS.index("abs_error")].item()
        (('natural',), 1.0)
    """
    points = {"natural": [0.0] * exact.n_masks}
    if validation is not None:
        points["tuned"] = tuned_thresholds(validation).tolist()
    limits = logit_to_code(list(points.values()))[:, :, None, None]
    sums = []
    for index, (image, target) in enumerate(zip(scores, targets, strict=True)):
        keep = None if valid is None else valid[index]
        codes, labels, kept = image_pixels(image, target, keep, kind, exact.n_masks)
        size = (exact.n_masks, *np.shape(image)[-2:])
        here = None if kept is None else kept.reshape(size)
        sums.append(image_sums(codes.reshape(size) >= limits, labels.reshape(size), here, axis))
    return CurveSums(axis, exact.image_ids, tuple(points), np.stack(sums))


def image_sums(
    fired: NDArray[np.bool_], target: NDArray[np.bool_], valid: NDArray[np.bool_] | None, axis: str
) -> NDArray[np.float64]:
    """Read one image's predictions and labels as curves; ignored pixels belong to neither.

    Args:
        fired: (Q, C, H, W), predictions at Q operating points.
        target: (C, H, W).
        valid: (H, W) or (C, H, W), False at ignored pixels; None for no ignored pixel.
        axis: "rows" or "columns".

    Returns:
        float64 (Q, C, K), columns `SUMS`.
    """
    if valid is not None:
        fired, target = fired & valid, target & valid
    fired, target = in_rows(fired, axis), in_rows(target, axis)
    return np.stack([sums_of_predictions(fired[:, mask], target[mask]) for mask in range(len(target))], axis=1)
