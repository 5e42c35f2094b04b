"""Lists the image files and sub-folders of one folder; entries that cannot be used become problems."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from experiments.data.file_names import is_left_behind, name_fault
from experiments.data.image_folder.problems import ProblemList

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")

_SPECIAL = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def is_image_name(name: str) -> bool:
    """Return whether a name has the ending of an image file."""
    return os.path.splitext(name)[1].lower() in SUFFIXES


def image_files(root: Path, place: str, problems: ProblemList) -> list[Path]:
    """List the image files of a folder by their endings, sorted.

    Args:
        root: Folder that paths in problems are relative to.
        place: The folder, relative to it.
        problems: Receives names that cannot be written to tables, and entries named like an image that are not files.
    """
    found = []
    for entry in _entries(root / place, problems):
        if is_left_behind(entry.name) or not is_image_name(entry.name):
            continue
        kind, fault = _special(entry), name_fault(entry.name)
        if fault is not None:
            problems.add("expected file names in UTF-8 without control characters", f"{place}/{entry.name}: {fault}")
        if kind is not None:
            problems.add("expected a file, got something else of such a name", f"{place}/{entry.name}: {kind}")
        if kind is None and fault is None:
            found.append(root / place / entry.name)
    return found


def sub_folders(folder: Path, problems: ProblemList) -> list[str]:
    """List the names of the folders in a folder, sorted, without those that operating systems leave behind."""
    found = []
    for entry in _entries(folder, problems):
        is_folder = entry.is_dir(follow_symlinks=False) or (entry.is_symlink() and os.path.isdir(entry.path))
        if is_folder and not is_left_behind(entry.name):
            fault = name_fault(entry.name)
            if fault is None:
                found.append(entry.name)
            else:
                problems.add("expected folder names in UTF-8 without control characters", f"{entry.path}: {fault}")
    return found


def _entries(folder: Path, problems: ProblemList) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        problems.add("cannot be listed", f"{folder}: {error.strerror}")
        return []


def _special(entry: os.DirEntry[str]) -> str | None:
    """Name the kind of an entry that is not a file; None for a file or a link to one."""
    return None if not entry.is_symlink() and entry.is_file() else special_kind(entry.path)


def special_kind(path: str) -> str | None:
    """Name the kind of what is no file, such as a pipe, which would be waited for; None for a file or link to one."""
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        return f"a link that leads nowhere ({error.strerror})"
    return None if stat.S_ISREG(mode) else _SPECIAL.get(stat.S_IFMT(mode), "no regular file")
