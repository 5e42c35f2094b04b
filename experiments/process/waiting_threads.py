"""Lets threads that wait for work sleep, unless the machine is idle.

torch and numba run their loops on OpenMP's threads, which spin while they wait for the next loop. On a machine with
other work they spin on cores that others need, and that they need themselves: training takes several times as long. On
an idle machine a short spin is faster than sleeping, because between two layers a thread is needed again at once.
The library reads the variables below once, when it is loaded, so they must be set before torch is imported.
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
    "KMP_BLOCKTIME": "0",  # Intel's and LLVM's library spins for 200 ms even under a passive policy
}
# GNU's library: long enough for the gap between two layers of a small network, and a thirtieth of the default.
_BRIEFLY = {"GOMP_SPINCOUNT": "10000"}
_LOOKS, _PAUSE = 7, 0.003  # how often to read the load, and the seconds in between


def let_waiting_threads_sleep(
    environment: MutableMapping[str, str] = os.environ, *, idle_machine: bool | None = None
) -> None:
    """Set the variables that the user has not set; launched processes and loader workers inherit them.

    Args:
        environment: Changed in place. If it holds a policy, that is the user's, and nothing is changed.
        idle_machine: Whether there are cores for all threads, so that they may spin briefly; None measures it.
    """
    if _POLICY in environment:
        return
    for name, value in _SLEEPING.items():
        environment.setdefault(name, value)
    if machine_is_idle() if idle_machine is None else idle_machine:
        for name, value in _BRIEFLY.items():
            environment.setdefault(name, value)


def machine_is_idle(load: Path = Path("/proc/loadavg")) -> bool:
    """Return whether each thread of this process can have a core of its own; False if the system does not tell.

    Args:
        load: Linux's file. Its fourth field is the number of threads that run or wait for a core, the reader included.
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
