"""Temporary files that a kill left behind: a file is written beside its place and renamed, unless the power fails."""

from __future__ import annotations

import glob
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

ABANDONED = 600.0
"""Seconds without a change after which nobody writes a temporary file any more; none takes a tenth of it."""

_ANY_NAME = "[a-z0-9_]" * 8  # what `tempfile.mkstemp` puts in


def remove_leftovers(folder: Path, names: Iterable[str]) -> None:
    """Remove the temporary files of `store.write_atomically` in a folder; one that cannot be removed stays.

    Args:
        folder: Where they lie; this process must be the only one that writes there, as its lock says.
        names: Of the files that were to be written; a pattern such as `*.csv` is one.
    """
    places = glob.escape(str(folder))
    for name in names:
        for path in glob.glob(f"{places}/.{name}.{_ANY_NAME}"):
            with suppress(OSError):
                Path(path).unlink()


def remove_if_abandoned(path: Path) -> None:
    """Remove a temporary file in a folder that other processes write to, once it was not changed for so long."""
    with suppress(OSError):
        if time.time() - path.stat().st_mtime >= ABANDONED:
            path.unlink()
