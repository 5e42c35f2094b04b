"""Checks of types and ranges in the configuration of data; each function returns its errors as messages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from experiments.data.file_names import name_fault, shown

MOST_THREADS = 256


def whole_errors(name: str, value: Any, low: int, high: int | None = None) -> list[str]:
    """Check a whole number; a bool, a text and 2.0 are refused.

    Args:
        name: Key of the value, the first word of the message.
        value: The value to check.
        low: Least value.
        high: Greatest value; None for no limit.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= low and (high is None or value <= high):
        return []
    wanted = f"of at least {low:,}" if high is None else f"from {low:,} to {high:,}"
    return [f"{name}: expected a whole number {wanted}, got {_told(value)}"]


def number_errors(name: str, value: Any, low: float, high: float, *, inside: bool = False) -> list[str]:
    """Check a finite number.

    Args:
        name: Key of the value.
        value: The value to check.
        low: Least value.
        high: Greatest value.
        inside: Whether the limits themselves are excluded.
    """
    if is_number(value) and (low < value < high if inside else low <= value <= high):
        return []
    wanted = f"between {low:g} and {high:g}" if inside else f"from {low:g} to {high:g}"
    return [f"{name}: expected a number {wanted}, got {_told(value)}"]


def flag_errors(name: str, value: Any) -> list[str]:
    """Check a bool."""
    return [] if isinstance(value, bool) else [f"{name}: expected true or false, got {_told(value)}"]


def path_errors(name: str, value: Any) -> list[str]:
    """Check the path of a folder: text or a path, not empty, without control characters."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return [f"{name}: expected the path of a folder, got the number {value}; a folder of that name is ./{value}"]
    text = value if isinstance(value, str) else getattr(value, "__fspath__", lambda: None)()
    if not isinstance(text, str) or not text.strip():
        return [f"{name}: expected the path of a folder, got {_told(value)}"]
    fault = name_fault(text)
    return [f"{name}: expected the path of a folder, got {shown(text)!r}, which holds {fault}"] if fault else []


def thread_errors(name: str, value: Any) -> list[str]:
    """Check a number of threads; None takes the number of cores."""
    if value is None:
        return []
    return [f"{error}; null takes one per core" for error in whole_errors(name, value, 1, MOST_THREADS)]


def names_errors(name: str, value: Any) -> list[str]:
    """Check a list of different names, or one name, or None."""
    if value is None:
        return []
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, Sequence) or not names:
        return [f"{name}: expected a name, a list of names or null, got {_told(value)}"]
    wrong = [
        f"{name}: expected names, got {_told(entry)}" + ("; quote it" if is_number(entry) else "")
        for entry in names
        if not isinstance(entry, str) or not entry.strip() or name_fault(entry)
    ]
    twice = sorted({entry for entry in names if isinstance(entry, str) and list(names).count(entry) > 1})
    return [*wrong, *[f"{name}: expected different names, got {entry!r} more than once" for entry in twice]]


def is_number(value: Any) -> bool:
    """Return whether a value is a finite number; a bool is not."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _told(value: Any) -> str:
    """Show a value as the user wrote it: null, true and false, text in quotes."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"the text {shown(value)!r}" if isinstance(value, str) else f"{value!r}"
