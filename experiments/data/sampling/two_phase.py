"""Two-phase training: balanced tiles first, then the true distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from experiments.data.sampling.uniform import Sampling, Tile, UniformTiles, check_sampling
from experiments.data.split import Split


class TwoPhase:
    """One sampling for a first share of the updates, then uniform tiles.

    Update u = 0, 1, ... of T is drawn by `first` while u / T < switch_at. `switch_at` 0 is the true distribution
    throughout, 1 is `first` throughout.

    Args:
        first: The sampling of the first phase.
        switch_at: Share of the updates in the first phase, in [0, 1].

    Raises:
        ValueError: For a share outside [0, 1].
        TypeError: When `first` is not a sampling.

    Reference:
        Havaei et al. (2017), Brain tumor segmentation with deep neural networks; Buda, Maki and Mazurowski
        (2018), A systematic study of the class imbalance problem in convolutional neural networks. Havaei
        et al. train only the last layer in the second phase; here all layers continue on the same schedule.
    """

    def __init__(self, *, first: Sampling, switch_at: float) -> None:
        if not callable(getattr(first, "draw", None)):
            raise TypeError(f"first: expected a sampling with a method draw, got {type(first).__name__}")
        if not 0 <= switch_at <= 1:
            raise ValueError(f"switch_at: expected a share of the updates in [0, 1], got {switch_at}")
        self.first = first
        self.switch_at = switch_at
        self.second = UniformTiles()

    def switch_update(self, max_steps: int) -> int:
        """Return the number of updates of the first phase: the least u with u / max_steps >= switch_at."""
        guess = math.ceil(self.switch_at * max_steps)  # may be one off, by rounding
        return next(u for u in range(max(guess - 1, 0), guess + 2) if u / max_steps >= self.switch_at)

    def check(self, split: Split, masks: Sequence[str], *, side: int) -> None:
        """Raise a ValueError when the first phase cannot sample the split; see `check_sampling`."""
        check_sampling(self.first, split, masks, side=side)

    def draw(self, split: Split, rng: np.random.Generator, *, count: int, side: int, progress: float) -> list[Tile]:
        """Draw `count` tiles; see `Sampling`."""
        phase = self.first if progress < self.switch_at else self.second
        return phase.draw(split, rng, count=count, side=side, progress=progress)
