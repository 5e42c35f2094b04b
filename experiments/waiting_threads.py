"""Threads that wait for work sleep: a spinning one takes the core that another process, or another run, needs.

OpenMP's threads, which torch and numba share out their loops to, wait between two loops by spinning. On a machine that
others use too they spin on cores that somebody needs, themselves included, and training takes several times as long.
The library reads the variables below once, when it is loaded: they must be set before torch is imported.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping

_POLICY = "OMP_WAIT_POLICY"
_SLEEPING = {
    _POLICY: "PASSIVE",
    "KMP_BLOCKTIME": "0",  # Intel's and LLVM's library spins for 200 ms even where the policy is passive
}


def let_waiting_threads_sleep(environment: MutableMapping[str, str] = os.environ) -> None:
    """Set what the user has not set; the processes of a launcher and the workers of a loader inherit it.

    Args:
        environment: Changed in place. A policy that is there already is the user's and stays, for every library.
    """
    if _POLICY not in environment:
        for name, value in _SLEEPING.items():
            environment.setdefault(name, value)
