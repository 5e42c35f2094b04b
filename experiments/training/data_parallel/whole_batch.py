"""The mathematics of the whole batch, when each process sends a share of its tiles through the network.

- Batch normalisation takes mean and variance over the tiles of all processes, n pixels in all:
  mean = Σ_p mean_p / P,  var = Σ_p (var_p + (mean_p - mean)²) / P
- The logits of all tiles go to every process, which computes the loss of the whole batch: the Dice loss of a batch is
  not the mean of the Dice losses of its shares.
- The gradient of a weight is the sum of what the shares give.

So a run has the same batches, losses and weights as in one process, up to rounding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from experiments.training.data_parallel.group import losing_others


def _of_all(share: Tensor) -> Tensor:
    """Stack what each process has: (...) to (P, ...)."""
    stacked = share.new_empty((dist.get_world_size(), *share.shape))
    with losing_others():
        dist.all_gather(list(stacked.unbind(0)), share.contiguous())
    return stacked


class _Gather(torch.autograd.Function):
    """Stack what each process has, and give each process the gradient of its own part.

    If every process computes the same from the whole, such as the loss, that gradient is complete. If each uses it for
    its own share, such as a mean in batch normalisation, their gradients are summed.
    """

    @staticmethod
    def forward(ctx: Any, share: Tensor, sums: bool) -> Tensor:
        ctx.sums = sums
        return _of_all(share)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        gradient = gradients[0]
        if ctx.sums:
            gradient = gradient.clone(memory_format=torch.contiguous_format)
            with losing_others():
                dist.all_reduce(gradient)
        return gradient[dist.get_rank()], None


def gather_logits(share: Tensor) -> Tensor:
    """Return the logits of the whole batch, (P · n, C, H, W), from those of this process's tiles, (n, C, H, W)."""
    return _Gather.apply(share, False).flatten(0, 1)


def sum_over_processes(values: Sequence[Tensor], weight: float = 1.0) -> None:
    """Replace tensors by `weight` times their sums over the processes, in place, in one message for each dtype."""
    for dtype in dict.fromkeys(value.dtype for value in values):
        chosen = [value for value in values if value.dtype == dtype]
        flat = torch.cat([value.reshape(-1) for value in chosen])
        with losing_others():
            dist.all_reduce(flat)
        parts = flat.mul_(weight).split([value.numel() for value in chosen])
        torch._foreach_copy_(chosen, [part.view_as(value) for part, value in zip(parts, chosen, strict=True)])


def largest_over_processes(values: Sequence[int]) -> list[int]:
    """Return the largest of each whole number over the processes; the hosts wait for each other."""
    largest = torch.tensor(values, dtype=torch.int32)
    with losing_others():
        dist.all_reduce(largest, dist.ReduceOp.MAX)
    return largest.tolist()


class WholeBatchStatistics(TorchFunctionMode):
    """Inside this context, batch normalisation in training takes its statistics over the tiles of all processes.

    It replaces `torch.nn.functional.batch_norm`, which torch's layers and those of other libraries call, so that a
    network needs no other layers and keeps the names of its weights. A compiled network would not notice.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call the function, or its replacement."""
        kwargs = kwargs or {}
        if func is F.batch_norm and kwargs.get("training"):
            return whole_batch_norm(*args, **kwargs)
        return func(*args, **kwargs)


def whole_batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise this process's share of a batch by the mean and variance of the whole batch.

    y = (x - mean) / sqrt(var + eps) · weight + bias

    Args:
        input: (n, C, ...), of the same shape in every process.
        running_mean: (C,), changed in place; None keeps none.
        running_var: Likewise, from the variance with n - 1, as torch does.
        weight: (C,); None is 1.
        bias: (C,); None is 0.
        training: True; named as in torch.
        momentum: Weight of this batch in the running values.
        eps: Added to the variance.

    Returns:
        In the shape and dtype of the input; the statistics are in float32.
    """
    with torch.autocast(input.device.type, enabled=False):
        values = input.to(torch.promote_types(input.dtype, torch.float32))
        var, mean = torch.var_mean(values, [axis for axis in range(input.ndim) if axis != 1], correction=0)
        means, variances = _Gather.apply(torch.stack([mean, var]), True).unbind(1)
        mean = means.mean(0)
        var = (variances + (means - mean).square()).mean(0)
        count = dist.get_world_size() * (input.numel() // input.shape[1])
        with torch.no_grad():
            if running_mean is not None:
                running_mean.lerp_(mean.to(running_mean.dtype), momentum)
            if running_var is not None:
                running_var.lerp_((var * (count / (count - 1))).to(running_var.dtype), momentum)
        scale = torch.rsqrt(var + eps)
        scale = scale if weight is None else scale * weight
        shift = -mean * scale if bias is None else bias - mean * scale
        shape = [1, -1, *[1] * (input.ndim - 2)]
        return (values * scale.view(shape) + shift.view(shape)).to(input.dtype)
