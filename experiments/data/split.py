"""Images with their masks, in splits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Sample:
    image: np.ndarray
    target: np.ndarray
    valid: np.ndarray | None = None


@dataclass(frozen=True)
class Split:
    name: str
    samples: Sequence[Sample]
    image_ids: tuple[str, ...]
    group_ids: tuple[str, ...]
    positives: np.ndarray
    pixels: np.ndarray
    fingerprint: str
    sizes: np.ndarray

    @property
    def ignores_pixels(self):
        return any(s.valid is not None for s in self.samples)


@dataclass(frozen=True)
class SegmentationData:
    name: str
    masks: tuple[str, ...]
    channels: int
    train: Split
    val: Split
    test: Split

    def prevalence(self, split):
        s = getattr(self, split)
        return s.positives.sum(0) / s.pixels.sum(0)

    def fingerprints(self):
        return {n: getattr(self, n).fingerprint for n in ("train", "val", "test")}


def summary_table(data):
    return f"{data.name}: prevalence {data.prevalence('train')}"
