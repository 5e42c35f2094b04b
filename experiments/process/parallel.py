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
    """Map in processes that are copies of this one, so that neither the function nor its inputs are sent to them.

    In threads numpy's running sums, bin counts and index updates would wait for each other. What comes back is
    pickled. Where this system does not copy a process safely (all but Linux), or does not let this process have
    others (one of a pool), everything is done here, one after the other.

    Args:
        function: any callable; must not use what a copied process cannot have: threads, an accelerator.
        items: its inputs.
        workers: processes at once.

    Returns:
        Results in the order of the inputs.
    """
    workers = min(workers, len(items))
    if workers < 2 or sys.platform != "linux" or multiprocessing.current_process().daemon:
        return [function(item) for item in items]
    with warnings.catch_warnings():
        # Python 3.12 and later warn of any thread beside this one, such as those that a matrix library keeps.
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
    end_with_parent()  # a pool's processes wait for work for ever when the process that made them is killed


def _do(place: int) -> Any:
    function, items = _work
    return function(items[place])
