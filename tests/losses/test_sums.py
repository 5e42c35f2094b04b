"""Shortcuts of the losses: gradients computed in the forward pass and given up in the backward pass, labels checked."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import losses.kernels.autograd
from losses import DiceLoss, FocalLoss, WeightedBCELoss, apply_criterion, dice_loss, focal_loss, weighted_bce_loss
from losses.kernels.autograd import Scaling, times

pytestmark = pytest.mark.usefixtures("either_way")

LOSSES = [WeightedBCELoss(), WeightedBCELoss(pos_weight=42), FocalLoss(), DiceLoss()]
each_loss = pytest.mark.parametrize("loss", LOSSES, ids=str)


def _batch(shape: tuple[int, ...] = (2, 3, 6, 5)) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    return 3 * torch.randn(shape, generator=rng), torch.rand(shape, generator=rng) < 0.3


def _reference_softplus(z: np.ndarray) -> np.ndarray:
    return np.maximum(z, 0.0) + np.log1p(np.exp(-np.abs(z)))


def _reference_sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


# Sums lose digits where all terms round the same way, so most of these logits hold few values.
NOISE = np.random.default_rng(1)
LOGITS: dict[str, Callable[[int], np.ndarray]] = {
    **{f"all {z}": partial(np.full, fill_value=z) for z in (-80.0, -5.0, -0.7, 0.0, 0.3, 80.0)},
    "ramp": lambda n: np.linspace(-6, 6, n),
    "one large in a million": lambda n: np.where(np.arange(n) % 1_000_000 == n // 2, 60.0, -12.0),
    "from e^-80 to 80": lambda n: np.tile([-80.0, 80.0, -40.0, -1.0, 3.0, -7.0, 0.1], -(-n // 7))[:n],
    "noise": lambda n: 3 * NOISE.standard_normal(n),
}
SIZES = [1, 31, 63 * 63, 3 * 2**15 + 5]
# A pixel's own value is right to 1.5e-7 at the worst, and the result is rounded once more, by 6e-8.
DIGITS = 2.2e-7


@pytest.mark.parametrize("kind", LOGITS)
@pytest.mark.parametrize("size", SIZES)
def test_a_mean_keeps_the_digits_on_vectors_of_any_width(kind: str, size: int) -> None:
    """The references are summed in exact arithmetic."""
    z = LOGITS[kind](size).astype(np.float32)
    logits, negative = torch.from_numpy(z).reshape(1, 1, 1, -1), torch.zeros(1, 1, 1, size)
    loss = _reference_softplus(z.astype(np.float64))
    q = _reference_sigmoid(z.astype(np.float64))
    got = weighted_bce_loss(logits, negative).item()
    assert got == pytest.approx(math.fsum(loss) / size, rel=DIGITS)
    got = focal_loss(logits, negative, gamma=1.0).item()
    assert got == pytest.approx(math.fsum(q * loss) / size, rel=2 * DIGITS)
    # With every pixel positive, no false positives and Σ (1 − p) false negatives: loss = FN / (2 TP + FN + 2 smooth).
    missed = math.fsum(_reference_sigmoid(-z.astype(np.float64)))
    got = dice_loss(logits, torch.ones(1, 1, 1, size), smooth=0.5).item()
    assert got == pytest.approx(missed / (2 * size - missed + 1), rel=2 * DIGITS)


@pytest.mark.parametrize("z", [-3.3, -0.7, 0.0, 0.3, 1.9])
def test_a_million_equal_pixels_have_the_mean_of_one(z: float, restored_threads: None) -> None:
    one = torch.full((1, 1, 1, 1), z)
    for loss in (WeightedBCELoss(), FocalLoss()):
        alone = loss(one, torch.zeros_like(one)).item()
        for threads in (1, 2):
            torch.set_num_threads(threads)
            many = one.expand(1, 1, 1000, 1003)
            # Both are rounded to float32, and vectors and single numbers may round a value differently.
            assert loss(many, torch.zeros_like(many)).item() == pytest.approx(alone, rel=1.2e-7 + 6e-8)


@each_loss
def test_a_gradient_once_handed_over_is_not_written_to_again(loss: nn.Module) -> None:
    logits, target = _batch()
    logits.requires_grad_()
    value = loss(logits, target)
    (first,) = torch.autograd.grad(value, logits, retain_graph=True)
    kept = first.clone()
    for factor in (2, 3):
        (scaled,) = torch.autograd.grad(factor * value, logits, retain_graph=True)
        torch.testing.assert_close(scaled, factor * kept, rtol=1e-6, atol=0)
        scaled.fill_(math.nan)
    (again,) = torch.autograd.grad(value, logits)
    assert torch.equal(again, kept)
    assert torch.equal(first, kept)


@each_loss
def test_gradients_accumulate(loss: nn.Module) -> None:
    logits, target = _batch()
    (once,) = torch.autograd.grad(loss(logits.requires_grad_(), target), logits)
    value = loss(logits, target)
    value.backward(retain_graph=True)
    value.backward()
    torch.testing.assert_close(logits.grad, 2 * once, rtol=1e-6, atol=0)


def test_only_a_second_backward_pass_computes_the_gradient_again() -> None:
    calls = []

    def value_and_slope(logits: Tensor, target: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor, Scaling]:
        calls.append(logits)
        return logits.sum(), torch.ones_like(logits), times

    logits, target = _batch()
    value = losses.kernels.autograd.analytic_loss(logits.requires_grad_(), target, None, value_and_slope)
    for count in (1, 2):
        (gradient,) = torch.autograd.grad(value, logits, retain_graph=True)
        assert torch.equal(gradient, torch.ones_like(logits))
        assert len(calls) == count


@each_loss
def test_without_a_gradient_the_value_is_the_same_and_nothing_is_kept(
    loss: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    logits, target = _batch()
    with_gradient = loss(logits.clone().requires_grad_(), target)
    kept: list[bool] = []
    plain = losses.kernels.autograd._AnalyticLoss.forward

    def watched(ctx: Any, *arguments: Any) -> Tensor:
        value = plain(ctx, *arguments)
        kept.append(ctx.slope is not None)
        return value

    monkeypatch.setattr(losses.kernels.autograd._AnalyticLoss, "forward", staticmethod(watched))
    assert torch.equal(loss(logits, target), with_gradient.detach())
    loss(logits.requires_grad_(), target)
    assert kept == [False, True]


@each_loss
def test_a_large_loss_scale_saves_a_half_precision_gradient_from_underflow(loss: nn.Module) -> None:
    """As an fp16 gradient scaler does: the scale must come before the rounding to half."""
    logits, target = _batch((1, 1, 256, 256))
    scale = 2.0**16
    half = logits.half().requires_grad_()
    (scale * loss(half, target)).backward()
    exact = logits.half().float().requires_grad_()
    (scale * loss(exact, target)).backward()
    torch.testing.assert_close(half.grad.float(), exact.grad, rtol=1e-3, atol=6e-8)
    assert (half.grad != 0).float().mean() > 0.99 * (exact.grad.abs() > 1e-7).float().mean() > 0


@pytest.mark.parametrize(
    ("label", "dtype"),
    [
        (1 - 2**-24, torch.float32),
        (1 + 2**-23, torch.float32),
        (1e-30, torch.float32),
        (-1.0, torch.float32),
        (math.inf, torch.float32),
        (1 + 2**-52, torch.float64),  # 1 in float32
        (2.0**-24, torch.float16),
        (256, torch.int64),  # 0 in a byte
        (2, torch.uint8),
        (-1, torch.int8),
    ],
)
def test_one_label_that_is_almost_right_is_refused(label: float, dtype: torch.dtype) -> None:
    logits, target = _batch()
    target = target.to(dtype)
    target[1, 2, 3, 4] = label
    for loss in (*LOSSES, lambda x, t: apply_criterion(nn.BCEWithLogitsLoss(), x, t)):
        with pytest.raises(ValueError, match=r"target must hold labels 0 and 1 only, got .* and 0 more"):
            loss(logits, target)


@each_loss
def test_minus_zero_is_zero(loss: nn.Module) -> None:
    logits, target = _batch()
    signed = torch.where(target, 1.0, -0.0)
    assert torch.equal(loss(logits, signed), loss(logits, target.float()))
