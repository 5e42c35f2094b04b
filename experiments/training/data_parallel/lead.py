"""The leader's side: process 0 of a command has the other processes train each run with it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from experiments.process import processes
from experiments.training.data_parallel.group import join
from experiments.training.data_parallel.shared_updates import SharedUpdates, share_state
from experiments.training.data_parallel.training import Training


@contextmanager
def together(
    training: Training, plain: Mapping[str, Any], fingerprint: str, on_device: bool
) -> Iterator[SharedUpdates | None]:
    """Have every process of this command train a run inside this context; alone, nothing happens.

    Args:
        training: The run as this process has built it, resumed from its checkpoint if there is one.
        plain: Its configuration, from which the others build it too.
        fingerprint: Of its configuration and data, which have to be the same in every process.
        on_device: Whether training images stay on the device, in every process.

    Yields:
        What the processes do together in each update; None if there is one process.

    Raises:
        RuntimeError: Another process cannot build the run; the message names it and its reason.
        ProcessLostError: Another process ended.
    """
    if processes.count() == 1:
        yield None
        return
    group = join()
    order = next(group.orders)
    group.say(f"order/{order}", {"config": dict(plain), "paths": sys.path})
    problems = []
    for other in group.others:
        answer = group.hear(f"ready/{order}/{other}")
        if answer.get("fingerprint") != fingerprint:
            reason = answer.get("problem", "it sees other data, or other code, than process 0")
            problems.append(f"process {other} of {group.count}: {reason}")
    group.say(f"start/{order}", {"goes_on": not problems, "on_device": on_device})
    if problems:
        raise RuntimeError("\n".join(problems))
    share_state(training.state, group)
    with group.acting_alike(order):
        yield SharedUpdates(group, training.state, training.criterion, plain["seed"])
