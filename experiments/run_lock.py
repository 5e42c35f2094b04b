"""One process trains a run: its folder is held for as long as that takes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from experiments.config import ConfigError

try:
    import fcntl
except ImportError:  # Windows has no flock; there nothing is held
    fcntl = None  # type: ignore[assignment]


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a run's folder; a process that ends, however it ends, lets go of it.

    Args:
        folder: Of the run; made where it is not there. A file system without locks holds nothing.

    Raises:
        ConfigError: When another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)  # the folder itself, so that no lock file is left behind
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f"{folder} is being trained by another process. Wait for it, or give study_dir=ANOTHER_FOLDER."
            ) from None
        except OSError:  # such as a network drive that knows no locks
            pass
        yield
    finally:
        os.close(handle)
