"""`hydra/launcher=slurm` and `hydra/launcher=ray`: Hydra starts only launchers that it finds in this namespace.

Hydra imports this package for every command, so that it imports nothing before a study is launched.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class _ClusterLauncher(Launcher):
    """Keeps the keys of `hydra.launcher`, and what Hydra hands over before it launches."""

    def __init__(self, **settings: Any) -> None:
        self._settings = settings

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take the study's configuration and the function that trains a run."""
        self._study = hydra_context, config, task_function


class SlurmLauncher(_ClusterLauncher):
    """Trains every run of a study as a task of a Slurm job array."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Submit the runs, wait for them, and return the result of each."""
        from experiments.launch.clusters.cluster_run import launch
        from experiments.launch.clusters.slurm_array import train_in_array
        from experiments.launch.study_callback import is_to_do

        return launch(train_in_array, self._settings, self._study, job_overrides, initial_job_idx, is_to_do)


class RayLauncher(_ClusterLauncher):
    """Trains every run of a study as a task of a Ray cluster."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Submit the runs, wait for them, and return the result of each."""
        from experiments.launch.clusters.cluster_run import launch
        from experiments.launch.clusters.ray_tasks import train_as_tasks
        from experiments.launch.study_callback import is_to_do

        return launch(train_as_tasks, self._settings, self._study, job_overrides, initial_job_idx, is_to_do)
