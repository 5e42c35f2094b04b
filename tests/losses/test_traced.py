"""Every loss traces without a break under torch.compile, and is there what it is elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from losses import (
    AveragePrecisionLoss,
    BoundaryLoss,
    CombinedLoss,
    DiceLoss,
    FocalLoss,
    FocalTverskyLoss,
    SkeletonRecallLoss,
    TverskyLoss,
    WeightedBCELoss,
)

LOSSES: dict[str, Callable[[], nn.Module]] = {
    "bce": WeightedBCELoss,
    "weighted BCE": lambda: WeightedBCELoss(pos_weight=7),
    "weighted BCE by mask": lambda: WeightedBCELoss(pos_weight=[3, 42]),
    "focal": FocalLoss,
    "focal of a small gamma, weighted": lambda: FocalLoss(gamma=0.5, positive_weight=0.75),
    "focal of gamma 0": lambda: FocalLoss(gamma=0),
    "dice": DiceLoss,
    "dice by image": lambda: DiceLoss(per_image=True),
    "tversky": TverskyLoss,
    "focal tversky": FocalTverskyLoss,
    "focal tversky by image": lambda: FocalTverskyLoss(gamma=2.0, per_image=True),
    "combined": lambda: CombinedLoss(
        terms={"bce": WeightedBCELoss(), "dice": DiceLoss()}, weights={"bce": 1, "dice": 2}
    ),
    "average precision": AveragePrecisionLoss,
    "skeleton recall": SkeletonRecallLoss,
    "boundary": BoundaryLoss,
}
NAMED = {"skeleton recall": "skeleton", "boundary": "distance"}
SHAPE = (3, 2, 9, 11)


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def _batch(dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    logits, chance, kept = (torch.randn(SHAPE, generator=rng) for _ in range(3))
    target, valid = (chance > 0.5), kept[:, :1] > -0.8
    valid[0] = False  # an image without a valid pixel
    target[:, 1] = False  # an empty mask
    return 4 * logits, target.to(dtype), valid


def _named(name: str, target: Tensor) -> dict[str, Tensor]:
    if name not in NAMED:
        return {}
    return {NAMED[name]: target if NAMED[name] == "skeleton" else 3 - 5 * target.float()}


def _value_and_gradient(loss: Callable[..., Tensor], logits: Tensor, *given: Tensor | None, **named: Tensor):
    x = logits.clone().requires_grad_()
    value = loss(x, *given, **named)
    (3 * value).backward()
    return value.detach(), x.grad


@pytest.mark.parametrize(("dtype", "ignores"), [(torch.bool, False), (torch.float32, True)])
@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_traces_whole_and_agrees_with_eager(name: str, dtype: torch.dtype, ignores: bool) -> None:
    logits, target, valid = _batch(dtype)
    loss, named = LOSSES[name](), _named(name, target)
    traced = torch.compile(loss, fullgraph=True, backend="aot_eager", dynamic=False)
    for shift in (0.0, -30.0):  # a network in training, and one that is sure of background
        given = (logits + shift, target, valid if ignores else None)
        value, gradient = _value_and_gradient(loss, *given, **named)
        found, traced_gradient = _value_and_gradient(traced, *given, **named)
        torch.testing.assert_close(found, value, rtol=1e-5, atol=1e-12)
        torch.testing.assert_close(traced_gradient, gradient, rtol=1e-4, atol=1e-7 * float(gradient.abs().max()))


@pytest.mark.parametrize("name", ["focal", "dice"])
def test_a_traced_loss_computes_in_full_precision_under_autocast(name: str) -> None:
    logits, target, valid = _batch(torch.bool)
    loss = LOSSES[name]()
    traced = torch.compile(loss, fullgraph=True, backend="aot_eager", dynamic=False)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, _ = _value_and_gradient(traced, logits.bfloat16(), target, valid)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, loss(logits.bfloat16(), target, valid), rtol=2e-6, atol=0)


@pytest.mark.parametrize("name", ["bce", "focal", "focal tversky by image"])
def test_a_batch_without_a_valid_pixel_trains_nothing_when_traced(name: str) -> None:
    logits, target, valid = _batch(torch.bool)
    traced = torch.compile(LOSSES[name](), fullgraph=True, backend="aot_eager", dynamic=False)
    value, gradient = _value_and_gradient(traced, logits, target, torch.zeros_like(valid), **_named(name, target))
    assert value.item() == 0.0
    assert not gradient.any()


@pytest.mark.parametrize("gamma", [1.0, 3.0])
def test_a_perfect_prediction_has_a_finite_gradient_when_traced(gamma: float) -> None:
    _, target, _ = _batch(torch.bool)
    traced = torch.compile(FocalTverskyLoss(gamma=gamma), fullgraph=True, backend="aot_eager", dynamic=False)
    _, gradient = _value_and_gradient(traced, torch.where(target, 200.0, -200.0), target, None)
    assert gradient.isfinite().all()
