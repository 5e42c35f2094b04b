"""What the processes of a run do together in each update; `fit` calls these in place of what one process does."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from experiments.process import stop_signals
from experiments.process.random_numbers import own_numbers
from experiments.training.checkpoint import TrainingState, set_whole_state, whole_state
from experiments.training.data_parallel.group import Group, losing_others
from experiments.training.data_parallel.whole_batch import (
    WholeBatchStatistics,
    gather_logits,
    largest_over_processes,
    sum_over_processes,
)
from experiments.training.device import Forward


@dataclass(eq=False)
class SharedUpdates:
    """The updates of one run, shared by the processes of a group.

    Args:
        group: The processes.
        state: The run's state in this process; the same in all after every update.
        criterion: The loss.
        seed: The run's.
    """

    group: Group
    state: TrainingState
    criterion: nn.Module
    seed: int
    _signal: int = 0

    def whole_batch(self, forward: Forward) -> Forward:
        """Return a function that sends this process's share through the network, and returns the whole batch's logits.

        The network's dropout draws from a generator seeded by (seed, update, process), so that shares get masks of
        their own. The common generators stay as they are: a loss that draws, draws the same numbers in every process.

        Args:
            forward: Maps images to logits.
        """

        def call(image: Tensor) -> Tensor:
            share = image.chunk(self.group.count)[self.group.number]
            own = np.random.default_rng([self.seed, self.state.update, 2, self.group.number])
            with own_numbers(image.device) as seed_numbers, WholeBatchStatistics():
                seed_numbers(int(own.integers(2**63)))
                logits = forward(share)
            return gather_logits(logits)

        return call

    def sum_gradients(self) -> None:
        """Sum the gradients of the network's weights over the processes, and note whether any was asked to stop.

        The loss's own parameters have the whole gradient everywhere. Its mean is the same number, and keeps them alike
        where a GPU rounds differently from process to process.
        """
        weights = [weight for weight in self.state.model.parameters() if weight.requires_grad]
        own = [weight for weight in self.criterion.parameters() if weight.requires_grad]
        has_gradient = [int(weight.grad is not None) for weight in (*weights, *own)]
        self._signal, *used = largest_over_processes([stop_signals.received() or 0, *has_gradient])
        gradients: dict[nn.Parameter, Tensor] = {}
        for weight, in_use in zip((*weights, *own), used, strict=True):
            if in_use:  # by a share; a network may leave out a layer
                weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
                gradients[weight] = weight.grad
        sum_over_processes([gradients[weight] for weight in weights if weight in gradients])
        sum_over_processes([gradients[weight] for weight in own if weight in gradients], 1 / self.group.count)

    def stops(self) -> bool:
        """Return whether a signal had asked any process to stop by `sum_gradients`; the same answer in all."""
        if self._signal:
            stop_signals.pass_on(self._signal)
        return bool(self._signal)


def share_state(state: TrainingState, group: Group) -> None:
    """Give every process the leader's state: weights, optimizer, history, and the generators of host and device."""
    content = [b""]
    if group.leads:
        file = io.BytesIO()
        torch.save({**whole_state(state), "device_numbers": _device_numbers(state)}, file)
        content = [file.getvalue()]
    with losing_others():
        dist.broadcast_object_list(content, 0, device=torch.device("cpu"))
    if not group.leads:
        received = torch.load(io.BytesIO(content[0]), map_location="cpu", weights_only=True)
        received["generators"]["cuda"] = [received["device_numbers"]] * torch.cuda.device_count()
        set_whole_state(state, received)


def _device_numbers(state: TrainingState) -> Tensor | None:
    device = next(iter(state.model.parameters())).device
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else None
