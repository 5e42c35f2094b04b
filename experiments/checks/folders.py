"""Where a command may write: a folder that is one, can be written, and is not somebody's home."""

from __future__ import annotations

import os
from pathlib import Path

_LONGEST_PATH = 3_500  # bytes; Linux allows 4,096, and a run's files lie below
_LONGEST_NAME = 255  # bytes


def folder_problems(key: str, folder: str, *, apart_from: str | None = None, below_only: bool = False) -> list[str]:
    """Say why a command cannot write to a folder, whether or not it is there yet; nothing is written to find out.

    Args:
        key: The key that names it, for the message.
        folder: The folder.
        apart_from: A folder of input, which must not hold `folder`.
        below_only: Refuse the current folder, the home folder and those above them, where what is written would lie
            among other things.

    Returns:
        At most one sentence: what was expected and what came.
    """
    if not folder.isprintable():  # control characters, and bytes of a name that are not UTF-8
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
    """Say why a folder cannot be used where it lies, whether or not it is there yet; nothing is written to find out.

    Args:
        key: The key that names it, for the message.
        folder: The folder, such as one of a run within a study.
        writes: Whether something will be written there; else it is read only.
        name: What the message calls the folder; None for the path of what is in the way.

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
    """Say whether a folder belongs to the kernel, where root may write and nothing can be made."""
    return folder.parts[1:2] in (("proc",), ("sys",))
