"""Locks a folder, so that only one process works in it.

It uses flock itself, not the package filelock, whose locks are all exclusive: when two processes asked at once if a
free folder is held, each took the other's question for a lock in a quarter of 4,000 questions, and to ask it has to
write. Here a question takes a shared lock, which no other question sees.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from experiments.config import ConfigError

try:
    import fcntl
except ImportError:  # Windows has no flock, so nothing is locked there
    fcntl = None  # type: ignore[assignment]

LOCK_FILE = ".lock"
"""An empty file that stays behind: a lock on the folder itself would not work on a network drive."""


class HeldError(ConfigError):
    """Another process trains this run."""


_open_locks: set[int] = set()


def _close_in_child() -> None:
    """Close a forked child's copies of the locks: a lock lasts until its last copy is closed, and workers live on."""
    for handle in _open_locks:
        os.close(handle)
    _open_locks.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)


@contextmanager
def held(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold a folder's lock. It is released when the process ends, in whatever way, even if its children live on.

    Args:
        folder: Of a run or a report; created if missing. On a file system without locks nothing is held.
        wait: Whether to wait for another process that holds it.

    Raises:
        HeldError: Another process holds it, and `wait` is false.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if fcntl is None:
        yield
        return
    handle = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o644)
    _open_locks.add(handle)
    try:
        if not _lock(handle, wait):
            raise HeldError(
                f"{folder} is being trained by another process. Wait for it, or give study_dir=ANOTHER_FOLDER."
            )
        yield
    finally:
        if handle in _open_locks:  # not in a child that was forked meanwhile
            _open_locks.remove(handle)
            os.close(handle)


def _lock(handle: int, wait: bool) -> bool:
    """Take an exclusive lock; return False if another process has it."""
    for pause in (0.05, 0.05, 0.0):  # `is_held` in another process may hold it for an instant
        try:
            fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(pause)
        except OSError:  # such as a network drive without locks
            return True
        else:
            return True
    return False


def why_no_locks(folder: Path) -> str | None:
    """Say why nothing can be locked below a folder, which need not be there yet; None where locks work.

    Whether a lock holds on other machines too, only these can see.
    """
    if fcntl is None:
        return "this system has no flock"
    there = next(place for place in (folder, *folder.absolute().parents) if place.is_dir())
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.strerror or str(error)
    return None


def is_held(folder: Path) -> bool:
    """Return whether a process holds a folder, without writing anything."""
    if fcntl is None:
        return False
    try:
        handle = os.open(folder / LOCK_FILE, os.O_RDONLY)
    except OSError:  # never held yet, or not readable
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(handle)
    return False
