"""The share of foreground that the loss really saw: after sampling, after augmentation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from experiments.data.batches import Batch


def foreground_column(mask: str) -> str:
    """Name the column of `history.csv` that holds the share of a mask."""
    return f"foreground_{mask}"


def batch_foreground(batch: Batch) -> Tensor:
    """Share of the valid pixels of a batch that are positive, per mask; the device is not waited for.

    Returns:
        float32 (C,), 0 ... 1, on the batch's device; NaN where no pixel is valid.
    """
    target = batch.target if batch.valid is None else batch.target & batch.valid
    pixels = batch.target[:, 0].numel() if batch.valid is None else batch.valid.sum()
    # int32 takes half the time of int64 and is exact for any batch below 2^31 pixels.
    return target.sum(dim=(0, 2, 3), dtype=torch.int32).to(torch.float32) / pixels


def foreground_seen(
    history: Sequence[Mapping[str, float]], masks: Sequence[str], *, after: int = 0, until: int | None = None
) -> dict[str, float | None]:
    """Mean share per update over the rows of a history whose updates lie in (after, until].

    Args:
        history: Rows of `history.csv`, each the mean over the updates since the row before.
        masks: Names of the masks.
        after: Updates left out at the beginning; some row ends there.
        until: The last update that counts; some row ends there. None takes all.

    Returns:
        mask -> share, 0 ... 1; None where no update of these saw a valid pixel.
    """
    starts = [0.0, *(row["update"] for row in history)]
    chosen = [
        (row["update"] - start, row)
        for start, row in zip(starts, history, strict=False)
        if start >= after and (until is None or row["update"] <= until)
    ]
    columns = {mask: foreground_column(mask) for mask in masks}
    # A run that an earlier version began has rows without these columns.
    return {mask: _weighted_mean([(n, row.get(name, math.nan)) for n, row in chosen]) for mask, name in columns.items()}


def _weighted_mean(values: Sequence[tuple[float, float]]) -> float | None:
    known = [(weight, value) for weight, value in values if not math.isnan(value)]
    total = sum(weight for weight, _ in known)
    return float(f"{sum(weight * value for weight, value in known) / total:.7g}") if total else None
