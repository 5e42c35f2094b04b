"""The saved state from which a stopped run resumes exactly as if it had not stopped."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from experiments.process import processes
from experiments.process.random_numbers import generator_states, set_generator_states
from experiments.runs.damage import set_aside
from experiments.runs.store import write_atomically
from experiments.training.own_state import own_state, set_own_state


@dataclass
class TrainingState:
    """Everything that changes while a run trains.

    `others` are further objects with a state: the criterion, the scaler of fp16. `losses` and `shares` collect values
    for the next row of the history, one per update since the last row: the loss and its terms, the shares of
        foreground.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    scheduler: Any
    others: dict[str, Any] = field(default_factory=dict)
    update: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    losses: list[dict[str, Tensor]] = field(default_factory=list)
    shares: list[Tensor] = field(default_factory=list)
    fit_seconds: float = 0.0


def save_state(path: Path, state: TrainingState, fingerprint: str) -> None:
    """Write the whole state atomically, with the fingerprint of the configuration it belongs to."""
    content = {"fingerprint": fingerprint, "processes": processes.count(), **whole_state(state)}
    write_atomically(path, lambda file: torch.save(content, file))


def whole_state(state: TrainingState) -> dict[str, Any]:
    """Return everything that a run needs to go on, all readable by `torch.load(weights_only=True)`."""
    return {
        "model": state.model.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "scheduler": state.scheduler.state_dict(),
        "others": {name: part.state_dict() for name, part in state.others.items()},
        "update": state.update,
        "history": state.history,
        "losses": state.losses,
        "shares": state.shares,
        "fit_seconds": state.fit_seconds,
        "generators": generator_states(),
        "own": {name: own_state(part) for name, part in _modules(state).items()},
    }


def save_weights(path: Path, state: TrainingState, fingerprint: str) -> None:
    """Write what a trained run keeps: its weights and history, so that it can be scored again without training."""
    content = {
        "fingerprint": fingerprint,
        "model": state.model.state_dict(),
        "update": state.update,
        "history": state.history,
        "fit_seconds": state.fit_seconds,
        "own": own_state(state.model),
        **_trained_with_it(state),
    }
    write_atomically(path, lambda file: torch.save(content, file))


def _trained_with_it(state: TrainingState) -> dict[str, Any]:
    """Return the state of a loss that has parameters of its own: they were trained as the weights were."""
    criterion = state.others.get("criterion")
    has_some = isinstance(criterion, nn.Module) and any(True for _ in criterion.parameters())
    return {"criterion": criterion.state_dict()} if has_some and criterion is not None else {}


def restore_state(path: Path, state: TrainingState, fingerprint: str) -> bool:
    """Load a saved state in place, if there is one for the same configuration.

    A run that was trained to its end has only its weights and history, and no update left. A file that cannot be read
    is set aside with a warning.

    Returns:
        Whether the state was restored; False leaves everything as it is.
    """
    if not path.exists():
        return False
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(content, dict):
            raise ValueError(f"expected a mapping, got {type(content).__name__}")
    except Exception as error:
        set_aside(path.parent, {path.name: str(error).strip().split("\n")[0] or type(error).__name__})
        return False
    if content.get("fingerprint") != fingerprint or "history" not in content:
        return False
    if "optimizer" in content and content.get("processes", 1) != processes.count():
        print(
            f"note: {path.parent} was begun by {content.get('processes', 1)} processes and is gone on with by "
            f"{processes.count()}: the batches stay the same, sums are rounded otherwise, and dropout draws otherwise",
            file=sys.stderr,
        )
    set_whole_state(state, content)
    return True


def set_whole_state(state: TrainingState, content: dict[str, Any]) -> None:
    """Set a state in place to what `whole_state` returned, or to what `save_weights` wrote."""
    state.model.load_state_dict(content["model"])
    state.update = content["update"]
    state.history = content["history"]
    state.fit_seconds = content["fit_seconds"]
    if "optimizer" not in content:
        set_own_state(state.model, content["own"])
        if "criterion" in content:
            state.others["criterion"].load_state_dict(content["criterion"])
        return
    state.optimizer.load_state_dict(content["optimizer"])
    state.scheduler.load_state_dict(content["scheduler"])
    for name, part in state.others.items():
        part.load_state_dict(content["others"][name])
    if "generators" not in content:
        return  # an earlier version wrote it, at the end of a row
    device = next(iter(state.model.parameters())).device
    state.losses = [{name: value.to(device) for name, value in losses.items()} for losses in content["losses"]]
    state.shares = [share.to(device) for share in content["shares"]]
    for name, module in _modules(state).items():
        set_own_state(module, content["own"][name])
    set_generator_states(content["generators"])


def _modules(state: TrainingState) -> dict[str, nn.Module]:
    others = {name: part for name, part in state.others.items() if isinstance(part, nn.Module)}
    return {"model": state.model, **others}


def checkpoint_times(every: int, minutes: float | None) -> Callable[[int], bool]:
    """Return a function that tells after an update whether a checkpoint is due.

    Args:
        every: Updates between checkpoints.
        minutes: Most minutes between checkpoints; None sets no limit.
    """
    last = time.monotonic()

    def is_due(update: int) -> bool:
        nonlocal last
        due = update % every == 0 or (minutes is not None and time.monotonic() - last >= 60 * minutes)
        last = time.monotonic() if due else last
        return due

    return is_due
