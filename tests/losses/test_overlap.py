"""Dice, Tversky, focal Tversky: values by hand, identities, direction, empty and full masks, pooling."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from losses import (
    DiceLoss,
    FocalTverskyLoss,
    TverskyLoss,
    dice_loss,
    focal_tversky_loss,
    tversky_loss,
)

LN3 = math.log(3)

# Probabilities 1/2, 3/4, 1/4 and 3/4, the first two positive: TP = 5/4, FP = 1, FN = 3/4.
LOGITS = torch.tensor([0.0, LN3, -LN3, LN3], dtype=torch.float64).reshape(1, 1, 2, 2)
TARGET = torch.tensor([1, 1, 0, 0]).reshape(1, 1, 2, 2)

FAMILY = [DiceLoss(), TverskyLoss(), FocalTverskyLoss()]
family = pytest.mark.parametrize("loss", FAMILY, ids=lambda loss: type(loss).__name__)
pooling = pytest.mark.parametrize("per_image", [False, True])


def _random(shape: tuple[int, ...] = (3, 2, 6, 5)) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    return 3 * torch.randn(shape, generator=rng, dtype=torch.float64), torch.rand(shape, generator=rng) < 0.3


def _grad(loss: nn.Module, logits: Tensor, target: Tensor) -> Tensor:
    logits = logits.clone().requires_grad_()
    return torch.autograd.grad(loss(logits, target), logits)[0]


def test_tversky_by_hand() -> None:
    expected = 1 - (1.25 + 1) / (1.25 + 0.3 * 1 + 0.7 * 0.75 + 1)
    assert tversky_loss(LOGITS, TARGET).item() == pytest.approx(expected, rel=1e-14)


def test_dice_by_hand() -> None:
    expected = 1 - (2 * 1.25 + 2 * 0.5) / (2 * 1.25 + 1 + 0.75 + 2 * 0.5)
    assert dice_loss(LOGITS, TARGET, smooth=0.5).item() == pytest.approx(expected, rel=1e-14)


def test_focal_tversky_by_hand() -> None:
    index = (1.25 + 1) / (1.25 + 0.3 * 1 + 0.7 * 0.75 + 1)
    assert focal_tversky_loss(LOGITS, TARGET).item() == pytest.approx((1 - index) ** 0.75, rel=1e-14)
    assert focal_tversky_loss(LOGITS, TARGET, gamma=2).item() == pytest.approx(math.sqrt(1 - index), rel=1e-14)


def test_tversky_gradient_by_hand() -> None:
    # u = A / D with A = .3 FP + .7 FN and D = TP + A + 1; dp/dx = p (1 − p).
    a, d = 0.3 * 1 + 0.7 * 0.75, 1.25 + 0.3 * 1 + 0.7 * 0.75 + 1
    by_positive_p = (-0.7 * d - a * (1 - 0.7)) / d**2
    by_negative_p = (0.3 * d - a * 0.3) / d**2
    expected = torch.tensor(
        [by_positive_p / 4, by_positive_p * 3 / 16, by_negative_p * 3 / 16, by_negative_p * 3 / 16],
        dtype=torch.float64,
    )
    torch.testing.assert_close(_grad(TverskyLoss(), LOGITS, TARGET).flatten(), expected, rtol=1e-13, atol=0)


@pooling
def test_tversky_with_both_weights_one_half_is_dice(per_image: bool) -> None:
    logits, target = _random()
    tversky = TverskyLoss(fp_weight=0.5, fn_weight=0.5, smooth=2.0, per_image=per_image)
    dice = DiceLoss(smooth=2.0, per_image=per_image)
    assert torch.equal(tversky(logits, target), dice(logits, target))
    assert torch.equal(_grad(tversky, logits, target), _grad(dice, logits, target))


@pooling
def test_tversky_with_both_weights_one_is_the_jaccard_distance(per_image: bool) -> None:
    hard = torch.where(torch.rand(3, 2, 6, 5, generator=torch.Generator().manual_seed(1)) < 0.5, 1e4, -1e4)
    _, target = _random()
    got = tversky_loss(hard, target, fp_weight=1, fn_weight=1, smooth=1e-9, per_image=per_image)
    axes = (2, 3) if per_image else (0, 2, 3)
    predicted = hard > 0
    jaccard = (predicted & target).sum(axes) / (predicted | target).sum(axes)
    torch.testing.assert_close(got, 1 - jaccard.mean(), rtol=1e-6, atol=0)


@pooling
def test_focal_tversky_with_gamma_one_is_tversky(per_image: bool) -> None:
    logits, target = _random()
    focal, plain = FocalTverskyLoss(gamma=1.0, per_image=per_image), TverskyLoss(per_image=per_image)
    assert torch.equal(focal(logits, target), plain(logits, target))
    assert torch.equal(_grad(focal, logits, target), _grad(plain, logits, target))


def test_pooled_and_per_image_agree_on_one_image_and_differ_on_several() -> None:
    logits, target = _random()
    assert torch.equal(tversky_loss(logits[:1], target[:1]), tversky_loss(logits[:1], target[:1], per_image=True))
    pooled, averaged = tversky_loss(logits, target), tversky_loss(logits, target, per_image=True)
    by_image = torch.stack([tversky_loss(logits[n : n + 1], target[n : n + 1]) for n in range(len(logits))])
    torch.testing.assert_close(averaged, by_image.mean(), rtol=1e-13, atol=0)
    side_by_side = [tensor.permute(1, 2, 0, 3).flatten(2).unsqueeze(0) for tensor in (logits, target)]
    torch.testing.assert_close(pooled, tversky_loss(*side_by_side), rtol=1e-13, atol=0)
    assert abs(pooled - averaged) > 1e-3


def test_false_positives_raise_the_fp_weight_side_alone() -> None:
    logits, target = _random()
    more_false_positives = torch.where(target, logits, logits + 1)

    def rise(fp_weight: float, fn_weight: float) -> float:
        loss = TverskyLoss(fp_weight=fp_weight, fn_weight=fn_weight)
        return (loss(more_false_positives, target) - loss(logits, target)).item()

    assert rise(0.0, 0.7) == 0.0
    rises = [rise(fp_weight, 0.7) for fp_weight in (0.1, 0.3, 0.5)]
    assert 0 < rises[0] < rises[1] < rises[2]
    only_fn = _grad(TverskyLoss(fp_weight=0.0, fn_weight=0.7), logits, target)
    assert torch.all(only_fn[~target] == 0)
    assert torch.all(only_fn[target] < 0)


def test_missed_positives_raise_the_fn_weight_side() -> None:
    logits, target = _random()
    without_false_positives = torch.where(target, logits, -1e4)
    missing_more = torch.where(target, without_false_positives - 1, without_false_positives)

    def rise(fn_weight: float) -> float:
        loss = TverskyLoss(fp_weight=0.3, fn_weight=fn_weight)
        return (loss(missing_more, target) - loss(without_false_positives, target)).item()

    assert rise(0.0) == 0.0  # exactly, as there is no false positive for the lost true positives to be compared with
    assert 0 < rise(0.3) < rise(0.7)


@pooling
def test_value_and_gradient_on_an_empty_mask(per_image: bool) -> None:
    images, pixels = 2, 10
    logits, target = torch.zeros(images, 1, 2, 5, dtype=torch.float64), torch.zeros(images, 1, 2, 5)
    fp = pixels / 2 * (1 if per_image else images)
    value = 0.3 * fp / (1 + 0.3 * fp)
    slope = 0.3 / (1 + 0.3 * fp) ** 2 / 4 / (images if per_image else 1)
    loss = TverskyLoss(per_image=per_image)
    assert loss(logits, target).item() == pytest.approx(value, rel=1e-14)
    torch.testing.assert_close(_grad(loss, logits, target), torch.full_like(logits, slope), rtol=1e-13, atol=0)
    focal = FocalTverskyLoss(gamma=2.0, per_image=per_image)
    assert focal(logits, target).item() == pytest.approx(math.sqrt(value), rel=1e-14)
    expected = torch.full_like(logits, slope / (2 * math.sqrt(value)))
    torch.testing.assert_close(_grad(focal, logits, target), expected, rtol=1e-13, atol=0)


@pooling
def test_value_and_gradient_on_a_full_mask(per_image: bool) -> None:
    images, pixels = 2, 10
    logits, target = torch.zeros(images, 1, 2, 5, dtype=torch.float64), torch.ones(images, 1, 2, 5)
    half = pixels / 2 * (1 if per_image else images)
    value = 0.7 * half / (half + 0.7 * half + 1)
    denominator = half + 0.7 * half + 1
    by_fn = (0.7 * denominator - 0.7 * half * (0.7 - 1)) / denominator**2
    slope = -by_fn / 4 / (images if per_image else 1)
    loss = TverskyLoss(per_image=per_image)
    assert loss(logits, target).item() == pytest.approx(value, rel=1e-14)
    torch.testing.assert_close(_grad(loss, logits, target), torch.full_like(logits, slope), rtol=1e-13, atol=0)


@family
def test_an_empty_mask_punishes_every_prediction_and_descent_removes_them(loss: nn.Module) -> None:
    logits, _ = _random()
    empty = torch.zeros_like(logits)
    assert loss(logits, empty) > 0
    assert torch.all(_grad(loss, logits, empty) > 0)
    assert loss(torch.full_like(logits, -1e4), empty) == 0
    moving = logits[:1, :1, :3, :3].clone()
    start = moving.sigmoid().sum()
    for _ in range(300):
        moving -= 10 * _grad(loss, moving, torch.zeros_like(moving))
    assert moving.sigmoid().sum() < 0.05 * start


@family
def test_an_empty_mask_beside_others_is_not_forgotten(loss: nn.Module) -> None:
    logits, target = _random()
    target[:, 1] = False
    assert torch.all(_grad(loss, logits, target)[:, 1] > 0)


@family
def test_a_full_mask_punishes_every_miss(loss: nn.Module) -> None:
    logits, _ = _random()
    full = torch.ones_like(logits)
    assert loss(logits, full) > 0
    assert torch.all(_grad(loss, logits, full) < 0)
    assert loss(torch.full_like(logits, 1e4), full) == 0


@pytest.mark.parametrize("gamma", [0.5, 1.0, 4 / 3, 2.0, 3.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("confidence", [40, 90, 104, 120, 700, 1e4])
def test_focal_tversky_has_a_finite_gradient_up_to_perfect_overlap(
    gamma: float, dtype: torch.dtype, confidence: float
) -> None:
    _, target = _random()
    logits = torch.where(target, confidence, -confidence).to(dtype)
    loss = FocalTverskyLoss(gamma=gamma)
    assert 0 <= loss(logits, target) < 1e-4
    assert _grad(loss, logits, target).isfinite().all()
    if confidence == 1e4:
        assert loss(logits, target) == 0
        assert torch.all(_grad(loss, logits, target) == 0)


def test_a_gamma_above_one_steepens_the_end_and_flattens_the_start() -> None:
    _, target = _random()
    for confidence, steeper in ((6.0, True), (-6.0, False)):
        logits = torch.where(target, confidence, -confidence).to(torch.float64)
        focal, plain = (_grad(FocalTverskyLoss(gamma=g), logits, target).abs().sum() for g in (2.0, 1.0))
        assert (focal > plain) == steeper


def test_near_perfect_overlap_keeps_its_digits_in_float32() -> None:
    _, target = _random((2, 1, 64, 64))
    logits = torch.where(target, 12.0, -12.0)
    exact = tversky_loss(logits.double(), target).item()
    assert exact < 1e-4
    assert tversky_loss(logits, target).item() == pytest.approx(exact, rel=1e-5)


def test_smooth_counts_pixels() -> None:
    logits, target = torch.zeros(1, 1, 1, 4, dtype=torch.float64), torch.zeros(1, 1, 1, 4)
    for smooth in (0.5, 1.0, 10.0):
        expected = 0.3 * 2 / (0.3 * 2 + smooth)
        assert tversky_loss(logits, target, smooth=smooth).item() == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize(
    ("hyperparameters", "error", "message"),
    [
        ({"fp_weight": -0.1}, ValueError, r"fp_weight must be finite and at least 0, got -0\.1"),
        ({"fn_weight": math.nan}, ValueError, "fn_weight must be finite"),
        ({"fn_weight": "0.7"}, TypeError, "fn_weight must be a number, got '0.7'"),
        ({"fp_weight": 0, "fn_weight": 0}, ValueError, "fp_weight and fn_weight must not both be 0"),
        ({"smooth": 0}, ValueError, "smooth must be finite and above 0, got 0"),
        ({"smooth": -1.0}, ValueError, "smooth must be finite and above 0"),
        ({"gamma": 0}, ValueError, "gamma must be finite and above 0, got 0"),
        ({"gamma": math.inf}, ValueError, "gamma must be finite"),
    ],
)
def test_bad_hyperparameters(hyperparameters: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        FocalTverskyLoss(**hyperparameters)
    with pytest.raises(error, match=message):
        focal_tversky_loss(LOGITS, TARGET, **hyperparameters)
    if "gamma" not in hyperparameters:
        with pytest.raises(error, match=message):
            TverskyLoss(**hyperparameters)


def test_hyperparameters_are_keyword_only_and_shown() -> None:
    for loss in (TverskyLoss, DiceLoss, FocalTverskyLoss):
        with pytest.raises(TypeError):
            loss(0.3)
    assert repr(TverskyLoss()) == "TverskyLoss(fp_weight=0.3, fn_weight=0.7, smooth=1, per_image=False)"
    assert repr(DiceLoss(per_image=True)) == "DiceLoss(smooth=1, per_image=True)"
    assert "gamma=1.33333" in repr(FocalTverskyLoss())
