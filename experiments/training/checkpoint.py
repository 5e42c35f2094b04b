"""The state from which a stopped run goes on exactly as if it had not stopped."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from experiments.run_store import write_atomically


@dataclass
class TrainingState:
    """Everything that changes while a run trains.

    `others` are further things with a state: the criterion, the scaler of fp16.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    scheduler: Any
    others: dict[str, Any] = field(default_factory=dict)
    update: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    fit_seconds: float = 0.0


def save_state(path: Path, state: TrainingState, fingerprint: str) -> None:
    """Write the whole state atomically, with the fingerprint of the configuration it belongs to."""
    content = {
        "fingerprint": fingerprint,
        "model": state.model.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "scheduler": state.scheduler.state_dict(),
        "others": {name: part.state_dict() for name, part in state.others.items()},
        "update": state.update,
        "history": state.history,
        "fit_seconds": state.fit_seconds,
        "rng": torch.get_rng_state(),
        "cuda_rng": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }
    write_atomically(path, lambda file: torch.save(content, file))


def save_weights(path: Path, model: nn.Module, fingerprint: str, update: int) -> None:
    """Write the weights alone: what a finished run keeps."""
    content = {"fingerprint": fingerprint, "model": model.state_dict(), "update": update}
    write_atomically(path, lambda file: torch.save(content, file))


def restore_state(path: Path, state: TrainingState, fingerprint: str) -> bool:
    """Load a saved state in place, if there is one of the same configuration.

    Returns:
        Whether the state was restored; False leaves everything as it is.
    """
    if not path.exists():
        return False
    content = torch.load(path, map_location="cpu", weights_only=True)
    if content.get("fingerprint") != fingerprint or "optimizer" not in content:
        return False
    state.model.load_state_dict(content["model"])
    state.optimizer.load_state_dict(content["optimizer"])
    state.scheduler.load_state_dict(content["scheduler"])
    for name, part in state.others.items():
        part.load_state_dict(content["others"][name])
    state.update = content["update"]
    state.history = content["history"]
    state.fit_seconds = content["fit_seconds"]
    torch.set_rng_state(content["rng"])
    if content["cuda_rng"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(content["cuda_rng"])
    return True
