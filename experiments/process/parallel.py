"""One function over many inputs on several cores."""

from __future__ import annotations

import multiprocessing
import sys
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

from experiments.process.child_process import end_with_parent

_In = TypeVar("_In")
_Out = TypeVar("_Out")


def in_parallel(function: Callable[[_In], _Out], items: Sequence[_In], workers: int) -> list[_Out]:
    """Map in forked processes, so that neither the function nor its inputs have to be pickled; results are.

    Threads would not help: numpy's cumulative sums, bin counts and index updates hold the interpreter's lock. Where
    forking is unsafe (anywhere but Linux) or not allowed (in a pool's process), this process does all the work itself.

    Args:
        function: any callable that uses no threads and no accelerator, which do not survive a fork.
        items: its inputs.
        workers: processes at once.

    Returns:
        Results in the order of the inputs.
    """
    workers = min(workers, len(items))
    if workers < 2 or sys.platform != "linux" or multiprocessing.current_process().daemon:
        return [function(item) for item in items]
    with warnings.catch_warnings():
        # Python 3.12 and later warn of any other thread in the process, such as those of a matrix library.
        warnings.filterwarnings("ignore", message=".*multi-threaded.*fork", category=DeprecationWarning)
        pool = ProcessPoolExecutor(
            workers, multiprocessing.get_context("fork"), initializer=_take, initargs=(function, items)
        )
        with pool:
            return list(pool.map(_do, range(len(items))))


_work: tuple[Callable[[Any], Any], Sequence[Any]]


def _take(function: Callable[[Any], Any], items: Sequence[Any]) -> None:
    global _work
    _work = function, items
    end_with_parent()  # otherwise a pool's processes would wait for work for ever after their parent is killed


def _do(place: int) -> Any:
    function, items = _work
    return function(items[place])
