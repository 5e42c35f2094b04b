"""Score histograms: the numbers of positive and negative pixels at each score code, per image and mask."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from experiments.frontier.codes import N_CODES

JOINT_COUNTS = ("background_tp", "background_fp", "background_fn", "background_tn", "all_masks_right")
"""Columns of `ScoreHistograms.joint`: pixel counts that no single mask's histogram holds."""

Row = tuple[NDArray[np.uint16], NDArray[np.uint32], NDArray[np.uint32]]
"""Sparse histogram of one image and mask: ascending bins, positive pixels, negative pixels."""


_NAME_FIELDS = ("masks", "image_ids", "group_ids", "points")
_ARRAY_FIELDS = ("row_start", "bins", "positives", "negatives", "joint")


@dataclass(frozen=True)
class ScoreHistograms:
    """Pixel counts per image, mask and score code, stored sparse (compressed rows).

    Row i * C + c holds image i and mask c; its entries are `row_start[row]` to `row_start[row + 1]`, with
    ascending, unique bins. A pixel's bin is `codes.logit_to_code` of its logit.

    Args:
        masks: C mask names.
        image_ids: N image names, unique.
        group_ids: N names; images of one group (tiles of one well) are not independent of each other.
        row_start: int64 (N*C+1,), ascending from 0 to the number of entries.
        bins: uint16 (E,), score codes.
        positives: uint32 (E,), pixels with the mask's label.
        negatives: uint32 (E,), pixels without it.
        points: names of the Q operating points of `joint`; the first is "natural".
        joint: int64 (N, Q, 5), columns `JOINT_COUNTS`. Background pixels are those where no mask is positive.

    Example:
        >>> from experiments.frontier import from_images
        >>> histograms = from_images([[[2.0, -1.0, -1.0]], [[0.5]]], [[[1, 0, 0]], [[1]]])
        >>> histograms.n_images, len(histograms.bins), histograms.negatives.tolist()
        (2, 3, [2, 0, 0])
    """

    masks: tuple[str, ...]
    image_ids: tuple[str, ...]
    group_ids: tuple[str, ...]
    row_start: NDArray[np.int64]
    bins: NDArray[np.uint16]
    positives: NDArray[np.uint32]
    negatives: NDArray[np.uint32]
    points: tuple[str, ...]
    joint: NDArray[np.int64]

    def __post_init__(self) -> None:
        n_images, n_masks, n_entries = len(self.image_ids), len(self.masks), len(self.bins)
        if len(set(self.image_ids)) != n_images:
            raise ValueError("image_ids: expected unique names, got repeated ones")
        if n_masks == 0 or len(set(self.masks)) != n_masks:
            raise ValueError(f"masks: expected unique names, at least one, got {self.masks}")
        if len(self.group_ids) != n_images:
            raise ValueError(f"group_ids: expected {n_images} (one per image), got {len(self.group_ids)}")
        starts = self.row_start
        if starts.shape != (n_images * n_masks + 1,) or starts[0] != 0 or starts[-1] != n_entries:
            raise ValueError(
                f"row_start: expected {n_images * n_masks + 1} offsets from 0 to {n_entries}, got shape {starts.shape}"
            )
        if (np.diff(starts) < 0).any():
            raise ValueError("row_start: expected offsets that never decrease")
        for name, dtype in (("bins", np.uint16), ("positives", np.uint32), ("negatives", np.uint32)):
            array = getattr(self, name)
            if array.dtype != dtype or array.shape != (n_entries,):
                raise ValueError(f"{name}: expected {np.dtype(dtype)} ({n_entries},), got {array.dtype} {array.shape}")
        shape = (n_images, len(self.points), len(JOINT_COUNTS))
        if self.joint.shape != shape:
            raise ValueError(f"joint: expected shape {shape}, got {self.joint.shape}")

    @property
    def n_bytes(self) -> int:
        """Size of the counts in memory, in bytes."""
        return sum(array.nbytes for array in (self.row_start, self.bins, self.positives, self.negatives, self.joint))

    @property
    def n_images(self) -> int:
        """Number of images, N."""
        return len(self.image_ids)

    @property
    def n_masks(self) -> int:
        """Number of masks, C."""
        return len(self.masks)

    def row(self, image: int, mask: int) -> Row:
        """Return the sparse histogram of one image and mask, as views: (bins, positives, negatives)."""
        index = image * self.n_masks + mask
        entries = slice(self.row_start[index], self.row_start[index + 1])
        return self.bins[entries], self.positives[entries], self.negatives[entries]

    def pooled(self, mask: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Sum one mask over all images: (positives, negatives), int64 (65536,) each."""
        bins, positives, negatives, _ = self.mask_entries(mask)
        held = np.flatnonzero(positives != 0)
        # Sums of integers below 2**53 are exact in float64.
        dense = (
            np.bincount(bins[held], weights=positives[held], minlength=N_CODES),
            np.bincount(bins, weights=negatives, minlength=N_CODES),
        )
        return dense[0].astype(np.int64), dense[1].astype(np.int64)

    def mask_entries(
        self, mask: int, images: NDArray[np.intp] | None = None
    ) -> tuple[NDArray[np.uint16], NDArray[np.uint32], NDArray[np.uint32], NDArray[np.int64]]:
        """Entries of one mask, image after image: (bins, positives, negatives, entries per image).

        Args:
            mask: index of the mask.
            images: which images, in which order; None takes all of them.
        """
        rows = (np.arange(self.n_images) if images is None else images) * self.n_masks + mask
        lengths = self.row_start[rows + 1] - self.row_start[rows]
        if self.n_masks == 1 and images is None:
            return self.bins, self.positives, self.negatives, lengths
        edges = zip(self.row_start[rows].tolist(), self.row_start[rows + 1].tolist(), strict=True)
        parts = [slice(start, end) for start, end in edges] or [slice(0, 0)]
        bins = np.concatenate([self.bins[part] for part in parts])
        positives = np.concatenate([self.positives[part] for part in parts])
        negatives = np.concatenate([self.negatives[part] for part in parts])
        return bins, positives, negatives, lengths

    def pixel_counts(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Positive and negative pixels per image and mask: int64 (N, C) each, read-only."""
        return self._pixel_counts

    @cached_property
    def _pixel_counts(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        totals = []
        held = np.flatnonzero(np.diff(self.row_start))  # `reduceat` cannot sum an empty row
        for counts in (self.positives, self.negatives):
            total = np.zeros(self.n_images * self.n_masks, np.int64)
            if len(held):
                total[held] = np.add.reduceat(counts, self.row_start[held], dtype=np.int64)
            total.flags.writeable = False
            totals.append(total.reshape(self.n_images, self.n_masks))
        return totals[0], totals[1]

    def groups(self) -> tuple[tuple[str, ...], NDArray[np.intp]]:
        """Distinct group names in ascending order, and each image's index among them: (G,), (N,)."""
        names = tuple(sorted(set(self.group_ids)))
        position = {name: index for index, name in enumerate(names)}
        return names, np.array([position[name] for name in self.group_ids], dtype=np.intp)

    def point(self, name: str) -> NDArray[np.int64]:
        """Joint counts per image at one operating point: int64 (N, 5), columns `JOINT_COUNTS`.

        Raises:
            ValueError: there are no counts at that point.
        """
        if name not in self.points:
            raise ValueError(f"name: expected one of {self.points}, got {name!r}")
        return self.joint[:, self.points.index(name)]

    def to_arrays(self, prefix: str = "") -> dict[str, NDArray[Any]]:
        """Return all contents as arrays for an npz file; their names begin with `prefix`."""
        names = {name: np.array(getattr(self, name), dtype=np.str_) for name in _NAME_FIELDS}
        counts = {name: getattr(self, name) for name in _ARRAY_FIELDS}
        return {prefix + name: array for name, array in (names | counts).items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], prefix: str = "") -> Self:
        """Rebuild histograms from the arrays of `to_arrays`, checking every row.

        Raises:
            ValueError: an array is missing or has the wrong type or shape, or a row's bins do not ascend.
        """
        missing = [prefix + name for name in (*_NAME_FIELDS, *_ARRAY_FIELDS) if prefix + name not in arrays]
        if missing:
            raise ValueError(f"arrays: expected what to_arrays gives, missing {missing}")
        fields: dict[str, Any] = {name: tuple(str(item) for item in arrays[prefix + name]) for name in _NAME_FIELDS}
        fields |= {name: arrays[prefix + name] for name in _ARRAY_FIELDS}
        histograms = cls(**fields)
        ascending = np.ones(len(histograms.bins), bool)
        ascending[1:] = histograms.bins[1:] > histograms.bins[:-1]
        starts = histograms.row_start[:-1]
        ascending[starts[starts < len(ascending)]] = True
        if not ascending.all():
            raise ValueError(
                f"{prefix}bins: expected ascending bins in each row, got {int((~ascending).sum())} steps down"
            )
        return histograms


def joint_counts(
    truth: NDArray[np.uint8], fired: NDArray[np.uint8], keep: NDArray[np.uint8] | None, n_pixels: int
) -> NDArray[np.int64]:
    """Count the confusion of the background, and the pixels at which all masks are right.

    Background pixels are those where no mask is positive. Eight pixels share a byte, packed as by `numpy.packbits`.

    Args:
        truth: (N, C, B), the labels of N images and C masks.
        fired: (N, Q, C, B), the predictions at Q operating points.
        keep: (N, B), pixels to count; None for all.
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
    """Count the set bits along the last axis."""
    return np.bitwise_count(bits).sum(-1, dtype=np.int64)
