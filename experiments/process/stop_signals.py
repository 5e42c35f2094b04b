"""SIGTERM, SIGHUP and Ctrl-C: a command ends in order, and a run writes a checkpoint first.

A signal normally raises `Terminated`, with these exceptions:

- While a run trains, the signal is noted, and the loop ends after the current update.
- While a launcher's processes train, it is passed on to them. Each ends its own run; this process ends after them.
- A launcher's process that waits for a run only notes it. If that process ended, the launcher would kill the others.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType

from experiments.process.child_process import end_with_parent

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
_KEEPS_ON = b"\nstopping after this update, with a checkpoint; Ctrl-C again stops at once\n"


class Terminated(KeyboardInterrupt):
    """A signal asked this process to end. It is not an `Exception`, so that handlers of a run's errors let it through.

    Args:
        number: The signal's number.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    def __str__(self) -> str:
        return signal.Signals(self.number).name

    @property
    def exit_code(self) -> int:
        """Return 130 after Ctrl-C, as shells do, and 143 after SIGTERM or SIGHUP, so that a script checks one code."""
        return 130 if self.number == signal.SIGINT else 143


@dataclass
class _Process:
    """How this process handles a signal; there is one instance, because signals belong to a process."""

    is_command: bool = False
    holds_back: bool = False  # an update is in progress
    launches: bool = False  # a launcher's processes train
    waits: bool = False  # one of a launcher's processes, without a run
    received: int | None = None


_process = _Process()


@contextmanager
def command_signals() -> Iterator[None]:
    """Handle the signals of a command inside this context, and restore the former handlers afterwards."""
    before = handle_signals()
    _process.is_command = True
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _process.is_command = _process.launches = False
        _process.received = None


def handle_signals() -> dict[int, signal.Handlers | None]:
    """Handle the signals from now on, in a command or in a process of a launcher.

    A signal that is ignored stays ignored: `nohup` ignores SIGHUP, and a shell ignores Ctrl-C for background jobs.

    Returns:
        The former handler of each signal; empty outside the main thread, where signals cannot be handled.
    """
    before: dict[int, signal.Handlers | None] = {}
    if threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            if signal.getsignal(number) not in (signal.SIG_IGN, _note):
                before[number] = signal.signal(number, _note)  # type: ignore[assignment]
    return before


def stop_at(number: int) -> None:
    """Handle one more signal from now on, such as a scheduler's warning that the time is nearly over."""
    if number not in _SIGNALS:
        _SIGNALS.append(signal.Signals(number))
    handle_signals()


def wait_for_run() -> None:
    """Note signals from now on, and end when the command ends: for a process that has no run yet.

    It is one of a launcher, or helps the command's first process.
    """
    end_with_parent()
    handle_signals()
    _process.waits, _process.is_command = True, False


@contextmanager
def run_signals() -> Iterator[None]:
    """Handle signals inside this context, around one run, in a command or in a launcher's process.

    Raises:
        Terminated: At once, if a signal was noted before.
    """
    end_with_parent()
    handle_signals()
    waits, _process.waits = _process.waits, False
    try:
        raise_if_received()
        yield
    finally:
        _process.waits = waits


def _note(number: int, frame: FrameType | None) -> None:
    again = number == signal.SIGINT and _process.received == signal.SIGINT
    _process.received = number
    if again:  # a user is waiting and does not want to
        raise Terminated(number)
    others = _launched_processes() if _process.launches else []
    for process in others:
        with suppress(OSError):
            os.kill(process, signal.SIGTERM)
    if not others and not _process.holds_back and not _process.waits:
        raise Terminated(number)
    if number == signal.SIGINT and _process.is_command:
        with suppress(OSError):  # not `print`, which the signal may have interrupted
            os.write(2, _KEEPS_ON)


def _launched_processes() -> list[int]:
    return [child.pid for child in multiprocessing.active_children() if child.pid and not child.daemon]


@contextmanager
def held_back() -> Iterator[None]:
    """Only note signals inside this context. The code inside asks `stop_received`; leaving raises `Terminated`."""
    _process.holds_back = True
    try:
        yield
    finally:
        _process.holds_back = False
    raise_if_received()


def received() -> int | None:
    """Return the number of the signal that asked this process to end, if one did."""
    return _process.received


def pass_on(number: int) -> None:
    """Treat a signal that another process of this command got as if this process had got it."""
    _process.received = number


def stop_received() -> bool:
    """Return whether a signal asked this process to end."""
    return _process.received is not None


def raise_if_received() -> None:
    """Raise `Terminated` if a signal was noted."""
    if _process.received is not None:
        raise Terminated(_process.received)


def is_command() -> bool:
    """Return whether this is the command's own process, not a launcher's."""
    return _process.is_command


def launching(active: bool) -> None:
    """Set whether a launcher trains runs from now on, perhaps in other processes."""
    _process.launches = active


def leave_to_parent(worker: int = 0) -> None:
    """Ignore signals in a loader's worker, which has to keep working until its parent's update is done.

    A terminal or a scheduler signals all processes of a command at once. A second SIGTERM does end the worker: that is
    how the parent ends one that hangs.

    Args:
        worker: The worker's number, given by the loader.
    """
    end_with_parent()
    asked = False

    def end(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            os._exit(128 + number)
        asked = True

    for number in _SIGNALS:
        signal.signal(number, end if number == signal.SIGTERM else signal.SIG_IGN)
