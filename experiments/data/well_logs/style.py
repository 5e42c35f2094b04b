"""The parameters of the well log generator, with their checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from experiments.data.value_checks import number_errors, whole_errors

PENS = ("solid", "dashed", "dotted")


@dataclass(frozen=True)
class LogStyle:
    """Parameters that all logs of a set share; each log draws its own values from them.

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
        label_jitter: The same for one more displacement that only the labels of training logs have.
        dropped_strokes: Probability that a curve of a training log is not labelled at all, 0 ... 1.
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
    label_jitter: float
    dropped_strokes: float
    channels: int

    def __post_init__(self) -> None:
        wrong = style_errors(asdict(self))
        if wrong:
            raise ValueError("\n".join(wrong))


# Least and greatest value of each parameter; whole numbers where both are.
_RANGES: dict[str, tuple[float, float]] = {
    "height": (32, 65_536),
    "width": (32, 65_536),
    "prevalence": (0.0, 0.2),
    "curves": (1, 32),
    "line_width": (1.0, 8.0),
    "clutter": (0.0, 20.0),
    "fading": (0.0, 1.0),
    "blur": (0.0, 8.0),
    "noise": (0.0, 100.0),
    "skew": (0.0, 5.0),
    "annotation_jitter": (0.0, 8.0),
    "label_jitter": (0.0, 8.0),
    "dropped_strokes": (0.0, 1.0),
}
_PAIRS = ("height", "width", "line_width")
_MOST_PIXELS = 2**24  # of a log; drawing one takes about 100 bytes of memory a pixel


def style_errors(values: Mapping[str, Any]) -> list[str]:
    """List every parameter of the wrong type or outside its range.

    Args:
        values: By name, as a user gives them: one number may stand for a list of equal ones.
    """
    wrong = [error for name, limits in _RANGES.items() for error in _errors(name, values[name], *limits)]
    if values["channels"] not in (1, 3) or not isinstance(values["channels"], int) or values["channels"] is True:
        wrong.append(f"data.channels: expected 1 (grey) or 3 (RGB), got {values['channels']!r}")
    if not wrong:
        height, width = (expanded(values[name], 2)[1] for name in ("height", "width"))
        if height * width > _MOST_PIXELS:
            wrong.append(
                f"data.height, data.width: expected logs of at most {_MOST_PIXELS:,} pixels, got {height:,} x {width:,}"
            )
    return wrong


def expanded(value: Any, count: int) -> tuple[Any, ...]:
    """Return a list as a tuple, and a number as a tuple of `count` of it."""
    return tuple(value) if _is_list(value) else (value,) * count


def _errors(name: str, value: Any, low: float, high: float) -> list[str]:
    key = f"data.{name}"
    if name in _PAIRS:
        if _is_list(value) and len(value) != 2:
            return [f"{key}: expected one number or [least, greatest], got {value!r}"]
        wrong = [error for number in expanded(value, 1) for error in _number_errors(key, number, low, high)]
        if not wrong and _is_list(value) and value[0] > value[1]:
            wrong.append(f"{key}: expected [least, greatest], got {list(value)}")
        return wrong
    if name == "prevalence":
        if _is_list(value) and len(value) != len(PENS):
            return [f"{key}: expected one number or one for each of {', '.join(PENS)}, got {value!r}"]
        labels = [f"{key} of the {pen} pen" for pen in PENS] if _is_list(value) else [key]
        return [
            error
            for label, share in zip(labels, expanded(value, 1), strict=True)
            for error in number_errors(label, share, low, high)
        ]
    return _number_errors(key, value, low, high)


def _number_errors(key: str, value: Any, low: float, high: float) -> list[str]:
    if isinstance(low, int) and isinstance(high, int):
        return whole_errors(key, value, low, high)
    return number_errors(key, value, low, high)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)
