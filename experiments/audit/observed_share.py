"""A share observed in a simulation, with its Monte Carlo error."""

from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class ObservedShare:
    """The share of n simulated studies in which an event occurred.

    Args:
        count: studies in which it occurred.
        n: all studies, at least 1.
    """

    count: int
    n: int

    def __post_init__(self) -> None:
        if self.n < 1 or not 0 <= self.count <= self.n:
            raise ValueError(f"count, n: expected 0 <= count <= n and n at least 1, got {self.count} of {self.n}")

    @classmethod
    def of(cls, happened: np.ndarray) -> "ObservedShare":
        """Return the share of True in a boolean array."""
        return cls(int(np.sum(happened)), int(np.size(happened)))

    @property
    def value(self) -> float:
        """Count / n."""
        return self.count / self.n

    @property
    def error(self) -> float:
        """Standard error sqrt(p (1 - p) / n), with p = (count + 1) / (n + 2) so that 0 of n has an error too."""
        p = (self.count + 1) / (self.n + 2)
        return float(np.sqrt(p * (1.0 - p) / self.n))

    def is_below(self, bound: float, level: float = 1e-4) -> bool:
        """Return whether the true share is shown to lie below the bound, at which so few have probability < level."""
        return bool(stats.binom.cdf(self.count, self.n, bound) < level)

    def is_above(self, bound: float, level: float = 1e-4) -> bool:
        """Return whether the true share is shown to lie above the bound."""
        return bool(stats.binom.sf(self.count - 1, self.n, bound) < level)
