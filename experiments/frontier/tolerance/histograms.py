"""The two histograms behind tolerant precision and recall, counted from score maps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from experiments.frontier.arithmetic import add_rows, from_rows, side_by_side
from experiments.frontier.from_images import Kind, count_row, image_pixels
from experiments.frontier.histogram import Row, ScoreHistograms
from experiments.frontier.tolerance.neighbourhood import disk_maximum

STRIP_PIXELS = 1 << 20
"""Pixels that are counted at once."""

NONE: tuple[str, ...] = ()
"""Operating points of joint counts: none are kept."""


@dataclass(frozen=True)
class TolerantHistograms:
    """Scores of one split, counted twice.

    Precision is read from `near`, recall from `found`: at a threshold t

        precision = share of the predicted pixels (score >= t) that have a true pixel within `radius`,
        recall = share of the true pixels that have a predicted pixel within `radius`.

    Distances are Euclidean between centres of pixels (a disk), in both. An ignored pixel counts as outside of the
    image: neither its label nor its score is seen from other pixels.

    Args:
        radius: in pixels; with 0 both are the exact precision and recall.
        near: all valid pixels; "positive" are those with a true pixel within `radius`.
        found: the true pixels, each at the highest score within `radius`; none is negative.
    """

    radius: int
    near: ScoreHistograms
    found: ScoreHistograms

    def __post_init__(self) -> None:
        for name in ("masks", "image_ids", "group_ids"):
            if getattr(self.near, name) != getattr(self.found, name):
                raise ValueError(f"near, found: expected the same {name}")
        if self.found.negatives.any():
            raise ValueError("found: expected true pixels only, got negative ones")

    @classmethod
    def exact(cls, histograms: ScoreHistograms) -> Self:
        """Return those of tolerance 0, from a split's own histograms."""
        rows = []
        for image in range(histograms.n_images):
            for mask in range(histograms.n_masks):
                bins, positives, _ = histograms.row(image, mask)
                held = positives > 0
                rows.append((bins[held], positives[held], np.zeros(int(held.sum()), np.uint32)))
        return cls(0, histograms, _collected(histograms.masks, histograms.image_ids, histograms.group_ids, rows))

    def to_arrays(self, prefix: str = "") -> dict[str, NDArray[Any]]:
        """Return all contents but the radius as arrays for an npz file; their names begin with `prefix`."""
        return {**self.near.to_arrays(f"{prefix}near_"), **self.found.to_arrays(f"{prefix}found_")}

    @classmethod
    def from_arrays(cls, radius: int, arrays: Mapping[str, NDArray[Any]], prefix: str = "") -> Self:
        """Rebuild histograms from the arrays of `to_arrays`.

        Raises:
            ValueError: an array is missing or wrong.
        """
        near, found = (ScoreHistograms.from_arrays(arrays, f"{prefix}{name}_") for name in ("near", "found"))
        return cls(radius, near, found)

    @classmethod
    def side_by_side(cls, parts: Sequence[Self]) -> Self:
        """Put histograms of different images, of one radius, one after the other.

        Raises:
            ValueError: there is no part, radii or masks differ, or an image is in two parts.
        """
        if len({part.radius for part in parts}) > 1:
            raise ValueError(f"parts: expected one radius, got {sorted({part.radius for part in parts})}")
        near, found = (side_by_side([getattr(part, name) for part in parts], NONE) for name in ("near", "found"))
        return cls(parts[0].radius, near, found)


def tolerant_rows(
    codes: NDArray[np.uint16], labels: NDArray[np.bool_], keep: NDArray[np.bool_] | None, radius: int
) -> tuple[Row, Row]:
    """Count one image and mask: the rows of `near` and `found`.

    Strips of the image are counted one after the other, each with `radius` more rows on both sides, so that what this
    takes besides the image itself does not grow with its height.

    Args:
        codes: (H, W), score codes.
        labels: (H, W).
        keep: (H, W), False at ignored pixels; None for no ignored pixel.
        radius: in pixels.
    """
    height, width = codes.shape
    step = max(1, STRIP_PIXELS // max(width, 1), 4 * radius)
    strips = []
    for top in range(0, max(height, 1), step):
        first, last = max(top - radius, 0), top + step + radius
        core = slice(top - first, top - first + step)
        kept = None if keep is None else keep[first:last]
        strips.append(_strip_rows(codes[first:last], labels[first:last], kept, core, radius))
    near, found = (reduce(add_rows, (strip[side] for strip in strips)) for side in (0, 1))
    return near, found


def _strip_rows(
    codes: NDArray[np.uint16], labels: NDArray[np.bool_], keep: NDArray[np.bool_] | None, core: slice, radius: int
) -> tuple[Row, Row]:
    """Count the rows of pixels in `core`, looking at all of them."""
    if keep is not None:
        labels, codes = labels & keep, np.where(keep, codes, np.uint16(0))
    right = disk_maximum(labels, radius)[core].ravel()
    found = disk_maximum(codes, radius)[core][labels[core]]
    counted = None if keep is None else keep[core].ravel()
    return count_row(codes[core].ravel(), right, counted), count_row(found, np.ones(len(found), bool))


def from_tolerant_rows(
    masks: Sequence[str],
    image_ids: Sequence[str],
    group_ids: Sequence[str],
    rows: Sequence[tuple[Row, Row]],
    radius: int,
) -> TolerantHistograms:
    """Build histograms from one pair of rows per image and mask, pair i * C + c for image i and mask c."""
    near, found = (_collected(masks, image_ids, group_ids, [pair[side] for pair in rows]) for side in (0, 1))
    return TolerantHistograms(radius, near, found)


def tolerant_from_images(
    scores: Sequence[ArrayLike],
    targets: Sequence[ArrayLike],
    radius: int,
    *,
    exact: ScoreHistograms,
    kind: Kind = "logits",
    valid: Sequence[ArrayLike] | None = None,
) -> TolerantHistograms:
    """Count the scores of images within a distance, one image at a time.

    Args:
        scores: as `from_images` takes them.
        targets: as `from_images` takes them.
        radius: in pixels.
        exact: what `from_images` gave for the same arguments; masks, names and groups are taken from it.
        kind: "logits" or "probabilities".
        valid: as `from_images` takes them.

    Example:
        >>> from experiments.frontier import from_images
        >>> scores, targets = [[[2.0, -1.0, -1.0]]], [[[0, 1, 0]]]
        >>> found = tolerant_from_images(scores, targets, 1, exact=from_images(scores, targets)).found
        >>> from experiments.frontier import code_to_logit
        >>> code_to_logit(found.bins).tolist()
        [2.0]
    """
    rows = []
    for index, (image, target) in enumerate(zip(scores, targets, strict=True)):
        keep = None if valid is None else valid[index]
        codes, labels, kept = image_pixels(image, target, keep, kind, exact.n_masks)
        size = (exact.n_masks, *np.shape(image)[-2:])
        for mask in range(exact.n_masks):
            here = None if kept is None else kept.reshape(size)[mask]
            rows.append(tolerant_rows(codes.reshape(size)[mask], labels.reshape(size)[mask], here, radius))
    return from_tolerant_rows(exact.masks, exact.image_ids, exact.group_ids, rows, radius)


def _collected(
    masks: Sequence[str], image_ids: Sequence[str], group_ids: Sequence[str], rows: Sequence[Row]
) -> ScoreHistograms:
    return from_rows(masks, image_ids, group_ids, rows, points=NONE)
