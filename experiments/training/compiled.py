"""The compiled twin of a model: the same weights, trained faster; everything else stays with the model itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor, nn

from experiments.config import ConfigError


def compiled_twin(model: nn.Module) -> Callable[[Tensor], Tensor]:
    """Compile a model for batches of one shape.

    The model is left as it is: its parameters are the twin's, its `state_dict` keeps its keys, and calling the model
    itself compiles nothing, whatever the size of the image. The first call of the twin compiles, the first backward
    pass too; its results differ from the model's by rounding. A process has one twin at a time: the last one.

    Args:
        model: As `accelerate` prepared it, autocast included.

    Returns:
        Images to logits.
    """
    # torch keeps what it compiled for a class of models, and after eight it compiles no more, silently: the runs of a
    # study train in one process. What is compiled anew is found in the cache on disk.
    torch.compiler.reset()
    return torch.compile(model, dynamic=False)


def check_compiler(device: torch.device) -> None:
    """Compile a small function and its gradient on a device, to see that all that it takes is there.

    Raises:
        ConfigError: Saying what torch says, and the way out.
    """
    reason = _failure(device.type)
    if reason is not None:
        raise ConfigError(
            f"trainer.compile=true: torch {torch.__version__} cannot compile for {device.type} here: {reason}. Install "
            "what is missing, or trainer.compile=false, which gives the same results up to rounding."
        )


@lru_cache(maxsize=4)
def _failure(device_type: str) -> str | None:
    """Return why a device of this type cannot be compiled for; None when it can. Known once per process."""
    value = torch.ones(64, device=device_type, requires_grad=True)
    try:
        torch.compile(_small, dynamic=False)(value).backward()
    except Exception as error:  # whatever a compiler or its driver raises: all of it means that it does not work
        text = str(error).strip() or type(error).__name__
        return text.splitlines()[0][:300].rstrip(".")
    return None


def _small(value: Tensor) -> Tensor:
    return (value * 2 + 1).relu().sum()
