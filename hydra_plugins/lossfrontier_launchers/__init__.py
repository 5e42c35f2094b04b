"""`hydra/launcher=slurm`, `ray`, and `auto` of `joblib`: Hydra takes launchers only from this namespace.

Hydra imports this package for every command, so that it imports nothing before a study is launched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.types import HydraContext, TaskFunction
from hydra_plugins.hydra_joblib_launcher.config import JobLibLauncherConf
from omegaconf import DictConfig


class JoblibSettings(SearchPathPlugin):
    """Lets `n_jobs` of `hydra/launcher=joblib` be `auto`, which its plugin declares as a number.

    A study's callback replaces `auto` by a number before the launcher is made (`experiments.launch.side_by_side`).
    Hydra calls this after it has read all plugins, in an order of its own, and before it composes anything.
    """

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Declare the launcher's settings; the search path stays as it is."""
        settings = {**asdict(JobLibLauncherConf()), "n_jobs": "auto"}
        ConfigStore.instance().store(group="hydra/launcher", name="joblib", node=settings, provider="lossfrontier")


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
