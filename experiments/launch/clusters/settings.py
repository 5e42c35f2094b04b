"""Clusters that can train a study's runs: which one a launcher means, its settings, and what is missing for it here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from experiments.checks.values import is_number
from experiments.launch.clusters.ray_tasks import ray_problems
from experiments.launch.clusters.slurm_array import slurm_problems

_LAUNCHERS = {"SlurmLauncher": "slurm", "RayLauncher": "ray"}
_NEEDS = {"slurm": slurm_problems, "ray": ray_problems}
_WHOLE = {"time": 1, "restarts": 0, "warning": 1, "cpus": 1, "gpus": 0, "at_once": 1, "retries": 0}
_TEXT = ("partition", "account", "address")


def cluster_of(launcher: DictConfig) -> str | None:
    """Return the cluster of a launcher (`hydra.launcher`), `slurm` or `ray`; None for launchers on this machine."""
    return _LAUNCHERS.get(str(launcher.get("_target_", "")).rpartition(".")[2])


def cluster_problems(launcher: DictConfig) -> list[str]:
    """List the problems of a launcher's settings, and what it needs that is not here; nothing is started.

    Args:
        launcher: `hydra.launcher`.
    """
    name = cluster_of(launcher)
    if name is None:
        return []
    settings = {str(key): value for key, value in OmegaConf.to_container(launcher, resolve=True).items()}  # type: ignore[union-attr]
    return setting_problems(name, settings) or _NEEDS[name](settings)


def setting_problems(name: str, settings: Mapping[str, Any]) -> list[str]:
    """List the settings of a cluster that cannot be meant.

    >>> setting_problems("slurm", {"cpus": 0, "gpus": 1})
    ['hydra.launcher.cpus: expected a whole number from 1, got 0']
    """
    problems = []
    for key, value in settings.items():
        whole = isinstance(value, int) and not isinstance(value, bool)
        if key in _WHOLE and not (whole and value >= _WHOLE[key]):
            problems.append(f"hydra.launcher.{key}: expected a whole number from {_WHOLE[key]}, got {value}")
        elif key in ("memory", "poll") and not ((is_number(value) and value > 0) or (value is None and name == "ray")):
            problems.append(f"hydra.launcher.{key}: expected a positive number, got {value}")
        elif key in _TEXT and not isinstance(value, str | None):
            problems.append(f"hydra.launcher.{key}: expected a name or null, got {value}")
        elif key == "options" and not isinstance(value, dict):
            problems.append(f"hydra.launcher.{key}: expected options of sbatch such as {{qos: long}}, got {value}")
        elif key == "setup" and not (isinstance(value, list) and all(isinstance(line, str) for line in value)):
            problems.append(f"hydra.launcher.{key}: expected a list of lines of shell, got {value}")
    return problems
