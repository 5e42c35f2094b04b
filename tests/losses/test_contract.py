"""What every loss has to do: precision, `valid`, saturated logits, autocast, layout, bad input."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from contextlib import nullcontext

import pytest
import torch
from torch import Tensor, nn

from losses import CombinedLoss, DiceLoss, FocalLoss, FocalTverskyLoss, TverskyLoss, WeightedBCELoss

SHAPE = (4, 2, 5, 7)
FLOAT32_EPS = torch.finfo(torch.float32).eps

pytestmark = pytest.mark.usefixtures("either_way")

Reference = Callable[[Tensor, Tensor, Tensor], Tensor]


def _reference_pixel_mean(pixel: Callable[[Tensor, Tensor, int], Tensor]) -> Reference:
    """Mean over the pixels that remain once the invalid ones are cut away, by the formula of one pixel."""

    def loss(logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
        remaining = []
        for c in range(logits.shape[1]):
            keep = valid[:, c]
            remaining.append(pixel(logits[:, c][keep], target[:, c][keep].to(logits.dtype), c))
        return torch.cat(remaining).mean()

    return loss


def _reference_bce(weights: list[float]) -> Reference:
    def pixel(x: Tensor, t: Tensor, c: int) -> Tensor:
        p = 1 / (1 + torch.exp(-x))
        return -weights[c] * t * torch.log(p) - (1 - t) * torch.log(1 - p)

    return _reference_pixel_mean(pixel)


def _reference_focal(gamma: float, alpha: float | None) -> Reference:
    def pixel(x: Tensor, t: Tensor, c: int) -> Tensor:
        p = 1 / (1 + torch.exp(-x))
        p_t = torch.where(t == 1, p, 1 - p)
        alpha_t = alpha * t + (1 - alpha) * (1 - t) if alpha is not None else 1.0
        return -alpha_t * (1 - p_t) ** gamma * torch.log(p_t)

    return _reference_pixel_mean(pixel)


def _reference_tversky(
    alpha: float, beta: float, *, smooth: float = 1.0, per_image: bool = False, exponent: float = 1.0
) -> Reference:
    def loss(logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
        images = [[n] for n in range(len(logits))] if per_image else [list(range(len(logits)))]
        scores = []
        for group in images:
            for c in range(logits.shape[1]):
                keep = valid[group, c]
                p = 1 / (1 + torch.exp(-logits[group, c][keep]))
                t = target[group, c][keep].to(p.dtype)
                if len(t) == 0:
                    continue
                tp, fp, fn = (p * t).sum(), (p * (1 - t)).sum(), ((1 - p) * t).sum()
                scores.append((1 - (tp + smooth) / (tp + alpha * fp + beta * fn + smooth)) ** exponent)
        return torch.stack(scores).mean()

    return loss


def _reference_sum(*parts: tuple[float, Reference]) -> Reference:
    return lambda logits, target, valid: sum(w * part(logits, target, valid) for w, part in parts)


CASES: dict[str, tuple[nn.Module, Reference]] = {
    "bce": (WeightedBCELoss(), _reference_bce([1, 1])),
    "weighted": (WeightedBCELoss(pos_weight=42), _reference_bce([42, 42])),
    "weighted_per_mask": (WeightedBCELoss(pos_weight=[0.5, 7.0]), _reference_bce([0.5, 7.0])),
    "focal": (FocalLoss(), _reference_focal(2.0, None)),
    "focal_half": (FocalLoss(gamma=0.5, positive_weight=0.9), _reference_focal(0.5, 0.9)),
    "dice": (DiceLoss(), _reference_tversky(0.5, 0.5)),
    "dice_per_image": (
        DiceLoss(smooth=0.3, per_image=True),
        _reference_tversky(0.5, 0.5, smooth=0.3, per_image=True),
    ),
    "tversky": (TverskyLoss(), _reference_tversky(0.3, 0.7)),
    "tversky_per_image": (
        TverskyLoss(fp_weight=0.8, fn_weight=0.1, smooth=2.0, per_image=True),
        _reference_tversky(0.8, 0.1, smooth=2.0, per_image=True),
    ),
    "focal_tversky": (FocalTverskyLoss(), _reference_tversky(0.3, 0.7, exponent=0.75)),
    "focal_tversky_per_image": (
        FocalTverskyLoss(gamma=3.0, per_image=True),
        _reference_tversky(0.3, 0.7, per_image=True, exponent=1 / 3),
    ),
    "combined": (
        CombinedLoss(
            terms={"bce": WeightedBCELoss(pos_weight=3.0), "dice": DiceLoss()},
            weights={"bce": 0.25, "dice": 2.0},
        ),
        _reference_sum((0.25, _reference_bce([3, 3])), (2.0, _reference_tversky(0.5, 0.5))),
    ),
}

all_losses = pytest.mark.parametrize(("loss", "reference"), CASES.values(), ids=CASES.keys())
each_loss = pytest.mark.parametrize("loss", [loss for loss, _ in CASES.values()], ids=CASES.keys())


def _batch(seed: int = 0, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(SHAPE, generator=rng, dtype=torch.float64)
    target = torch.rand(SHAPE, generator=rng) < 0.3
    return logits.to(dtype), target


def _value_and_grad(
    loss: Callable[..., Tensor], logits: Tensor, target: Tensor, *valid: Tensor | None
) -> tuple[Tensor, Tensor]:
    x = logits.detach().requires_grad_()
    value = loss(x, target, *valid)
    (grad,) = torch.autograd.grad(value, x)
    return value.detach(), grad


VALID_SHAPES = [(4, 1, 5, 7), (5, 7), (4, 2, 5, 7), (4, 1, 1, 1), (2, 1, 1), ()]


def _valid(shape: tuple[int, ...]) -> Tensor:
    rng = torch.Generator().manual_seed(3)
    valid = torch.rand(shape, generator=rng) < 0.6
    if len(shape) == 4:
        valid[0], valid[1] = False, True  # an image with nothing valid, and one with nothing ignored
    if shape == (4, 2, 5, 7):
        valid[2, 1] = False  # a mask with nothing valid in one image
    if shape == ():
        valid = torch.tensor(True)
    return valid


@all_losses
def test_value_and_gradient_in_double_agree_with_the_plain_formula(loss: nn.Module, reference: Reference) -> None:
    logits, target = _batch()
    everything = torch.ones(SHAPE, dtype=torch.bool)
    value, grad = _value_and_grad(loss, logits, target)
    expected, expected_grad = _value_and_grad(reference, logits, target, everything)
    torch.testing.assert_close(value, expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(grad, expected_grad, rtol=1e-9, atol=1e-15)


@all_losses
def test_float32_agrees_with_the_double_reference(loss: nn.Module, reference: Reference) -> None:
    logits, target = _batch(dtype=torch.float32)
    everything = torch.ones(SHAPE, dtype=torch.bool)
    value, grad = _value_and_grad(loss, logits, target)
    expected, expected_grad = _value_and_grad(reference, logits.double(), target, everything)
    assert value.dtype == grad.dtype == torch.float32
    assert value.shape == ()
    torch.testing.assert_close(value.double(), expected, rtol=1e-6, atol=0)
    torch.testing.assert_close(grad.double(), expected_grad, rtol=2e-5, atol=1e-8)


@each_loss
@pytest.mark.parametrize("with_valid", [False, True])
def test_gradcheck(loss: nn.Module, with_valid: bool) -> None:
    logits, target = (tensor[:2, :, :3, :2].contiguous() for tensor in _batch(seed=5))
    valid = torch.tensor([[True, False], [True, True], [False, True]]) if with_valid else None
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: loss(x, target, valid), (logits,))


@each_loss
def test_a_second_derivative_is_refused_and_a_second_backward_is_not(loss: nn.Module) -> None:
    logits, target = _batch(dtype=torch.float32)
    logits.requires_grad_()
    value = loss(logits, target)
    (first,) = torch.autograd.grad(value, logits, retain_graph=True)
    (second,) = torch.autograd.grad(value, logits, retain_graph=True)
    assert torch.equal(first, second)
    with pytest.raises(RuntimeError, match=r"differentiated once.*create_graph"):
        torch.autograd.grad(value, logits, create_graph=True)


@all_losses
@pytest.mark.parametrize("shape", VALID_SHAPES, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_ignored_pixels_are_as_if_cut_away(
    loss: nn.Module, reference: Reference, shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    logits, target = _batch(seed=1, dtype=dtype)
    valid = _valid(shape)
    full = valid.expand(SHAPE)
    value, grad = _value_and_grad(loss, logits, target, valid)
    expected, expected_grad = _value_and_grad(reference, logits.double(), target, full)
    of_value, of_grad = ((1e-12, 0.0), (1e-9, 1e-15)) if dtype == torch.float64 else ((1e-6, 0.0), (2e-5, 1e-8))
    torch.testing.assert_close(value.double(), expected, rtol=of_value[0], atol=of_value[1])
    torch.testing.assert_close(grad.double(), expected_grad, rtol=of_grad[0], atol=of_grad[1])
    assert torch.all(grad[~full] == 0)


@each_loss
def test_an_ignored_frame_equals_the_cropped_images(loss: nn.Module) -> None:
    logits, target = _batch(seed=2)
    valid = torch.zeros(SHAPE[2:], dtype=torch.bool)
    valid[1:4, 2:6] = True
    value, grad = _value_and_grad(loss, logits, target, valid)
    cropped, cropped_grad = _value_and_grad(loss, logits[..., 1:4, 2:6], target[..., 1:4, 2:6])
    torch.testing.assert_close(value, cropped, rtol=1e-13, atol=0)
    torch.testing.assert_close(grad[..., 1:4, 2:6], cropped_grad, rtol=1e-12, atol=0)


@each_loss
@pytest.mark.parametrize("rubbish", [torch.nan, torch.inf, -torch.inf, 1e30])
def test_nothing_leaks_from_ignored_pixels(loss: nn.Module, rubbish: float) -> None:
    logits, target = _batch(dtype=torch.float32)
    valid = _valid((4, 1, 5, 7))
    ignored = ~valid.expand(SHAPE)
    for labels, unlabelled in ((target.float(), rubbish), (target.to(torch.uint8), 255)):
        clean, clean_grad = _value_and_grad(loss, logits, labels, valid)
        dirty, dirty_grad = _value_and_grad(
            loss, logits.masked_fill(ignored, rubbish), labels.masked_fill(ignored, unlabelled), valid
        )
        assert torch.equal(dirty, clean)
        assert torch.equal(dirty_grad, clean_grad)


@each_loss
def test_without_a_valid_pixel_value_and_gradient_are_zero(loss: nn.Module) -> None:
    logits, target = _batch(dtype=torch.float32)
    value, grad = _value_and_grad(loss, logits, target, torch.zeros(SHAPE[2:], dtype=torch.bool))
    assert value == 0
    assert torch.all(grad == 0)


@each_loss
def test_a_nan_at_a_valid_pixel_is_not_hidden(loss: nn.Module) -> None:
    logits, target = _batch(dtype=torch.float32)
    logits[1, 1, 2, 2] = torch.nan
    assert loss(logits, target).isnan()


@each_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("confidence", ["right", "wrong", "mixed"])
def test_saturated_logits_give_finite_value_and_gradient(loss: nn.Module, dtype: torch.dtype, confidence: str) -> None:
    _, target = _batch()
    sign = torch.where(target, 1.0, -1.0)
    if confidence == "wrong":
        sign = -sign
    if confidence == "mixed":
        sign[..., ::2] *= -1
    value, grad = _value_and_grad(loss, (1e4 * sign).to(dtype), target)
    assert value.isfinite()
    assert grad.isfinite().all()
    if confidence == "right":
        assert value == 0
        assert torch.all(grad == 0)
    else:
        assert value > 0.1


@each_loss
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("scale", [1.0, 1e3])
def test_half_precision_under_autocast_is_computed_in_float32(
    loss: nn.Module, dtype: torch.dtype, scale: float
) -> None:
    logits, target = _batch(dtype=torch.float32)
    half = (scale * logits).to(dtype)
    exact, exact_grad = _value_and_grad(loss, half.float(), target)
    x = half.clone().requires_grad_()
    with torch.autocast("cpu", dtype=dtype):
        value = loss(x, target)
        value.backward()
    assert value.dtype == torch.float32
    assert torch.equal(value, exact)
    assert x.grad is not None
    assert x.grad.isfinite().all()
    # Equal but for the sum over the terms of a combined loss, which autograd takes in the dtype of the logits.
    number = torch.finfo(dtype)
    atol = number.eps * (2 * exact_grad.abs().max().item() + number.smallest_normal)
    torch.testing.assert_close(x.grad.float(), exact_grad, rtol=2 * number.eps, atol=atol)


@each_loss
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float16, torch.float32, torch.float64])
def test_labels_may_have_any_dtype(loss: nn.Module, dtype: torch.dtype) -> None:
    """To a few units in the last place: the kernels of labels in float32 and in bytes are not the same code."""
    logits, target = _batch(dtype=torch.float32)
    value, grad = _value_and_grad(loss, logits, target)
    other, other_grad = _value_and_grad(loss, logits, target.to(dtype))
    torch.testing.assert_close(other, value, rtol=4 * FLOAT32_EPS, atol=0)
    torch.testing.assert_close(other_grad, grad, rtol=16 * FLOAT32_EPS, atol=0)


@each_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_memory_layout_does_not_matter(loss: nn.Module, dtype: torch.dtype) -> None:
    logits, target = _batch(dtype=dtype)
    rounding = 1e-13 if dtype == torch.float64 else 1e-6
    value, grad = _value_and_grad(loss, logits, target)
    for other in (
        logits.contiguous(memory_format=torch.channels_last),
        logits.transpose(2, 3).contiguous().transpose(2, 3),
        torch.stack([logits, logits], dim=-1)[..., 0],
    ):
        other_value, other_grad = _value_and_grad(loss, other, target.transpose(2, 3).contiguous().transpose(2, 3))
        torch.testing.assert_close(other_value, value, rtol=rounding, atol=0)
        torch.testing.assert_close(other_grad, grad, rtol=rounding, atol=0)


@each_loss
def test_copies_and_pickles(loss: nn.Module) -> None:
    logits, target = _batch(dtype=torch.float32)
    for twin in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        assert torch.equal(twin(logits, target), loss(logits, target))
        assert repr(twin) == repr(loss)


@each_loss
@pytest.mark.parametrize("label_dtype", [torch.bool, torch.float32])
def test_no_value_is_read_so_that_the_host_never_waits_for_an_accelerator(
    loss: nn.Module, label_dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the meta device, which stands in for an accelerator, a tensor has no value that could be read."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # has no meta device
    logits = torch.zeros(SHAPE, device="meta", requires_grad=True)
    target = torch.zeros(SHAPE, device="meta", dtype=label_dtype)
    loss(logits, target, torch.zeros(SHAPE[2:], device="meta", dtype=torch.bool)).backward()
    assert logits.grad is not None
    with pytest.raises(RuntimeError, match="meta"):
        logits.sum().item()


def test_the_gradient_of_a_focal_loss_is_finite_where_the_loss_is_not() -> None:
    for z in (torch.inf, 3e38):
        for label in (False, True):
            logits = torch.full((1, 1, 1, 1), -z if label else z)
            value, grad = _value_and_grad(FocalLoss(gamma=2.0), logits, torch.full((1, 1, 1, 1), label))
            assert value > 1e38
            assert abs(grad.item()) == 1.0  # as for the cross entropy: q is 1


@pytest.mark.parametrize("make", [lambda w: WeightedBCELoss(pos_weight=w), lambda w: FocalLoss(positive_weight=w)])
def test_a_small_weight_of_positives_loses_no_digit(make: Callable[[float], nn.Module]) -> None:
    logits, _ = _batch(dtype=torch.float32)
    target = torch.ones(SHAPE, dtype=torch.bool)
    value, grad = _value_and_grad(make(1e-8), logits, target)
    expected, expected_grad = _value_and_grad(make(0.5), logits, target)
    torch.testing.assert_close(5e7 * value, expected, rtol=1e-6, atol=0)
    torch.testing.assert_close(5e7 * grad, expected_grad, rtol=1e-6, atol=0)


@each_loss
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_default_dtype_changes_nothing(loss: nn.Module, dtype: torch.dtype) -> None:
    logits, target = _batch(dtype=torch.float32)
    value, grad = _value_and_grad(loss, logits, target)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        other, other_grad = _value_and_grad(loss, logits, target)
    finally:
        torch.set_default_dtype(before)
    assert other.dtype == other_grad.dtype == torch.float32
    assert torch.equal(other, value)
    assert torch.equal(other_grad, grad)
