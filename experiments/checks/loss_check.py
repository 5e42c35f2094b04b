"""Checks of `python -m experiments.check_loss` before it builds a loss; none of them needs torch."""

from __future__ import annotations

from omegaconf import DictConfig

from experiments.checks.values import is_number, read_values
from experiments.config import CheckLossSchema


def check_loss_problems(cfg: DictConfig) -> list[str]:
    """List the problems of the command's configuration, except those of the loss itself."""
    values, problems = read_values(cfg, {"": CheckLossSchema})
    for key in ("masks", "batch_size", "tile"):
        if key in values and not (is_number(values[key]) and values[key] >= 1):
            problems.append(f"{key}: expected a number of at least 1, got {values[key]}")
    share = values.get("prevalence")
    if "prevalence" in values and not (is_number(share) and 0 < share < 1):
        problems.append(f"prevalence: expected a share between 0 and 1, got {share}")
    return problems
