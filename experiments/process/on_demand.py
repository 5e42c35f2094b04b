"""Mappings that compute a value on each access, so that a study may be larger than memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Generic, TypeVar

_Key = TypeVar("_Key")
_In = TypeVar("_In")
_Out = TypeVar("_Out")


class Mapped(Mapping[_Key, _Out], Generic[_Key, _In, _Out]):
    """A mapping with a function applied to each value, at every access; nothing is kept.

    Args:
        values: any mapping.
        function: applied to a value at each access; must return equal results each time.

    Example:
        >>> lengths = Mapped({"a": [1, 2], "b": []}, len)
        >>> lengths["a"], list(lengths)
        (2, ['a', 'b'])
    """

    def __init__(self, values: Mapping[_Key, _In], function: Callable[[_In], _Out]) -> None:
        self._values = values
        self._function = function

    def __getitem__(self, key: _Key) -> _Out:
        return self._function(self._values[key])

    def __iter__(self) -> Iterator[_Key]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)
