"""Sums of score histograms: builds histograms from rows, and merges those of tiles, batches or machines."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from experiments.frontier.codes import N_CODES, logit_to_code
from experiments.frontier.histogram import JOINT_COUNTS, Row, ScoreHistograms


def from_rows(
    masks: Sequence[str],
    image_ids: Sequence[str],
    group_ids: Sequence[str],
    rows: Sequence[Row],
    joint: NDArray[np.int64] | None = None,
    *,
    points: Sequence[str] = ("natural",),
) -> ScoreHistograms:
    """Build score histograms from one sparse row per image and mask, row i * C + c for image i and mask c.

    Args:
        masks: C names.
        image_ids: N names.
        group_ids: N names.
        rows: N*C rows (bins, positives, negatives), bins ascending and unique.
        joint: int64 (N, Q, 5); None gives zeros, which means not counted.
        points: Q names.
    """
    if joint is None:
        joint = np.zeros((len(image_ids), len(points), len(JOINT_COUNTS)), np.int64)
    return ScoreHistograms(
        masks=tuple(masks),
        image_ids=tuple(image_ids),
        group_ids=tuple(group_ids),
        row_start=np.cumsum([0, *(len(row[0]) for row in rows)], dtype=np.int64),
        bins=np.concatenate([np.zeros(0, np.uint16), *(row[0] for row in rows)]),
        positives=np.concatenate([np.zeros(0, np.uint32), *(row[1] for row in rows)]),
        negatives=np.concatenate([np.zeros(0, np.uint32), *(row[2] for row in rows)]),
        points=tuple(points),
        joint=joint,
    )


def from_pixels(
    masks: Sequence[str],
    image_ids: Sequence[str],
    group_ids: Sequence[str],
    logits: NDArray[np.floating],
    labels: NDArray[np.bool_],
) -> ScoreHistograms:
    """Build score histograms from arrays in memory, without joint counts; for streams see `histogram_builder`.

    Args:
        masks: C names.
        image_ids: N names.
        group_ids: N names.
        logits: (N, C, P), P pixels per image.
        labels: bool (N, C, P).

    Example:
        >>> histograms = from_pixels(["mask"], ["a"], ["a"], np.array([[[2.0, -1.0]]]), np.array([[[True, False]]]))
        >>> histograms.pixel_counts()[0].tolist()
        [[1]]
    """
    if logits.ndim != 3 or logits.shape[:2] != (len(image_ids), len(masks)) or labels.shape != logits.shape:
        raise ValueError(
            f"logits, labels: expected ({len(image_ids)}, {len(masks)}, P) both, got {logits.shape} and {labels.shape}"
        )
    n_rows = len(image_ids) * len(masks)
    row_of = np.repeat(np.arange(n_rows), logits.shape[2])
    positives = labels.ravel().astype(np.uint32)
    rows, bins, positives, negatives = _add_duplicates(row_of, logit_to_code(logits).ravel(), positives, 1 - positives)
    return ScoreHistograms(
        masks=tuple(masks),
        image_ids=tuple(image_ids),
        group_ids=tuple(group_ids),
        row_start=np.searchsorted(rows, np.arange(n_rows + 1)).astype(np.int64),
        bins=bins,
        positives=positives,
        negatives=negatives,
        points=("natural",),
        joint=np.zeros((len(image_ids), 1, len(JOINT_COUNTS)), np.int64),
    )


def add_rows(first: Row, second: Row) -> Row:
    """Add two sparse rows: the union of their bins, with the counts added."""
    bins = np.concatenate([first[0], second[0]])
    positives = np.concatenate([first[1], second[1]])
    negatives = np.concatenate([first[2], second[2]])
    rows = np.zeros(len(bins), np.int64)
    _, bins, positives, negatives = _add_duplicates(rows, bins, positives, negatives)
    return bins, positives, negatives


def sparse_row(positives: NDArray[np.integer], negatives: NDArray[np.integer]) -> Row:
    """Make a sparse row from dense counts (65536,) each: the bins with at least one pixel.

    Raises:
        ValueError: a count does not fit into 32 bits.
    """
    bins = np.flatnonzero((positives != 0) | (negatives != 0))
    return bins.astype(np.uint16), _stored(positives[bins]), _stored(negatives[bins])


def merge(parts: Sequence[ScoreHistograms]) -> ScoreHistograms:
    """Merge histograms: take the images of all parts, and add the counts of images that are in several parts.

    Args:
        parts: at least one, with the same masks and points: tiles, batches or machines of one test set.

    Returns:
        Images in order of first appearance.

    Raises:
        ValueError: there is no part, masks or points differ, an image is in two groups, or a count of one image, mask
            and bin does not fit into 32 bits.

    Example:
        >>> logits, labels = np.array([[[2.0, -1.0]]]), np.array([[[True, False]]])
        >>> merge([from_pixels(["mask"], [name], [name], logits, labels) for name in "ab"]).image_ids
        ('a', 'b')
    """
    if not parts:
        raise ValueError("parts: expected at least one, got none")
    head = parts[0]
    groups: dict[str, str] = {}
    for part in parts:
        if (part.masks, part.points) != (head.masks, head.points):
            raise ValueError(
                f"parts: expected masks {head.masks} at points {head.points}, got {part.masks} at {part.points}"
            )
        for image_id, group_id in zip(part.image_ids, part.group_ids, strict=True):
            if groups.setdefault(image_id, group_id) != group_id:
                raise ValueError(
                    f"parts: image {image_id!r} is in group {groups[image_id]!r} and in group {group_id!r}"
                )
    position = {image_id: index for index, image_id in enumerate(groups)}
    joint = np.zeros((len(groups), *head.joint.shape[1:]), np.int64)
    row_of = []
    for part in parts:
        images = np.array([position[image_id] for image_id in part.image_ids], dtype=np.int64)
        np.add.at(joint, images, part.joint)
        rows = (images[:, None] * head.n_masks + np.arange(head.n_masks)).ravel()
        row_of.append(np.repeat(rows, np.diff(part.row_start)))
    all_rows, bins, positives, negatives = _add_duplicates(
        np.concatenate(row_of),
        np.concatenate([part.bins for part in parts]),
        np.concatenate([part.positives for part in parts]),
        np.concatenate([part.negatives for part in parts]),
    )
    return ScoreHistograms(
        masks=head.masks,
        image_ids=tuple(groups),
        group_ids=tuple(groups.values()),
        row_start=np.searchsorted(all_rows, np.arange(len(groups) * head.n_masks + 1)).astype(np.int64),
        bins=bins,
        positives=positives,
        negatives=negatives,
        points=head.points,
        joint=joint,
    )


def side_by_side(parts: Sequence[ScoreHistograms], points: Sequence[str]) -> ScoreHistograms:
    """Put histograms of different images one after the other.

    Args:
        parts: at least one, with the same masks and no image in two of them.
        points: names of the operating points to keep, which all parts have.

    Raises:
        ValueError: there is no part, masks differ, an image is in two parts, or a point is missing.

    Example:
        >>> logits, labels = np.array([[[2.0, -1.0]]]), np.array([[[True, False]]])
        >>> parts = [from_pixels(["mask"], [name], [name], logits, labels) for name in "ba"]
        >>> both = side_by_side(parts, ["natural"])
        >>> both.image_ids, both.row_start.tolist()
        (('b', 'a'), [0, 2, 4])
    """
    if not parts:
        raise ValueError("parts: expected at least one, got none")
    if len({part.masks for part in parts}) > 1:
        raise ValueError(f"parts: expected the same masks, got {' and '.join(map(str, {p.masks for p in parts}))}")
    starts = np.cumsum([0, *(len(part.bins) for part in parts)])
    offsets = [part.row_start[:-1] + start for part, start in zip(parts, starts[:-1], strict=True)]
    kept = [np.array([part.points.index(name) for name in points], dtype=np.intp) for part in parts]
    return ScoreHistograms(
        masks=parts[0].masks,
        image_ids=tuple(name for part in parts for name in part.image_ids),
        group_ids=tuple(name for part in parts for name in part.group_ids),
        row_start=np.concatenate([*offsets, starts[-1:]]).astype(np.int64),
        bins=np.concatenate([part.bins for part in parts]),
        positives=np.concatenate([part.positives for part in parts]),
        negatives=np.concatenate([part.negatives for part in parts]),
        points=tuple(points),
        joint=np.concatenate([part.joint[:, which] for part, which in zip(parts, kept, strict=True)]),
    )


def recode(histograms: ScoreHistograms, table: NDArray[np.integer]) -> ScoreHistograms:
    """Give the same pixels other scores: bin b becomes `table[b]`, and counts of bins that coincide are added.

    The joint counts do not change, so use this only for statistics of single masks.

    Args:
        histograms: any.
        table: integers (65536,) in [0, 65535], never decreasing.
    """
    if table.shape != (N_CODES,) or (np.diff(table.astype(np.int64)) < 0).any():
        raise ValueError(f"table: expected {N_CODES} codes that never decrease, got shape {table.shape}")
    moved = table.astype(np.uint16)[histograms.bins]
    row_of = np.repeat(np.arange(len(histograms.row_start) - 1), np.diff(histograms.row_start))
    rows, bins, positives, negatives = _add_duplicates(row_of, moved, histograms.positives, histograms.negatives)
    starts = np.searchsorted(rows, np.arange(len(histograms.row_start))).astype(np.int64)
    return replace(histograms, row_start=starts, bins=bins, positives=positives, negatives=negatives)


def reorder_images(histograms: ScoreHistograms, order: NDArray[np.intp]) -> ScoreHistograms:
    """Reorder or select images: image k of the result is image `order[k]`."""
    rows = (order[:, None] * histograms.n_masks + np.arange(histograms.n_masks)).ravel()
    lengths = np.diff(histograms.row_start)[rows]
    ends = np.cumsum(lengths)
    # An entry's place is the start of its row in the original plus its place within the row.
    place = np.arange(lengths.sum()) + np.repeat(histograms.row_start[rows] - (ends - lengths), lengths)
    return replace(
        histograms,
        image_ids=tuple(histograms.image_ids[index] for index in order),
        group_ids=tuple(histograms.group_ids[index] for index in order),
        row_start=np.concatenate([[0], ends]).astype(np.int64),
        bins=histograms.bins[place],
        positives=histograms.positives[place],
        negatives=histograms.negatives[place],
        joint=histograms.joint[order],
    )


def _add_duplicates(
    rows: NDArray[np.int64],
    bins: NDArray[np.uint16],
    positives: NDArray[np.uint32],
    negatives: NDArray[np.uint32],
) -> tuple[NDArray[np.int64], NDArray[np.uint16], NDArray[np.uint32], NDArray[np.uint32]]:
    """Sort entries by (row, bin) and add the counts of equal (row, bin)."""
    keys = rows * N_CODES + bins
    if (keys[1:] > keys[:-1]).all():
        return rows, bins, positives, negatives
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    return (
        keys[first] // N_CODES,
        (keys[first] % N_CODES).astype(np.uint16),
        _stored(np.add.reduceat(positives[order], first, dtype=np.int64)),
        _stored(np.add.reduceat(negatives[order], first, dtype=np.int64)),
    )


def _stored(counts: NDArray[np.integer]) -> NDArray[np.uint32]:
    """Return counts in the type that histograms store, and refuse counts that would wrap around."""
    if counts.size and counts.max() > np.iinfo(np.uint32).max:
        raise ValueError(
            f"counts: expected at most {np.iinfo(np.uint32).max} pixels of one image, mask and score, "
            f"got {counts.max()}; give parts of so large an image names of their own"
        )
    return counts.astype(np.uint32)
