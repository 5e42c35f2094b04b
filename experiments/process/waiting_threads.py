"""Threads that wait for work sleep, unless nobody else wants their cores.

OpenMP's threads, which torch and numba share out their loops to, wait between two loops by spinning. On a machine that
others use too they spin on cores that somebody needs, themselves included, and training takes several times as long.
On an idle machine to sleep costs more than to spin for a moment: between two layers a thread is woken again at once.
The library reads the variables below once, when it is loaded: they must be set before torch is imported.
"""

from __future__ import annotations

import os
import time
from collections.abc import MutableMapping
from pathlib import Path
from statistics import median_low

_POLICY = "OMP_WAIT_POLICY"
_SLEEPING = {
    _POLICY: "PASSIVE",
    "KMP_BLOCKTIME": "0",  # Intel's and LLVM's library spins for 200 ms even where the policy is passive
}
# GNU's library: enough for the time between two layers of a small network, a thirtieth of its default.
_BRIEFLY = {"GOMP_SPINCOUNT": "10000"}
_LOOKS, _PAUSE = 7, 0.003  # at who is running, seconds apart


def let_waiting_threads_sleep(
    environment: MutableMapping[str, str] = os.environ, *, idle_machine: bool | None = None
) -> None:
    """Set what the user has not set; the processes of a launcher and the workers of a loader inherit it.

    Args:
        environment: Changed in place. A policy that is there already is the user's and stays, for every library.
        idle_machine: Whether there are cores for all threads, so that they may spin briefly; None to look.
    """
    if _POLICY in environment:
        return
    for name, value in _SLEEPING.items():
        environment.setdefault(name, value)
    if machine_is_idle() if idle_machine is None else idle_machine:
        for name, value in _BRIEFLY.items():
            environment.setdefault(name, value)


def machine_is_idle(load: Path = Path("/proc/loadavg")) -> bool:
    """Whether this process can have a core for each of its threads; False where the system does not tell.

    Args:
        load: Linux' file, whose fourth field is how many threads run or wait for a core just now, the reader included.
    """
    try:
        cores = len(os.sched_getaffinity(0))
        running = []
        for _ in range(_LOOKS):
            running.append(int(load.read_text().split()[3].split("/")[0]))
            time.sleep(_PAUSE)
    except (AttributeError, OSError, ValueError, IndexError):
        return False
    others = median_low(running) - 1
    return others + cores <= (os.cpu_count() or 1)
