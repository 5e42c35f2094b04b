"""Device, precision (through Hugging Face accelerate) and compilation of a run."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache, partial

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from joblib import cpu_count
from omegaconf import DictConfig
from torch import Tensor, nn

from experiments.config import ConfigError
from experiments.process import processes
from experiments.training.foreground_seen import batch_foreground
from losses import apply_criterion
from losses.combined import traces_whole

_PRECISIONS = {"32": "no", "bf16": "bf16", "fp16": "fp16"}  # the names are checked by `checks.values`

Forward = Callable[[Tensor], Tensor]
CompiledLoss = Callable[[Tensor, Tensor, Tensor | None], tuple[Tensor, Tensor]]
"""Maps uint8 images, labels and valid pixels to the loss and the shares of foreground, (C,)."""


def make_accelerator(trainer: DictConfig) -> Accelerator:
    """Choose device and precision.

    Raises:
        ConfigError: The device does not exist here, or the precision is unknown.
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
    on_cpu = wanted == "cpu"
    if processes.count() > 1:
        on_cpu = on_cpu or (wanted == "auto" and not present["cuda"])
        _check_devices(wanted, on_cpu)
        # Otherwise accelerate sets the number of threads, with a warning.
        os.environ.setdefault("OMP_NUM_THREADS", str(torch.get_num_threads()))
    # accelerate keeps one state per process, but the runs of a study may differ in precision.
    AcceleratorState._reset_state(reset_partial_state=True)
    return Accelerator(cpu=on_cpu, mixed_precision=_PRECISIONS[precision])


def _check_devices(wanted: str, on_cpu: bool) -> None:
    """Refuse several processes on this machine that would have to share a GPU."""
    if wanted == "mps":
        raise ConfigError(f"trainer.accelerator=mps: expected one process, got {processes.count()}")
    if not on_cpu and processes.count_here() > torch.cuda.device_count():
        raise ConfigError(
            f"trainer.accelerator={wanted}: expected a GPU for each of the {processes.count_here()} processes on this "
            f"machine, got {torch.cuda.device_count()}; start fewer (--num_processes), or trainer.accelerator=cpu"
        )


@contextmanager
def determinism(wanted: bool) -> Iterator[None]:
    """Make operations deterministic to the bit inside this context, and restore torch's settings afterwards.

    A GPU operation without a deterministic version raises an error that names it. On a CPU operations are deterministic
    anyway.

    Args:
        wanted: `trainer.deterministic`; False changes nothing.
    """
    if not wanted:
        yield
        return
    # cuBLAS reads it at the process's first matrix product on a GPU, so it stays set.
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
        threads: The limit; None divides the cores that this process may use by `jobs`, up to `OMP_NUM_THREADS` if the
            user has set it.
        jobs: Concurrent runs on this machine; several processes of one run divide the cores too.
    """
    jobs = max(jobs, 1) * processes.count_here()
    count = threads if threads and threads > 0 else max(1, cpu_count() // jobs)
    limit = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    if not threads and limit.isdigit():
        count = max(1, min(count, int(limit)))
    torch.set_num_threads(count)
    return count


def device_name(device: torch.device) -> str:
    """Return the maker's name of a device."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def peak_memory_mb(device: torch.device) -> float:
    """Return the peak memory so far in MB: of the GPU on CUDA, else of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes / (1e6 if sys.platform == "darwin" else 1e3)


def compiled_twin(model: nn.Module) -> Forward:
    """Return a compiled version of a model, for batches of one shape.

    The model itself is unchanged: it shares its parameters with the compiled version, its `state_dict` keeps its keys,
    and calling it compiles nothing, whatever the size of the image. The compiled version compiles at its first call and
    first backward pass. Its results differ from the model's by rounding. A process has one compiled version at a time,
    the last one.

    Args:
        model: As `accelerate` prepared it, autocast included.

    Returns:
        A function from images to logits.
    """
    # torch keeps compiled code per class of model, and silently stops compiling after eight of them. The runs of a
    # study train in one process, so reset it; recompiling is quick, because the cache on disk has the code.
    torch.compiler.reset()
    return torch.compile(model, dynamic=False)


def compiled(model: nn.Module, criterion: nn.Module, device: torch.device) -> tuple[Forward, CompiledLoss | None]:
    """Compile the forward and backward pass of a training step, with the loss in the same graph where that pays.

    On a GPU the compiler joins the loss's operations on pixels with each other and with the count of foreground, where
    each would be a kernel and a pass of its own. On a CPU the loss has compiled loops already. A criterion from
    elsewhere is called as it is.

    Args:
        model: As `accelerate` prepared it, autocast included.
        criterion: The loss.
        device: Where both are.

    Returns:
        A function from images to logits, and one from images, labels and valid pixels to the loss and the shares of
        foreground; None for the second where the loss is not compiled with the model.
    """
    twin = compiled_twin(model)
    if device.type == "cpu" or not traces_whole(criterion):
        return twin, None
    return twin, compiled_loss(model, twin, criterion)


def compiled_loss(model: nn.Module, twin: Forward, criterion: nn.Module) -> CompiledLoss:
    """Return model, loss and count of foreground as one compiled graph; see `compiled`.

    Args:
        model: The model itself.
        twin: Its compiled version, used with the loss as it is if the model breaks the graph.
        criterion: The loss.
    """
    from torch._dynamo.exc import Unsupported  # imports the compiler, which a run without it need not wait for

    def step(forward: Forward, image: Tensor, target: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:
        loss = apply_criterion(criterion, forward(image), target, valid)
        return loss, batch_foreground(target, valid)

    whole: CompiledLoss | None = torch.compile(partial(step, model), dynamic=False, fullgraph=True)

    def call(image: Tensor, target: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:
        nonlocal whole
        if whole is not None:
            try:
                return whole(image, target, valid)
            except Unsupported:  # raised while tracing, before anything is computed
                whole = None
        return step(twin, image, target, valid)

    return call


def check_compiler(device: torch.device) -> None:
    """Compile a small function and its gradient on a device, to check that everything this needs is installed.

    Raises:
        ConfigError: It fails; the message gives torch's reason and the way out.
    """
    reason = _failure(device.type)
    if reason is not None:
        raise ConfigError(
            f"trainer.compile=true: torch {torch.__version__} cannot compile for {device.type} here: {reason}. Install "
            "what is missing, or trainer.compile=false, which gives the same results up to rounding."
        )


@lru_cache(maxsize=4)
def _failure(device_type: str) -> str | None:
    """Return why torch cannot compile for this type of device, or None if it can; cached per process."""
    value = torch.ones(64, device=device_type, requires_grad=True)
    try:
        torch.compile(_small, dynamic=False)(value).backward()
    except Exception as error:  # any error of a compiler or its driver means that compiling does not work
        text = str(error).strip() or type(error).__name__
        return text.splitlines()[0][:300].rstrip(".")
    return None


def _small(value: Tensor) -> Tensor:
    return (value * 2 + 1).relu().sum()
