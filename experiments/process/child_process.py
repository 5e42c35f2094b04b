"""Ends child processes with their parent: an orphan would keep training and hold its run's lock."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
from functools import cache

_PR_SET_PDEATHSIG = 1  # of <linux/prctl.h>
_SECONDS_BETWEEN_LOOKS = 1.0


def end_with_parent() -> None:
    """End this process as soon as its parent ends, in whatever way; call it in the child.

    The process ends as by SIGKILL, and so do its children that called this. Nothing is lost: a run resumes from its
    last checkpoint. A process that `multiprocessing` did not start, such as a user's script, is left alone.
    """
    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid and hasattr(os, "fork"):  # elsewhere an orphan keeps its parent's id
        _arrange_end(parent.pid, os.getpid())
        if os.getppid() != parent.pid:  # it had ended before
            os._exit(128 + signal.SIGKILL)


@cache
def _arrange_end(parent: int, child: int) -> None:
    """Arrange the end of this process, once per process: a fork of it has to arrange its own."""
    if not _kernel_ends_it():
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _kernel_ends_it() -> bool:
    """Ask Linux for SIGKILL when the thread that started this process ends; a pool's thread outlives its processes."""
    return sys.platform == "linux" and ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) == 0


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    os.kill(os.getpid(), signal.SIGKILL)
