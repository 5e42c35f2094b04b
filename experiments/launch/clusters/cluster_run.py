"""One run of a study as another machine trains it, and how a launcher hands runs to a cluster."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict
from tqdm import tqdm

import experiments.config  # noqa: F401  (schemas and resolver)

LOST = "lost"
"""The result of a run whose machine ended it without a word."""


@dataclass(frozen=True)
class ClusterRun:
    """A run that any machine can train which sees the same folders; called, it trains and returns the run's status.

    Args:
        config: The run's configuration, with Hydra's own part.
        context: Hydra's loader and callbacks.
        task: Trains the run of a configuration.
        state: Hydra's singletons, such as its registered schemas.
        cwd: The folder in which the command was started; relative paths start there.
        path: Folders from which the command imports modules.
    """

    config: DictConfig
    context: HydraContext
    task: TaskFunction
    state: Any
    cwd: str
    path: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """Where the run writes."""
        return Path(self.config.hydra.sweep.dir) / self.config.hydra.sweep.subdir

    @property
    def name(self) -> str:
        """Arm and seed."""
        return f"{self.folder.parent.name} {self.folder.name}"

    def __call__(self) -> str:
        """Train the run in this process.

        Raises:
            RuntimeError: This machine does not see the command's folder, or cannot write to it.
        """
        try:
            os.chdir(self.cwd)
        except OSError as error:
            where = os.uname().nodename
            raise RuntimeError(
                f"{where} does not see {self.cwd}: {error.strerror}; start from a shared folder"
            ) from None
        sys.path.extend(folder for folder in self.path if folder not in sys.path)
        setup_globals()
        Singleton.set_state(self.state)
        HydraConfig.instance().set_config(self.config)
        try:
            done = run_job(
                hydra_context=self.context,
                task_function=self.task,
                config=self.config,
                job_dir_key="hydra.sweep.dir",
                job_subdir_key="hydra.sweep.subdir",
            )
            return str(done.return_value)
        except SystemExit as stop:  # such as a full disk; a cluster's engine would see no result
            raise RuntimeError(str(stop.code)) from None


Train = Callable[[Sequence[ClusterRun], Mapping[str, Any]], list[str]]
"""Trains runs on a cluster with a launcher's settings; waits for them and returns the status of each."""


def launch(
    train: Train,
    settings: Mapping[str, Any],
    study: tuple[HydraContext, DictConfig, TaskFunction],
    overrides: Sequence[Sequence[str]],
    first: int,
    is_to_do: Callable[[Path], bool],
) -> list[JobReturn]:
    """Train the runs of a study that are not finished, and return the results of all as Hydra wants them.

    Args:
        train: Trains runs on a cluster.
        settings: `hydra.launcher` without `_target_`.
        study: Hydra's context, the study's configuration with Hydra's own part, and the function that trains a run.
        overrides: Those of each run.
        first: Number of the first run.
        is_to_do: Returns whether the run of a folder is still to be trained.
    """
    context, config, task = study
    state = Singleton.get_state()
    runs = []
    for number, texts in enumerate(overrides, first):
        run_config = context.config_loader.load_sweep_config(config, list(texts))
        with open_dict(run_config):
            run_config.hydra.job.id = f"{run_config.hydra.job.name}_{number}"
            run_config.hydra.job.num = number
        runs.append(ClusterRun(run_config, context, task, state, os.getcwd(), tuple(filter(None, sys.path))))
    to_do = [run for run in runs if is_to_do(run.folder)]
    statuses = dict(zip([run.folder for run in to_do], train(to_do, settings) if to_do else [], strict=True))
    return [
        JobReturn(
            overrides=texts,
            cfg=run.config,
            hydra_cfg=None,
            working_dir=str(run.folder),
            task_name=config.hydra.job.name,
            status=JobStatus.COMPLETED,  # a run that failed says so itself; Hydra would leave out the comparison
            _return_value=statuses.get(run.folder, "skipped"),
        )
        for run, texts in zip(runs, overrides, strict=True)
    ]


def say(text: str) -> None:
    """Tell the user on stderr what a cluster does or did, beside the progress bar."""
    tqdm.write(text, file=sys.stderr)
