"""Checks of single KEY=VALUE arguments: unreadable, empty, given twice, or not for the user to set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, ValueType
from hydra.errors import HydraException

from experiments.config import TrainerSchema

# Hydra's own settings that a run's folder, its checks and its comparison depend on.
_HYDRA_FIXED = (
    "hydra.run",
    "hydra.sweep",
    "hydra.output_subdir",
    "hydra.callbacks",
    "hydra.job.chdir",
    "hydra.job.config",
)
_HYDRA_OF_TRAINING = ("hydra.mode", "hydra.launcher", "hydra.sweeper", "hydra/launcher", "hydra/sweeper")
_GRID = ("hydra.sweeper.params", "hydra.sweeper.max_batch_size")
# Keys that are not in arm names: runs that differ only in these would share a folder.
_ONE_VALUE = ("study", "study_dir", "overwrite", "report", "experiment", "size", "hydra", "tracker")
_TRUE_OR_FALSE = {f"trainer.{field.name}" for field in fields(TrainerSchema) if field.type == "bool"} | {"overwrite"}
_OPTIONAL_GROUPS = ("study", "size", "experiment")


@dataclass(frozen=True)
class Arguments:
    """The readable overrides of a command line, and its problems.

    Args:
        kept: Overrides that can be composed, in their order, with each key once.
        problems: A sentence for every problem.
    """

    kept: tuple[str, ...]
    problems: tuple[str, ...]


def check_arguments(overrides: Sequence[str], *, trains: bool = True) -> Arguments:
    """Read overrides one by one.

    Args:
        overrides: The arguments of a command that are not flags.
        trains: Whether the command trains; only then can runs be swept and launched.
    """
    parser = OverridesParser.create()
    problems: list[str] = []
    by_key: dict[str, list[str]] = {}
    bad: set[str] = set()
    for text in overrides:
        try:
            override = parser.parse_override(text)
        except HydraException:
            problems.append(_unreadable(text))
            bad.add(text)
            continue
        found = _problem(text, override, trains)
        if found:
            problems.append(found)
            bad.add(text)
        key = override.key_or_group + (f"@{override.package}" if override.package else "")
        by_key.setdefault(key, []).append(text)
    for key, texts in by_key.items():
        if len(texts) > 1:
            problems.append(f"{key}: expected one value, got it {len(texts)} times: {', '.join(texts)}")
    last = {texts[-1] for texts in by_key.values()}
    return Arguments(tuple(text for text in overrides if text in last - bad), tuple(problems))


def key_of(override: str) -> str:
    """Return the key of an override: `loss.mode` for `+loss.mode=a`."""
    return override.lstrip("+~").split("=", 1)[0].split("@", 1)[0]


def is_below(key: str, roots: Sequence[str]) -> bool:
    """Return whether a key is one of `roots` or lies below one."""
    return any(key == root or key.startswith((f"{root}.", f"{root}/")) for root in roots)


def options_of(group: str) -> list[str]:
    """List the built-in options of a configuration group; empty if there is no such group."""
    folder = files("experiments.conf").joinpath(group)
    if not group or "." in group or not folder.is_dir():
        return []
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def _problem(text: str, override: Override, trains: bool) -> str | None:
    """Say what is wrong with a readable override; None if nothing is."""
    key = override.key_or_group
    if not key:
        return f"{text!r}: expected a key before '='"
    fixed = _HYDRA_FIXED if trains else (*_HYDRA_FIXED, *_HYDRA_OF_TRAINING)
    if is_below(key, fixed):
        return f"{key}: cannot be set: folders, checks and reports rest on it. Use study_dir=FOLDER to write elsewhere"
    if is_below(key, ("hydra.sweeper", "hydra/sweeper")) and not is_below(key, _GRID) and text != "hydra/sweeper=basic":
        return f"{key}: expected Hydra's basic sweeper (every arm with every seed), got {text}"
    if override.is_delete():
        needed = options_of(key) and key not in _OPTIONAL_GROUPS
        return f"{key}: expected one of {', '.join(options_of(key))}; {text} removes it" if needed else None
    if override.is_sweep_override():
        if not trains:
            return f"{key}: expected one value, got the sweep {text}. A list is written {key}=[A,B]"
        if is_below(key, _ONE_VALUE):
            return f"{key}: expected one value, got the sweep {text}: it does not make an arm"
        if options_of(key) and override.value_type == ValueType.SIMPLE_CHOICE_SWEEP:
            odd = [value for value in override.sweep_string_iterator() if value == "null" or value[:1] in "[{"]
            if odd:
                return f"{key}: expected some of {', '.join(options_of(key))}, got {odd[0]}"
        return None
    value = override.value()
    if key in ("hydra.verbose", "hydra.searchpath"):
        return _log_problem(value) if key == "hydra.verbose" else _search_problem(value)
    if any(isinstance(word, str) and not word.strip() for word in _leaves(value)):
        return f"{key}: expected a value, got none ({text}). Is a variable of the shell not set?"
    if key in _TRUE_OR_FALSE and not isinstance(value, bool) and str(value).lower() not in ("true", "false"):
        return f"{key}: expected true or false, got {text.split('=', 1)[1]}"  # a number would count as true
    options = options_of(key) if not override.package else []
    if options and key not in _OPTIONAL_GROUPS and not isinstance(value, str):
        shown = "null" if value is None else text.split("=", 1)[1]
        return f"{key}: expected one of {', '.join(options)}, got {shown}"
    return None


def _log_problem(value: Any) -> str | None:
    """Check what to log in detail: everything, or loggers, which are named after packages."""
    for name in [] if isinstance(value, bool) else value if isinstance(value, list) else [value]:
        if not _is_package(str(name).split(".")[0]):
            return f"hydra.verbose: expected true, false or names of packages such as experiments, got {name}"
    return None


def _search_problem(value: Any) -> str | None:
    """Check the search path of options: folders, or packages `pkg://NAME`."""
    if not isinstance(value, list):
        return f"hydra.searchpath: expected a list [FOLDER, ...], got {value}"
    for place in map(str, value):
        package = place.removeprefix("pkg://")
        found = _is_package(package.split(".")[0]) if package != place else Path(place.removeprefix("file://")).is_dir()
        if not found:
            return f"hydra.searchpath: expected folders or packages pkg://NAME, got {place}, which is not there"
    return None


def _is_package(name: str) -> bool:
    return name.isidentifier() and not name.startswith("__") and find_spec(name) is not None


def _unreadable(text: str) -> str:
    key, equals, value = text.partition("=")
    if not text.strip():
        return "expected arguments KEY=VALUE, got an empty argument. Is a variable of the shell not set?"
    if not equals:
        return f"{text!r}: expected an argument KEY=VALUE, such as seed=1"
    if key != key.strip() or value != value.strip():
        return f"{text!r}: expected KEY=VALUE without spaces around the '='"
    if value.startswith(",") or value.endswith(",") or ",," in value:
        return f"{key}: expected a value between the commas, got {text}. Is a variable of the shell not set?"
    return (
        f"{key}: cannot read the value of {text!r}. Text with characters other than letters, digits and _-./:%+@ needs "
        f"quotes that the shell leaves in place: {key}='\"...\"'; lists are written [a,b]"
    )


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        for entry in value.values():
            yield from _leaves(entry)
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from _leaves(entry)
    else:
        yield value
