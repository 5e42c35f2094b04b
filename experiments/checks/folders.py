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
    return _unwritable(key, folder, whole)


def _unwritable(key: str, folder: str, whole: Path) -> list[str]:
    nearest = whole
    while not os.path.lexists(nearest):
        nearest = nearest.parent
    if not nearest.is_dir():
        is_it = "it is a file" if nearest == whole else f"{nearest} is a file"
        return [f"{key}: expected a folder, got {folder}: {is_it}"]
    if not os.access(nearest, os.W_OK | os.X_OK) or _is_kernels(nearest):
        return [f"{key}: expected a folder that can be written, got {folder}: no permission to write in {nearest}"]
    return []


def _is_kernels(folder: Path) -> bool:
    """Say whether a folder belongs to the kernel, where root may write and nothing can be made."""
    return folder.parts[1:2] in (("proc",), ("sys",))
