"""Progress of a whole study: each run writes its number of updates to a file, and one bar adds them up.

Files work for runs in this process and for runs in a launcher's processes alike.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from experiments.process.progress_bar import make_bar
from experiments.runs import store
from experiments.runs.progress_note import updates_done

_SECONDS_BETWEEN_LOOKS = 0.5
_NAMED = 3  # runs that the bar names


class StudyProgress:
    """A bar over the updates of all runs of a study, driven by a thread that reads the runs' progress files.

    When a run stops early, its remaining updates are subtracted from the total, so that the time left stays right.

    Args:
        updates: The folders of the runs to do, with the number of updates of each.
        is_ended: Returns whether the run of a folder has ended, in whatever way.
        stream: Where to write; None is stderr.
    """

    def __init__(
        self, updates: Mapping[Path, int], is_ended: Callable[[Path], bool], stream: TextIO | None = None
    ) -> None:
        self._updates = dict(updates)
        self._is_ended = is_ended
        self._stop = threading.Event()
        self._seen = {folder: updates_done(folder) for folder in updates}  # runs that were stopped before have some
        self._ended: dict[Path, int] = {}
        total, before = sum(updates.values()), sum(self._seen.values())
        self._bar = make_bar(total, f"0/{len(updates)} runs", before, stream)
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stop.wait(_SECONDS_BETWEEN_LOOKS):
            self._show()

    def _show(self) -> None:
        for folder, updates in self._updates.items():
            if folder in self._ended:
                continue
            if self._is_ended(folder):
                whole = (store.read_info(folder) or {}).get("status") == "complete"
                self._ended[folder] = updates if whole else self._seen[folder]
                self._bar.total -= updates - self._ended[folder]
            else:
                # A run's progress file may be gone before its `run.json` says that it has ended.
                self._seen[folder] = updates_done(folder) or self._seen[folder]
        running = {folder: done for folder, done in self._seen.items() if folder not in self._ended}
        self._bar.set_description_str(self._description([folder for folder, done in running.items() if done]), False)
        self._bar.update(sum(self._ended.values()) + sum(running.values()) - self._bar.n)

    def _description(self, running: Sequence[Path]) -> str:
        """Say how many runs have ended and which are running, naming only as many as leave room for the bar."""
        names = [f"{folder.parent.name} {folder.name}" for folder in running]
        shown = names[:_NAMED] if len(names) <= _NAMED else [*names[: _NAMED - 1], f"{len(names) - _NAMED + 1} more"]
        return " | ".join([f"{len(self._ended)}/{len(self._updates)} runs", *shown])

    def close(self) -> None:
        """Bring the bar up to date and end the thread."""
        self._stop.set()
        self._thread.join()
        with contextlib.suppress(OSError):
            self._show()
        self._bar.close()
