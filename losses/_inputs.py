"""Checks of a loss's inputs, and the precision that it computes in."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from numbers import Real
from typing import Any

import torch
from torch import Tensor


def check_inputs(logits: Tensor, target: Tensor, valid: Tensor | None) -> Tensor | None:
    """Check the arguments of a loss and return ``valid`` expanded to the shape of the logits (a view).

    :func:`check_labels` checks the values of the labels.

    Args:
        logits: floating point, shape (N, C, H, W).
        target: bool, integer or floating point, same shape, labels 0 and 1.
        valid: bool, broadcastable to the logits: (N, 1, H, W), (H, W), ...; None when every pixel counts.

    Raises:
        TypeError: an argument is not a tensor or has another dtype.
        ValueError: an argument has another shape or device than expected.
    """
    for name, value in (("logits", logits), ("target", target), ("valid", valid)):
        if not isinstance(value, Tensor) and not (name == "valid" and value is None):
            raise TypeError(f"{name} must be a tensor, got {type(value).__name__}")
    if not logits.is_floating_point():
        raise TypeError(f"logits must be floating point, got {logits.dtype}")
    if logits.ndim != 4 or logits.numel() == 0:
        raise ValueError(f"logits must have shape (N, C, H, W), none of them 0, got {tuple(logits.shape)}")
    if target.is_complex():
        raise TypeError(f"target must be bool, integer or floating point, got {target.dtype}")
    if target.shape != logits.shape:
        raise ValueError(f"target must have the shape of the logits {tuple(logits.shape)}, got {tuple(target.shape)}")
    if target.device != logits.device:
        raise ValueError(f"target must be on the device of the logits ({logits.device}), got {target.device}")
    return None if valid is None else _expand_valid(valid, logits)


def _expand_valid(valid: Tensor, logits: Tensor) -> Tensor:
    if valid.dtype != torch.bool:
        raise TypeError(f"valid must be bool (False = ignore the pixel), got {valid.dtype}")
    if valid.device != logits.device:
        raise ValueError(f"valid must be on the device of the logits ({logits.device}), got {valid.device}")
    images, masks = logits.shape[:2]
    if valid.ndim == 3 and valid.shape[0] == images == masks > 1:
        raise ValueError(
            f"valid of shape {tuple(valid.shape)} could be one map per image or one per mask, as N = C = {masks}; "
            "give it four axes: (N, 1, H, W) or (1, C, H, W)"
        )
    try:
        return valid.expand(logits.shape)
    except RuntimeError:
        raise ValueError(
            f"valid must be broadcastable to the logits {tuple(logits.shape)}, e.g. (N, 1, H, W) or (H, W), "
            f"got {tuple(valid.shape)}"
        ) from None


def check_number(
    name: str, value: float, *, above: float | None = None, at_least: float | None = None, below: float = math.inf
) -> float:
    """Return a hyperparameter as a float, or raise an error that names it.

    Raises:
        TypeError: not a number.
        ValueError: not finite, or out of range.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r}")
    inside = (above is None or value > above) and (at_least is None or value >= at_least) and value < below
    if not (math.isfinite(value) and inside):
        bounds = [f"above {above:g}"] if above is not None else []
        bounds += [f"at least {at_least:g}"] if at_least is not None else []
        bounds += [f"below {below:g}"] if below != math.inf else []
        raise ValueError(f"{name} must be finite and {' and '.join(bounds)}, got {value!r}")
    return float(value)


def working_dtype(logits: Tensor) -> torch.dtype:
    """Return the dtype that a loss computes in: float64 for float64 logits, float32 for all others."""
    return torch.float64 if logits.dtype == torch.float64 else torch.float32


def summing_dtype(pixels: Tensor) -> torch.dtype:
    """Return the dtype to sum in: float64, so that rounding does not depend on how a device splits the sum.

    Metal has no float64.
    """
    return torch.float32 if pixels.device.type == "mps" else torch.float64


def full_precision(logits: Tensor) -> AbstractContextManager[Any]:
    """Return a context that keeps autocast from lowering the precision of a loss."""
    device = logits.device.type
    if device == "cpu" and not torch.is_autocast_enabled(device):
        return nullcontext()  # entering torch.autocast takes a noticeable part of a small batch's time
    return torch.autocast(device, enabled=False)


def is_free_to_read(tensor: Tensor) -> bool:
    """Return whether a tensor's values can be read without synchronising: on the CPU, outside torch.compile."""
    return tensor.device.type == "cpu" and not torch.compiler.is_compiling()


def check_labels(target: Tensor, valid: Tensor | None) -> None:
    """Refuse labels other than 0 and 1 at valid pixels, on a CPU.

    On an accelerator labels are not checked, because reading the answer would make the host wait for the device. There
    the loader of the data has to check them. Under torch.compile they are not checked either.

    Args:
        target: shape (N, C, H, W).
        valid: bool, the same shape, or None.

    Raises:
        ValueError: a label is neither 0 nor 1; the message shows the first such label and counts the others.
    """
    if target.dtype == torch.bool or not is_free_to_read(target):
        return
    wrong = (target != 0) & (target != 1)
    if valid is not None:
        wrong &= valid
    if wrong.any():
        raise ValueError(
            f"target must hold labels 0 and 1 only, got {target[wrong][0].item()} "
            f"and {int(wrong.sum()) - 1} more such pixels"
        )
