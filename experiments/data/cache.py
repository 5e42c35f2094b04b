"""A sequence that loads its items on demand and keeps as many as fit in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar, overload

Item = TypeVar("Item")

DEFAULT_BUDGET = 2 * 1024**3  # bytes


class MemoryBudget:
    """Bytes that several sequences may keep in memory together; safe to use from threads.

    Args:
        n_bytes: Size of the budget in bytes, at least 0.

    Raises:
        ValueError: `n_bytes` is negative.
    """

    def __init__(self, n_bytes: int = DEFAULT_BUDGET) -> None:
        if n_bytes < 0:
            raise ValueError(f"n_bytes: expected at least 0, got {n_bytes}")
        self._left = n_bytes
        self._lock = threading.Lock()

    def take(self, n_bytes: int) -> bool:
        """Reserve `n_bytes` and return True; where they do not fit, change nothing and return False."""
        with self._lock:
            if n_bytes > self._left:
                return False
            self._left -= n_bytes
            return True

    def has_room(self, n_bytes: int) -> bool:
        """Return whether `take` would reserve `n_bytes` now."""
        return n_bytes <= self._left

    def __getstate__(self) -> int:
        return self._left

    def __setstate__(self, left: int) -> None:
        self.__init__(left)  # type: ignore[misc]  # a lock cannot be pickled: a worker gets its own


class CachedSequence(Sequence[Item], Generic[Item]):
    """Items loaded on demand and kept while the budget lasts.

    Nothing is evicted. Training visits all images in random order, over and over. Keeping a fixed share of them gives
    a hit rate of that share; evicting the least recently used would give less. Two threads that ask for the same
    missing item may both load it; both get an equal one. Beyond the budget the last item stays, as parts of an image
    are read one after the other.

    Args:
        load: Loads the item of an index, 0 ... length - 1. It must be thread-safe and return equal items each time.
        length: Number of items.
        size_of: Returns the size of an item in bytes.
        budget: Memory for kept items; pass one object to several sequences to share it.
    """

    def __init__(
        self,
        load: Callable[[int], Item],
        length: int,
        *,
        size_of: Callable[[Item], int],
        budget: MemoryBudget | None = None,
    ) -> None:
        self._load = load
        self._length = length
        self._size_of = size_of
        self.budget = MemoryBudget() if budget is None else budget
        self._kept: dict[int, Item] = {}
        self._last: tuple[int, Item] | None = None

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Item, ...]: ...
    def __getitem__(self, index: Any) -> Any:
        """Return one item, or for a slice a tuple of them."""
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(self._length)))
        position = index + self._length if index < 0 else index
        if not 0 <= position < self._length:
            raise IndexError(f"index {index} is out of range for {self._length} items")
        item, last = self._kept.get(position), self._last
        if item is None and last is not None and last[0] == position:
            return last[1]
        if item is None:
            item = self.keep(position, self._load(position))
            self._last = position, item
        return item

    def keep(self, index: int, item: Item) -> Item:
        """Offer an item that was loaded elsewhere, and return the item that this sequence gives from now on."""
        if index not in self._kept and self.budget.take(self._size_of(item)):
            # Where two threads get here, the first one's item is kept. The second one's bytes stay reserved, so memory
            # never exceeds the budget.
            return self._kept.setdefault(index, item)
        return self._kept.get(index, item)

    def kept(self, index: int) -> Item | None:
        """Return an item, 0 ... length - 1, if it is in memory."""
        return self._kept.get(index)

    @property
    def n_kept(self) -> int:
        """Number of items in memory."""
        return len(self._kept)
