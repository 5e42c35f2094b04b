"""Tells whether a mask is rare within images (imbalance per example) or in few images (imbalance by count)."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike

Kind = Literal["none", "per example", "by count", "both"]

NO_IMBALANCE = 0.2
"""A mask with at least this share of all pixels does not count as imbalanced."""

DOMINATES = 0.75
"""The part of ln(1 / prevalence) that one of its two sources must reach to be named as the cause."""


@dataclass(frozen=True)
class Presence:
    """How the positive pixels of one mask are distributed over the images of a split.

    prevalence = (share of the pixels that lie in images with a positive) * (prevalence within these images), so

    ln(1 / prevalence) = ln(1 / share) + ln(1 / within):

    The first term is imbalance by count (images without the mask), the second imbalance per example.

    Args:
        n_images: images with a valid pixel.
        n_present: those of them with a positive pixel.
        prevalence: positive share of all valid pixels.
        within: positive share of the valid pixels of images with a positive one; NaN without such an image.
        median: median over images with a positive of their own prevalence; NaN without such an image.
    """

    n_images: int
    n_present: int
    prevalence: float
    within: float
    median: float

    @classmethod
    def of(cls, positives: ArrayLike, pixels: ArrayLike) -> Self:
        """Count images.

        Args:
            positives: integers (N,), valid positive pixels of each image.
            pixels: integers (N,), valid pixels of each image; images without any are left out.

        Raises:
            ValueError: shapes that differ, or more positives than pixels.
        """
        hits, sizes = np.asarray(positives, dtype=np.float64), np.asarray(pixels, dtype=np.float64)
        if hits.shape != sizes.shape or hits.ndim != 1:
            raise ValueError(f"positives, pixels: expected (N,) both, got {hits.shape} and {sizes.shape}")
        if (hits > sizes).any() or (hits < 0).any():
            raise ValueError("positives: expected 0 to the image's pixels, got more, or a negative count")
        hits, sizes = hits[sizes > 0], sizes[sizes > 0]
        held = hits > 0
        nan = float("nan")
        return cls(
            n_images=len(hits),
            n_present=int(held.sum()),
            prevalence=float(hits.sum() / sizes.sum()) if len(hits) else nan,
            within=float(hits.sum() / sizes[held].sum()) if held.any() else nan,
            median=float(np.median(hits[held] / sizes[held])) if held.any() else nan,
        )

    @property
    def per_example(self) -> float:
        """The part of ln(1 / prevalence) that lies within images, 0 to 1; NaN if all pixels have one label."""
        if not 0 < self.prevalence < 1:
            return float("nan")
        return float(np.log(self.within) / np.log(self.prevalence))

    @property
    def kind(self) -> Kind | None:
        """What makes the mask rare: "per example" from `DOMINATES` on, "by count" up to 1 - `DOMINATES`, else "both".

        "none" if the mask is not rare, that is, if its prevalence reaches `NO_IMBALANCE`. None without a positive
        pixel.
        """
        if not self.prevalence > 0:
            return None
        if self.prevalence >= NO_IMBALANCE:
            return "none"
        if self.per_example >= DOMINATES:
            return "per example"
        return "by count" if self.per_example <= 1.0 - DOMINATES else "both"

    def to_json(self) -> dict[str, Any]:
        """Return the fields for `run.json`, with None for NaN, which JSON lacks."""
        return {name: None if value != value else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Rebuild the object from the fields of `to_json`.

        Raises:
            ValueError: a field is missing.
        """
        shares = {name: content.get(name) for name in ("prevalence", "within", "median")}
        try:
            n_images, n_present = int(content["n_images"]), int(content["n_present"])
        except KeyError as error:
            raise ValueError(f"content: expected what to_json gives, missing {error}") from error
        return cls(n_images, n_present, **{name: float("nan") if v is None else float(v) for name, v in shares.items()})
