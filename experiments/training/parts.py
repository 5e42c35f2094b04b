"""Builds the parts of a run without its data, so that errors of constructors show before images are read."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Collection
from functools import lru_cache
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from torch import nn

from experiments.config import ConfigError, instantiate
from experiments.criteria.build import build_criterion
from experiments.training.device import make_accelerator
from experiments.training.network import instantiate_network

_MOST_UPDATES_TRIED = 20_000  # updates of a schedule that are tried, at 20 microseconds each


def part_problems(cfg: DictConfig, in_doubt: Collection[str] = ()) -> list[str]:
    """Build sampling, augmentation, loss, network, optimizer and schedule, and list the errors.

    Args:
        cfg: The root configuration of one run.
        in_doubt: Parts that are known to be wrong and are not built.
    """
    doubtful = set(in_doubt)
    tries: dict[str, Callable[[DictConfig], object]] = {
        "trainer": lambda cfg: make_accelerator(cfg.trainer),
        "sampling": _sampling,
        "augmentation": _augmentation,
        "loss": build_criterion,
        "model": _network,
        "optimizer": lambda cfg: call_partial(cfg, "optimizer", nn.Linear(1, 1).parameters()),
        "scheduler": _schedule,
    }
    problems = []
    for part, attempt in tries.items():
        if part in doubtful or (part == "scheduler" and {"optimizer", "trainer"} & doubtful):
            continue
        try:
            attempt(cfg)
        except ConfigError as error:
            problems.append(str(error))
            doubtful.add(part)
        except OmegaConfBaseException:  # a value that cannot be resolved; `values` reports it
            doubtful.add(part)
    return problems


def make_optimizer(
    cfg: DictConfig, model: nn.Module, criterion: nn.Module | None = None
) -> tuple[torch.optim.Optimizer, Any]:
    """Build optimizer and scheduler for a model, and for the parameters of a loss that has some.

    The loss's parameters form a second group, with the same settings.

    Raises:
        ConfigError: The arguments of a key do not match its target; the message names the key.
    """
    own = [] if criterion is None else [p for p in criterion.parameters() if p.requires_grad]
    groups = [{"params": list(model.parameters())}, {"params": own}]
    optimizer = call_partial(cfg, "optimizer", groups if own else model.parameters())
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise ConfigError(
            f"optimizer ({cfg.optimizer._target_}): expected an optimizer, got {type(optimizer).__name__}"
        )
    return optimizer, call_partial(cfg, "scheduler", optimizer)


def call_partial(cfg: DictConfig, key: str, argument: object) -> Any:
    """Call the partial at `key` with the remaining arguments; errors in the configured ones show only now.

    Raises:
        ConfigError: The call fails; the message names the key, its target and the reason.
    """
    partial = instantiate(cfg, key)
    try:
        return partial(argument)
    except Exception as error:
        raise ConfigError(f"{key} ({cfg[key]._target_}): {type(error).__name__}: {error}") from error


def _sampling(cfg: DictConfig) -> None:
    sampling = instantiate(cfg, "sampling")
    if not callable(getattr(sampling, "draw", None)):
        raise ConfigError(f"sampling: expected an object with a method draw, got {type(sampling).__name__}")


def _augmentation(cfg: DictConfig) -> None:
    augment = instantiate(cfg, "augmentation")
    if not callable(augment):
        raise ConfigError(f"augmentation: expected a transform that can be called, got {type(augment).__name__}")


def _network(cfg: DictConfig) -> None:
    _build_network(json.dumps(OmegaConf.to_container(cfg.model, resolve=True), sort_keys=True))


@lru_cache(maxsize=8)
def _build_network(model: str) -> None:
    network = instantiate_network(OmegaConf.create({"model": json.loads(model)}), seed=0, in_channels=1, classes=1)
    if not isinstance(network, nn.Module):
        raise ConfigError(f"model: expected a torch.nn.Module, got {type(network).__name__}")


def _schedule(cfg: DictConfig) -> None:
    parts = {key: OmegaConf.to_container(cfg[key], resolve=True) for key in ("optimizer", "scheduler")}
    _try_schedule(json.dumps(parts, sort_keys=True), cfg.trainer.max_steps)


@lru_cache(maxsize=32)
def _try_schedule(parts: str, max_steps: int) -> None:
    """Step a schedule through all updates: some raise on the way, and some never give a learning rate above 0."""
    cfg = OmegaConf.create(json.loads(parts))
    optimizer, scheduler = make_optimizer(cfg, nn.Linear(1, 1))
    name = f"scheduler ({cfg.scheduler._target_})"
    if not callable(getattr(scheduler, "step", None)) or not callable(getattr(scheduler, "state_dict", None)):
        raise ConfigError(f"{name}: expected a learning-rate schedule, got {type(scheduler).__name__}")
    moved = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # from schedules that expect the optimizer to have stepped
        for update in range(min(max_steps, _MOST_UPDATES_TRIED)):
            rates = [float(group["lr"]) for group in optimizer.param_groups if "lr" in group]
            if not all(math.isfinite(rate) and rate >= 0 for rate in rates):
                raise ConfigError(f"{name}: expected learning rates of at least 0, got {rates} at update {update}")
            moved = moved or not rates or max(rates) > 0
            try:
                scheduler.step()
            except Exception as error:
                raise ConfigError(
                    f"{name}: failed after update {update + 1} of {max_steps}: {type(error).__name__}: {error}"
                ) from error
    if not moved:
        raise ConfigError(f"{name}: expected a learning rate above 0, got 0 at all of {max_steps} updates")
