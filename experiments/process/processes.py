"""The processes of one command: `accelerate launch` and `torchrun` start several, which train each run together."""

from __future__ import annotations

import os
from collections.abc import Mapping

_NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def count(environment: Mapping[str, str] = os.environ) -> int:
    """Return how many processes this command has, on all machines together.

    >>> count({"RANK": "1", "WORLD_SIZE": "4", "MASTER_ADDR": "localhost", "MASTER_PORT": "29500"}), count({})
    (4, 1)
    """
    return int(environment["WORLD_SIZE"]) if all(environment.get(name) for name in _NEEDED) else 1


def number(environment: Mapping[str, str] = os.environ) -> int:
    """Return this process's number among them; 0 leads and writes, and the others help it."""
    return int(environment["RANK"]) if count(environment) > 1 else 0


def count_here(environment: Mapping[str, str] = os.environ) -> int:
    """Return how many of them run on this machine."""
    return int(environment.get("LOCAL_WORLD_SIZE") or 1) if count(environment) > 1 else 1


def trainer_problems(batch_size: object, compiles: object) -> list[str]:
    """List the values of `trainer` that do not fit several processes.

    Args:
        batch_size: `trainer.batch_size`, perhaps not a number.
        compiles: `trainer.compile`.
    """
    problems = []
    if isinstance(batch_size, int) and batch_size % count():
        problems.append(
            f"trainer.batch_size: expected a multiple of {count()}, because {count()} processes share every batch, got "
            f"{batch_size}"
        )
    if compiles and count() > 1:
        problems.append(
            f"trainer.compile: expected false, because the {count()} processes of this command exchange numbers within "
            f"the network, got {compiles}"
        )
    return problems


def launcher_problems(target: str) -> list[str]:
    """Refuse a launcher of Hydra that would start processes of its own.

    Args:
        target: `hydra.launcher._target_`.
    """
    if count() == 1 or target.endswith("BasicLauncher"):
        return []
    return [
        f"hydra/launcher: expected none, because the {count()} processes of this command train one run at a time "
        f"together, got {target.rpartition('.')[2]}. Leave out the launcher, or start the command by itself, without "
        "accelerate launch or torchrun"
    ]
