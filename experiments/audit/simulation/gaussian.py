"""Studies whose differences are sums of Gaussian effects: the model of the two-way t, with a known truth."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.inference.paired_difference import PairedDifference, difference_of

_CHUNK_ELEMENTS = 1 << 20


@dataclass(frozen=True)
class Spread:
    """Standard deviations of an effect over seeds, over test groups, and over both together.

    Args:
        name: in tables.
        seed: over seeds, the same in all groups.
        group: over groups, the same in all seeds.
        interaction: of each seed in each group.
    """

    name: str
    seed: float
    group: float
    interaction: float

    def __post_init__(self) -> None:
        for name in ("seed", "group", "interaction"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name}: expected a number of at least 0 in {self.name}, got {getattr(self, name)}")

    def expected_v_seed(self, n_seeds: int, n_groups: int) -> float:
        """Return what `v_seed` estimates: (seed^2 + interaction^2 / G) / S."""
        return (self.seed**2 + self.interaction**2 / n_groups) / n_seeds

    def expected_v_group(self, n_seeds: int, n_groups: int) -> float:
        """Return what `v_group` estimates: (group^2 + interaction^2 / S) / G."""
        return (self.group**2 + self.interaction**2 / n_seeds) / n_groups


def gaussian_studies(
    spread: Spread, *, gain: float, n_seeds: int, n_groups: int, n_studies: int, rng: np.random.Generator
) -> PairedDifference:
    """Draw studies; study k is difference k, and the statistic is the mean over groups.

    Args:
        spread: of the difference between the arms, in its own unit (here AP).
        gain: true difference.
        n_seeds: S.
        n_groups: G.
        n_studies: K.
        rng: generator.
    """
    chunk = max(1, _CHUNK_ELEMENTS // (n_seeds * n_groups))
    parts = []
    for start in range(0, n_studies, chunk):
        n = min(chunk, n_studies - start)
        effects = gain + gaussian_effects(spread, n_seeds=n_seeds, n_groups=n_groups, n_studies=n, rng=rng)
        means = effects.mean(axis=1)
        left_out = (n_groups * means[:, None] - effects) / (n_groups - 1)
        parts.append(difference_of(means, left_out))
    return joined(parts)


def gaussian_effects(
    spread: Spread, *, n_seeds: int, n_groups: int, n_studies: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw the effects of n_studies studies without a gain, (S, G, K)."""
    effects = spread.interaction * rng.standard_normal((n_seeds, n_groups, n_studies))
    effects += spread.seed * rng.standard_normal((n_seeds, 1, n_studies))
    effects += spread.group * rng.standard_normal((1, n_groups, n_studies))
    return effects


def joined(parts: list[PairedDifference]) -> PairedDifference:
    """Concatenate studies of the same size."""
    return PairedDifference(
        np.concatenate([part.estimate for part in parts]),
        np.concatenate([part.v_seed for part in parts]),
        np.concatenate([part.v_group for part in parts]),
        parts[0].n_seeds,
        parts[0].n_groups,
    )
