"""How many operations the losses start on an accelerator, where each is a kernel: counted on a CPU."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

import losses.kernels
from losses import CombinedLoss, DiceLoss, FocalLoss, FocalTverskyLoss, TverskyLoss, WeightedBCELoss

SHAPE = (2, 3, 16, 16)
BOTH = {"bce": WeightedBCELoss(), "dice": DiceLoss()}

# loss -> operations on all pixels, and operations on the few numbers beside them; forward and backward together.
MOST: dict[str, tuple[nn.Module, int, int]] = {
    "bce": (WeightedBCELoss(), 6, 5),
    "weighted bce": (WeightedBCELoss(pos_weight=7), 9, 9),
    "focal": (FocalLoss(), 13, 5),
    "dice": (DiceLoss(), 12, 40),
    "tversky": (TverskyLoss(), 12, 40),
    "focal tversky": (FocalTverskyLoss(), 12, 45),
    "bce + dice": (CombinedLoss(terms=BOTH), 19, 50),
}


class Kernels(TorchDispatchMode):
    """Counts operations that compute something: views and empty tensors start no kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.large: list[str] = []
        self.small: list[str] = []

    def __torch_dispatch__(self, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = operator(*args, **(kwargs or {}))
        if not operator.is_view and "empty" not in operator.name() and "detach" not in operator.name():
            read = () if "new_" in operator.name() else args  # which take dtype and device of a tensor, not its values
            sizes = [value.numel() for value in (*read, result) if isinstance(value, Tensor)]
            (self.large if max(sizes, default=0) >= math.prod(SHAPE) else self.small).append(operator.name())
        return result


def count(loss: nn.Module, target: Tensor, valid: Tensor | None = None) -> Kernels:
    logits = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0)).requires_grad_()
    with Kernels() as kernels:
        loss(logits, target, valid).backward()
    return kernels


@pytest.fixture
def as_on_an_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Close the door to numba, and take no value for free."""
    for module in (losses._inputs, losses.kernels, losses.kernels.autograd):
        monkeypatch.setattr(module, "is_free_to_read", lambda tensor: False)


@pytest.mark.parametrize("name", MOST)
@pytest.mark.usefixtures("as_on_an_accelerator")
def test_a_loss_and_its_gradient_take_few_operations(name: str) -> None:
    loss, large, small = MOST[name]
    found = count(loss, torch.rand(SHAPE, generator=torch.Generator().manual_seed(1)) < 0.1)
    assert len(found.large) <= large, found.large
    assert len(found.small) <= small, found.small


@pytest.mark.parametrize("name", MOST)
@pytest.mark.usefixtures("as_on_an_accelerator")
def test_labels_of_other_dtypes_and_ignored_pixels_take_few_more(name: str) -> None:
    loss, large, _ = MOST[name]
    target = torch.rand(SHAPE, generator=torch.Generator().manual_seed(1)) < 0.1
    terms = 2 if isinstance(loss, CombinedLoss) else 1
    assert len(count(loss, target.float()).large) <= large + terms  # the comparison with 0
    assert len(count(loss, target, target[:, :1]).large) <= large + 6 * terms
