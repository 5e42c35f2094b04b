"""The values of score maps: which kind they are, what cannot be a score, and how they become logits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from experiments.data.image_folder.decode import UnusableFile
from experiments.frontier.codes import logit_to_code
from experiments.frontier.from_images import to_logits

Kind = Literal["logits", "probabilities", "0-255", "0-65535"]
KINDS: tuple[Kind, ...] = ("logits", "probabilities", "0-255", "0-65535")

_TOPS: Mapping[Kind, int] = {"probabilities": 1, "0-255": 255, "0-65535": 65_535}  # probability 1 in each kind
_BLOCK = 1_000_000  # pixels that become logits at once, of 8 bytes each
_BY_TYPE: Mapping[str, Kind] = {"uint8": "0-255", "uint16": "0-65535"}  # of maps whose kind is not told


@dataclass(frozen=True)
class MapValues:
    """The range of one map's values where pixels count.

    Args:
        low: The least value; NaN of a map without a pixel that counts.
        high: The greatest.
        two: Whether there are no others; False where low equals high.
        top: Probability 1 in the map's kind; NaN for logits.
    """

    low: float
    high: float
    two: bool
    top: float

    @property
    def constant(self) -> bool:
        """Whether all values are equal."""
        return self.low == self.high

    @property
    def thresholded(self) -> bool:
        """Whether the map can only be a thresholded one among maps of scores: 0 and the top alone, or two logits."""
        return self.two and (np.isnan(self.top) or (self.low == 0 and self.high == self.top))


def kind_of(values: NDArray[Any], kind: Kind | None) -> Kind:
    """Return the kind of a map, by its file's type where it is not told."""
    return kind if kind is not None else _BY_TYPE.get(values.dtype.name, "probabilities")


def values_of(plane: NDArray[Any], kind: Kind, keep: NDArray[np.bool_] | None = None) -> MapValues:
    """Look over one map.

    Args:
        plane: (H, W).
        kind: Of its values.
        keep: (H, W), pixels that count; None for all.

    Raises:
        UnusableFile: A value is NaN or outside the range of the kind.
    """
    counted = plane if keep is None else plane[keep]
    top = float(_TOPS.get(kind, np.nan))
    if not counted.size:
        return MapValues(np.nan, np.nan, False, top)
    low, high = counted.min(), counted.max()
    if np.isnan(low):
        raise UnusableFile("expected numbers, got NaN", f"{int(np.isnan(counted).sum()):,} of {counted.size:,} pixels")
    if kind != "logits" and (low < 0 or high > top):
        outside = int(np.count_nonzero((counted < 0) | (counted > top)))
        wanted = f"probabilities in [0, 1]{_hint(plane)}" if kind == "probabilities" else f"values in 0 ... {top:g}"
        raise UnusableFile(f"expected {wanted}", f"{low:g} to {high:g}, {outside:,} of {counted.size:,} pixels outside")
    two = bool(low != high and ((counted == low) | (counted == high)).all())
    return MapValues(float(low), float(high), two, top)


def _hint(plane: NDArray[Any]) -> str:
    return "; for logits say kind=logits" if plane.dtype.kind == "f" else "; for 0 to 255 say kind=0-255"


def hard_top(values: Iterable[MapValues]) -> float | None:
    """Return the value that means 1 where all maps of an arm are hard masks; None where they are scores.

    Maps are hard masks if at most two values occur in all of them together, one of which is 0 unless they are logits.
    """
    found: set[float] = set()
    for each in values:
        if np.isnan(each.low):
            continue
        found |= {each.low, each.high}
        if len(found) > 2 or not (each.two or each.constant):
            return None
        if len(found) == 2 and 0.0 not in found and not np.isnan(each.top):
            return None
    return max(found) if len(found) == 2 else None


def score_codes(plane: NDArray[Any], kind: Kind, hard: float | None = None) -> NDArray[np.uint16]:
    """Turn the values of a map into the codes of their logits, ln(p / (1 - p)), some rows at a time.

    Args:
        plane: (H, W); values in the range of their kind.
        kind: Of the values.
        hard: The value that means 1 in hard masks, which become the lowest and the highest code; None for scores.
    """
    codes = np.empty(plane.shape, np.uint16)
    step = max(1, _BLOCK // max(1, plane.shape[1]))
    for start in range(0, len(plane), step):
        codes[start : start + step] = logit_to_code(_logits(plane[start : start + step], kind, hard))
    return codes


def _logits(planes: NDArray[Any], kind: Kind, hard: float | None) -> NDArray[Any]:
    if hard is not None:
        return np.where(planes == hard, np.inf, -np.inf)
    if kind == "logits":
        return planes if planes.dtype.kind == "f" else planes.astype(np.float64)
    if kind == "probabilities":
        return to_logits(planes)
    top = np.float64(_TOPS[kind])
    if planes.dtype in (np.uint8, np.uint16):  # a table of all values is faster than a logarithm of each pixel
        return to_logits(np.minimum(np.arange(np.iinfo(planes.dtype).max + 1) / top, 1.0))[planes]
    return to_logits(planes / top)
