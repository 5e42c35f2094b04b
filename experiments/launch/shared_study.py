"""Several processes on one study: each trains free runs, and takes over those of a process that died."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hydra._internal.callbacks import Callbacks
from hydra.core.config_loader import ConfigLoader
from hydra.core.plugins import Plugins
from hydra.types import HydraContext
from omegaconf import DictConfig

from experiments.process import stop_signals
from experiments.runs.lock import is_held

BUSY = "busy"
"""The result of a job whose run another process trains."""

_SECONDS_BETWEEN_LOOKS = 1.0


def finish_runs(
    runs: Mapping[Path, Sequence[str]],
    is_ended: Callable[[Path], bool],
    launch: Callable[[Sequence[Sequence[str]]], Sequence[str]],
) -> None:
    """Wait until every run of a study has ended, and train those that other processes leave undone.

    Args:
        runs: Folders of runs, with the overrides of each.
        is_ended: Returns whether the run of a folder has ended, in whatever way.
        launch: Trains the runs with these overrides and returns the result of each.
    """
    left = dict(runs)
    waiting = False
    while left := {folder: overrides for folder, overrides in left.items() if not is_ended(folder)}:
        # A run ends before its folder is released. Checked in this order, an ended run never looks free.
        free = [folder for folder in left if not is_held(folder)]
        free = [folder for folder in free if not is_ended(folder)]
        if free:
            statuses = launch([left[folder] for folder in free])
            for folder, status in zip(free, statuses, strict=True):
                if status != BUSY:
                    del left[folder]
        elif not waiting:
            waiting = True
            names = ", ".join(f"{folder.parent.name} {folder.name}" for folder in left)
            print(f"waiting for what another process trains: {names}", flush=True)
        else:
            time.sleep(_SECONDS_BETWEEN_LOOKS)


def launch_again(
    config: DictConfig, loader: ConfigLoader, train: Callable[[DictConfig], str]
) -> Callable[[Sequence[Sequence[str]]], list[str]]:
    """Return a function that trains runs through the launcher of a study.

    Args:
        config: The study's configuration, with Hydra's own part.
        loader: Hydra's loader, which composes the configuration of each run.
        train: Trains the run of a configuration; a launcher passes it to its processes by name.
    """

    def launch(jobs: Sequence[Sequence[str]]) -> list[str]:

        launcher = Plugins.instance().instantiate_launcher(
            hydra_context=HydraContext(config_loader=loader, callbacks=Callbacks()),
            task_function=train,
            config=config,
        )
        stop_signals.launching(True)
        try:
            returned = launcher.launch([list(job) for job in jobs], initial_job_idx=0)
        finally:
            stop_signals.launching(False)
        stop_signals.raise_if_received()
        return [str(job.return_value) for job in returned]

    return launch
