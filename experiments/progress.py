"""Progress of a whole study: each run leaves its number of updates in a file, one bar adds them up.

Files rather than live objects, so that it works alike for runs in this process and in the processes of a launcher.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

PROGRESS_FILE = ".progress"
_SECONDS_BETWEEN_WRITES = 0.5


def progress_writer(folder: Path) -> Callable[[int], None]:
    """Return a function that notes the number of updates done in a run's folder, at most twice a second."""
    last = 0.0

    def note(update: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _SECONDS_BETWEEN_WRITES:
            last = time.monotonic()
            (folder / PROGRESS_FILE).write_text(str(update))

    return note


def clear_progress(folder: Path) -> None:
    """Remove a run's note once it has ended."""
    (folder / PROGRESS_FILE).unlink(missing_ok=True)


def updates_done(folder: Path) -> int:
    """Read a run's note; 0 where there is none."""
    try:
        return int((folder / PROGRESS_FILE).read_text() or 0)
    except (OSError, ValueError):
        return 0


def make_bar(total: int, description: str) -> Any:
    """Make a progress bar on stderr; where that is not a terminal, it prints a line only now and then."""
    terminal = sys.stderr.isatty()
    return tqdm(
        total=total,
        desc=description,
        unit="update",
        mininterval=0.2 if terminal else 30.0,
        maxinterval=10.0 if terminal else 60.0,
        dynamic_ncols=True,
        smoothing=0.05,
    )


class StudyProgress:
    """A bar over all updates of all runs of a study, moved by a thread that reads the runs' notes.

    Args:
        updates: The folders of the runs that are still to be done, and the number of updates of each.
        is_ended: Whether the run of a folder has ended, whatever became of it.
    """

    def __init__(self, updates: Mapping[Path, int], is_ended: Callable[[Path], bool]) -> None:
        self._folders = list(updates)
        self._updates = dict(updates)
        self._is_ended = is_ended
        self._stop = threading.Event()
        self._bar = make_bar(sum(updates.values()), f"0/{len(updates)} runs")
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stop.wait(0.5):
            self._show()

    def _show(self) -> None:
        ended = {folder for folder in self._folders if self._is_ended(folder)}
        running = {folder: updates_done(folder) for folder in self._folders if folder not in ended}
        names = [f"{folder.parent.name} {folder.name}" for folder, done in running.items() if done]
        self._bar.set_description_str(
            f"{len(ended)}/{len(self._folders)} runs" + "".join(f" | {name}" for name in names[:2]),
            refresh=False,
        )
        done = sum(self._updates[folder] for folder in ended) + sum(running.values())
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Bring the bar up to date and end the thread."""
        self._stop.set()
        self._thread.join()
        with contextlib.suppress(OSError):
            self._show()
        self._bar.close()
