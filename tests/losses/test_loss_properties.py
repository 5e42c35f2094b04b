"""Properties of every loss over generated batches, against the plain formula in float64 and against themselves."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, softplus

from losses import (
    CombinedLoss,
    DiceLoss,
    FocalLoss,
    FocalTverskyLoss,
    TverskyLoss,
    WeightedBCELoss,
    focal_loss,
    weighted_bce_loss,
)

# `either_way` chooses the way through the pixels once for all examples of a test.
pytestmark = pytest.mark.usefixtures("either_way")
property_of_both_ways = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

LABEL_DTYPES = [torch.bool, torch.uint8, torch.float32, torch.int64, torch.float64]


@dataclass(frozen=True)
class Batch:
    logits: Tensor
    target: Tensor
    valid: Tensor | None

    @property
    def counted(self) -> Tensor:
        everything = torch.ones(self.logits.shape, dtype=torch.bool)
        return everything if self.valid is None else self.valid.expand(self.logits.shape)


@st.composite
def batches(draw: st.DrawFn, *, largest: float = 40.0, ignored: bool = True) -> Batch:
    """Few pixels with logits of every size, labels of every share and type, and ignored pixels or none."""
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 4)), draw(st.integers(1, 5)))
    scale = draw(st.sampled_from([2.0**-10, 1.0, 10.0, largest]))
    elements = st.floats(-scale, scale, width=32) | st.sampled_from([0.0, -0.0, scale])
    logits = torch.from_numpy(draw(hnp.arrays(np.float32, shape, elements=elements)))
    target = torch.from_numpy(draw(hnp.arrays(bool, shape))).to(draw(st.sampled_from(LABEL_DTYPES)))
    valid = None
    if ignored and draw(st.booleans()):
        valid = torch.from_numpy(draw(hnp.arrays(bool, (shape[0], draw(st.sampled_from([1, shape[1]])), *shape[2:]))))
    return Batch(logits, target, valid)


Reference = Callable[[Tensor, Tensor, Tensor], Tensor]


def _reference_pixel_mean(weight: float, gamma: float, factor: float) -> Reference:
    def loss(x: Tensor, t: Tensor, counted: Tensor) -> Tensor:
        z = torch.where(t == 1, -x, x)[counted]
        a = torch.where(t == 1, x.new_full((), weight), 1.0)[counted]
        return factor * (a * torch.exp(gamma * logsigmoid(z)) * softplus(z, threshold=1e9)).sum() / max(len(z), 1)

    return loss


def _reference_tversky(fp_weight: float, fn_weight: float, gamma: float, smooth: float, per_image: bool) -> Reference:
    def loss(x: Tensor, t: Tensor, counted: Tensor) -> Tensor:
        parts = []
        for image in [slice(n, n + 1) for n in range(len(x))] if per_image else [slice(None)]:
            for c in range(x.shape[1]):
                keep = counted[image, c]
                x_here, label = x[image, c][keep], (t[image, c][keep] == 1).double()
                # Through logarithms, because autograd's sigmoid forgets its slope where it is 1.
                p, not_p = torch.exp(logsigmoid(x_here)), torch.exp(logsigmoid(-x_here))
                if len(p):
                    tp, fp, fn = (p * label).sum(), (p * (1 - label)).sum(), (not_p * label).sum()
                    cost = fp_weight * fp + fn_weight * fn
                    parts.append((cost / (tp + cost + smooth)) ** (1 / gamma))
        return torch.stack(parts).mean() if parts else 0.0 * x.sum()

    return loss


@st.composite
def losses_and_references(draw: st.DrawFn) -> tuple[nn.Module, Reference]:
    kind = draw(st.sampled_from(["bce", "focal", "dice", "tversky", "focal_tversky"]))
    weight = st.floats(0.0, 2.0).map(lambda value: round(value, 3))
    smooth, per_image = draw(st.sampled_from([1e-3, 0.5, 1.0, 10.0])), draw(st.booleans())
    if kind == "bce":
        pos_weight = draw(st.floats(1e-3, 1e3))
        return WeightedBCELoss(pos_weight=pos_weight), _reference_pixel_mean(pos_weight, 0.0, 1.0)
    if kind == "focal":
        gamma = draw(st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.5]) | st.floats(0.0, 6.0))
        alpha = draw(st.none() | st.floats(0.01, 0.99))
        of_positive, of_negative = (1.0, 1.0) if alpha is None else (alpha / (1 - alpha), 1 - alpha)
        return FocalLoss(gamma=gamma, positive_weight=alpha), _reference_pixel_mean(of_positive, gamma, of_negative)
    if kind == "dice":
        return DiceLoss(smooth=smooth, per_image=per_image), _reference_tversky(0.5, 0.5, 1.0, smooth, per_image)
    fp_weight, fn_weight = draw(weight), draw(weight)
    assume(fp_weight + fn_weight > 0)
    gamma = 1.0 if kind == "tversky" else draw(st.floats(0.5, 3.0))
    options = {"fp_weight": fp_weight, "fn_weight": fn_weight, "smooth": smooth, "per_image": per_image}
    loss = TverskyLoss(**options) if kind == "tversky" else FocalTverskyLoss(**options, gamma=gamma)
    return loss, _reference_tversky(fp_weight, fn_weight, gamma, smooth, per_image)


def _value_and_gradient(loss: Callable[..., Tensor], logits: Tensor, *rest: Tensor | None) -> tuple[float, Tensor]:
    logits = logits.clone().requires_grad_()
    value = loss(logits, *rest)
    return value.item(), torch.autograd.grad(value, logits)[0]


def _assert_alike(
    got: tuple[float, Tensor], expected: tuple[float, Tensor], *, rel: float = 5e-6, least: float = 1e-30
) -> None:
    """Compare the value, and every pixel's slope relative to the batch's largest, both to `least` at best."""
    assert got[0] == pytest.approx(expected[0], rel=rel, abs=least)
    largest = expected[1].abs().max().item()
    torch.testing.assert_close(got[1].double(), expected[1].double(), rtol=2 * rel, atol=rel * largest + least)


@property_of_both_ways
@given(batch=batches(), pair=losses_and_references())
def test_value_and_gradient_are_those_of_the_formula(batch: Batch, pair: tuple[nn.Module, Reference]) -> None:
    loss, reference = pair
    expected = _value_and_gradient(reference, batch.logits.double(), batch.target, batch.counted)
    # A root of a shortfall near 0 has no slope in float32: there the loss is said to be flat.
    assume(torch.isfinite(expected[1]).all() and expected[0] > 1e-12)
    got = _value_and_gradient(loss, batch.logits, batch.target, batch.valid)
    _assert_alike(got, expected, rel=5e-6 + _lost_by_missing(loss, batch))


def _lost_by_missing(loss: nn.Module, batch: Batch) -> float:
    """Bound what TP = P − FN loses: a missed positive adds 1 − p to FN, which float32 rounds by 2^-24."""
    if not isinstance(loss, DiceLoss | TverskyLoss | FocalTverskyLoss):
        return 0.0
    positive = ((batch.target == 1) & batch.counted).double()
    axes = (2, 3) if loss.per_image else (0, 2, 3)
    found = (positive * torch.sigmoid(batch.logits.double())).sum(axes)
    return float((2.0**-23 * positive.sum(axes) / (found + loss.smooth)).max())


@property_of_both_ways
@given(batch=batches(), pair=losses_and_references())
def test_float64_logits_are_computed_in_float64(batch: Batch, pair: tuple[nn.Module, Reference]) -> None:
    loss, reference = pair
    expected = _value_and_gradient(reference, batch.logits.double(), batch.target, batch.counted)
    assume(torch.isfinite(expected[1]).all() and expected[0] > 1e-12)
    got = _value_and_gradient(loss, batch.logits.double(), batch.target, batch.valid)
    _assert_alike(got, expected, rel=1e-9)


@property_of_both_ways
@given(batch=batches(largest=3e4), pair=losses_and_references())
def test_a_step_towards_the_label_never_costs(batch: Batch, pair: tuple[nn.Module, Reference]) -> None:
    loss, _ = pair
    value, slope = _value_and_gradient(loss, batch.logits, batch.target, batch.valid)
    assert math.isfinite(value) and value >= 0
    assert torch.isfinite(slope).all()
    assert ((batch.target == 1) | (slope >= 0)).all()
    assert ((batch.target == 0) | (slope <= 0)).all()
    assert (slope[~batch.counted] == 0).all()
    if isinstance(loss, DiceLoss | TverskyLoss | FocalTverskyLoss):
        assert value <= 1 + 1e-6


@property_of_both_ways
@given(batch=batches(), pair=losses_and_references(), seed=st.integers(0, 2**32 - 1))
def test_pixels_images_and_masks_have_no_order(batch: Batch, pair: tuple[nn.Module, Reference], seed: int) -> None:
    loss, _ = pair
    rng = np.random.default_rng(seed)
    orders = [torch.from_numpy(rng.permutation(size)) for size in batch.logits.shape]

    def moved(pixels: Tensor) -> Tensor:
        for axis, order in enumerate(orders):
            pixels = pixels.index_select(axis, order)
        return pixels

    value, slope = _value_and_gradient(loss, batch.logits, batch.target, batch.counted)
    got = _value_and_gradient(loss, moved(batch.logits), moved(batch.target), moved(batch.counted))
    _assert_alike(got, (value, moved(slope)))


@property_of_both_ways
@given(batch=batches(), pair=losses_and_references(), garbage=st.sampled_from([math.nan, math.inf, -math.inf, 1e30]))
def test_ignored_pixels_are_as_if_cut_away(batch: Batch, pair: tuple[nn.Module, Reference], garbage: float) -> None:
    loss, _ = pair
    hidden = batch.logits.masked_fill(~batch.counted, garbage)
    wrong_labels = torch.where(batch.counted, batch.target.double(), 7.0).to(torch.float32)
    expected = _value_and_gradient(loss, batch.logits, batch.target, batch.valid)
    got = _value_and_gradient(loss, hidden, wrong_labels, batch.valid)
    _assert_alike(got, expected, rel=1e-6)
    if not batch.counted.any():
        assert got[0] == 0 and (got[1] == 0).all()


@property_of_both_ways
@given(batch=batches(), pair=losses_and_references(), place=st.integers(0, 10**6))
def test_a_nan_at_a_counted_pixel_is_never_hidden(batch: Batch, pair: tuple[nn.Module, Reference], place: int) -> None:
    loss, _ = pair
    counted = batch.counted.nonzero()
    assume(len(counted))
    logits = batch.logits.clone()
    logits[tuple(counted[place % len(counted)])] = math.nan
    assert math.isnan(loss(logits, batch.target, batch.valid).item())


@property_of_both_ways
@given(batch=batches(), weight=st.floats(1e-3, 1e3), gamma=st.floats(0.0, 5.0), alpha=st.floats(0.01, 0.99))
def test_pixel_losses_turned_around(batch: Batch, weight: float, gamma: float, alpha: float) -> None:
    """A logit is a logit of the other answer when its sign and label are turned."""
    turned = (1 - batch.target.double()).to(torch.uint8)
    value, slope = _value_and_gradient(WeightedBCELoss(pos_weight=weight), batch.logits, batch.target, batch.valid)
    other = _value_and_gradient(WeightedBCELoss(pos_weight=1 / weight), -batch.logits, turned, batch.valid)
    _assert_alike((weight * other[0], -weight * other[1]), (value, slope))
    value, slope = _value_and_gradient(
        FocalLoss(gamma=gamma, positive_weight=alpha), batch.logits, batch.target, batch.valid
    )
    other = _value_and_gradient(FocalLoss(gamma=gamma, positive_weight=1 - alpha), -batch.logits, turned, batch.valid)
    _assert_alike((other[0], -other[1]), (value, slope))


@property_of_both_ways
@given(batch=batches(), smooth=st.floats(1e-3, 10), per_image=st.booleans(), fn_weight=st.floats(0.1, 2))
def test_members_of_a_family_agree(batch: Batch, smooth: float, per_image: bool, fn_weight: float) -> None:
    given_to = (batch.logits, batch.target, batch.valid)
    same = {"smooth": smooth, "per_image": per_image}
    dice = _value_and_gradient(DiceLoss(**same), *given_to)
    half = _value_and_gradient(TverskyLoss(fp_weight=0.5, fn_weight=0.5, **same), *given_to)
    assert dice[0] == half[0] and torch.equal(dice[1], half[1])
    tversky = _value_and_gradient(TverskyLoss(fn_weight=fn_weight, **same), *given_to)
    unfocused = _value_and_gradient(FocalTverskyLoss(fn_weight=fn_weight, gamma=1.0, **same), *given_to)
    assert tversky[0] == unfocused[0] and torch.equal(tversky[1], unfocused[1])
    bce = _value_and_gradient(WeightedBCELoss(), *given_to)
    plain = _value_and_gradient(FocalLoss(gamma=0.0), *given_to)
    assert bce[0] == plain[0] and torch.equal(bce[1], plain[1])
    if batch.valid is None:
        torchs = _value_and_gradient(nn.BCEWithLogitsLoss(), batch.logits.double(), batch.target.double())
        _assert_alike(bce, torchs, least=1e-14)  # torch adds two terms of 1 and of the logit's size, up to 40


@property_of_both_ways
@given(batch=batches(), pair=losses_and_references(), factor=st.floats(0.0, 100.0))
def test_a_combined_loss_is_the_weighted_sum(batch: Batch, pair: tuple[nn.Module, Reference], factor: float) -> None:
    loss, _ = pair
    given_to = (batch.logits, batch.target, batch.valid)
    value, slope = _value_and_gradient(loss, *given_to)
    bce, bce_slope = _value_and_gradient(WeightedBCELoss(), *given_to)
    combined = CombinedLoss(terms={"one": loss, "bce": WeightedBCELoss()}, weights={"one": factor, "bce": 0.5})
    got = _value_and_gradient(combined, *given_to)
    _assert_alike(got, (factor * value + 0.5 * bce, factor * slope + 0.5 * bce_slope), rel=1e-6)


@property_of_both_ways
@given(batch=batches(ignored=False), weight=st.floats(1e-2, 1e2), gamma=st.floats(0.0, 4.0))
def test_a_mean_over_pixels_is_that_of_its_parts(batch: Batch, weight: float, gamma: float) -> None:
    for loss in (
        lambda x, t: weighted_bce_loss(x, t, pos_weight=weight),
        lambda x, t: focal_loss(x, t, gamma=gamma),
    ):
        whole = loss(batch.logits, batch.target).item()
        for axis in range(4):
            pairs = zip(batch.logits.split(1, axis), batch.target.split(1, axis), strict=True)
            parts = [loss(x, t).item() for x, t in pairs]
            assert whole == pytest.approx(sum(parts) / len(parts), rel=2e-6)


@property_of_both_ways
@given(
    batch=batches(ignored=False), pair=losses_and_references(), dtype=st.sampled_from([torch.float16, torch.bfloat16])
)
def test_half_precision_logits_are_only_storage(
    batch: Batch, pair: tuple[nn.Module, Reference], dtype: torch.dtype
) -> None:
    loss, _ = pair
    half = batch.logits.to(dtype)
    value, slope = _value_and_gradient(loss, half, batch.target)
    exact, exact_slope = _value_and_gradient(loss, half.float(), batch.target)
    assert value == exact and torch.equal(slope, exact_slope.to(dtype))
