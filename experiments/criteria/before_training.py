"""Tries a criterion on a small batch before training, called as `losses.apply_criterion` calls it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import nn

from experiments.config import ConfigError
from experiments.criteria.clauses import FAIL, NOTE, TOLD_BEFORE_TRAINING, Clause
from experiments.criteria.contract import Setting, measure_contract


def set_prevalence(criterion: nn.Module, prevalence: Sequence[float]) -> None:
    """Give each mask's positive share in the training split to every part of a criterion that has `set_prevalence`."""
    for part in criterion.modules():
        tell: Callable[[Sequence[float]], None] | None = getattr(part, "set_prevalence", None)
        if tell is not None:
            tell(prevalence)


def check_criterion(criterion: nn.Module, setting: Setting) -> list[Clause]:
    """Use a criterion on a small batch, so that one that cannot work fails before training.

    Args:
        criterion: Built from `loss=`; moved to the training device.
        setting: How training will call it.

    Returns:
        Every clause of the contract that was measured.

    Raises:
        ConfigError: Some clauses fail; the message names all of them.
    """
    clauses = measured_clauses(criterion, setting)
    failed = [clause for clause in clauses if clause.verdict == FAIL]
    if failed:
        name = getattr(criterion, "__name__", type(criterion).__name__)
        raise ConfigError("\n".join(f"loss ({name}): {clause.name}: {clause.measured}" for clause in failed))
    return clauses


def worth_knowing(clauses: Sequence[Clause]) -> list[str]:
    """Select the notes that a user should read before hours of training; `check_loss` shows all of them."""
    return [f"{c.name}: {c.measured}" for c in clauses if c.verdict == NOTE and c.name in TOLD_BEFORE_TRAINING]


def measured_clauses(criterion: nn.Module, setting: Setting) -> list[Clause]:
    """Measure every clause, after setting the prevalence as training does."""
    try:
        set_prevalence(criterion, setting.prevalence)
        criterion.to(setting.device)
    except Exception as error:
        return [Clause("knows the prevalence", f"{type(error).__name__}: {error}", FAIL)]
    return measure_contract(criterion, setting)
