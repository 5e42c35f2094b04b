"""A progress bar for reading or drawing data."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")

_FEW = 50  # fewer items than this are done before a bar would help


def with_progress(items: Iterable[Item], total: int, what: str, unit: str) -> list[Item]:
    """Collect items; on a terminal, show a bar with their number and the time left.

    Args:
        items: Made one by one.
        total: Their number.
        what: Such as "reading images".
        unit: Such as "image".
    """
    hidden = total < _FEW or not sys.stderr.isatty()
    return list(tqdm(items, total=total, desc=what, unit=unit, disable=hidden, file=sys.stderr, leave=False))
