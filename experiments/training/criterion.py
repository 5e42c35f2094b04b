"""Any criterion, checked on a small batch before training; the losses package knows how to call it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn

from experiments.config import ConfigError
from losses import accepts_valid, apply_criterion


def set_prevalence(criterion: nn.Module, prevalence: Sequence[float]) -> None:
    """Tell every part of a criterion that asks for it the positive share of each mask in the training split."""
    for part in criterion.modules():
        tell: Callable[[Sequence[float]], None] | None = getattr(part, "set_prevalence", None)
        if tell is not None:
            tell(prevalence)


def check_criterion(criterion: object, prevalence: Sequence[float], ignores_pixels: bool) -> None:
    """Try a criterion on a small random batch, so that what cannot work fails before training.

    Args:
        criterion: What `loss=` made.
        prevalence: Positive share per mask, training split; its length is the number of masks.
        ignores_pixels: Whether the training split has ignored pixels.

    Raises:
        ConfigError: Saying what is wrong with the criterion.
    """
    if not isinstance(criterion, nn.Module):
        raise ConfigError(f"loss: expected a torch.nn.Module, got {type(criterion).__name__}")
    name = type(criterion).__name__
    own = [parameter for parameter, value in criterion.named_parameters() if value.requires_grad]
    if own:
        raise ConfigError(f"loss ({name}): has parameters of its own that nothing would train: {', '.join(own)}")
    if ignores_pixels and not accepts_valid(criterion):
        raise ConfigError(
            f"loss ({name}): the training data have ignored pixels, and {name}.forward takes no argument named "
            "`valid`. Wrap it in a class whose forward takes (logits, target, valid=None), or remove the valid/ "
            "folders."
        )
    generator = torch.Generator().manual_seed(0)
    shape = (2, len(prevalence), 32, 32)
    logits = torch.randn(shape, generator=generator).requires_grad_()
    target = torch.rand(shape, generator=generator) < 0.1
    valid = torch.rand((2, 1, 32, 32), generator=generator) < 0.9 if ignores_pixels else None
    try:
        set_prevalence(criterion, prevalence)
        value = apply_criterion(criterion, logits, target, valid, name=name)
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise ConfigError(
            f"loss ({name}) failed on a batch of logits and targets of shape {shape}: {reason}"
        ) from error
    if not value.requires_grad or not bool(torch.isfinite(value)):
        raise ConfigError(f"loss ({name}): expected a finite value with a gradient, got {value}")
