"""Tasks of the calibration: independent of each other, each with its own random stream."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

Note = Callable[[int], object]
"""Called with the number of studies done since the last call."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """Simulated studies that make some rows of a table.

    Args:
        n_studies: their number, for the progress bar.
        run: makes the rows from a generator, and reports the studies as they are done.
    """

    n_studies: int
    run: Callable[[np.random.Generator, Note], list[Row]]


def run_tasks(tasks: Sequence[Task], *, seed: Sequence[int], threads: int, description: str) -> pd.DataFrame:
    """Run all tasks with one progress bar; the result does not depend on the number of threads.

    Args:
        tasks: in any order, which the rows keep.
        seed: task k draws from the stream (*seed, k).
        threads: tasks at once; numpy releases the interpreter's lock in its loops.
        description: of the bar.
    """
    total = sum(task.n_studies for task in tasks)
    with (
        tqdm(total=total, desc=description, unit="study", mininterval=1.0) as bar,
        ThreadPoolExecutor(threads) as pool,
    ):

        def rows(index: int) -> list[Row]:
            return tasks[index].run(np.random.default_rng([*seed, index]), bar.update)

        # Longest first, so that no thread idles at the end.
        order = sorted(range(len(tasks)), key=lambda index: -tasks[index].n_studies)
        futures = {index: pool.submit(rows, index) for index in order}
        try:
            return pd.DataFrame([row for index in range(len(tasks)) for row in futures[index].result()])
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # Ctrl-C waits for the tasks under way only
            raise
