"""How synthetic well logs look: the parameters of the generator, checked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

PENS = ("solid", "dashed", "dotted")


@dataclass(frozen=True)
class LogStyle:
    """Parameters that every log of a set shares; each log draws its own values from them.

    Args:
        height: Least and greatest height of a log in pixels.
        width: Least and greatest width in pixels.
        prevalence: Intended share of ink of each of the three pens, 0 ... 0.2; reached on average.
        curves: Most curves of one pen in a log, at least 1; curves stop where the intended share is reached.
        line_width: Least and greatest width of a curve in pixels.
        clutter: Amount of writing, marks and reference lines that belong to no mask; 1 is typical, 0 none.
        fading: How much ink may be lost in faded patches, 0 ... 1.
        blur: Greatest standard deviation of the scanner's blur in pixels.
        noise: Typical standard deviation of the scanner's noise in grey levels (0 ... 255).
        skew: Greatest rotation of the paper in the scanner in degrees, 0 ... 5.
        annotation_jitter: Standard deviation in pixels, along each axis, of the displacement of a whole curve's
            annotation that the image does not show; 0 annotates the ink itself.
        channels: 1 (grey) or 3 (RGB).

    Raises:
        ValueError: A value lies outside its range.
    """

    height: tuple[int, int]
    width: tuple[int, int]
    prevalence: tuple[float, float, float]
    curves: int
    line_width: tuple[float, float]
    clutter: float
    fading: float
    blur: float
    noise: float
    skew: float
    annotation_jitter: float
    channels: int

    def __post_init__(self) -> None:
        wrong = [
            *_range_errors("height", self.height, 32, 65_536),
            *_range_errors("width", self.width, 32, 65_536),
            *_range_errors("line_width", self.line_width, 1.0, 8.0),
            *_value_errors("curves", self.curves, 1, 32),
            *_value_errors("clutter", self.clutter, 0.0, 20.0),
            *_value_errors("fading", self.fading, 0.0, 1.0),
            *_value_errors("blur", self.blur, 0.0, 8.0),
            *_value_errors("noise", self.noise, 0.0, 100.0),
            *_value_errors("skew", self.skew, 0.0, 5.0),
            *_value_errors("annotation_jitter", self.annotation_jitter, 0.0, 8.0),
        ]
        for pen, share in zip(PENS, self.prevalence, strict=True):
            wrong += _value_errors(f"prevalence of the {pen} pen", share, 0.0, 0.2)
        if self.channels not in (1, 3):
            wrong.append(f"channels: expected 1 (grey) or 3 (RGB), got {self.channels}")
        if wrong:
            raise ValueError("\n".join(wrong))


def value_pair(name: str, value: float | Sequence[float]) -> tuple[float, float]:
    """Read a least and a greatest value: a list of two, or one number for both.

    Raises:
        ValueError: `value` is neither.
    """
    values = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else (value, value)
    if len(values) != 2 or not all(isinstance(number, int | float) for number in values):
        raise ValueError(f"{name}: expected one number or [least, greatest], got {value!r}")
    return values[0], values[1]


def whole_pair(name: str, value: int | Sequence[int]) -> tuple[int, int]:
    """Read a least and a greatest whole number, as `value_pair`.

    Raises:
        ValueError: A number is not whole.
    """
    low, high = value_pair(name, value)
    if low != int(low) or high != int(high):
        raise ValueError(f"{name}: expected whole pixels, got {value!r}")
    return int(low), int(high)


def pen_values(name: str, value: float | Sequence[float]) -> tuple[float, float, float]:
    """Read one value per pen: a list of three, or one number for all.

    Raises:
        ValueError: `value` is neither.
    """
    values = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else (value,) * 3
    if len(values) != 3 or not all(isinstance(number, int | float) for number in values):
        raise ValueError(f"{name}: expected one number or one for each of {', '.join(PENS)}, got {value!r}")
    return values[0], values[1], values[2]


def _value_errors(name: str, value: float, low: float, high: float) -> list[str]:
    inside = math.isfinite(value) and low <= value <= high
    return [] if inside else [f"{name}: expected {low:g} to {high:g}, got {value}"]


def _range_errors(name: str, pair: tuple[float, float], low: float, high: float) -> list[str]:
    if pair[0] > pair[1]:
        return [f"{name}: expected [least, greatest], got {list(pair)}"]
    return [error for value in pair for error in _value_errors(name, value, low, high)]
