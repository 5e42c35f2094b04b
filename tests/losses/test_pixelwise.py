"""Weighted BCE and focal loss: values by hand, identities, direction, empty and full masks, hyperparameters."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from losses import CombinedLoss, FocalLoss, WeightedBCELoss, focal_loss, weighted_bce_loss

LN2, LN3, LN4 = math.log(2), math.log(3), math.log(4)

# Probabilities 1/2, 3/4, 1/4 and 3/4: the wrong answer gets 1/2, 1/4, 1/4 and 3/4.
LOGITS = torch.tensor([0.0, LN3, -LN3, LN3], dtype=torch.float64).reshape(1, 1, 2, 2)
TARGET = torch.tensor([1, 1, 0, 0]).reshape(1, 1, 2, 2)


def _random(shape: tuple[int, ...] = (2, 3, 6, 5)) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    return 3 * torch.randn(shape, generator=rng, dtype=torch.float64), torch.rand(shape, generator=rng) < 0.3


def _grad(loss: torch.nn.Module, logits: Tensor, target: Tensor) -> Tensor:
    logits = logits.clone().requires_grad_()
    return torch.autograd.grad(loss(logits, target), logits)[0]


def test_bce_by_hand() -> None:
    expected = (LN2 + (LN4 - LN3) + (LN4 - LN3) + LN4) / 4
    assert weighted_bce_loss(LOGITS, TARGET).item() == pytest.approx(expected, rel=1e-15)


def test_weighted_bce_by_hand() -> None:
    expected = (42 * LN2 + 42 * (LN4 - LN3) + (LN4 - LN3) + LN4) / 4
    assert weighted_bce_loss(LOGITS, TARGET, pos_weight=42).item() == pytest.approx(expected, rel=1e-15)


def test_weighted_bce_gradient_by_hand() -> None:
    expected = torch.tensor([-42 / 2, -42 / 4, 1 / 4, 3 / 4], dtype=torch.float64).reshape(1, 1, 2, 2) / 4
    torch.testing.assert_close(_grad(WeightedBCELoss(pos_weight=42), LOGITS, TARGET), expected)


def test_focal_by_hand() -> None:
    expected = (LN2 / 4 + (LN4 - LN3) / 16 + (LN4 - LN3) / 16 + LN4 * 9 / 16) / 4
    assert focal_loss(LOGITS, TARGET, gamma=2.0).item() == pytest.approx(expected, rel=1e-15)


def test_focal_with_a_positive_weight_by_hand() -> None:
    expected = (0.9 * LN2 / 2 + 0.9 * (LN4 - LN3) / 4 + 0.1 * (LN4 - LN3) / 4 + 0.1 * LN4 * 3 / 4) / 4
    got = focal_loss(LOGITS, TARGET, gamma=1.0, positive_weight=0.9).item()
    assert got == pytest.approx(expected, rel=1e-14)


def test_each_weight_goes_to_its_mask() -> None:
    logits, target = _random()
    weights = [1.0, 5.0, 0.25]
    parts = [weighted_bce_loss(logits[:, c : c + 1], target[:, c : c + 1], pos_weight=weights[c]) for c in range(3)]
    got = weighted_bce_loss(logits, target, pos_weight=weights)
    torch.testing.assert_close(got, torch.stack(parts).mean(), rtol=1e-14, atol=0)


def test_focal_with_gamma_zero_is_bce() -> None:
    logits, target = _random()
    assert torch.equal(FocalLoss(gamma=0.0)(logits, target), WeightedBCELoss()(logits, target))
    assert torch.equal(_grad(FocalLoss(gamma=0.0), logits, target), _grad(WeightedBCELoss(), logits, target))


def test_focal_with_gamma_zero_and_a_positive_weight_is_scaled_weighted_bce() -> None:
    logits, target = _random()
    focal = focal_loss(logits, target, gamma=0.0, positive_weight=0.8)
    torch.testing.assert_close(focal, 0.2 * weighted_bce_loss(logits, target, pos_weight=4.0), rtol=1e-14, atol=0)


def test_a_list_of_equal_weights_is_one_weight() -> None:
    logits, target = _random()
    assert torch.equal(
        weighted_bce_loss(logits, target, pos_weight=[7, 7, 7]), weighted_bce_loss(logits, target, pos_weight=7)
    )


def test_pos_weight_does_not_touch_false_positives() -> None:
    logits, target = _random()
    risen = torch.where(target, logits, logits + 1)
    for weight in (1.0, 42.0):
        loss = WeightedBCELoss(pos_weight=weight)
        rise = loss(risen, target) - loss(logits, target)
        plain = WeightedBCELoss()(risen, target) - WeightedBCELoss()(logits, target)
        assert rise > 0
        torch.testing.assert_close(rise, plain, rtol=1e-12, atol=0)


def test_pos_weight_multiplies_the_cost_of_missed_positives() -> None:
    logits, target = _random()
    sunk = torch.where(target, logits - 1, logits)
    rises = [
        (WeightedBCELoss(pos_weight=w)(sunk, target) - WeightedBCELoss(pos_weight=w)(logits, target)).item()
        for w in (1.0, 42.0)
    ]
    assert rises[0] > 0
    assert rises[1] == pytest.approx(42 * rises[0], rel=1e-12)


@pytest.mark.parametrize("loss", [WeightedBCELoss(), WeightedBCELoss(pos_weight=42), FocalLoss()])
def test_an_empty_mask_punishes_what_is_predicted_and_a_full_one_what_is_missed(loss: torch.nn.Module) -> None:
    logits, _ = _random()
    empty, full = torch.zeros_like(logits), torch.ones_like(logits)
    for target, sign in ((empty, 1), (full, -1)):
        assert loss(logits, target) > 0
        grad = sign * _grad(loss, logits, target)
        assert torch.all(grad > 0)
        sure_and_wrong, sure_and_right = sign * logits > 3, sign * logits < -3
        assert grad[sure_and_wrong].min() > 15 * grad[sure_and_right].max()


def test_values_on_empty_and_full_masks() -> None:
    zero = torch.zeros(1, 2, 3, 3)
    assert WeightedBCELoss(pos_weight=42)(zero, torch.zeros_like(zero)).item() == pytest.approx(LN2)
    assert WeightedBCELoss(pos_weight=42)(zero, torch.ones_like(zero)).item() == pytest.approx(42 * LN2)
    assert FocalLoss()(zero, torch.zeros_like(zero)).item() == pytest.approx(LN2 / 4)
    assert FocalLoss()(zero, torch.ones_like(zero)).item() == pytest.approx(LN2 / 4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_saturated_logits_cost_their_size(dtype: torch.dtype) -> None:
    logits = torch.tensor([1e4, -1e4, 1e4, -1e4], dtype=dtype).reshape(1, 1, 2, 2)
    target = torch.tensor([0, 1, 1, 0]).reshape(1, 1, 2, 2)
    for loss, weight in ((WeightedBCELoss(), 1), (FocalLoss(), 1), (WeightedBCELoss(pos_weight=42), 42)):
        assert loss(logits, target).item() == (1e4 + weight * 1e4) / 4
        grad = _grad(loss, logits, target)
        assert torch.equal(grad, torch.tensor([1, -weight, 0, 0], dtype=dtype).reshape(1, 1, 2, 2) / 4)


@pytest.mark.parametrize("gamma", [0.1, 0.5, 0.9, 1.5, 2.0, 5.0])
def test_focal_gradient_is_finite_and_accurate_at_any_confidence(gamma: float) -> None:
    z = torch.tensor([-1e4, -200, -90, -30, -5, 0, 5, 14, 17, 19.9, 20.1, 30, 90, 200, 1e4])
    logits, target = z.reshape(1, 1, 1, -1), torch.zeros(1, 1, 1, len(z))
    grad = _grad(FocalLoss(gamma=gamma), logits, target)
    assert grad.isfinite().all()
    exact = z.double().requires_grad_()
    log_q = torch.nn.functional.logsigmoid(exact)
    (expected,) = torch.autograd.grad(((gamma * log_q).exp() * -torch.nn.functional.logsigmoid(-exact)).mean(), exact)
    torch.testing.assert_close(grad.flatten().double(), expected, rtol=5e-6, atol=1e-30)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_softplus_is_exact_across_its_threshold(dtype: torch.dtype) -> None:
    for x in (-60.0, -20.0, 0.0, 15.0, 19.99, 20.01, 25.0, 39.99, 40.01, 60.0):
        logits = torch.full((1, 1, 1, 1), x, dtype=dtype)
        expected = max(x, 0.0) + math.log1p(math.exp(-abs(x)))
        got = weighted_bce_loss(logits, torch.zeros(1, 1, 1, 1)).item()
        assert got == pytest.approx(expected, rel=4 * torch.finfo(dtype).eps)


def test_balanced_weight_comes_from_the_prevalence() -> None:
    logits, target = _random()
    loss = WeightedBCELoss(pos_weight="balanced")
    loss.set_prevalence([0.5, 0.2, 0.02])
    assert loss.resolved_pos_weight == pytest.approx((1.0, 4.0, 49.0))
    expected = weighted_bce_loss(logits, target, pos_weight=[1.0, 4.0, 49.0])
    torch.testing.assert_close(loss(logits, target), expected, rtol=1e-12, atol=0)


def test_balanced_weight_gives_both_labels_the_same_total_weight() -> None:
    target = torch.zeros(1, 1, 10, 10)
    target[..., 0, :3] = 1
    loss = WeightedBCELoss(pos_weight="balanced")
    loss.set_prevalence([target.mean().item()])
    grad = _grad(loss, torch.zeros(1, 1, 10, 10), target)
    assert -grad[target == 1].sum().item() == pytest.approx(grad[target == 0].sum().item(), rel=1e-6)


def test_balanced_without_a_prevalence_says_what_to_call() -> None:
    logits, target = _random()
    with pytest.raises(RuntimeError, match=r"balanced.*set_prevalence"):
        WeightedBCELoss(pos_weight="balanced")(logits, target)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 1.1, math.nan])
def test_a_mask_without_both_labels_cannot_be_balanced(share: float) -> None:
    loss = WeightedBCELoss(pos_weight="balanced")
    with pytest.raises(ValueError, match=r"prevalence.*for mask 1"):
        loss.set_prevalence([0.1, share])


def test_prevalence_of_other_masks_than_the_logits_have() -> None:
    logits, target = _random()
    loss = WeightedBCELoss(pos_weight="balanced")
    loss.set_prevalence([0.5, 0.2])
    with pytest.raises(ValueError, match="pos_weight must be one number or one per mask, here 3, got 2"):
        loss(logits, target)


def test_prevalence_leaves_a_fixed_weight_alone_and_reaches_a_nested_loss() -> None:
    balanced, fixed = WeightedBCELoss(pos_weight="balanced"), WeightedBCELoss(pos_weight=3.0)
    outer = CombinedLoss(terms={"inner": CombinedLoss(terms={"a": balanced, "b": fixed})})
    for module in outer.modules():
        if hasattr(module, "set_prevalence"):
            module.set_prevalence([0.25])
    assert balanced.resolved_pos_weight == (3.0,)
    assert fixed.resolved_pos_weight == 3.0
    fixed.set_prevalence([0.0])


@pytest.mark.parametrize(
    ("weight", "error", "message"),
    [
        (0.0, ValueError, r"pos_weight must be finite and above 0, got 0\.0"),
        (-1, ValueError, "pos_weight must be finite and above 0, got -1"),
        (math.nan, ValueError, "pos_weight must be finite"),
        (math.inf, ValueError, "pos_weight must be finite"),
        ([1.0, -2.0], ValueError, r"pos_weight\[1\] must be finite and above 0, got -2"),
        ([], ValueError, "pos_weight must be a number or hold one per mask"),
        ("balance", ValueError, r"pos_weight must be .*balanced.* got 'balance'"),
        (True, TypeError, "pos_weight must be a number, got True"),
        (None, TypeError, "pos_weight must be a number, got None"),
        (["a"], TypeError, r"pos_weight\[0\] must be a number, got 'a'"),
    ],
)
def test_bad_pos_weight(weight: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        WeightedBCELoss(pos_weight=weight)


def test_pos_weight_of_the_wrong_length() -> None:
    logits, target = _random()
    with pytest.raises(ValueError, match="pos_weight must be one number or one per mask, here 3, got 2"):
        WeightedBCELoss(pos_weight=[1.0, 2.0])(logits, target)


@pytest.mark.parametrize(
    ("hyperparameters", "error", "message"),
    [
        ({"gamma": -0.1}, ValueError, r"gamma must be finite and at least 0, got -0\.1"),
        ({"gamma": math.inf}, ValueError, "gamma must be finite"),
        ({"gamma": "2"}, TypeError, "gamma must be a number, got '2'"),
        ({"positive_weight": 0.0}, ValueError, "positive_weight must be finite and above 0 and below 1"),
        ({"positive_weight": 1.0}, ValueError, "positive_weight must be finite and above 0 and below 1"),
        ({"positive_weight": 42}, ValueError, "positive_weight must be finite and above 0 and below 1, got 42"),
    ],
)
def test_bad_focal_hyperparameters(hyperparameters: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        FocalLoss(**hyperparameters)
    with pytest.raises(error, match=message):
        focal_loss(LOGITS, TARGET, **hyperparameters)


def test_hyperparameters_are_keyword_only_and_shown() -> None:
    with pytest.raises(TypeError):
        FocalLoss(2.0)
    with pytest.raises(TypeError):
        WeightedBCELoss(42.0)
    assert repr(FocalLoss()) == "FocalLoss(gamma=2, positive_weight=None)"
    assert repr(WeightedBCELoss(pos_weight=[1, 42])) == "WeightedBCELoss(pos_weight=(1.0, 42.0))"
