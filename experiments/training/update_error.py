"""The error of a run that fails during training: the update, the part of it, the reason, and what to change."""

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
        part: The part that failed: `batch`, `model`, `loss`, `backward pass` or `optimizer`.
        error: The original error.
    """

    def __init__(self, step: int, part: str, error: BaseException) -> None:
        super().__init__(f"update {step}, {part}: {describe_error(error)}")
        self.step = step
        self.part = part


@contextmanager
def failing_in(part: str, state: TrainingState) -> Iterator[None]:
    """Add update and part to any error raised inside this context.

    A call of `sys.exit` counts as an error: it must end the run but not the study. Ctrl-C passes through.

    Raises:
        UpdateError: From the original error.
    """
    try:
        yield
    except (Exception, SystemExit) as error:
        raise UpdateError(state.update + 1, part, error) from error


def named_batches(batches: Iterable[Batch], state: TrainingState) -> Iterator[Batch]:
    """Yield the batches; errors of the sampling or the augmentation get the number of their update."""
    iterator = iter(batches)
    while True:
        with failing_in("batch", state):
            batch = next(iterator, None)
        if batch is None:
            return
        yield batch
