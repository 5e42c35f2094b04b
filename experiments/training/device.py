"""Where and in which precision a run computes, by Hugging Face accelerate."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from joblib import cpu_count
from omegaconf import DictConfig

from experiments.config import ConfigError

_PRECISIONS = {"32": "no", "bf16": "bf16", "fp16": "fp16"}  # the names are checked by `checks.values`


def make_accelerator(trainer: DictConfig) -> Accelerator:
    """Choose device and precision.

    Raises:
        ConfigError: For a device that is not there or an unknown precision.
    """
    precision = str(trainer.precision)
    if precision not in _PRECISIONS:
        raise ConfigError(f"trainer.precision: expected one of {', '.join(_PRECISIONS)}, got {precision}")
    wanted = trainer.accelerator
    present = {
        "auto": True,
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if wanted not in present:
        raise ConfigError(f"trainer.accelerator: expected one of {', '.join(present)}, got {wanted}")
    if not present[wanted]:
        raise ConfigError(f"trainer.accelerator={wanted}: torch {torch.__version__} finds no such device here")
    if precision == "fp16" and (wanted == "cpu" or not (present["cuda"] or present["mps"])):
        raise ConfigError("trainer.precision=fp16: expected a GPU, got the CPU; use 32 or bf16")
    # accelerate keeps one state a process; the runs of a study may differ in precision.
    AcceleratorState._reset_state(reset_partial_state=True)
    return Accelerator(cpu=wanted == "cpu", mixed_precision=_PRECISIONS[precision])


@contextmanager
def determinism(wanted: bool) -> Iterator[None]:
    """Within, operations give the same bits every time; afterwards torch's settings are as they were.

    An operation of a GPU that cannot do so raises an error that names it. On a CPU operations do so anyway.

    Args:
        wanted: `trainer.deterministic`; False changes nothing.
    """
    if not wanted:
        yield
        return
    # cuBLAS reads it when the process first multiplies matrices on a GPU, so it stays.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    cudnn = torch.backends.cudnn
    enabled, only_warns = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    before = cudnn.deterministic, cudnn.benchmark
    torch.use_deterministic_algorithms(True)
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(enabled, warn_only=only_warns)
        cudnn.deterministic, cudnn.benchmark = before


def set_threads(threads: int | None, jobs: int) -> int:
    """Limit the CPU threads of this process.

    Args:
        threads: How many; None divides the cores that this process may use by `jobs`, and takes no more than
            `OMP_NUM_THREADS` where the user has set it.
        jobs: Runs at once on this machine.
    """
    count = threads if threads and threads > 0 else max(1, cpu_count() // max(jobs, 1))
    limit = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    if not threads and limit.isdigit():
        count = max(1, min(count, int(limit)))
    torch.set_num_threads(count)
    return count


def device_name(device: torch.device) -> str:
    """Name a device as its maker does."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def peak_memory_mb(device: torch.device) -> float:
    """Return the peak memory so far in MB: of the GPU on CUDA, else of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes / (1e6 if sys.platform == "darwin" else 1e3)
