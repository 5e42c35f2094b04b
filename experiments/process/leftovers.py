"""Removes temporary files that a killed process left: files are written under a temporary name, then renamed."""

from __future__ import annotations

import glob
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

ABANDONED = 600.0
"""A temporary file unchanged for this many seconds is abandoned; writing one takes less than a tenth of that."""

_ANY_NAME = "[a-z0-9_]" * 8  # the random part of a name by `tempfile.mkstemp`


def remove_leftovers(folder: Path, names: Iterable[str]) -> None:
    """Remove the temporary files of `store.write_atomically` from a folder; those that cannot be removed stay.

    Args:
        folder: Holds them. This process must hold the folder's lock, so that no other process writes there.
        names: Names or patterns, such as `*.csv`, of the files that were being written.
    """
    places = glob.escape(str(folder))
    for name in names:
        for path in glob.glob(f"{places}/.{name}.{_ANY_NAME}"):
            with suppress(OSError):
                Path(path).unlink()


def remove_if_abandoned(path: Path) -> None:
    """Remove a temporary file that has not changed for a while, in a folder that other processes write to."""
    with suppress(OSError):
        if time.time() - path.stat().st_mtime >= ABANDONED:
            path.unlink()
