"""What every loss of this package does with its inputs: check them, and read them block by block."""

from __future__ import annotations

import math
from collections.abc import Iterator
from numbers import Real

import torch
from torch import Tensor

Block = tuple[slice, slice, slice]

# Pixels that a CPU works on at once. Small enough for a block's temporaries to stay in a cache and to be a small part
# of the memory that the logits take; large enough for the fixed cost of an operation, and for several threads.
_BLOCK_CPU = 2**18


def check_inputs(logits: Tensor, target: Tensor, valid: Tensor | None) -> Tensor | None:
    """Check the arguments of a loss and return ``valid`` expanded to the shape of the logits (a view).

    The labels themselves are checked where they are read, by :func:`read_labels` or :func:`check_labels`.

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
    """Return a hyperparameter as a float, or say by name what was expected of it and what came.

    Raises:
        TypeError: not a number.
        ValueError: not finite, or out of range.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r}")
    bounds = [f"above {above:g}"] if above is not None else []
    bounds += [f"at least {at_least:g}"] if at_least is not None else []
    bounds += [f"below {below:g}"] if below != math.inf else []
    inside = (above is None or value > above) and (at_least is None or value >= at_least) and value < below
    if not (math.isfinite(value) and inside):
        raise ValueError(f"{name} must be finite and {' and '.join(bounds)}, got {value!r}")
    return float(value)


def working_dtype(logits: Tensor) -> torch.dtype:
    """Return the dtype that a loss computes in: float64 for float64 logits, float32 for all others."""
    return torch.float64 if logits.dtype == torch.float64 else torch.float32


def full_precision(logits: Tensor) -> torch.autocast:
    """Return a context in which autocast leaves the arithmetic of a loss alone."""
    return torch.autocast(logits.device.type, enabled=False)


def blocks(pixels: Tensor, *, one_mask: bool = False) -> Iterator[Block]:
    """Yield slices over (N, C, H) that cut the pixels into runs of bounded size, in the order of a contiguous tensor.

    An accelerator, which has no cache to stay in and starts every operation at a price, gets all pixels at once.

    Args:
        pixels: shape (N, C, H, W).
        one_mask: whether a block may hold pixels of one mask only.
    """
    images, masks, height, width = pixels.shape
    limit = _BLOCK_CPU if pixels.device.type == "cpu" else pixels.numel()
    rows_at_once = min(height, max(1, limit // width))
    planes_at_once = max(1, limit // (height * width))
    masks_at_once = 1 if one_mask else min(masks, planes_at_once)
    images_at_once = max(1, planes_at_once // (1 if one_mask else masks))
    for n in range(0, images, images_at_once):
        for c in range(0, masks, masks_at_once):
            for h in range(0, height, rows_at_once):
                yield slice(n, n + images_at_once), slice(c, c + masks_at_once), slice(h, h + rows_at_once)


def scratch_like(logits: Tensor, dtype: torch.dtype) -> Tensor:
    """Return flat memory for a temporary of one block; :func:`shaped_as` gives it a block's shape.

    Taken once for all blocks: memory that is taken anew for every block costs as much as what is written to it.
    """
    pixels = logits.numel() if logits.device.type != "cpu" else max(_BLOCK_CPU, logits.shape[3])
    return logits.new_empty(min(pixels, logits.numel()), dtype=dtype)


def shaped_as(scratch: Tensor, block: Tensor) -> Tensor:
    """Return the first part of the scratch memory in the shape of a block."""
    return scratch[: block.numel()].view(block.shape)


def check_labels(target: Tensor, valid: Tensor | None) -> None:
    """Refuse labels other than 0 and 1 at valid pixels of a CPU, for those who do not read them block by block.

    On an accelerator they are not looked at, because reading the answer would make the host wait for the device:
    there the range is the business of whoever loads the data.

    Args:
        target: shape (N, C, H, W).
        valid: bool, the same shape, or None.

    Raises:
        ValueError: a label is neither 0 nor 1.
    """
    scratch = scratch_like(target, target.dtype)
    for block in blocks(target):
        read_labels(target, valid, block, scratch)


def read_labels(target: Tensor, valid: Tensor | None, block: Block, scratch: Tensor, *, known: bool = False) -> Tensor:
    """Return the labels of a block as 0.0 and 1.0, contiguous, with 0.0 at ignored pixels whatever lay there.

    Args:
        target: shape (N, C, H, W).
        valid: bool, the same shape, or None.
        block: which pixels.
        scratch: its dtype is that of the returned labels; overwritten.
        known: whether they were read, and so checked, before.

    Raises:
        ValueError: a label at a valid pixel of a CPU is neither 0 nor 1.
    """
    labels = target[block]
    if labels.dtype == torch.bool:
        labels = labels.view(torch.uint8)  # same bytes, and uint8 is four times faster to convert than bool
    if valid is not None:
        labels = labels.masked_fill(~valid[block], 0)
    if not (known or target.dtype == torch.bool or target.device.type != "cpu" or _are_binary(labels, scratch)):
        _refuse_labels(target, valid)
    return labels.to(scratch.dtype).contiguous()


def _are_binary(labels: Tensor, scratch: Tensor) -> bool:
    if labels.is_floating_point():
        excess = shaped_as(scratch, labels) if labels.dtype == scratch.dtype else None
        labels = torch.addcmul(labels, labels, labels, value=-1, out=excess)  # t − t² is 0 at 0 and at 1 only
    low, high = (bound.item() for bound in labels.aminmax())
    return low == 0 == high if labels.is_floating_point() else low >= 0 and high <= 1


def _refuse_labels(target: Tensor, valid: Tensor | None) -> None:
    wrong = (target != 0) & (target != 1)
    if valid is not None:
        wrong &= valid
    raise ValueError(
        f"target must hold labels 0 and 1 only, got {target[wrong][0].item()} "
        f"and {int(wrong.sum()) - 1} more such pixels"
    )


def read_wrong_logits(logits: Tensor, labels: Tensor, valid: Tensor | None, block: Block, scratch: Tensor) -> Tensor:
    """Return z = x where the label is 0 and z = −x where it is 1: the logit of the *wrong* answer, in ``scratch``.

    Every loss here is a function of z alone up to a weight per label: softplus(z) is the cross-entropy and
    sigmoid(z) the probability given to the wrong answer, neither with a cancellation. An ignored pixel gets −inf,
    at which the losses and their gradients are exactly 0.
    """
    x = logits[block].to(labels.dtype).contiguous()
    z = torch.addcmul(x, x, labels, value=-2.0, out=shaped_as(scratch, labels))
    return z if valid is None else z.masked_fill_(~valid[block], -math.inf)
