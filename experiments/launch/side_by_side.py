"""Runs side by side on one machine: how many at once, and which GPU the process of a launcher uses."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from experiments.process import stop_signals

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

VISIBLE = "CUDA_VISIBLE_DEVICES"
_MAY_GROW = 8e9  # bytes, between runs
_FREE_SHARE = 0.5  # of its memory, without which a GPU is taken to be in use by others

# Prints free and total bytes of each GPU. In a process of its own, as asking takes memory on every GPU.
_ASK = "import json, torch; print(json.dumps([torch.cuda.mem_get_info(i) for i in range(torch.cuda.device_count())]))"


@dataclass(frozen=True)
class Gpu:
    """A GPU that this process may use.

    Args:
        name: As `CUDA_VISIBLE_DEVICES` names it: a number or a UUID.
        free: Bytes of memory that nobody uses.
        total: Bytes of memory.
    """

    name: str
    free: int
    total: int


def usable(gpus: Sequence[Gpu]) -> list[Gpu]:
    """Return the GPUs with at least half of their memory free; all of them if none has.

    >>> usable([Gpu("0", 70, 80), Gpu("1", 10, 80)])
    [Gpu(name='0', free=70, total=80)]
    """
    return [gpu for gpu in gpus if gpu.free >= _FREE_SHARE * gpu.total] or list(gpus)


def runs_at_once(runs: int, cores: int, gpus: int) -> int:
    """Return how many runs of a study train at once: one a GPU, without a GPU one a core, and no more than there are.

    Args:
        runs: Of the study.
        cores: That this process may use.
        gpus: That the runs may use; 0 on a CPU.

    >>> runs_at_once(30, cores=64, gpus=4), runs_at_once(30, cores=8, gpus=0), runs_at_once(3, cores=8, gpus=0)
    (4, 8, 3)
    """
    return max(1, min(runs, cores, gpus or cores))


def gpu_of(place: int, names: Sequence[str]) -> str:
    """Return the GPU of the process at a place, from 0: in turn, so that their numbers differ by one at most.

    >>> [gpu_of(place, ["0", "1"]) for place in range(3)]
    ['0', '1', '0']
    """
    return names[place % len(names)]


def visible_names(count: int, environment: Mapping[str, str]) -> list[str]:
    """Name the GPUs that torch counts, in its order.

    >>> visible_names(2, {"CUDA_VISIBLE_DEVICES": "3,5"}), visible_names(2, {})
    (['3', '5'], ['0', '1'])
    """
    chosen = [name.strip() for name in environment.get(VISIBLE, "").split(",") if name.strip()]
    return chosen[:count] if chosen else [str(place) for place in range(count)]


@cache
def gpus_here(accelerator: str) -> tuple[Gpu, ...]:
    """Return the GPUs for runs of `trainer.accelerator`; a single one is taken whatever its memory."""
    import torch

    count = torch.cuda.device_count() if accelerator in ("auto", "cuda") else 0
    names = visible_names(count, os.environ)
    if count < 2:
        return tuple(Gpu(name, 1, 1) for name in names)
    asked = subprocess.run([sys.executable, "-c", _ASK], capture_output=True, text=True)
    memory = json.loads(asked.stdout) if asked.returncode == 0 else [(1, 1)] * count
    return tuple(usable([Gpu(name, *pair) for name, pair in zip(names, memory, strict=True)]))


def begin_process(names: Sequence[str], places: str) -> None:
    """Begin a process of joblib: note signals, keep it for all runs, use a GPU that as few others as possible share.

    The process takes the lowest place that no other holds, and keeps it until it ends, in whatever way.

    Args:
        names: The GPUs; with fewer than two there is nothing to choose.
        places: Folder with a lock per place, of this command alone.
    """
    from joblib.externals.loky import process_executor

    stop_signals.wait_for_run()
    # A run keeps its data and its buffers. Joblib would take .3 GB for a leak, and a new process imports all again.
    process_executor._MAX_MEMORY_LEAK_SIZE = _MAY_GROW
    if len(names) < 2 or fcntl is None:
        return
    for place in itertools.count():
        handle = os.open(Path(places) / str(place), os.O_CREAT | os.O_RDWR)  # stays open: the system frees the place
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            continue
        os.environ[VISIBLE] = gpu_of(place, names)  # before this process asks torch for a GPU
        return


@cache
def folder_of_places() -> tempfile.TemporaryDirectory[str]:
    """Return this command's folder for `begin_process`; it is removed when the command ends."""
    return tempfile.TemporaryDirectory(prefix="lossfrontier-")
