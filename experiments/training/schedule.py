"""The learning-rate schedule."""

from __future__ import annotations

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def cosine_with_warmup(optimizer: Optimizer, *, total_steps: int, warmup_share: float = 0.1) -> LambdaLR:
    """Rise linearly to the optimizer's learning rate, then fall to zero along a half cosine; step it every update.

    The factor of update u of T, with W = ceil(warmup_share * T) updates of warm-up, is (u + 1) / (W + 1) while u < W,
    then (1 + cos(pi * (u - W) / (T - W))) / 2. Any T >= 1 works.

    Args:
        optimizer: Its learning rate is scaled.
        total_steps: T, number of updates.
        warmup_share: In [0, 1).

    Raises:
        ValueError: The share lies outside [0, 1), or there is no update.
    """
    if not 0 <= warmup_share < 1:
        raise ValueError(f"warmup_share: expected a number in [0, 1), got {warmup_share}")
    if total_steps < 1:
        raise ValueError(f"total_steps: expected at least 1, got {total_steps}")
    warmup = math.ceil(warmup_share * total_steps)

    def factor(update: int) -> float:
        if update < warmup:
            return (update + 1) / (warmup + 1)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (update - warmup) / max(1, total_steps - warmup))))

    return LambdaLR(optimizer, factor)
