"""Puts the scores of each image together again, and counts what needs a pixel's neighbours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from experiments.data.split import Split
from experiments.frontier.codes import logit_to_code
from experiments.frontier.curve_space.counts import CurveSums, image_sums
from experiments.frontier.histogram import Row
from experiments.frontier.tolerance.centerlines import CENTERLINE_COUNTS, CenterlineCounts
from experiments.frontier.tolerance.histograms import TolerantHistograms, from_tolerant_rows, tolerant_rows


class WholeImages:
    """Receives the scores of every evaluated window and counts an image once all of its pixels are there.

    Only images of which windows are missing are held: 2 bytes per pixel and mask.

    Args:
        split: The split that is scored.
        masks: C names.
        radii: Distances in pixels to count within.
        points: Name -> C logits, operating points whose skeletons and curves to count.
        skeletons: Whether to count skeletons; needs scikit-image.
        curve: "rows" or "columns": along which masks are read as curves; None not to read them.
    """

    def __init__(
        self,
        split: Split,
        masks: Sequence[str],
        radii: Sequence[int],
        points: Mapping[str, Sequence[float]] | None = None,
        *,
        skeletons: bool = False,
        curve: str | None = None,
    ) -> None:
        self.split = split
        self.masks = tuple(masks)
        self.radii = tuple(radii)
        self._points = {name: logit_to_code(logits) for name, logits in (points or {}).items()}
        self._skeletons = skeletons
        self._curve = curve
        self._codes: dict[int, NDArray[np.uint16]] = {}
        self._missing: dict[int, int] = {}
        self._rows: dict[int, dict[str, list[tuple[Row, Row]]]] = {radius: {} for radius in self.radii}
        self._centerlines: dict[str, NDArray[np.int64]] = {}
        self._curves: dict[str, NDArray[np.float64]] = {}

    def add(self, image_index: int, top: int, left: int, logits: Tensor) -> None:
        """Take the scores of a window; every pixel of an image comes once.

        Args:
            image_index: The image's place in the split.
            top: Row of the window's first pixel in the image.
            left: Its column.
            logits: (C, h, w), on any device.

        Raises:
            ValueError: A logit is NaN; the message names the image.
        """
        height, width = (int(side) for side in self.split.sizes[image_index])
        if image_index not in self._codes:
            self._codes[image_index] = np.zeros((len(self.masks), height, width), np.uint16)
            self._missing[image_index] = height * width
        rows, columns = logits.shape[1:]
        try:
            piece = logit_to_code(logits.detach().to("cpu", torch.float32).numpy())
        except ValueError as error:
            raise ValueError(f"{error} in image {self.split.image_ids[image_index]!r}") from error
        self._codes[image_index][:, top : top + rows, left : left + columns] = piece
        self._missing[image_index] -= rows * columns
        if not self._missing[image_index]:
            self._count(image_index, self._codes.pop(image_index))

    def _count(self, index: int, codes: NDArray[np.uint16]) -> None:
        sample, name = self.split.samples[index], self.split.image_ids[index]
        for radius in self.radii:
            self._rows[radius][name] = [
                tolerant_rows(codes[mask], sample.target[mask], sample.valid, radius) for mask in range(len(self.masks))
            ]
        if not self._points:
            return
        fired = np.stack([codes >= limits[:, None, None] for limits in self._points.values()])
        if self._skeletons:
            self._centerlines[name] = centerline_counts(fired, sample.target, sample.valid)
        if self._curve is not None:
            self._curves[name] = image_sums(fired, sample.target, sample.valid, self._curve)

    def finish(self, image_ids: Sequence[str], group_ids: Sequence[str]) -> dict[int, TolerantHistograms]:
        """Return the histograms within each radius, with images in the order given: that of the exact histograms."""
        return {
            radius: from_tolerant_rows(
                self.masks, image_ids, group_ids, [pair for name in image_ids for pair in rows[name]], radius
            )
            for radius, rows in self._rows.items()
        }

    def finish_centerlines(self, image_ids: Sequence[str]) -> CenterlineCounts | None:
        """Return the counts of skeletons; None if none were asked for."""
        if not self._skeletons:
            return None
        counts = np.stack([self._centerlines[name] for name in image_ids])
        return CenterlineCounts(tuple(image_ids), tuple(self._points), counts)

    def finish_curves(self, image_ids: Sequence[str]) -> CurveSums | None:
        """Return the sums of curves; None if none were asked for."""
        if self._curve is None:
            return None
        sums = np.stack([self._curves[name] for name in image_ids])
        return CurveSums(self._curve, tuple(image_ids), tuple(self._points), sums)


def centerline_counts(
    fired: NDArray[np.bool_], target: NDArray[np.bool_], valid: NDArray[np.bool_] | None
) -> NDArray[np.int64]:
    """Count the skeletons of one image's predictions and labels; ignored pixels belong to neither.

    Args:
        fired: (Q, C, H, W), predictions at Q operating points.
        target: (C, H, W).
        valid: (H, W), False at ignored pixels; None for no ignored pixel.

    Returns:
        int64 (Q, C, 4), columns `CENTERLINE_COUNTS`.
    """
    from skimage.morphology import skeletonize

    if valid is not None:
        fired, target = fired & valid, target & valid
    out = np.zeros((*fired.shape[:2], len(CENTERLINE_COUNTS)), np.int64)
    for mask, truth in enumerate(target):
        true = skeletonize(truth)
        for point, predicted in enumerate(fired[:, mask]):
            line = skeletonize(predicted)
            out[point, mask] = [line.sum(), (line & truth).sum(), true.sum(), (true & predicted).sum()]
    return out
