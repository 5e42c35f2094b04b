"""Trains the runs of a study as tasks of a Ray cluster."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from experiments.config import ConfigError
from experiments.launch.clusters.cluster_run import LOST, ClusterRun, say
from experiments.process import stop_signals
from experiments.runs.lock import is_held

_SECONDS_TO_STOP = 60.0  # in which cancelled runs write their checkpoints
_SECONDS_BETWEEN_LOOKS = 1.0  # at signals; results come at once


def train_as_tasks(runs: Sequence[ClusterRun], settings: Mapping[str, Any]) -> list[str]:
    """Submit runs as tasks, wait for them, and return the status of each.

    Ray starts a run again on another machine if its own dies; it resumes from its checkpoint. Ctrl-C and signals cancel
    the tasks, which write their checkpoints.

    Raises:
        ConfigError: There is no cluster at the address, or no machine of it is large enough for a run.
        Terminated: A signal asked the command to stop.
    """
    import ray

    _connect(settings["address"])
    try:
        _refuse_too_large(settings)
        needs = {"num_cpus": settings["cpus"], "num_gpus": settings["gpus"], "max_retries": settings["retries"]}
        if settings["memory"] is not None:
            needs["memory"] = int(settings["memory"] * 1e9)
        task = ray.remote(_train)
        futures = [task.options(name=run.name, **needs).remote(run) for run in runs]
        say(f"Ray: {len(runs)} runs on {sum(node['Alive'] for node in ray.nodes())} machines")
        left = futures
        with stop_signals.held_back():  # Ray would make a plain KeyboardInterrupt of what a signal's handler raises
            while left and not stop_signals.stop_received():
                _, left = ray.wait(left, num_returns=len(left), timeout=_SECONDS_BETWEEN_LOOKS)
            for future in left:
                ray.cancel(future)
            if left:
                latest = time.monotonic() + _SECONDS_TO_STOP
                ray.wait(left, num_returns=len(left), timeout=_SECONDS_TO_STOP)
                _wait_until_stopped([run for run, future in zip(runs, futures, strict=True) if future in left], latest)
        return [_status(run, future) for run, future in zip(runs, futures, strict=True)]
    finally:
        ray.shutdown()


def _wait_until_stopped(runs: Sequence[ClusterRun], latest: float) -> None:
    """Wait until cancelled runs have written their checkpoints.

    Ray may call a task ended while it still writes, and kills its process when this command ends.
    """
    while any(is_held(run.folder) for run in runs) and time.monotonic() < latest:
        time.sleep(_SECONDS_BETWEEN_LOOKS)


def _train(run: ClusterRun) -> str:
    stop_signals.wait_for_run()
    return run()


def _status(run: ClusterRun, future: Any) -> str:
    import ray

    try:
        return str(ray.get(future))
    except ray.exceptions.RayError as error:
        say(f"{run.name}: Ray's task failed: {str(error).strip().splitlines()[-1]}")
        return LOST


def _connect(address: str | None) -> None:
    import ray

    try:
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level=logging.WARNING,
            include_dashboard=False if _is_local(address) else None,
        )
    except ConnectionError as error:
        wanted = address or os.environ.get("RAY_ADDRESS")
        raise ConfigError(
            f"hydra.launcher.address: no Ray cluster at {wanted}: {error}. Start one with ray start --head, or "
            "hydra.launcher.address=null, which uses this machine alone"
        ) from None
    stop_signals.handle_signals()  # Ray puts a handler of its own in the place of ours


def _is_local(address: str | None) -> bool:
    return address is None and not os.environ.get("RAY_ADDRESS")


def _refuse_too_large(settings: Mapping[str, Any]) -> None:
    """Refuse runs for which no machine has room; they would wait for ever.

    Raises:
        ConfigError: The message names what is wanted and the most that a machine has.
    """
    import ray

    wanted = {"CPU": settings["cpus"], "GPU": settings["gpus"], "memory": (settings["memory"] or 0) * 1e9}
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not any(all(machine.get(key, 0) >= amount for key, amount in wanted.items()) for machine in machines):
        words = {"CPU": "cores", "GPU": "GPUs", "memory": "bytes of memory"}
        asked = ", ".join(f"{amount:g} {words[key]}" for key, amount in wanted.items() if amount)
        there = "; ".join(
            ", ".join(f"{machine.get(key, 0):g} {word}" for key, word in words.items()) for machine in machines
        )
        raise ConfigError(f"hydra/launcher=ray: a run wants {asked}, and no machine has that. Machines: {there}")


def ray_problems(settings: Mapping[str, Any]) -> list[str]:
    """List what is missing for Ray here; nothing is started."""
    if find_spec("ray") is None:
        return ["hydra/launcher=ray: needs Ray; pip install 'lossfrontier[ray]', or pip install ray"]
    return []
