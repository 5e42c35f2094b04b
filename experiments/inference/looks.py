"""The looks at a study in stages: the seeds of each, as declared before the first run started."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Looks:
    """The looks that a study declares.

    Args:
        seeds: the seeds of each look, each beginning with those of the look before.
        ended_without_scores: arm -> seeds that diverged; a look does not wait for them.

    Example:
        >>> Looks.of([3, 5], [0, 1, 2, 3, 4]).seeds
        ((0, 1, 2), (0, 1, 2, 3, 4))
    """

    seeds: tuple[tuple[int, ...], ...]
    ended_without_scores: Mapping[str, frozenset[int]] = field(default_factory=dict)

    @classmethod
    def of(cls, stages: Sequence[int], seeds: Sequence[int]) -> Looks:
        """Make the looks of `study.stages`, numbers of seeds, and of the seeds that the sweep names, in its order."""
        return cls(tuple(tuple(seeds[:number]) for number in stages))

    @property
    def stages(self) -> tuple[int, ...]:
        """The number of seeds at each look."""
        return tuple(len(seeds) for seeds in self.seeds)

    def added(self, look: int) -> tuple[int, ...]:
        """Return the seeds that look 0, 1, ... has more than the one before."""
        return self.seeds[look][len(self.seeds[look - 1]) if look else 0 :]

    def are_there(self, arm: str, seeds: Iterable[int], look: int) -> bool:
        """Return whether an arm that has these seeds has all of a look."""
        return set(self.seeds[look]) <= set(seeds) | self.ended_without_scores.get(arm, frozenset())
