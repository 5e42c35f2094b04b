"""A progress bar for data that take long to read or to draw."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")

_FEW = 50  # items that are there before a bar would be of use


def with_progress(items: Iterable[Item], total: int, what: str, unit: str) -> list[Item]:
    """Collect items; on a terminal a bar shows how many are there and how long the rest will take.

    Args:
        items: Made as they are asked for.
        total: Their number.
        what: Such as "reading images".
        unit: Such as "image".
    """
    hidden = total < _FEW or not sys.stderr.isatty()
    return list(tqdm(items, total=total, desc=what, unit=unit, disable=hidden, file=sys.stderr, leave=False))
