"""Progress of a whole study: each run writes its number of updates to a file, and one bar adds them up.

Files work for runs in this process and for runs in a launcher's processes alike.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from tqdm import tqdm

from experiments.runs import store
from experiments.runs.progress_note import updates_done

_SECONDS_BETWEEN_LOOKS = 0.5
_NAMED = 3  # runs that the bar names


class _Lines:
    """A stream that is not a terminal: each state of the bar becomes a line of its own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Write the state of the bar as a line."""
        line = text.replace("\r", "").rstrip()
        if line:
            self._stream.write(f"{line}\n")

    def flush(self) -> None:
        """Flush the underlying stream."""
        self._stream.flush()


def make_bar(total: int, description: str, initial: int = 0, stream: TextIO | None = None) -> Any:
    """Make a progress bar; outside a terminal it prints a line with the time left now and then.

    Args:
        total: Updates in all.
        description: Text before the bar.
        initial: Updates that were done before; they do not count for the time left.
        stream: Where to write; None is stderr.
    """
    stream = stream or sys.stderr
    common: dict[str, Any] = {"total": total, "desc": description, "unit": "update", "initial": initial}
    common["position"] = 0  # an earlier bar that an error left open would push this one down
    # Averaged over the whole time so far, which includes scoring: it counts no updates but takes time.
    common["smoothing"] = 0
    if stream.isatty():
        return tqdm(**common, file=stream, mininterval=0.2, dynamic_ncols=True)
    line = "{desc}: {n_fmt}/{total_fmt} updates, {elapsed} so far, {remaining} left"
    return tqdm(**common, file=_Lines(stream), mininterval=30.0, maxinterval=60.0, bar_format=line)


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
