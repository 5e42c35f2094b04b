"""A file with the number of updates that a run has done, which any process can read while the run trains."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

PROGRESS_FILE = ".progress"
_SECONDS_BETWEEN_WRITES = 0.5


def progress_writer(folder: Path) -> Callable[[int], None]:
    """Return a function that writes the number of updates done to a run's folder, at most twice a second."""
    last = 0.0

    def note(update: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _SECONDS_BETWEEN_WRITES:
            last = time.monotonic()
            with contextlib.suppress(OSError):  # a full disk is reported when something that matters is written
                (folder / PROGRESS_FILE).write_text(str(update))

    return note


def clear_progress(folder: Path) -> None:
    """Remove a run's note once it has ended."""
    with contextlib.suppress(OSError):
        (folder / PROGRESS_FILE).unlink()


def updates_done(folder: Path) -> int:
    """Read the number of updates that a running or stopped run has done; 0 if it is not known."""
    try:
        return int((folder / PROGRESS_FILE).read_text() or 0)
    except (OSError, ValueError):
        return 0
