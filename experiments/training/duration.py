"""Projects how long training will take on a CPU, before it starts."""

from __future__ import annotations

from collections.abc import Sequence

_PASSES = 3  # an update is a forward pass, and a backward pass that takes about twice as long
_LONG = 86_400  # seconds of training in all, above which a warning is due


def training_seconds(tile_seconds: float, batch_size: int, max_steps: int) -> float:
    """Project the training of one run.

    Args:
        tile_seconds: Duration of a forward pass of one tile.
        batch_size: Tiles in an update.
        max_steps: Updates.

    Returns:
        Seconds, to within a factor of 2 or 3: larger batches take less time per tile; loading and scoring add some.
    """
    return _PASSES * tile_seconds * batch_size * max_steps


def duration_warning(runs: Sequence[float]) -> str | None:
    """Warn of training that would take days on a CPU.

    Args:
        runs: Projected seconds of each run to be trained; 0 for runs on another device.

    Returns:
        A sentence with the projection and how to train less; None if it takes less than a day.
    """
    seconds = sum(runs)
    if seconds < _LONG:
        return None
    whose = "this run takes" if len(runs) == 1 else f"these {len(runs)} runs take"
    return (
        f"warning: {whose} roughly {in_words(seconds)} on this CPU, projected from one tile. Train on a GPU, or less: "
        "smaller trainer.max_steps, trainer.tile and trainer.batch_size, or model=unet_mobilenet"
    )


def in_words(seconds: float) -> str:
    """Round a long time: `3 days`, `5 weeks`, `2 years`.

    >>> in_words(3.2 * 86_400)
    '3 days'
    """
    for name, length, least in (("years", 365.25 * 86_400, 1.5), ("weeks", 7 * 86_400, 3), ("days", 86_400, 1.5)):
        if seconds >= least * length:
            return f"{round(seconds / length)} {name}"
    return "a day"
