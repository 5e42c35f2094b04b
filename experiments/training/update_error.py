"""A run that fails while it trains: in which update, in which part of it, why, and what to change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from experiments.data.batches import Batch
from experiments.process.error_text import describe_error
from experiments.training.checkpoint import TrainingState


class UpdateError(RuntimeError):
    """An update that failed.

    Args:
        step: Number of the update; the first is 1.
        part: What was under way: `batch`, `model`, `loss`, `backward pass` or `optimizer`.
        error: What was raised.
    """

    def __init__(self, step: int, part: str, error: BaseException) -> None:
        super().__init__(f"update {step}, {part}: {describe_error(error)}")
        self.step = step
        self.part = part


@contextmanager
def failing_in(part: str, state: TrainingState) -> Iterator[None]:
    """Say in which update and part an error was raised.

    A call of `sys.exit` counts as an error: it must end its run and not the study. Ctrl-C goes through.

    Raises:
        UpdateError: From what was raised within.
    """
    try:
        yield
    except (Exception, SystemExit) as error:
        raise UpdateError(state.update + 1, part, error) from error


def named_batches(batches: Iterable[Batch], state: TrainingState) -> Iterator[Batch]:
    """Pass the batches on; an error of the sampling or the augmentation names its update."""
    iterator = iter(batches)
    while True:
        with failing_in("batch", state):
            batch = next(iterator, None)
        if batch is None:
            return
        yield batch
