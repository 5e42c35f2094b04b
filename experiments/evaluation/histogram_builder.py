"""Counts scores while a model runs over images: logits and targets in, score histograms out."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from experiments.evaluation.device_counts import DeviceBlock, is_counted_in_blocks, sent
from experiments.frontier.arithmetic import add_rows, from_rows
from experiments.frontier.codes import HIGHEST_CODE, LOWEST_CODE, NATURAL_CODE, logit_to_code
from experiments.frontier.from_images import count_row
from experiments.frontier.histogram import Row, ScoreHistograms, joint_counts

Array = torch.Tensor | NDArray[Any]

_MINUS_INFINITY, _PLUS_INFINITY = LOWEST_CODE - 1, HIGHEST_CODE + 1


class ScoreHistogramBuilder:
    """Accumulates the score histogram of every image and mask; memory does not grow with the number of pixels.

    Batches on an accelerator are counted there, in blocks of images that take at most `device_counts.BLOCK_BYTES`. The
    host reads a block when it is full, or in `build`, and waits for the device only then. So a NaN or a wrong label is
    refused then too, with all images of its block; the error names the image.

    Args:
        masks: C mask names.
        thresholds: further operating points for the joint counts, name -> C logits; "natural" (logit 0) is always
            included. A tuned point needs its thresholds before the images are scored: tune them on the validation
            histograms and pass them to the builder of the test split.
    """

    def __init__(self, masks: Sequence[str], *, thresholds: Mapping[str, Sequence[float]] | None = None) -> None:
        self.masks = tuple(masks)
        codes = {"natural": np.full(len(self.masks), NATURAL_CODE)}
        for name, logits in (thresholds or {}).items():
            if len(logits) != len(self.masks):
                raise ValueError(f"thresholds: expected {len(self.masks)} logits for {name!r}, got {len(logits)}")
            codes[name] = logit_to_code(logits).astype(np.int64)
        self.points = tuple(codes)
        # Offset by 2**15, because the tensors hold ordered codes as int16, with the natural threshold at 0.
        self._thresholds = (np.stack(list(codes.values())) - NATURAL_CODE).astype(np.int16)
        self._groups: dict[str, str] = {}
        self._rows: dict[str, list[Row]] = {}
        self._joint: dict[str, NDArray[np.int64]] = {}
        self._block: DeviceBlock | None = None

    def add(self, image_id: str, group_id: str, logits: Array, target: Array, valid: Array | None = None) -> None:
        """Count one image, or one tile of it: counts of repeated calls with one `image_id` add up.

        Args:
            image_id: name of the image.
            group_id: name of its group.
            logits: floating point (C, H, W), on any device. Infinities count as the largest float16.
            target: {0, 1}, bool, integer or float, the same shape.
            valid: bool, broadcastable to (C, H, W); False leaves the pixel out. None counts every pixel.

        Raises:
            TypeError: `logits` is not floating point, or `valid` not bool.
            ValueError: shapes do not match, a logit is NaN, a target at a valid pixel is neither 0 nor 1, or the image
                was added with another group before.
        """
        batched = None if valid is None else _tensor(valid)
        if batched is not None and batched.ndim > 2:
            batched = batched[None]
        self.add_batch([image_id], [group_id], _tensor(logits)[None], _tensor(target)[None], batched)

    def add_batch(
        self,
        image_ids: Sequence[str],
        group_ids: Sequence[str],
        logits: Array,
        target: Array,
        valid: Array | None = None,
    ) -> None:
        """Count N images at once: like `add`, with one more axis in front of the arrays.

        Args:
            image_ids: N names; a repeated name adds up.
            group_ids: N names.
            logits: floating point (N, C, H, W).
            target: {0, 1}, the same shape.
            valid: bool, (H, W) or four axes that broadcast to (N, C, H, W), or None. Three axes are refused,
                because they could mean images or masks.
        """
        scores, labels, counted = self._checked(logits, target, valid)
        if not len(image_ids) == len(group_ids) == len(scores):
            raise ValueError(
                f"image_ids, group_ids: expected {len(scores)} each, got {len(image_ids)} and {len(group_ids)}"
            )
        groups = dict(self._groups)
        for image_id, group_id in zip(image_ids, group_ids, strict=True):
            if groups.setdefault(image_id, group_id) != group_id:
                raise ValueError(f"group_id: expected {groups[image_id]!r} for image {image_id!r}, got {group_id!r}")
        # Flattened as int16: networks return channels_last, whose strided pixels are slow to read one by one.
        codes = _ordered_codes(scores).flatten(2).contiguous()
        if is_counted_in_blocks(scores):
            self._groups = groups
            self._add_to_block(image_ids, codes, labels, counted)
            return
        self._read_block()
        labels = _boolean(labels, counted)
        joint = _joint_counts(codes, labels, counted, self._thresholds)
        rows = _count_rows(codes.flatten(0, 1), labels.flatten(0, 1), _flat(counted))
        n_masks = len(self.masks)
        finite = [
            self._finite_rows(image_id, rows[index * n_masks : (index + 1) * n_masks])
            for index, image_id in enumerate(image_ids)
        ]
        # Nothing is stored until everything is checked, so that a refused batch leaves no trace.
        self._groups = groups
        for image_id, mine, counts in zip(image_ids, finite, joint, strict=True):
            self._store(image_id, mine, counts)

    def build(self) -> ScoreHistograms:
        """Return the histograms of all images so far, in the order in which they were first added.

        Raises:
            ValueError: A score or label that an accelerator holds is wrong, see `add`.
        """
        self._read_block()
        self._block = None  # frees its memory
        joint = list(self._joint.values())
        return from_rows(
            self.masks,
            tuple(self._groups),
            tuple(self._groups.values()),
            [row for rows in self._rows.values() for row in rows],
            np.stack(joint) if joint else None,
            points=self.points,
        )

    def _finite_rows(self, image_id: str, rows: Sequence[Row]) -> list[Row]:
        names = [f"image {image_id!r}, mask {mask!r}" for mask in self.masks]
        return [_finite(row, name) for row, name in zip(rows, names, strict=True)]

    def _store(self, image_id: str, rows: list[Row], joint: NDArray[np.int64]) -> None:
        if image_id in self._rows:
            rows = [add_rows(old, new) for old, new in zip(self._rows[image_id], rows, strict=True)]
            joint = joint + self._joint[image_id]
        self._rows[image_id], self._joint[image_id] = rows, joint

    def _add_to_block(
        self, image_ids: Sequence[str], codes: torch.Tensor, labels: torch.Tensor, counted: torch.Tensor | None
    ) -> None:
        if self._block is None or self._block.device != codes.device:
            self._read_block()
            self._block = DeviceBlock(len(self.masks), self._thresholds, codes.device)
        for start in range(0, len(codes), self._block.capacity):
            part = slice(start, start + self._block.capacity)
            if not self._block.has_room(image_ids[part], codes.shape[2]):
                self._read_block()
            self._block.add(image_ids[part], codes[part], labels[part], None if counted is None else counted[part])

    def _read_block(self) -> None:
        """Move what an accelerator has counted to the host; if any of it is wrong, drop all of it."""
        if self._block is None:
            return
        try:
            found = {
                image_id: (self._finite_rows(image_id, rows), joint)
                for image_id, (rows, joint) in self._block.take().items()
            }
        except ValueError:
            self._groups = {name: group for name, group in self._groups.items() if name in self._rows}
            raise
        for image_id, (rows, joint) in found.items():
            self._store(image_id, rows, joint)

    def _checked(
        self, logits: Array, target: Array, valid: Array | None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Return logits (N, C, H, W), labels and boolean validity (N, C, H*W), all on one device."""
        scores, labels = _tensor(logits).detach(), _tensor(target)
        if not scores.is_floating_point():
            raise TypeError(f"logits: expected floating point, got {scores.dtype}")
        if scores.ndim != 4 or scores.shape[1] != len(self.masks):
            raise ValueError(f"logits: expected (N, {len(self.masks)}, H, W), got {tuple(scores.shape)}")
        if labels.shape != scores.shape:
            raise ValueError(f"target: expected {tuple(scores.shape)}, got {tuple(labels.shape)}")
        labels = sent(labels, scores.device)
        counted = None
        if valid is not None:
            mask = _tensor(valid)
            if mask.dtype != torch.bool:
                raise TypeError(f"valid: expected bool, got {mask.dtype}")
            fits = all(have in (1, want) for have, want in zip(mask.shape[::-1], scores.shape[::-1], strict=False))
            if mask.ndim not in (2, 4) or not fits:
                raise ValueError(
                    f"valid: expected (H, W) or four axes that broadcast to {tuple(scores.shape)}, "
                    f"got {tuple(mask.shape)}"
                )
            counted = sent(mask, scores.device).broadcast_to(scores.shape)
        return scores, labels.flatten(2), None if counted is None else counted.flatten(2)


def _tensor(array: Array) -> torch.Tensor:
    return array if isinstance(array, torch.Tensor) else torch.as_tensor(np.ascontiguousarray(array))


def _boolean(labels: torch.Tensor, counted: torch.Tensor | None) -> torch.Tensor:
    """Return labels as bool, or raise a ValueError if one at a pixel that counts is neither 0 nor 1."""
    if labels.dtype == torch.bool:
        return labels
    wrong = (labels != 0) & (labels != 1)
    wrong = wrong if counted is None else wrong & counted
    if wrong.any():
        raise ValueError(f"target: expected 0 or 1 at valid pixels, got {labels[wrong][0].item()}")
    return labels == 1


def _flat(counted: torch.Tensor | None) -> torch.Tensor | None:
    return None if counted is None else counted.flatten(0, 1)


def _ordered_codes(scores: torch.Tensor) -> torch.Tensor:
    """Return the score codes minus 2**15 as int16: the same order, with the natural threshold at 0."""
    # Adding 0.0 turns -0.0 into +0.0, so that only negative logits that round to 0 keep the sign.
    bits = scores.add(0.0).to(torch.float16).view(torch.int16)
    return bits.bitwise_xor_((bits >> 15).bitwise_and_(0x7FFF))


def _joint_counts(
    codes: torch.Tensor, labels: torch.Tensor, counted: torch.Tensor | None, thresholds: NDArray[np.int16]
) -> NDArray[np.int64]:
    """Return the joint counts (N, Q, 5) of (N, C, P) codes and labels at (Q, C) thresholds, on a CPU."""
    # A pixel counts if it is valid in all masks.
    keep = None if counted is None else _packed(counted.all(1).numpy())
    fired = codes.numpy()[:, None] >= thresholds[:, :, None]  # numpy compares int16 ten times faster than torch
    return joint_counts(_packed(labels.numpy()), _packed(fired), keep, codes.shape[2])


def _packed(flags: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return np.packbits(flags, axis=-1)


def _count_rows(codes: torch.Tensor, labels: torch.Tensor, counted: torch.Tensor | None) -> list[Row]:
    """Return the sparse histogram of each of R rows of pixels, (R, P), on a CPU."""
    ordered = codes.numpy().view(np.uint16) ^ np.uint16(NATURAL_CODE)
    keeps = [None] * len(ordered) if counted is None else list(counted.numpy())
    return [count_row(*row) for row in zip(ordered, labels.numpy(), keeps, strict=True)]


def _finite(row: Row, where: str) -> Row:
    """Return a row with infinities moved to the largest float16; raise a ValueError if a NaN was counted."""
    bins, positives, negatives = row
    if not len(bins) or (bins[0] > _MINUS_INFINITY and bins[-1] < _PLUS_INFINITY):
        return row
    nan = (bins < _MINUS_INFINITY) | (bins > _PLUS_INFINITY)
    if nan.any():
        n_nan = int(positives[nan].sum()) + int(negatives[nan].sum())
        raise ValueError(f"logits: expected numbers, got {n_nan} NaN in {where}")
    empty = (bins[:0], positives[:0], negatives[:0])
    return add_rows((np.clip(bins, LOWEST_CODE, HIGHEST_CODE), positives, negatives), empty)
