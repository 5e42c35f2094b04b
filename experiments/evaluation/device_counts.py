"""Counts a block of images on the device that holds their scores; the host reads the counts once per block."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from experiments.frontier.codes import N_CODES, NATURAL_CODE
from experiments.frontier.histogram import JOINT_COUNTS, Row

BLOCK_BYTES = 128 * 2**20
"""Most memory of a block's counts; at least one image is counted at once.

An image takes 2 x 65,536 int32 bins, 512 KiB, per mask: 128 MiB hold 85 images of three masks. Reading a block takes
half as much again for a moment. Counting a batch takes about 15 bytes per pixel and mask of the batch besides.
"""

_MOST_COUNTED = 2**31 - 1  # in an int32 bin


def is_counted_in_blocks(scores: Tensor) -> bool:
    """Return whether a batch is counted on its device; on a CPU, counting its rows one by one is faster."""
    return scores.device.type != "cpu"


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy a tensor to a device without waiting: CUDA waits for whatever runs unless the memory is pinned."""
    if tensor.device.type == "cpu" and device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


class DeviceBlock:
    """Dense counts of a few images, by label and score code, on one device. Adding a batch reads nothing from it.

    Args:
        n_masks: C.
        thresholds: (Q, C), the operating points' codes minus 2**15.
        device: The device of the batches.
        n_bytes: Most memory of the counts.
    """

    def __init__(
        self, n_masks: int, thresholds: NDArray[np.int16], device: torch.device, n_bytes: int = BLOCK_BYTES
    ) -> None:
        self.n_masks = n_masks
        self.device = device
        self.capacity = max(1, n_bytes // (n_masks * 2 * N_CODES * 4))
        with torch.inference_mode(False):  # batches may come from inside inference mode or from outside
            n_bins = self.capacity * n_masks * N_CODES
            self._counts = torch.zeros(2 * n_bins, dtype=torch.int32, device=device)  # negatives, then positives
            joint_shape = (self.capacity, len(thresholds), len(JOINT_COUNTS))
            self._joint = torch.zeros(joint_shape, dtype=torch.int64, device=device)
            self._masks = torch.arange(n_masks, dtype=torch.int32, device=device)
            self._one = torch.ones(1, dtype=torch.int32, device=device)
            self._thresholds = sent(torch.from_numpy(thresholds), device)
        self._slots: dict[str, int] = {}
        self._most = 0  # no bin holds more than this
        self._wrong: list[Tensor] = []
        self._wrong_in: list[str] = []

    def has_room(self, image_ids: Sequence[str], n_pixels: int) -> bool:
        """Return whether a batch fits in: its new images find bins, and no bin can overflow."""
        fits = len(self._slots.keys() | set(image_ids)) <= self.capacity
        return fits and self._most + _most_of_one(image_ids, n_pixels) <= _MOST_COUNTED

    def add(self, image_ids: Sequence[str], codes: Tensor, target: Tensor, counted: Tensor | None) -> None:
        """Count a batch for which there is room.

        Args:
            image_ids: N names.
            codes: int16 (N, C, P), score codes minus 2**15.
            target: (N, C, P), bool, integer or float.
            counted: bool (N, C, P), False leaves a pixel out; None counts all.
        """
        labels = target
        if target.dtype != torch.bool:
            labels = target == 1
            self._note_wrong(image_ids, target, ~(labels | (target == 0)), counted)
        for name in image_ids:
            self._slots.setdefault(name, len(self._slots))
        self._most += _most_of_one(image_ids, codes.shape[2])
        slots = sent(torch.tensor([self._slots[name] for name in image_ids], dtype=torch.int32), self.device)
        first_bins = (slots[:, None] * self.n_masks + self._masks) * N_CODES + NATURAL_CODE
        bins = first_bins[:, :, None] + codes
        bins.add_(labels, alpha=len(self._counts) // 2)
        # A pixel that does not count adds 0, since choosing pixels by a mask would read how many there are.
        ones = self._one.expand(bins.numel()) if counted is None else counted.flatten().to(torch.int32)
        self._counts.index_add_(0, bins.flatten(), ones)
        self._joint.index_add_(0, slots, joint_counts_on_device(codes, labels, counted, self._thresholds))

    def take(self) -> dict[str, tuple[list[Row], NDArray[np.int64]]]:
        """Return C sparse rows and the joint counts (Q, 5) of each image, and empty the block.

        Infinite and NaN scores are in the rows, at their codes.

        Raises:
            ValueError: A label at a pixel that counts was neither 0 nor 1. The block is empty then too.
        """
        names = list(self._slots)
        n_rows = len(names) * self.n_masks
        negatives, positives = self._counts.view(2, -1)[:, : n_rows * N_CODES]
        used = (negatives | positives).nonzero()[:, 0]
        found = torch.stack([used.to(torch.int32), positives[used], negatives[used]]).cpu().numpy()
        joint = self._joint[: len(names)].clone().cpu().numpy()
        wrong = torch.cat(self._wrong).tolist() if self._wrong else []
        wrong_in = self._wrong_in
        self._counts.zero_()
        self._joint.zero_()
        self._slots, self._most, self._wrong, self._wrong_in = {}, 0, [], []
        for name, (is_wrong, label) in zip(wrong_in, wrong, strict=True):
            if is_wrong:
                raise ValueError(f"target: expected 0 or 1 at valid pixels, got {label:g} in image {name!r}")
        rows = _sparse_rows(found, n_rows)
        return {
            name: (rows[place * self.n_masks : (place + 1) * self.n_masks], joint[place])
            for place, name in enumerate(names)
        }

    def _note_wrong(self, image_ids: Sequence[str], target: Tensor, wrong: Tensor, counted: Tensor | None) -> None:
        """Keep, on the device, whether each image has a wrong label, and its first one."""
        wrong = (wrong if counted is None else wrong & counted).flatten(1)
        first = wrong.to(torch.uint8).argmax(1, keepdim=True)
        labels = target.flatten(1).gather(1, first)[:, 0]
        self._wrong.append(torch.stack([wrong.any(1).to(torch.float32), labels.to(torch.float32)], dim=1))
        self._wrong_in += image_ids


def joint_counts_on_device(codes: Tensor, labels: Tensor, counted: Tensor | None, thresholds: Tensor) -> Tensor:
    """Count what `frontier.histogram.joint_counts` counts, without packing pixels into bytes.

    Args:
        codes: int16 (N, C, P).
        labels: bool (N, C, P).
        counted: bool (N, C, P) or None; a pixel counts if it does in all masks.
        thresholds: int16 (Q, C).

    Returns:
        int64 (N, Q, 5).
    """
    fired = codes[:, None] >= thresholds[:, :, None]
    any_truth, any_fired = labels.any(1)[:, None], fired.any(2)
    wrong = (fired ^ labels[:, None]).any(2)
    kept = torch.full((), codes.shape[2], dtype=torch.int64, device=codes.device)
    if counted is not None:
        keep = counted.all(1)[:, None]
        any_truth, any_fired, wrong = any_truth & keep, any_fired & keep, wrong & keep
        kept = keep.sum(-1)
    n_truth, n_fired, n_both = any_truth.sum(-1), any_fired.sum(-1), (any_fired & any_truth).sum(-1)
    columns = (kept - n_truth - n_fired + n_both, n_truth - n_both, n_fired - n_both, n_both, kept - wrong.sum(-1))
    return torch.stack(torch.broadcast_tensors(*columns), dim=-1)


def _most_of_one(image_ids: Sequence[str], n_pixels: int) -> int:
    """Return the most pixels that a batch can add to one bin."""
    return n_pixels * max(Counter(image_ids).values(), default=0)


def _sparse_rows(found: NDArray[np.int32], n_rows: int) -> list[Row]:
    """Cut the occupied bins of all rows, (3, K) with their place, positives and negatives, into one part per row."""
    places, positives, negatives = found
    ends = np.searchsorted(places, np.arange(n_rows + 1) * N_CODES)
    return [
        (
            (places[a:b] % N_CODES).astype(np.uint16),
            positives[a:b].astype(np.uint32),
            negatives[a:b].astype(np.uint32),
        )
        for a, b in pairwise(ends)
    ]
