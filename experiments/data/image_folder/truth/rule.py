"""How the files of truth are read: the options that say it, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.data.file_names import name_fault
from experiments.data.value_checks import flag_errors, is_number, names_errors

BACKGROUND = "background"  # in labels and colours: values that are of no mask
UNION, MAJORITY = "union", "majority"

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class TruthRule:
    """What makes a pixel of a file positive, and whom of several annotators to believe.

    Args:
        labels: The values of each mask in a file of labels; `background` names values of no mask.
        colours: The same for colours.
        threshold: Values above are inside; None where files hold two values.
        inverted: Whether 0 is inside.
        ignore_value: The value or colour of pixels that do not count.
        field: The variable of a MATLAB file.
        annotation: The name of an annotator, `union` or `majority`.
        annotators: The names that are expected; None takes those that are found.
        exclusive: Whether two masks must not claim one pixel.
    """

    labels: Mapping[str, tuple[int, ...]] | None = None
    colours: Mapping[str, tuple[Colour, ...]] | None = None
    threshold: float | None = None
    inverted: bool = False
    ignore_value: int | Colour | None = None
    field: str | None = None
    annotation: str | None = None
    annotators: tuple[str, ...] | None = None
    exclusive: bool = False

    @property
    def names(self) -> tuple[str, ...] | None:
        """The masks that one file holds together; None where a file holds one mask."""
        named = self.labels if self.labels is not None else self.colours
        return None if named is None else tuple(name for name in named if name != BACKGROUND)


def make_rule(options: Mapping[str, Any]) -> tuple[TruthRule, list[str]]:
    """Check the options of truth.

    Args:
        options: labels, colours, threshold, inverted, ignore_value, field, annotation, annotators, exclusive, as they
            came.

    Returns:
        The rule, without what is wrong; a message for each option that is.
    """
    found: dict[str, Any] = {}
    wrong: list[str] = []

    def keep(name: str, errors: Sequence[str], value: Any) -> None:
        wrong.extend(errors)
        if not errors:
            found[name] = value

    for name, one in (("labels", _is_label), ("colours", _is_colour)):
        given = options[name]
        if given is not None:
            errors = _named_errors(name, given, one)
            keep(name, errors, None if errors else {str(mask): _values(entry, one) for mask, entry in given.items()})
    if options["labels"] is not None and options["colours"] is not None:
        wrong.append("data.labels, data.colours: expected one of them: a file holds numbers or colours")
    threshold = options["threshold"]
    if threshold is not None and not is_number(threshold):
        wrong.append(f"data.threshold: expected a number, such as 127, or null, got {threshold!r}")
    else:
        found["threshold"] = threshold
    keep("inverted", flag_errors("data.inverted", options["inverted"]), options["inverted"])
    keep("exclusive", flag_errors("data.exclusive", options["exclusive"]), options["exclusive"])
    shared = options["labels"] is not None or options["colours"] is not None
    if shared and (threshold is not None or options["inverted"] is True):
        wrong.append(
            "data.threshold, data.inverted: expected neither with data.labels or data.colours, which say it all"
        )
    value = options["ignore_value"]
    if value is not None and not _is_label(value) and not _is_colour(value):
        wrong.append(f"data.ignore_value: expected a whole number, a colour [r, g, b] or null, got {value!r}")
    elif value is not None and _is_colour(value) != (options["colours"] is not None):
        kind = "a colour [r, g, b]" if options["colours"] is not None else "a number; colours need data.colours"
        wrong.append(f"data.ignore_value: expected {kind}, got {value!r}")
    elif value is not None:
        found["ignore_value"] = tuple(value) if _is_colour(value) else value
    for name in ("field", "annotation"):
        text = options[name]
        if text is not None and (not isinstance(text, str) or not text.strip()):
            wrong.append(f"data.{name}: expected a name or null, got {text!r}")
        else:
            found[name] = text
    names = options["annotators"]
    errors = names_errors("data.annotators", names)
    keep(
        "annotators",
        errors,
        None if names is None or errors else ((names,) if isinstance(names, str) else tuple(names)),
    )
    rule = TruthRule(**found)
    if rule.annotators and rule.annotation and rule.annotation not in (*rule.annotators, UNION, MAJORITY):
        wrong.append(
            f"data.annotation: expected union, majority or one of data.annotators ({', '.join(rule.annotators)}), "
            f"got {rule.annotation!r}"
        )
    return rule, wrong


def _is_label(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= 2**31


def _is_colour(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) == 3
        and all(_is_label(part) and 0 <= part <= 255 for part in value)
    )


def _values(entry: Any, one: Any) -> tuple[Any, ...]:
    """Take one value or a list of them as a tuple; colours become tuples themselves."""
    values = [entry] if one(entry) else list(entry)
    return tuple(tuple(value) if isinstance(value, list) else value for value in values)


def _named_errors(key: str, given: Any, one: Any) -> list[str]:
    example = "{dashed: 1, dotted: [2, 3]}" if key == "labels" else "{artery: [255, 0, 0]}"
    if not isinstance(given, Mapping) or not set(given) - {BACKGROUND}:
        return [f"data.{key}: expected a mapping from mask to value, such as {example}, got {given!r}"]
    kind = "whole numbers" if key == "labels" else "colours [r, g, b] of 0 ... 255"
    return [
        f"data.{key}.{mask}: expected {kind}, got {entry!r}"
        for mask, entry in given.items()
        if not (one(entry) or (isinstance(entry, list | tuple) and entry and all(one(value) for value in entry)))
        or not str(mask).strip()
        or name_fault(str(mask))
    ]
