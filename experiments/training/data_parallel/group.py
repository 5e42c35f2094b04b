"""The processes of one command as a group: process 0 leads, and the others help it, order after order.

Orders and answers are JSON under keys of a store that `accelerate launch` and `torchrun` keep, and waiting for one has
no time limit: between two runs the leader may score, compare, or wait for another command. The numbers of an update go
through `torch.distributed`, where nobody waits longer than `_LONGEST`.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any

import torch
import torch.distributed as dist

from experiments.config import ConfigError
from experiments.process import processes
from experiments.process.error_text import describe_error
from experiments.process.stop_signals import Terminated
from experiments.runs.store import StorageError

_LONGEST = timedelta(minutes=10)  # within an update; the leader may write a large checkpoint meanwhile
_SKEW = 120.0  # seconds in which an error reaches every process, if it does
_FAREWELL = 10.0  # seconds in which helpers see that the command has ended
_SECONDS_BETWEEN_LOOKS = 0.02


class ProcessLostError(Terminated):
    """The processes cannot go on together: the command ends as after a signal, and its run resumes from a checkpoint.

    Args:
        reason: Completes the words "stopped by".
        is_own: Whether it is known to this process alone.
    """

    def __init__(self, reason: str = "the end of another process of this command", *, is_own: bool = False) -> None:
        super().__init__(signal.SIGTERM)
        self.reason = reason
        self.is_own = is_own

    def __str__(self) -> str:
        return self.reason


@dataclass(frozen=True, eq=False)
class Group:
    """The group as one of its processes sees it.

    Args:
        store: Where processes leave messages for each other.
        count: How many processes there are.
        number: Which one this is; 0 leads.
        orders: The numbers of the orders to come; every process counts alike.
    """

    store: dist.Store
    count: int
    number: int
    orders: Iterator[int] = field(default_factory=itertools.count)

    @property
    def leads(self) -> bool:
        """Whether this process leads."""
        return self.number == 0

    @property
    def others(self) -> list[int]:
        """The numbers of the other processes."""
        return [number for number in range(self.count) if number != self.number]

    def say(self, key: str, message: Mapping[str, Any]) -> None:
        """Leave a message under a key, once, for whoever looks there."""
        with losing_others():
            self.store.set(key, json.dumps(message))

    def hear(self, key: str, seconds: float | None = None) -> Any:
        """Wait for the message under a key; None if none comes in time, without a limit if no time is given.

        Raises:
            ProcessLostError: The process that keeps the store has ended.
        """
        started = time.monotonic()
        with losing_others():
            while not self.store.check([key]):
                if seconds is not None and time.monotonic() - started > seconds:
                    return None
                time.sleep(_SECONDS_BETWEEN_LOOKS)
            return json.loads(self.store.get(key))

    @contextmanager
    def acting_alike(self, order: int) -> Iterator[None]:
        """Let an error inside end the run only if every process has one: otherwise the others wait for this process.

        A batch or a loss that raises an error does so in every process. A single GPU may be out of memory.

        Raises:
            ProcessLostError: From the error, which no other process had.
        """
        try:
            yield
        except StorageError:  # the leader's alone, which ends the command
            raise
        except Exception as error:
            self.say(f"failed/{order}/{self.number}", {})
            if any(self.hear(f"failed/{order}/{other}", _SKEW) is None for other in self.others):
                reason = f"an error that process {self.number} alone has: {describe_error(error)}"
                raise ProcessLostError(reason, is_own=True) from error
            raise

    def end(self, code: int, is_whole: bool) -> None:
        """End the leader's command, and with it every helper that waits for an order.

        Args:
            code: The exit code.
            is_whole: Whether no process is known to be lost; then this waits a little until the helpers have ended.
        """
        with suppress(ProcessLostError):
            self.say(f"order/{next(self.orders)}", {"end": code})
            if is_whole and all(self.hear(f"gone/{other}", _FAREWELL) is not None for other in self.others):
                dist.destroy_process_group()

    def leave(self) -> None:
        """Tell the leader that this helper has seen the end of the command."""
        with suppress(ProcessLostError):
            self.say(f"gone/{self.number}", {})
            dist.destroy_process_group()


@cache
def join() -> Group:
    """Meet the other processes of this command, once.

    Raises:
        ConfigError: They do not come.
    """
    count, number = processes.count(), processes.number()
    try:
        store, _, _ = next(dist.rendezvous("env://", timeout=_LONGEST))
        on_gpu = torch.cuda.is_available() and dist.is_nccl_available()
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if on_gpu else "gloo",
            store=dist.PrefixStore("numbers", store),
            rank=number,
            world_size=count,
            timeout=_LONGEST,
        )
    except RuntimeError as error:
        reason = str(error).strip().split("\n")[0]
        where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        raise ConfigError(f"process {number} of {count} did not meet the others at {where}: {reason}") from error
    return Group(dist.PrefixStore("orders", store), count, number)


@contextmanager
def losing_others() -> Iterator[None]:
    """Turn an error of `torch.distributed` inside into the loss of another process."""
    try:
        yield
    except RuntimeError as error:
        raise ProcessLostError from error
