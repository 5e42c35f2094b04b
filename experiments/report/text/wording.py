"""How a report writes numbers, differences, intervals and lists."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

from experiments.inference.paired_difference import MIN_SEEDS
from experiments.inference.words import NOT_TRAINED

NONE = "—"
"""What a cell says where there is no number."""

TOO_FEW_SEEDS = "too few seeds for an interval"


def listed(words: Sequence[str]) -> str:
    """Join names in a sentence: a, b and c."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def number(value: object, digits: int = 2) -> str:
    """Format a ratio; a dash if it is undefined."""
    return "-" if pd.isna(value) else f"{value:.{digits}f}"  # type: ignore[call-overload]


def signed(value: float, digits: int = 3, *, bare_zero: bool = False, undefined: str = "-") -> str:
    """Format a difference with its sign.

    Args:
        value: The difference.
        digits: Decimals.
        bare_zero: Whether what rounds to nothing is 0.000 instead of +0.000.
        undefined: What stands for NaN.

    >>> signed(-0.0004), signed(-0.0004, bare_zero=True), signed(0.25, 1)
    ('+0.000', '0.000', '+0.2')
    """
    if pd.isna(value):
        return undefined
    text = f"{value:+.{digits}f}"
    if float(text) == 0:
        text = f"{0:+.{digits}f}"
        return text[1:] if bare_zero else text
    return text


def digits_of(low: float, high: float) -> int:
    """Return the decimals that an interval justifies: what it is unsure of by 0.02 has no third.

    An interval that leaves out 0 has the third where it takes that to show it: [-0.068, -0.003], not [-0.07, +0.00].

    >>> digits_of(-0.02, 0.04), digits_of(0.005, 0.029), digits_of(float("nan"), float("nan"))
    (2, 3, 3)
    >>> digits_of(-0.068, -0.003), digits_of(-0.004, 0.06)
    (3, 2)
    """
    looks_like_0 = low * high > 0 and float(f"{min(abs(low), abs(high)):.2f}") == 0
    return 2 if high - low >= _TWO_DIGITS and not looks_like_0 else 3


_TWO_DIGITS = 0.04
"""Width of an interval, 0.02 to either side, from which on a third decimal says nothing."""


def signed_interval(low: float, high: float) -> str:
    """Format an interval of differences: [-0.02, +0.05].

    >>> signed_interval(-0.021, 0.048), signed_interval(-0.003, 0.027), signed_interval(-0.06, -0.0002)
    ('[-0.02, +0.05]', '[-0.003, +0.027]', '[-0.060, -0.000]')
    """
    digits = digits_of(low, high)
    if low < high < 0:
        return f"[{low:+.{digits}f}, {high:+.{digits}f}]"
    return f"[{signed(low, digits)}, {signed(high, digits)}]"


def typeset(value: str) -> str:
    """Give numbers the minus sign, and changes the arrow, that belong to them; hyphens stay."""
    return re.sub(r"(?<![\w.])-(?=\.?\d)", "\N{MINUS SIGN}", value.replace("->", "\N{RIGHTWARDS ARROW}"))


def with_interval(row: pd.Series, name: str) -> str:
    """Format an estimate and its interval, or the reason why there is none: +0.012 [-0.003, +0.027].

    A dash if there is no estimate, or if the row's verdict is that something is not trained.
    """
    estimate, low, high = row[name], row[f"{name}_low"], row[f"{name}_high"]
    if pd.isna(estimate) or row.get("verdict") == NOT_TRAINED:
        return "-"
    if pd.isna(low) or pd.isna(high):
        return f"{signed(estimate)} [{no_interval(row['n_seeds'])}]"
    return f"{signed(estimate, digits_of(low, high))} {signed_interval(low, high)}"


def no_interval(n_seeds: int) -> str:
    """Say why an estimate has no interval."""
    return TOO_FEW_SEEDS if n_seeds < MIN_SEEDS else "no interval"


def why_none(n_seeds: int, n_groups: int) -> str:
    """Say why a level has no interval at all; empty if it can have one."""
    if n_seeds < MIN_SEEDS:
        return f"{TOO_FEW_SEEDS}: {n_seeds}, where {MIN_SEEDS} are needed"
    if n_groups < 2:
        return "no interval: one test group, so how much the test set matters is unknown"
    return ""
