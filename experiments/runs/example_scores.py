"""Scores of a few test images, pixel by pixel, for pictures that histograms cannot give."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

_FIELDS = ("image_ids", "windows", "has_valid", "images", "labels", "codes_high", "codes_low")


@dataclass(frozen=True)
class ExampleScores:
    """Windows of N test images with their labels and one run's scores.

    Args:
        image_ids: N names, unique.
        windows: N windows in their test images, (top, left, height, width) in pixels.
        images: N arrays uint8 (H, W, K), 0 ... 255.
        targets: N arrays bool (C, H, W).
        valids: N arrays bool (H, W), False where the pixel is ignored; None where every pixel counts.
        codes: N arrays uint16 (C, H, W), score codes of the logits (`codes`).

    Raises:
        ValueError: lengths, shapes or types do not match; the message names the image.
    """

    image_ids: tuple[str, ...]
    windows: tuple[tuple[int, int, int, int], ...]
    images: tuple[NDArray[np.uint8], ...]
    targets: tuple[NDArray[np.bool_], ...]
    valids: tuple[NDArray[np.bool_] | None, ...]
    codes: tuple[NDArray[np.uint16], ...]

    def __post_init__(self) -> None:
        n = len(self.image_ids)
        if len(set(self.image_ids)) != n:
            raise ValueError("image_ids: expected unique names, got repeated ones")
        for name in ("windows", "images", "targets", "valids", "codes"):
            if len(getattr(self, name)) != n:
                raise ValueError(f"{name}: expected {n}, one per image, got {len(getattr(self, name))}")
        for index, image_id in enumerate(self.image_ids):
            size = self.windows[index][2:]
            parts: dict[str, tuple[NDArray[Any], type[np.generic], tuple[int, ...]]] = {
                "images": (self.images[index], np.uint8, (*size, self.images[index].shape[-1])),
                "targets": (self.targets[index], np.bool_, (self.n_masks, *size)),
                "codes": (self.codes[index], np.uint16, (self.n_masks, *size)),
            }
            valid = self.valids[index]
            if valid is not None:
                parts["valids"] = (valid, np.bool_, size)
            for name, (array, dtype, shape) in parts.items():
                if array.dtype != dtype or array.shape != shape:
                    raise ValueError(
                        f"{name}: expected {np.dtype(dtype)} {shape} for {image_id!r}, got {array.dtype} {array.shape}"
                    )

    @property
    def n_masks(self) -> int:
        """Number of masks, C."""
        return self.targets[0].shape[0] if self.targets else 0

    def to_arrays(self, prefix: str = "") -> dict[str, NDArray[Any]]:
        """Return all contents as arrays for an npz file; their names begin with `prefix`.

        The pixels of all windows are concatenated, labels and validity as bits of a byte array. The upper and the lower
        bytes of the codes are stored separately, because the upper bytes of neighbours are alike and compress well.
        """
        masked = [np.ones(w[2:], bool) if v is None else v for w, v in zip(self.windows, self.valids, strict=True)]
        labels = [
            np.packbits(np.concatenate([target, valid[None]]))
            for target, valid in zip(self.targets, masked, strict=True)
        ]
        codes = _joined([code.ravel() for code in self.codes], np.uint16)
        n_channels = self.images[0].shape[2] if self.images else 0
        arrays: dict[str, NDArray[Any]] = {
            "image_ids": np.array(self.image_ids, dtype=np.str_),
            "windows": np.array(self.windows, dtype=np.int64).reshape(-1, 4),
            "has_valid": np.array([valid is not None for valid in self.valids], dtype=bool),
            "images": _joined([image.reshape(-1, n_channels) for image in self.images], np.uint8, (0, n_channels)),
            "labels": _joined(labels, np.uint8),
            "codes_high": (codes >> 8).astype(np.uint8),
            "codes_low": (codes & 0xFF).astype(np.uint8),
        }
        return {prefix + name: array for name, array in arrays.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], prefix: str = "") -> Self:
        """Rebuild the object from the arrays of `to_arrays`.

        Raises:
            ValueError: an array is missing, or its length does not match the windows.
        """
        missing = [prefix + name for name in _FIELDS if prefix + name not in arrays]
        if missing:
            raise ValueError(f"arrays: expected what to_arrays gives, missing {missing}")
        ids, windows, has_valid, images, labels, high, low = (arrays[prefix + name] for name in _FIELDS)
        areas = windows[:, 2] * windows[:, 3]
        total = int(areas.sum())
        n_masks = len(high) // total if total else 0
        n_bytes = -(-(n_masks + 1) * areas // 8)
        for name, array, length in (
            ("images", images, total),
            ("labels", labels, int(n_bytes.sum())),
            ("codes_high", high, n_masks * total),
            ("codes_low", low, n_masks * total),
        ):
            if len(array) != length:
                raise ValueError(f"{prefix}{name}: expected {length} entries for the windows, got {len(array)}")
        codes = (high.astype(np.uint16) << 8) | low
        pixels, bits = np.cumsum([0, *areas]), np.cumsum([0, *n_bytes])
        sizes = [(int(height), int(width)) for height, width in windows[:, 2:]]
        flags = [
            np.unpackbits(labels[bits[i] : bits[i + 1]], count=int((n_masks + 1) * areas[i])).astype(bool)
            for i in range(len(sizes))
        ]
        layers = [flat.reshape(n_masks + 1, *size) for flat, size in zip(flags, sizes, strict=True)]
        return cls(
            image_ids=tuple(str(name) for name in ids),
            windows=tuple((int(top), int(left), int(h), int(w)) for top, left, h, w in windows),
            images=tuple(images[pixels[i] : pixels[i + 1]].reshape(*size, -1) for i, size in enumerate(sizes)),
            targets=tuple(layer[:-1] for layer in layers),
            valids=tuple(layer[-1] if has else None for layer, has in zip(layers, has_valid, strict=True)),
            codes=tuple(
                codes[n_masks * pixels[i] : n_masks * pixels[i + 1]].reshape(n_masks, *size)
                for i, size in enumerate(sizes)
            ),
        )


def _joined(parts: list[NDArray[Any]], dtype: type[np.generic], empty: tuple[int, ...] = (0,)) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.zeros(empty, dtype)
