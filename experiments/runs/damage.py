"""Finds damaged files of a run, and renames them so that nothing is lost.

When a run ends, its `run.json` records the size and checksum of every other file. A file that was truncated, emptied,
overwritten or removed since then is damaged. So is a folder in its place.
"""

from __future__ import annotations

import csv
import itertools
import os
import re
import stat
import sys
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.config import CURVE_AXES, tolerance_problem

DAMAGED = "damaged"
"""The status of a run with a damaged file, and the suffix of such a file once it is set aside."""

_BLOCK = 1 << 20
_MOST_UNPACKED = 512 * _BLOCK
_WORDS = ("status", "reason", "study", "arm", "baseline", "fingerprint", "initial_weights", "device")
_NUMBERS = (
    "seed",
    "updates",
    "parameters",
    "threads",
    "fit_seconds",
    "evaluate_seconds",
    "wall_seconds",
    "images_per_second",
    "peak_memory_mb",
)
_LISTS = ("axes", "nuisance", "conditions", "constant_masks")
_MAPPINGS = ("versions", "data_fingerprint", "prevalence", "train_presence", "foreground_seen", "images", "artifacts")
_KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(_WORDS, (str,)),
    **dict.fromkeys(_NUMBERS, (int, float)),
    **dict.fromkeys(_LISTS, (list,)),
    **dict.fromkeys(_MAPPINGS, (dict,)),
}
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_STATUSES = ("running", "stopped", "complete", "diverged", "failed")


def info_problem(info: Any) -> str:
    """Say what is wrong with the content of a `run.json`; empty if nothing is.

    >>> info_problem({"status": "complete", "updates": 200})
    ''
    >>> info_problem({"status": "complete", "updates": "many"})
    "updates: expected a number, got 'many'"
    """
    if not isinstance(info, dict):
        return f"expected a JSON object, got {type(info).__name__}"
    if info.get("status") not in _STATUSES:
        return f"status: expected one of {', '.join(_STATUSES)}, got {info.get('status')!r}"
    names = {str: "a word", int: "a number", list: "a list", dict: "an object"}
    for key, kinds in _KINDS.items():
        value = info.get(key)
        if value is not None and (not isinstance(value, kinds) or isinstance(value, bool)):
            return f"{key}: expected {names[kinds[0]]}, got {value!r}"
    for key in _LISTS:
        if not all(isinstance(value, str) for value in info.get(key) or []):
            return f"{key}: expected words, got {info[key]!r}"
    drawn = info.get("annotators")
    if drawn is not None and not _are_counts_of_annotators(drawn):
        return f"annotators: expected hits, false_alarms and misses of each annotator and mask, got {drawn!r:.200}"
    tolerances = info.get("tolerances")
    if tolerances is not None and not _are_distances(tolerances):
        return f"tolerances: expected distances in pixels, got {tolerances!r}"
    curve = info.get("curve")
    if curve is not None and curve not in CURVE_AXES:
        return f"curve: expected {' or '.join(CURVE_AXES)}, got {curve!r}"
    looks = info.get("looks")
    if looks is not None and not _are_seeds_of_looks(looks):
        return f"looks: expected the seeds of each look, each beginning with those of the one before, got {looks!r}"
    return ""


def _are_counts_of_annotators(drawn: Any) -> bool:
    words, numbers = ("annotator", "mask"), ("hits", "false_alarms", "misses")
    return isinstance(drawn, list) and all(
        isinstance(entry, dict)
        and all(isinstance(entry.get(key), str) and not _CONTROL.search(entry[key]) for key in words)
        and all(
            isinstance(entry.get(key), int) and not isinstance(entry[key], bool) and entry[key] >= 0 for key in numbers
        )
        for entry in drawn
    )


def _are_distances(values: Any) -> bool:
    return isinstance(values, list) and not any(map(tolerance_problem, values))


def _are_seeds_of_looks(looks: Any) -> bool:
    if not isinstance(looks, list) or not all(isinstance(seeds, list) and seeds for seeds in looks):
        return False
    whole = all(isinstance(seed, int) and not isinstance(seed, bool) for seeds in looks for seed in seeds)
    return whole and all(b[: len(a)] == a and len(a) < len(b) for a, b in itertools.pairwise(looks))


def note_files(folder: Path, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return size in bytes and checksum of each named file that exists, for `run.json`."""
    paths = [folder / name for name in names if (folder / name).is_file()]
    return {path.name: {"bytes": path.stat().st_size, "crc32": _checksum(path)} for path in paths}


def find_damage(
    folder: Path, names: Iterable[str], noted: Mapping[str, Any], *, last: str, required: Sequence[str] = ()
) -> dict[str, str]:
    """Find the damaged files of a run.

    Recorded files are compared by checksum. Others are checked for their format: complete archives, tables with rows of
    one length.

    Args:
        folder: The run's folder.
        names: Files that the run may have.
        noted: The record by `note_files`; every recorded file must exist.
        last: The file that was written last. A checkpoint is large, so it is read only if it changed after that.
        required: Files that must exist even if they are not recorded.

    Returns:
        The problem of each damaged file by its name, such as `{"scores.npz": "expected 5123 bytes, got 0"}`.
    """
    found = {}
    for name in names:
        path, note = folder / name, noted.get(name)
        try:
            if note is not None:
                problem = _changed(path, note, folder / last)
            elif name in required or path.exists():
                problem = _malformed(path)
            else:
                problem = ""
        except FileNotFoundError:
            problem = "it is not there"
        except OSError as error:
            problem = error.strerror or type(error).__name__
        if problem:
            found[name] = problem
    return found


def _special(path: Path) -> str:
    """Name what is in the place of a file. Opening a pipe would wait for ever, and a link may lead anywhere."""
    mode = path.lstat().st_mode
    if stat.S_ISREG(mode):
        return ""
    kind = "a folder" if stat.S_ISDIR(mode) else "a link" if stat.S_ISLNK(mode) else "something that is no file"
    return f"expected a file, got {kind}"


def _changed(path: Path, note: Any, last: Path) -> str:
    """Say how a file differs from the recorded one."""
    if special := _special(path):
        return special
    if not isinstance(note, dict) or not {"bytes", "crc32"} <= set(note):
        return f"{last.name} notes neither its size nor its checksum"
    now = path.stat()
    if now.st_size != note["bytes"]:
        return f"expected {note['bytes']} bytes, got {now.st_size}"
    if path.suffix == ".pt" and now.st_mtime_ns <= last.stat().st_mtime_ns:
        return ""
    return "" if _checksum(path) == note["crc32"] else "its bytes are not those that were written (checksum)"


def _malformed(path: Path) -> str:
    """Say how a file violates its format."""
    if special := _special(path):
        return special
    try:
        if path.suffix in (".npz", ".pt"):
            with zipfile.ZipFile(path) as archive:
                claimed = sum(member.file_size for member in archive.infolist())
                if claimed > max(_MOST_UNPACKED, 4 * path.stat().st_size):
                    return f"it claims {claimed} bytes unpacked"
                broken = archive.testzip()
            return "" if broken is None else f"{broken} in it is damaged (checksum)"
        text = path.read_text(encoding="utf-8")
    except (ValueError, zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, RuntimeError) as error:
        return str(error) or type(error).__name__
    if not text:
        return "it is empty"
    if path.suffix == ".csv":
        try:
            widths = {len(row) for row in csv.reader(text.splitlines(), strict=True)}
        except csv.Error as error:
            return str(error)
        if len(widths) > 1:
            return "expected rows of one length"
    return ""


def _checksum(path: Path) -> str:
    value = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            value = zlib.crc32(block, value)
    return f"{value:08x}"


def set_aside(folder: Path, damaged: Mapping[str, str]) -> None:
    """Rename damaged files, `scores.npz` to `scores.npz.damaged`, then `.damaged.2` and so on, and warn about each.

    Args:
        folder: The run's folder.
        damaged: The problem of each file by its name. For a missing file there is nothing to rename.
    """
    for name, problem in damaged.items():
        path = folder / name
        kept = ""
        if os.path.lexists(path):
            free = path.with_name(f"{name}.{DAMAGED}")
            for number in itertools.count(2):
                if not os.path.lexists(free):
                    break
                free = path.with_name(f"{name}.{DAMAGED}.{number}")
            path.rename(free)
            kept = f"kept as {free.name}, "
        print(f"warning: {path} is damaged: {problem}; {kept}made again", file=sys.stderr, flush=True)
