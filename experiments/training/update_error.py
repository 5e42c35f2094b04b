"""A run that fails while it trains: in which update, in which part of it, why, and what to change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from experiments.data.batches import Batch
from experiments.training.checkpoint import TrainingState

_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")
_LONGEST = 500  # characters of a reason; the traceback in run.json has the rest


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


def describe_error(error: BaseException) -> str:
    """Describe an error in one line; an error of memory names the keys that need less of it."""
    if isinstance(error, SystemExit):
        return f"sys.exit({'' if error.code is None else repr(error.code)}) was called"
    lines = str(error).strip().splitlines() or [""]
    # A worker of a DataLoader sends its traceback as the text of the error; what was raised is its last line.
    text = lines[-1] if lines[0].startswith("Caught ") else " ".join(line.strip() for line in lines)
    kind = type(error).__name__
    text = text if text.startswith(kind) else f"{kind}: {text}".removesuffix(": ")
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."
    if isinstance(error, MemoryError) or any(words in str(error).lower() for words in _OUT_OF_MEMORY):
        text += " Out of memory: lower trainer.batch_size or trainer.tile (scoring: eval_batch_size, eval_tile)."
    return text
