"""Checks of `python -m experiments.inspect` before it reads data."""

from __future__ import annotations

from omegaconf import DictConfig

from experiments.checks.targets import target_problems
from experiments.checks.values import is_number, read_values
from experiments.config import InspectSchema

_MOST_OVERLAYS = 200


def inspect_problems(cfg: DictConfig) -> list[str]:
    """List the problems of the command's configuration: its own keys, and the arguments of the data."""
    values, problems = read_values(cfg, {"": InspectSchema})
    count = values.get("overlays")
    if "overlays" in values and not (is_number(count) and 1 <= count <= _MOST_OVERLAYS):
        problems.append(f"overlays: expected a number from 1 to {_MOST_OVERLAYS}, got {count}")
    return [*problems, *target_problems(cfg)]
