"""Checks of the folders that a command writes to: they must be folders, be writable, and not be a home folder."""

from __future__ import annotations

import os
from pathlib import Path

_LONGEST_PATH = 3_500  # bytes; Linux allows 4,096, and a run's files have longer paths
_LONGEST_NAME = 255  # bytes


def folder_problems(key: str, folder: str, *, apart_from: str | None = None, below_only: bool = False) -> list[str]:
    """Say why a command cannot write to a folder, which need not exist; nothing is written to find out.

    Args:
        key: The key that names it, for the message.
        folder: The folder.
        apart_from: A folder of input, which must not contain `folder`.
        below_only: Whether to refuse the current folder, the home folder and their parents, where the output would
            mix with other files.

    Returns:
        At most one sentence: what was expected and what came.
    """
    if not folder.isprintable():  # control characters, or bytes that are not UTF-8
        return [f"{key}: expected a folder's name of printable characters, got {folder!r}"]
    if folder != folder.strip():
        return [f"{key}: expected a folder's name without spaces at its ends, got {folder!r}"]
    if folder.startswith("~") or "$" in folder:
        return [f"{key}: expected a folder, got {folder}, which the shell has not expanded; write it in full"]
    path = Path(folder)
    if len(os.fsencode(path.absolute())) > _LONGEST_PATH or any(
        len(os.fsencode(p)) > _LONGEST_NAME for p in path.parts
    ):
        return [f"{key}: expected names of at most {_LONGEST_NAME} bytes, got {folder[:60]}... ({len(folder)} in all)"]
    try:
        whole = path.resolve()
    except (OSError, RuntimeError) as error:  # links that lead in a circle
        return [f"{key}: expected a folder, got {folder}: {error}"]
    if whole == Path(whole.anchor):
        return [f"{key}: expected a folder of its own, got {folder}, the root of all files"]
    if below_only:
        for place, words in ((Path.cwd(), "the current folder"), (Path.home(), "the home folder")):
            if whole == place or whole in place.parents:
                held = "" if whole == place else "a folder around "
                return [f"{key}: expected a folder of its own, got {folder}, {held}{words}"]
    if apart_from:
        around = Path(apart_from).resolve()
        if whole == around or around in whole.parents:
            return [f"{key}: expected a folder outside the data ({apart_from}), got {folder}"]
    return place_problems(key, whole, name=folder)


def place_problems(key: str, folder: Path, *, writes: bool = True, name: str | None = None) -> list[str]:
    """Say why a folder cannot be used at its place, whether or not it exists; nothing is written to find out.

    Args:
        key: The key that names it, for the message.
        folder: The folder, such as a run's folder in a study.
        writes: Whether it will be written to; otherwise it is only read.
        name: The folder's name in the message; None for the path of what is in the way.

    Returns:
        At most one sentence: what was expected and what came.
    """
    nearest = folder
    while not os.path.lexists(nearest):
        nearest = nearest.parent
    name = str(nearest) if name is None else name
    place = "it" if name == str(nearest) or nearest == folder else str(nearest)
    if not nearest.is_dir():
        return [f"{key}: expected a folder, got {name}: {place} is a file"]
    if not os.access(nearest, os.R_OK | os.X_OK):
        return [f"{key}: expected a folder that can be read, got {name}: no permission to read {place}"]
    if writes and (not os.access(nearest, os.W_OK) or _is_kernels(nearest.absolute())):
        return [f"{key}: expected a folder that can be written, got {name}: no permission to write in {place}"]
    return []


def _is_kernels(folder: Path) -> bool:
    """Return whether a folder belongs to the kernel, where even root cannot create files."""
    return folder.parts[1:2] in (("proc",), ("sys",))
