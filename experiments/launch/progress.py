"""Progress of a whole study: each run leaves its number of updates in a file, one bar adds them up.

Files rather than live objects, so that it works alike for runs in this process and in the processes of a launcher.
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
    """A stream for a bar that is not watched: every state is a line of its own, where a terminal would go back."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Write what the bar says as a line."""
        line = text.replace("\r", "").rstrip()
        if line:
            self._stream.write(f"{line}\n")

    def flush(self) -> None:
        """Pass on what was written."""
        self._stream.flush()


def make_bar(total: int, description: str, initial: int = 0, stream: TextIO | None = None) -> Any:
    """Make a progress bar; where it does not go to a terminal, it prints a line with the time left now and then.

    Args:
        total: Updates in all.
        description: What stands before the bar.
        initial: Updates that were done before; the time left is reckoned without them.
        stream: Where it goes; stderr when None.
    """
    stream = stream or sys.stderr
    common: dict[str, Any] = {"total": total, "desc": description, "unit": "update", "initial": initial}
    common["position"] = 0  # one bar at a time: one that an error left unclosed does not push this one down
    # Over all of the time so far: scoring, which counts no update, is part of what is left too.
    common["smoothing"] = 0
    if stream.isatty():
        return tqdm(**common, file=stream, mininterval=0.2, dynamic_ncols=True)
    line = "{desc}: {n_fmt}/{total_fmt} updates, {elapsed} so far, {remaining} left"
    return tqdm(**common, file=_Lines(stream), mininterval=30.0, maxinterval=60.0, bar_format=line)


class StudyProgress:
    """A bar over all updates of all runs of a study, moved by a thread that reads the runs' notes.

    What a run that stopped early leaves undone is taken off the total, so that the time left stays what it is.

    Args:
        updates: The folders of the runs that are still to be done, and the number of updates of each.
        is_ended: Whether the run of a folder has ended, whatever became of it.
        stream: Where the bar goes; stderr when None.
    """

    def __init__(
        self, updates: Mapping[Path, int], is_ended: Callable[[Path], bool], stream: TextIO | None = None
    ) -> None:
        self._updates = dict(updates)
        self._is_ended = is_ended
        self._stop = threading.Event()
        self._seen = {folder: updates_done(folder) for folder in updates}  # of runs that were stopped
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
                # The note of a run that has just ended may be gone before its `run.json` says so.
                self._seen[folder] = updates_done(folder) or self._seen[folder]
        running = {folder: done for folder, done in self._seen.items() if folder not in self._ended}
        self._bar.set_description_str(self._description([folder for folder, done in running.items() if done]), False)
        self._bar.update(sum(self._ended.values()) + sum(running.values()) - self._bar.n)

    def _description(self, running: Sequence[Path]) -> str:
        """How many runs have ended, and which are under way; as many by name as leave room for the bar."""
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
