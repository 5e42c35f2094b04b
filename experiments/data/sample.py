"""One image with its masks, and the facts that one reading of it gives."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Sample:
    """One image with its masks. Samples are shared between threads and runs: copy before you change one.

    Args:
        image: uint8 (H, W, K), K = 1 (grey) or 3 (RGB), 0 ... 255.
        target: bool (C, H, W), True where the pixel belongs to the mask.
        valid: bool (H, W), False where the pixel is ignored; None when every pixel counts.

    Raises:
        ValueError: A shape or dtype differs from the above.
    """

    image: NDArray[np.uint8]
    target: NDArray[np.bool_]
    valid: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        if self.image.dtype != np.uint8 or self.image.ndim != 3 or self.image.shape[2] not in (1, 3):
            raise ValueError(f"image: expected uint8 (H, W, 1 or 3), got {self.image.dtype} {self.image.shape}")
        size = self.image.shape[:2]
        if self.target.dtype != np.bool_ or self.target.ndim != 3 or self.target.shape[1:] != size:
            raise ValueError(f"target: expected bool (C, *{size}), got {self.target.dtype} {self.target.shape}")
        if self.valid is not None and (self.valid.dtype != np.bool_ or self.valid.shape != size):
            raise ValueError(f"valid: expected bool {size} or None, got {self.valid.dtype} {self.valid.shape}")

    def part(self, rows: slice, columns: slice) -> Sample:
        """Return a view of some rows and columns."""
        valid = None if self.valid is None else self.valid[rows, columns]
        return Sample(self.image[rows, columns], self.target[:, rows, columns], valid)


@runtime_checkable
class ReadInWindows(Protocol):
    """Images of which a part can be read without decoding all of it."""

    def window(self, index: int, rows: slice, columns: slice) -> Sample:
        """Return a part of an image, equal to that part of the whole."""


def read_window(samples: Sequence[Sample], index: int, rows: slice, columns: slice) -> Sample:
    """Return a part of one of many images, whether or not they can be read in windows.

    Args:
        samples: The images.
        index: One of them.
        rows: Within it, start and stop.
        columns: Likewise.
    """
    if isinstance(samples, ReadInWindows):
        return samples.window(index, rows, columns)
    return samples[index].part(rows, columns)


@dataclass(frozen=True)
class SampleFacts:
    """The counts and digests that are kept of a sample after reading it once.

    Args:
        shape: (H, W) in pixels.
        positives: int64 (C,), valid positive pixels per mask.
        valid_pixels: Number of valid pixels.
        foreground: Valid pixels that are positive in at least one mask.
        digest: Hexadecimal SHA-256 of pixels, labels and valid pixels.
        image_digest: Hexadecimal SHA-256 of the pixels alone.
    """

    shape: tuple[int, int]
    positives: NDArray[np.int64]
    valid_pixels: int
    foreground: int
    digest: str
    image_digest: str


def sample_bytes(sample: Sample) -> int:
    """Memory that the arrays of a sample take, in bytes."""
    return sample.image.nbytes + sample.target.nbytes + (0 if sample.valid is None else sample.valid.nbytes)


def sample_facts(sample: Sample, pixels: NDArray[np.generic] | None = None) -> SampleFacts:
    """Count the pixels of a sample and take its digest.

    Args:
        sample: The sample; `valid` that is True everywhere equals None.
        pixels: Hashed instead of `sample.image`: the file's own pixels where they hold more than 8 bits.
    """
    pixels = sample.image if pixels is None else pixels
    valid = sample.valid if sample.valid is not None and not sample.valid.all() else None
    target = sample.target if valid is None else sample.target & valid
    image_digest = hashlib.sha256(repr(pixels.shape).encode())
    image_digest.update(np.ascontiguousarray(pixels).data)
    digest = image_digest.copy()
    digest.update(repr(sample.target.shape).encode())
    digest.update(np.packbits(sample.target).data)
    if valid is not None:
        digest.update(np.packbits(valid).data)
    return SampleFacts(
        shape=(sample.image.shape[0], sample.image.shape[1]),
        positives=np.count_nonzero(target, axis=(1, 2)).astype(np.int64),
        valid_pixels=sample.image.shape[0] * sample.image.shape[1] if valid is None else int(valid.sum()),
        foreground=int(np.count_nonzero(target.any(axis=0))),
        digest=digest.hexdigest(),
        image_digest=image_digest.hexdigest(),
    )
