"""The share of foreground that the loss saw, after sampling and augmentation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor


def foreground_column(mask: str) -> str:
    """Return the name of the column of `history.csv` with a mask's share."""
    return f"foreground_{mask}"


def batch_foreground(target: Tensor, valid: Tensor | None) -> Tensor:
    """Return the positive share of a batch's valid pixels, per mask, without waiting for the device.

    Args:
        target: bool (N, C, H, W).
        valid: bool (N, 1, H, W); None where every pixel counts.

    Returns:
        float32 (C,), 0 ... 1, on the batch's device; NaN where no pixel is valid.
    """
    pixels = target[:, 0].numel() if valid is None else valid.sum()
    target = target if valid is None else target & valid
    # int32 takes half the time of int64 and is exact for any batch below 2^31 pixels.
    return target.sum(dim=(0, 2, 3), dtype=torch.int32) / pixels


def foreground_seen(
    history: Sequence[Mapping[str, float]], masks: Sequence[str], *, after: int = 0, until: int | None = None
) -> dict[str, float | None]:
    """Return the mean share over the updates in (after, until], from the rows of a history.

    Args:
        history: Rows of `history.csv`, each the mean over the updates since the row before.
        masks: Names of the masks.
        after: Updates to leave out at the beginning; a row must end there.
        until: The last update to count; a row must end there. None takes all.

    Returns:
        mask -> share, 0 ... 1; None if none of these updates saw a valid pixel.
    """
    starts = [0.0, *(row["update"] for row in history)]
    chosen = [
        (row["update"] - start, row)
        for start, row in zip(starts, history, strict=False)
        if start >= after and (until is None or row["update"] <= until)
    ]
    columns = {mask: foreground_column(mask) for mask in masks}
    # A run that an older version began has rows without these columns.
    return {mask: _weighted_mean([(n, row.get(name, math.nan)) for n, row in chosen]) for mask, name in columns.items()}


def _weighted_mean(values: Sequence[tuple[float, float]]) -> float | None:
    known = [(weight, value) for weight, value in values if not math.isnan(value)]
    total = sum(weight for weight, _ in known)
    return float(f"{sum(weight * value for weight, value in known) / total:.7g}") if total else None
