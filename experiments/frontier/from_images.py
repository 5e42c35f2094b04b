"""Counts score maps of whole images in memory into score histograms, with numpy only."""

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from experiments.frontier.arithmetic import from_rows
from experiments.frontier.codes import NATURAL_CODE, logit_to_code
from experiments.frontier.histogram import Row, ScoreHistograms, joint_counts

Kind = Literal["logits", "probabilities"]

_MOST_NAMED = 20
"""Most problems that a message lists."""


def from_images(
    scores: Sequence[ArrayLike],
    targets: Sequence[ArrayLike],
    *,
    kind: Kind = "logits",
    masks: Sequence[str] | None = None,
    image_ids: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
    valid: Sequence[ArrayLike] | None = None,
) -> ScoreHistograms:
    """Count the scores of images, one image at a time.

    Args:
        scores: N arrays, (C, H, W) or (H, W) for a single mask; sizes may differ between images. Logits of any real
            size, or probabilities in [0, 1], which become logits: ln(p / (1 - p)).
        targets: N arrays of 0 and 1 (bool, integer or float), each of its image's shape.
        kind: "logits" or "probabilities".
        masks: C names; None for "mask", or "mask0", "mask1", ... if there are several.
        image_ids: N unique names; None for "0", "1", ...
        groups: N names: images of one group (tiles of one well) are not independent. None: each image is a group.
        valid: N bool arrays that broadcast to their image's shape; False leaves a pixel out. None counts every pixel.

    Returns:
        Histograms, with the joint counts at the natural threshold.

    Raises:
        ValueError: Some images are wrong; the message names each, with what was expected and what came.

    Example:
        >>> histograms = from_images([[[2.0, -1.0], [0.5, -3.0]]], [[[1, 0], [1, 0]]])
        >>> histograms.masks, histograms.image_ids, histograms.pixel_counts()[0].tolist()
        (('mask',), ('0',), [[2]])
    """
    _check_kind(kind)
    problems = [
        f"{name}: expected {len(scores)}, one per image, got {len(given)}"
        for name, given in (("targets", targets), ("image_ids", image_ids), ("groups", groups), ("valid", valid))
        if given is not None and len(given) != len(scores)
    ]
    if not len(scores):
        problems.append("scores: expected at least one image, got none")
    _raise_if_any(problems)
    first = np.shape(scores[0])
    n_masks = first[0] if len(first) == 3 else 1
    names = _mask_names(n_masks) if masks is None else tuple(masks)
    if len(names) != n_masks:
        problems.append(f"masks: expected {n_masks} names, one per channel of image 0, got {len(names)}")
    ids = tuple(map(str, range(len(scores)))) if image_ids is None else tuple(map(str, image_ids))
    rows: list[Row] = []
    joint = []
    for index, image_id in enumerate(ids):
        try:
            keep = None if valid is None else valid[index]
            counted = count_image(scores[index], targets[index], keep, kind=kind, n_masks=n_masks)
        except (TypeError, ValueError) as error:
            problems.append(f"image {image_id!r}: {error}")
            continue
        if not problems:
            rows += counted[0]
            joint.append(counted[1])
    _raise_if_any(problems)
    return from_rows(names, ids, ids if groups is None else tuple(map(str, groups)), rows, np.concatenate(joint))


def count_image(
    scores: ArrayLike,
    target: ArrayLike,
    valid: ArrayLike | None = None,
    *,
    n_masks: int,
    kind: Kind = "logits",
    thresholds: Sequence[Sequence[float]] = (),
) -> tuple[list[Row], NDArray[np.int64]]:
    """Count one image.

    Args:
        scores: (C, H, W), or (H, W) for a single mask.
        target: 0 and 1, the same shape.
        valid: bool, broadcastable to it; None counts every pixel.
        n_masks: C.
        kind: "logits" or "probabilities".
        thresholds: Further operating points for the joint counts, C logits each, after the natural one.

    Returns:
        C sparse rows, and the joint counts (1, 1 + further points, 5).

    Raises:
        ValueError: The image is wrong; the message says what was expected and what came.
    """
    return count_codes(*image_pixels(scores, target, valid, kind, n_masks), thresholds=thresholds)


def count_codes(
    codes: NDArray[np.uint16],
    labels: NDArray[np.bool_],
    kept: NDArray[np.bool_] | None = None,
    *,
    thresholds: Sequence[Sequence[float]] = (),
) -> tuple[list[Row], NDArray[np.int64]]:
    """Count one image whose scores are codes already; see `count_image`.

    Args:
        codes: (C, P).
        labels: (C, P).
        kept: (C, P), pixels to count; None for all.
        thresholds: Further operating points for the joint counts, C logits each, after the natural one.
    """
    n_masks = len(codes)
    rows = [count_row(*row) for row in zip(codes, labels, [None] * n_masks if kept is None else kept, strict=True)]
    natural = np.full((1, n_masks), NATURAL_CODE, np.uint16)
    return rows, _joint(codes, labels, kept, np.concatenate([natural, *(logit_to_code([row]) for row in thresholds)]))


def count_row(codes: NDArray[np.uint16], labels: NDArray[np.bool_], keep: NDArray[np.bool_] | None = None) -> Row:
    """Count one row of pixels.

    Args:
        codes: (P,), score codes.
        labels: (P,).
        keep: (P,), pixels to count; None for all.

    Returns:
        The sparse row: ascending codes, positive pixels, negative pixels.
    """
    if keep is not None and not keep.all():
        codes, labels = codes[keep], labels[keep]
    if not len(codes):
        return np.zeros(0, np.uint16), np.zeros(0, np.uint32), np.zeros(0, np.uint32)
    # Counting from the lowest code on skips the empty bins below it.
    lowest = codes.min()
    shifted = np.subtract(codes, lowest, dtype=np.intp)
    both = np.bincount(shifted)
    used = np.flatnonzero(both != 0)
    positives = np.bincount(shifted[labels], minlength=len(both))[used]
    return (
        (used + int(lowest)).astype(np.uint16),
        positives.astype(np.uint32),
        (both[used] - positives).astype(np.uint32),
    )


def to_logits(probabilities: ArrayLike) -> NDArray[np.float64]:
    """Turn probabilities into logits, ln(p / (1 - p)); 0 and 1 become minus and plus infinity.

    Args:
        probabilities: Any shape.

    Raises:
        ValueError: A value is NaN or outside [0, 1].

    Example:
        >>> to_logits([0.5, 0.0]).tolist()
        [0.0, -inf]
    """
    values = np.asarray(probabilities, dtype=np.float64)
    outside = ~((values >= 0) & (values <= 1))
    if outside.any():
        raise ValueError(
            f"expected probabilities in [0, 1], got {values[outside].flat[0]} "
            f'({int(outside.sum())} of {values.size} pixels); for logits say kind="logits"'
        )
    with np.errstate(divide="ignore"):
        return np.log(values) - np.log1p(-values)


def _check_kind(kind: str) -> None:
    if kind not in ("logits", "probabilities"):
        raise ValueError(f'kind: expected "logits" or "probabilities", got {kind!r}')


def _mask_names(count: int) -> tuple[str, ...]:
    return ("mask",) if count == 1 else tuple(f"mask{index}" for index in range(count))


def image_pixels(
    scores: ArrayLike, target: ArrayLike, valid: ArrayLike | None, kind: Kind, n_masks: int
) -> tuple[NDArray[np.uint16], NDArray[np.bool_], NDArray[np.bool_] | None]:
    """Return codes, labels and validity of one image, (C, P) each."""
    values, labels = np.asarray(scores), np.asarray(target)
    if not (np.issubdtype(values.dtype, np.floating) or np.issubdtype(values.dtype, np.integer)):
        raise TypeError(f"scores: expected numbers, got {values.dtype}")
    if values.ndim not in (2, 3) or (values.shape[0] if values.ndim == 3 else 1) != n_masks:
        wanted = f"({n_masks}, H, W)" + (" or (H, W)" if n_masks == 1 else "")
        raise ValueError(f"scores: expected {wanted}, got {values.shape}")
    if labels.shape != values.shape:
        raise ValueError(f"target: expected the shape of its scores {values.shape}, got {labels.shape}")
    keep = None
    if valid is not None:
        given = np.asarray(valid)
        if given.dtype != np.bool_:
            raise TypeError(f"valid: expected bool, got {given.dtype}")
        try:
            keep = np.broadcast_to(given, values.shape).reshape(n_masks, -1)
        except ValueError:
            raise ValueError(f"valid: expected a shape that broadcasts to {values.shape}, got {given.shape}") from None
    labels = labels.reshape(n_masks, -1)
    if labels.dtype != np.bool_:
        wrong = (labels != 0) & (labels != 1)
        wrong = wrong if keep is None else wrong & keep
        if wrong.any():
            raise ValueError(f"target: expected 0 or 1, got {labels[wrong][0]}")
        labels = labels == 1
    values = values.reshape(n_masks, -1)
    if keep is not None:  # ignored pixels may hold anything
        values = np.where(keep, values, 0.5 if kind == "probabilities" else 0)
    return logit_to_code(to_logits(values) if kind == "probabilities" else values), labels, keep


def _joint(
    codes: NDArray[np.uint16],
    labels: NDArray[np.bool_],
    keep: NDArray[np.bool_] | None,
    thresholds: NDArray[np.uint16],
) -> NDArray[np.int64]:
    """Return the joint counts of one image at (Q, C) thresholds, (1, Q, 5)."""
    fired = np.packbits(codes >= thresholds[:, :, None], axis=-1)
    kept = None if keep is None else np.packbits(keep.all(0), axis=-1)[None]
    return joint_counts(np.packbits(labels, axis=-1)[None], fired[None], kept, codes.shape[1])


def _raise_if_any(problems: Iterable[str]) -> None:
    listed = list(problems)
    if listed:
        more = [f"... and {len(listed) - _MOST_NAMED} more"] if len(listed) > _MOST_NAMED else []
        raise ValueError("\n".join(listed[:_MOST_NAMED] + more))
