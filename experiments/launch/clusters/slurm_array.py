"""Trains the runs of a study as tasks of a Slurm job array, through submitit."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from experiments.config import ConfigError
from experiments.launch.clusters.cluster_run import LOST, ClusterRun, say
from experiments.process import stop_signals
from experiments.process.stop_signals import Terminated

LOGS = ".slurm"
"""Folder of a study with what Slurm's tasks are given, what they return, and their logs."""

_IN_QUEUE = "CONFIGURING,COMPLETING,PENDING,REQUEUED,REQUEUE_FED,REQUEUE_HOLD,RESIZING,RUNNING,SIGNALING,SPECIAL_EXIT,"
_IN_QUEUE += "STAGE_OUT,STOPPED,SUSPENDED"
_LOOKS_UNTIL_LOST = 3  # a result may show up on a shared folder seconds after its task has left the queue


@dataclass(frozen=True)
class SlurmTask:
    """A run inside a Slurm task.

    Two signals stop a run, which then writes its checkpoint: SIGTERM when it is preempted, requeued or cancelled, after
    which Slurm itself goes on; SIGUSR2 when its time is nearly over, after which it puts itself back into the queue. A
    stopped run returns no result, because a result would end the wait for it.

    Args:
        run: The run.
        restarts: Times that it may be put back because its time is over.
    """

    run: ClusterRun
    restarts: int

    def __call__(self) -> str:
        """Train the run and return its status.

        Raises:
            SystemExit: It was stopped, with a checkpoint.
        """
        stop_signals.stop_at(signal.SIGUSR2)
        stop_signals.wait_for_run()  # a signal that comes earlier is noted
        status = self.run()
        if status != "stopped":
            return status
        over = stop_signals.received() == signal.SIGUSR2
        if over and int(os.environ.get("SLURM_RESTART_COUNT", "0")) < self.restarts:
            subprocess.run(["scontrol", "requeue", _own_name()], check=True)
        elif over:
            return status
        raise SystemExit("stopped with a checkpoint; Slurm starts the run again unless it was cancelled")


def _own_name() -> str:
    """Return the name of this task; the last task of an array has the number of the array, which means all of them."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return os.environ["SLURM_JOB_ID"] if array is None else f"{array}_{task}"


def sbatch_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of submitit's Slurm executor for the keys of `hydra.launcher`."""
    more = {key: settings[key] for key in ("partition", "account") if settings[key] is not None}
    if settings["gpus"]:
        more["gpus_per_node"] = settings["gpus"]
    return {
        "job_name": "lossfrontier",
        "time": settings["time"],
        "cpus_per_task": settings["cpus"],
        "mem": f"{int(1024 * settings['memory'])}M",
        "array_parallelism": settings["at_once"],
        "signal_delay_s": settings["warning"],
        "wckey": None,
        "setup": [
            *settings["setup"],
            f"export SRUN_CPUS_PER_TASK={settings['cpus']}",  # srun no longer takes it from sbatch
            f"export OMP_NUM_THREADS=${{OMP_NUM_THREADS:-{settings['cpus']}}}",  # where tasks share all cores of a node
        ],
        "additional_parameters": {"requeue": True, **settings["options"]},
        **more,
    }


def train_in_array(runs: Sequence[ClusterRun], settings: Mapping[str, Any]) -> list[str]:
    """Submit runs as one job array, wait for them, and return the status of each.

    Ctrl-C and SIGTERM cancel the tasks, which write their checkpoints; a hang-up leaves them to Slurm.

    Raises:
        ConfigError: Slurm refuses the array.
    """
    import submitit
    from submitit.core.utils import FailedJobError

    logs = Path(runs[0].config.hydra.sweep.dir).absolute() / LOGS
    executor = submitit.SlurmExecutor(folder=logs)
    executor.update_parameters(**sbatch_settings(settings))
    try:
        tasks = executor.submit_array([SlurmTask(run, settings["restarts"]) for run in runs])
    except FailedJobError as error:
        raise ConfigError(f"hydra/launcher=slurm: sbatch refuses the runs: {error}") from None
    number = str(tasks[0].job_id).partition("_")[0]
    say(f"Slurm job {number}: {len(runs)} runs in the queue; logs in {logs}")
    try:
        return _results(runs, tasks, number, settings["poll"])
    except Terminated as stop:
        if stop.number != getattr(signal, "SIGHUP", None):
            with suppress(OSError):
                subprocess.run(["scancel", number], check=False)
        raise


def _results(runs: Sequence[ClusterRun], tasks: Sequence[Any], number: str, poll: float) -> list[str]:
    """Wait for tasks; Slurm's queue tells which of them are lost, as its accounting is not there on every cluster."""
    statuses: dict[str, str] = {}
    absent = dict.fromkeys([str(task.job_id) for task in tasks], 0)
    while True:
        queued = _queued(number)
        for run, task in zip(runs, tasks, strict=True):
            name = str(task.job_id)
            if name in statuses:
                continue
            if task.paths.result_pickle.exists():
                statuses[name] = _status(run, task)
            elif queued is not None:
                absent[name] = 0 if name in queued else absent[name] + 1
                if absent[name] >= _LOOKS_UNTIL_LOST:
                    say(f"{run.name}: Slurm ended task {name} without a result; see {task.paths.stderr}")
                    statuses[name] = LOST
        if len(statuses) == len(tasks):
            return [statuses[str(task.job_id)] for task in tasks]
        time.sleep(poll)


def _status(run: ClusterRun, task: Any) -> str:
    error = task.exception()
    if error is None:
        return str(task.result())
    say(f"{run.name}: task {task.job_id} failed: {str(error).strip().splitlines()[-1]}; see {task.paths.stderr}")
    return LOST


def _queued(number: str) -> set[str] | None:
    """Return the tasks of an array that wait or run; None if Slurm does not answer."""
    command = ["squeue", "--noheader", "--array", "--states", _IN_QUEUE, "--format", "%i", "--jobs", number]
    asked = subprocess.run(command, capture_output=True, text=True)
    if asked.returncode and "Invalid job id" not in asked.stderr:  # which it forgets minutes after the last task
        return None
    return set(asked.stdout.split())


def slurm_problems(settings: Mapping[str, Any]) -> list[str]:
    """List what is missing for Slurm here, and what sbatch would refuse; nothing is submitted.

    Args:
        settings: `hydra.launcher`.
    """
    problems = []
    if find_spec("submitit") is None:
        problems.append(
            "hydra/launcher=slurm: needs submitit; pip install 'lossfrontier[slurm]', or pip install submitit"
        )
    missing = [name for name in ("sbatch", "srun", "squeue", "scontrol", "scancel") if shutil.which(name) is None]
    if missing:
        problems.append(
            f"hydra/launcher=slurm: no {', '.join(missing)} here; start the command "
            "on a login node of the cluster, or install them (Debian: apt install slurm-client)"
        )
    return problems or _refused(sbatch_settings(settings))


def _refused(parameters: Mapping[str, Any]) -> list[str]:
    """Ask sbatch for a test of the parameters."""
    from submitit.slurm.slurm import _make_sbatch_string

    script = _make_sbatch_string(command="true", folder="/tmp", **parameters)
    asked = subprocess.run(["sbatch", "--test-only"], input=script, capture_output=True, text=True)
    if asked.returncode == 0:
        return []
    said = [line.partition("error: ")[2] or line for line in asked.stderr.splitlines() if line.strip()]
    return [f"hydra/launcher=slurm: sbatch refuses these settings: {'; '.join(said)}"]
