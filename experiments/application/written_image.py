"""Puts the scores of an image's windows together, a row of windows at a time, and writes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from experiments.application.row_files import FILE_TYPES, RowFile
from experiments.application.thresholds import MaskThreshold
from experiments.evaluation.windows import Place
from experiments.frontier.codes import NATURAL_CODE, code_to_logit, logit_to_code

_DTYPES = {"logits": np.float32, "probabilities": np.float32, "0-255": np.uint8, "0-65535": np.uint16}


@dataclass(frozen=True)
class Layout:
    """Where the files of an image go.

    Args:
        folder: Of all files.
        below_scores: The folders of arm and seed.
        thresholds: One per mask.
        files: "tif" or "png".
        kind: What score maps hold; "none" writes none.
    """

    folder: Path
    below_scores: str
    thresholds: tuple[MaskThreshold, ...]
    files: str
    kind: str

    def mask_file(self, mask: str, image: str) -> Path:
        """Return where the binary mask of an image goes."""
        return self.folder / "masks" / mask / f"{image}.{self.files}"

    def score_file(self, mask: str, image: str) -> Path:
        """Return where a score map of an image goes."""
        return self.folder / "scores" / self.below_scores / mask / f"{image}.{self.files}"


def scores_of_codes(codes: NDArray[np.uint16], kind: str) -> NDArray[np.generic]:
    """Return score codes as the values of a map.

    Negative logits that round to 0 become the negative number nearest to it, lest they count as 0, which is positive.

    Args:
        codes: Any shape.
        kind: "logits", "probabilities", "0-255" or "0-65535".

    >>> scores_of_codes(logit_to_code([-1e-9, 0.0, 2.0]), "logits").tolist()
    [-5.960464477539063e-08, 0.0, 2.0]
    >>> scores_of_codes(logit_to_code([-70000.0, 0.0, 2.0]), "0-255").tolist()
    [0, 128, 225]
    """
    logits = np.where(codes == NATURAL_CODE - 1, -(2.0**-24), code_to_logit(codes))
    if kind == "logits":
        return logits.astype(np.float32)
    probabilities = 0.5 * (1 + np.tanh(0.5 * logits))
    if kind == "probabilities":
        return probabilities.astype(np.float32)
    dtype = np.dtype(_DTYPES[kind])
    return np.round(probabilities * (256**dtype.itemsize - 1)).astype(dtype)


@dataclass
class WrittenImage:
    """An image whose windows come one by one, row after row.

    Args:
        name: Of the image.
        height: In pixels.
        width: In pixels.
        layout: Where its files go.
    """

    name: str
    height: int
    width: int
    layout: Layout
    positives: NDArray[np.int64] = field(init=False)
    _files: list[tuple[RowFile, RowFile | None]] = field(init=False, default_factory=list)
    _band: NDArray[np.uint16] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.positives = np.zeros(len(self.layout.thresholds), np.int64)
        make, kind = FILE_TYPES[self.layout.files], self.layout.kind
        for threshold in self.layout.thresholds:
            where = self.layout.mask_file(threshold.mask, self.name)
            mask = make(where, self.width, self.height, np.dtype(np.uint8))
            self._files.append((mask, None))
            if kind != "none":
                where = self.layout.score_file(threshold.mask, self.name)
                self._files[-1] = (mask, make(where, self.width, self.height, np.dtype(_DTYPES[kind])))

    def add(self, place: Place, logits: Tensor) -> bool:
        """Take the scores of a window's core, and write its row of windows if it is the last of it.

        Args:
            place: Where the window lies; windows come row after row, from left to right.
            logits: (C, h, w), on any device.

        Returns:
            Whether the image is complete.

        Raises:
            ValueError: A logit is NaN.
        """
        rows, columns = place.core
        if self._band is None:
            self._band = np.empty((len(self.layout.thresholds), rows.stop - rows.start, self.width), np.uint16)
        self._band[:, :, columns] = logit_to_code(logits.detach().float().cpu().numpy())
        if columns.stop < self.width:
            return False
        self._write(self._band)
        self._band = None
        return rows.stop == self.height

    def finish(self) -> None:
        """Complete the files."""
        for file in self._all_files():
            file.finish()

    def abandon(self) -> None:
        """Remove the files that are not complete."""
        for file in self._all_files():
            file.abandon()

    def _all_files(self) -> Sequence[RowFile]:
        return [file for pair in self._files for file in pair if file is not None]

    def _write(self, codes: NDArray[np.uint16]) -> None:
        for place, (threshold, (mask, scores)) in enumerate(zip(self.layout.thresholds, self._files, strict=True)):
            fired = codes[place] >= threshold.code
            self.positives[place] += np.count_nonzero(fired)
            mask.add(np.where(fired, np.uint8(255), np.uint8(0)))
            if scores is not None:
                scores.add(scores_of_codes(codes[place], self.layout.kind))
