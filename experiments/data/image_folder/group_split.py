"""Cuts a validation split from the training images without splitting a group."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

ATTEMPTS = 100  # orders of the groups to try, until both sides have positives of every mask


def cut_by_group(
    groups: Sequence[str], fraction: float, seed: int, positives: NDArray[np.int64] | None = None
) -> list[bool]:
    """Choose about a fraction of the images, in whole groups, at least one group and never all.

    The order of the groups depends only on their names and the seed. A group is taken if that brings the number of
    images closer to the target. A mask without positives on one side cannot be learned, or its threshold tuned. So if
    some mask has none, up to `ATTEMPTS` orders are tried, and the first with the fewest such masks is kept.

    Args:
        groups: Group of each image.
        fraction: Share of the images to choose, between 0 and 1.
        seed: Of the order.
        positives: int64 (N, C), positive pixels per image and mask; None takes the first order.

    Returns:
        Whether each image is chosen.

    Raises:
        ValueError: There are fewer than two groups.
    """
    sizes = Counter(groups)
    if len(sizes) < 2:
        raise ValueError(f"groups: expected at least 2 to cut one off, got {len(sizes)}")
    if positives is None:
        return _cut_once(groups, sizes, fraction, f"{seed}")
    best, fewest = [False] * len(groups), positives.size + 1
    for attempt in range(ATTEMPTS):
        chosen = _cut_once(groups, sizes, fraction, f"{seed}" if attempt == 0 else f"{seed}/{attempt}")
        side = np.array(chosen)
        missed = int((positives[side].sum(axis=0) == 0).sum() + (positives[~side].sum(axis=0) == 0).sum())
        if missed < fewest:
            best, fewest = chosen, missed
        if missed == 0:
            break
    return best


def _cut_once(groups: Sequence[str], sizes: Mapping[str, int], fraction: float, salt: str) -> list[bool]:
    order = sorted(sizes, key=lambda group: (hashlib.sha256(f"{salt}\n{group}".encode()).digest(), group))
    wish = fraction * len(groups)
    chosen: set[str] = set()
    count = 0
    for group in order:
        if len(chosen) < len(order) - 1 and sizes[group] < 2 * (wish - count):
            chosen.add(group)
            count += sizes[group]
    if not chosen:
        chosen = {min(order, key=lambda group: sizes[group])}
    return [group in chosen for group in groups]
