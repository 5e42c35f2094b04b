"""Would the arms of a study train faster in lockstep, as one network with stacked weights? Measured, and not built.

    python -m benchmarks.lockstep

Six copies of a network get the same batch. Their forward and backward passes run one copy after the other, or all at
once under `torch.func.vmap`, which turns six convolutions into one with six groups. Printed are the least processor
time of one such update on one thread, and the operators that compute or copy, each of them a kernel on a GPU.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.utils._python_dispatch import TorchDispatchMode

ARMS, BATCH, SIDE, MASKS, ROUNDS = 6, 4, 96, 3, 5
_NETWORKS = ("unet_mobilenet", "unet_resnet34")
_FREE = ("aten::empty_like", "aten::empty", "aten::detach")


class Kernels(TorchDispatchMode):
    """Counts operators that compute or copy."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count an operator unless it returns a view, or memory alone."""
        is_view = any(value.alias_info and not value.alias_info.is_write for value in operator._schema.returns)
        self.count += not is_view and operator._schema.name not in _FREE
        return operator(*args, **(kwargs or {}))


def one_by_one(networks: Sequence[nn.Module], image: Tensor, target: Tensor) -> Callable[[], Tensor]:
    """Return an update that sends a batch through each network and back, and returns the losses, (A,)."""

    def update() -> Tensor:
        losses = []
        for network in networks:
            network.zero_grad(set_to_none=True)
            loss = nn.functional.binary_cross_entropy_with_logits(network(image), target)
            loss.backward()
            losses.append(loss.detach())
        return torch.stack(losses)

    return update


def stacked(networks: Sequence[nn.Module], image: Tensor, target: Tensor) -> Callable[[], Tensor]:
    """Return an update that sends a batch through all networks at once and back, and returns the losses, (A,)."""
    weights, buffers = stack_module_state(list(networks))
    shape = copy.deepcopy(networks[0])

    def loss_of(own_weights: Any, own_buffers: Any) -> Tensor:
        logits = functional_call(shape, (own_weights, own_buffers), (image,))
        return nn.functional.binary_cross_entropy_with_logits(logits, target)

    def update() -> Tensor:
        for weight in weights.values():
            weight.grad = None
        losses: Tensor = vmap(loss_of)(weights, buffers)
        losses.sum().backward()
        return losses.detach()

    return update


def least_cpu_seconds(call: Callable[[], Any]) -> float:
    """Return the least processor time of a call, warm."""
    call()
    seconds = []
    for _ in range(ROUNDS):
        started = time.process_time()
        call()
        seconds.append(time.process_time() - started)
    return min(seconds)


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    image, target = torch.randn(BATCH, 1, SIDE, SIDE), (torch.rand(BATCH, MASKS, SIDE, SIDE) < 0.05).float()
    models = Path(__file__).resolve().parents[1] / "conf" / "model"
    for name in _NETWORKS:
        model = OmegaConf.load(models / f"{name}.yaml")
        networks = [instantiate(model, in_channels=1, classes=MASKS).train() for _ in range(ARMS)]
        # The stacked weights are copies. The network itself is copied twice, as each way changes running means.
        ways = {
            way.__name__: way([copy.deepcopy(network) for network in networks], image, target)
            for way in (one_by_one, stacked)
        }
        apart = (ways["one_by_one"]() - ways["stacked"]()).abs().max()
        print(f"{name}, {ARMS} arms, {BATCH} tiles of {SIDE}; losses differ by {apart:.1g}")
        for way, update in ways.items():
            with Kernels() as kernels:
                update()
            print(f"  {way}: {1e3 * least_cpu_seconds(update):.0f} ms, {kernels.count} kernels", flush=True)


if __name__ == "__main__":
    main()
