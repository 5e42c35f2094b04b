"""Checks of the `tracker` group, made before anything trains; no tracker is imported."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

TRACKERS = ("tensorboard", "wandb", "mlflow")
MODES = ("offline", "online")
_KEYS = {"tensorboard": ("folder",), "wandb": ("project", "folder", "mode"), "mlflow": ("project", "uri")}
# Accelerate prefers these to what it is given, so all runs of a study would write to one.
_ONE_RUN = {"wandb": "WANDB_RUN_ID", "mlflow": "MLFLOW_RUN_ID"}


def tracker_problems(cfg: DictConfig) -> list[str]:
    """List the problems of `cfg.tracker`: an unknown name, a package that is missing, keys without a usable value.

    Args:
        cfg: A root configuration.
    """
    try:
        tracker = OmegaConf.to_container(cfg.tracker, resolve=True) if OmegaConf.is_config(cfg.tracker) else cfg.tracker
    except OmegaConfBaseException as error:
        return [f"tracker: {str(error).splitlines()[0]}"]
    if not isinstance(tracker, Mapping) or "name" not in tracker:
        return [f"tracker: expected one of none, {', '.join(TRACKERS)}, got {tracker!r}"]
    return list(_problems(tracker))


def _problems(tracker: Mapping[Any, Any]) -> list[str]:
    name = tracker["name"]
    if name is None:
        return []
    if name not in TRACKERS:
        return [f"tracker.name: expected one of {', '.join(TRACKERS)} or null, got {name!r}"]
    problems = []
    if find_spec(name) is None:
        problems.append(
            f"tracker={name}: the package {name} is not installed. Install it with: pip install 'lossfrontier[{name}]'"
        )
    for key in _KEYS[name]:
        value = tracker.get(key)
        if not isinstance(value, str) or not value.strip():
            problems.append(f"tracker.{key}: expected text, got {value!r}")
    if name == "wandb" and tracker.get("mode") not in MODES:
        problems.append(f"tracker.mode: expected {' or '.join(MODES)}, got {tracker.get('mode')!r}")
    variable = _ONE_RUN.get(name, "")
    if os.environ.get(variable):
        problems.append(f"tracker={name}: expected {variable} not to be set, since each run of ours is one of its own")
    return problems
