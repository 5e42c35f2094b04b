"""Combined loss, and calling criteria from elsewhere: `valid`, names, logging, Hydra."""

from __future__ import annotations

import functools
import math

import hydra.utils
import pytest
import torch
import torchvision
from omegaconf import OmegaConf
from torch import Tensor, nn

from losses import (
    CombinedLoss,
    DiceLoss,
    FocalLoss,
    FocalTverskyLoss,
    TverskyLoss,
    WeightedBCELoss,
    accepts_valid,
    apply_criterion,
    weighted_bce_loss,
)

smp_losses = pytest.importorskip("segmentation_models_pytorch").losses
monai_losses = pytest.importorskip("monai.losses")

OURS = [WeightedBCELoss(), FocalLoss(), DiceLoss(), TverskyLoss(), FocalTverskyLoss()]


class MaskedL1(nn.Module):
    """A user's own loss that takes `valid`."""

    def forward(self, logits: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        distance = (logits.sigmoid() - target).abs()
        return distance.mean() if valid is None else distance[valid.expand(distance.shape)].mean()


class Swallows(nn.Module):
    def forward(self, logits: Tensor, target: Tensor, **ignored: object) -> Tensor:
        return logits.mean()


def _batch(dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(2, 3, 8, 8, generator=rng, dtype=torch.float64)
    valid = torch.rand(2, 1, 8, 8, generator=rng) < 0.7
    return logits.to(dtype), torch.rand(2, 3, 8, 8, generator=rng) < 0.2, valid


def _grad(loss: nn.Module, logits: Tensor, *rest: Tensor) -> Tensor:
    logits = logits.clone().requires_grad_()
    return torch.autograd.grad(loss(logits, *rest), logits)[0]


@pytest.mark.parametrize("loss", OURS, ids=lambda loss: type(loss).__name__)
def test_combined_of_one_is_itself(loss: nn.Module) -> None:
    logits, target, valid = _batch()
    combined = CombinedLoss(terms={"only": loss})
    assert torch.equal(combined(logits, target, valid), loss(logits, target, valid))
    assert torch.equal(_grad(combined, logits, target, valid), _grad(loss, logits, target, valid))


def test_value_gradient_and_logged_terms_are_the_weighted_parts() -> None:
    logits, target, valid = _batch(torch.float64)
    bce, dice = WeightedBCELoss(pos_weight=4.0), DiceLoss()
    combined = CombinedLoss(terms={"bce": bce, "dice": dice}, weights={"dice": 2.0, "bce": 0.5})
    expected = 0.5 * bce(logits, target, valid) + 2.0 * dice(logits, target, valid)
    torch.testing.assert_close(combined(logits, target, valid), expected, rtol=1e-14, atol=0)
    parts = 0.5 * _grad(bce, logits, target, valid) + 2.0 * _grad(dice, logits, target, valid)
    torch.testing.assert_close(_grad(combined, logits, target, valid), parts, rtol=1e-12, atol=0)
    assert list(combined.term_values) == ["bce", "dice"]
    assert torch.equal(combined.term_values["bce"], bce(logits, target, valid))
    assert torch.equal(combined.term_values["dice"], dice(logits, target, valid))


def test_logged_terms_are_detached_and_renewed() -> None:
    logits, target, _ = _batch()
    combined = CombinedLoss(terms={"bce": WeightedBCELoss()}, weights={"bce": 10.0})
    assert combined.term_values == {}
    combined(logits.requires_grad_(), target)
    first = combined.term_values["bce"]
    assert not first.requires_grad
    combined(logits + 1, target)
    assert combined.term_values["bce"] != first


def test_a_term_of_weight_zero_is_logged_but_does_not_pull() -> None:
    logits, target, _ = _batch()
    combined = CombinedLoss(terms={"bce": WeightedBCELoss(), "dice": DiceLoss()}, weights={"bce": 1.0, "dice": 0.0})
    assert torch.equal(_grad(combined, logits, target), _grad(WeightedBCELoss(), logits, target))
    assert combined.term_values["dice"] > 0


def test_modules_among_the_terms_move_and_are_found() -> None:
    inner = WeightedBCELoss(pos_weight="balanced")
    combined = CombinedLoss(
        terms={
            "nested": CombinedLoss(terms={"inner": inner}),
            "keys": nn.BCEWithLogitsLoss(pos_weight=torch.ones(3, 1, 1)),  # names that nn.ModuleDict would refuse
            "bce.mean": functools.partial(torchvision.ops.sigmoid_focal_loss, reduction="mean"),
        }
    )
    assert inner in list(combined.modules())
    combined.to(torch.float64)
    assert next(combined.buffers()).dtype == torch.float64
    inner.set_prevalence([0.1, 0.2, 0.3])
    logits, target, _ = _batch(torch.float64)
    combined(logits, target)
    assert list(combined.term_values) == ["nested", "keys", "bce.mean"]


THIRD_PARTY = {
    "torch BCEWithLogitsLoss": nn.BCEWithLogitsLoss(),
    "smp LovaszLoss": smp_losses.LovaszLoss(mode="multilabel"),
    "smp DiceLoss": smp_losses.DiceLoss(mode="multilabel"),
    "monai DiceLoss": monai_losses.DiceLoss(sigmoid=True),
    "torchvision focal": functools.partial(torchvision.ops.sigmoid_focal_loss, reduction="mean"),
}
third_party = pytest.mark.parametrize("criterion", THIRD_PARTY.values(), ids=THIRD_PARTY.keys())


@third_party
@pytest.mark.parametrize("label_dtype", [torch.bool, torch.uint8, torch.float32])
def test_third_party_criteria_work_as_they_are(criterion: nn.Module, label_dtype: torch.dtype) -> None:
    logits, target, _ = _batch()
    expected = criterion(logits, target.float())
    everything = torch.ones(8, 8, dtype=torch.bool)
    assert not accepts_valid(criterion)
    for valid in (None, everything):
        got = apply_criterion(criterion, logits, target.to(label_dtype), valid)
        assert got.shape == ()
        assert torch.equal(got, expected.reshape(()))
    combined = CombinedLoss(terms={"theirs": criterion, "bce": WeightedBCELoss()}, weights={"theirs": 3.0, "bce": 1.0})
    value = combined(logits, target.to(label_dtype), everything)
    torch.testing.assert_close(value, 3 * expected.reshape(()) + weighted_bce_loss(logits, target))
    assert _grad(combined, logits, target).abs().sum() > 0


@third_party
def test_third_party_criteria_refuse_ignored_pixels_by_name(criterion: nn.Module) -> None:
    logits, target, valid = _batch()
    combined = CombinedLoss(terms={"bce": WeightedBCELoss(), "theirs": criterion})
    ignored = 3 * int((~valid).sum())
    with pytest.raises(ValueError, match=rf"term 'theirs' takes no argument named valid.*{ignored} of 384 pixels"):
        combined(logits, target, valid)
    with pytest.raises(ValueError, match="term 'theirs'"):
        CombinedLoss(terms={"outer": combined})(logits, target, valid)


@pytest.mark.parametrize(
    ("criterion", "name"),
    [
        (nn.BCEWithLogitsLoss(), "BCEWithLogitsLoss"),
        (nn.functional.binary_cross_entropy_with_logits, "binary_cross_entropy_with_logits"),
    ],
)
def test_a_refusal_without_a_given_name_names_the_class_or_function(criterion: nn.Module, name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} takes no argument named valid"):
        apply_criterion(criterion, *_batch())


@third_party
def test_third_party_criteria_see_float32_under_autocast(criterion: nn.Module) -> None:
    logits, target, _ = _batch()
    half = (100 * logits).to(torch.bfloat16)
    expected = apply_criterion(criterion, half.float(), target)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = apply_criterion(criterion, half, target)
    assert got.dtype == torch.float32
    assert torch.equal(got, expected)
    assert got.isfinite()


def test_autocast_is_off_inside_a_criterion_from_elsewhere() -> None:
    def correlation(logits: Tensor, target: Tensor) -> Tensor:
        product = logits.flatten(1) @ target.flatten(1).T  # what autocast would do in bfloat16
        assert product.dtype == torch.float32
        return product.mean()

    logits, target, _ = _batch()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = apply_criterion(correlation, logits, target)
    assert torch.equal(got, correlation(logits, target.float()))


def test_a_users_own_loss_gets_valid_and_float_labels() -> None:
    logits, target, valid = _batch()
    combined = CombinedLoss(terms={"l1": MaskedL1()})
    assert torch.equal(combined(logits, target, valid), MaskedL1()(logits, target.float(), valid))
    assert torch.equal(combined(logits, target), MaskedL1()(logits, target.float()))


@pytest.mark.parametrize(
    ("criterion", "expected"),
    [
        *((loss, True) for loss in OURS),
        (CombinedLoss(terms={"bce": WeightedBCELoss()}), True),
        (MaskedL1(), True),
        (weighted_bce_loss, True),
        (functools.partial(weighted_bce_loss, pos_weight=2.0), True),
        (lambda logits, target, *, valid: logits.mean(), True),
        (Swallows(), False),
        (lambda logits, target, *valid: logits.mean(), False),
        (lambda logits, target: logits.mean(), False),
        (nn.functional.binary_cross_entropy_with_logits, False),
        (torch.add, False),  # written in C, has no signature
    ],
)
def test_accepts_valid(criterion: nn.Module, expected: bool) -> None:
    assert accepts_valid(criterion) == expected


@pytest.mark.parametrize(
    ("criterion", "message"),
    [
        (nn.BCEWithLogitsLoss(reduction="none"), r"BCEWithLogitsLoss must return a scalar.*\(2, 3, 8, 8\).*reduction"),
        (lambda logits, target: 0.5, "<lambda> must return a scalar tensor, got float"),
        (lambda logits, target: None, "got NoneType; is its return missing"),
        (lambda logits, target: (logits.mean(), logits.mean()), "got tuple; return one value"),
        (lambda logits, target: {"loss": logits.mean()}, "got dict; return one value"),
        (lambda logits, target: DiceLoss(), "got DiceLoss; it is a loss itself"),
        (lambda logits, target: logits.to(torch.complex64).mean(), "must return a real number, got torch.complex64"),
    ],
)
def test_a_criterion_must_return_a_scalar(criterion: nn.Module, message: str) -> None:
    logits, target, _ = _batch()
    with pytest.raises(ValueError, match=message):
        apply_criterion(criterion, logits, target)


@pytest.mark.parametrize("detached", [lambda x, t: x.detach().mean(), lambda x, t: (x > 0).float().mean()])
def test_a_value_without_a_gradient_is_refused_where_one_is_asked_for(detached: nn.Module) -> None:
    logits, target, _ = _batch()
    with pytest.raises(ValueError, match="returned a value with no gradient"):
        apply_criterion(detached, logits.requires_grad_(), target)
    # Nobody asks for one while a model is only evaluated.
    with torch.no_grad():
        assert apply_criterion(detached, logits, target).ndim == 0
    assert apply_criterion(detached, logits.detach(), target).ndim == 0


def test_inputs_are_checked_for_criteria_from_elsewhere_too() -> None:
    logits, target, _ = _batch()
    with pytest.raises(ValueError, match="target must have the shape of the logits"):
        apply_criterion(nn.BCEWithLogitsLoss(), logits, target[:, :1])


def test_names_of_weights_and_terms_must_agree() -> None:
    with pytest.raises(ValueError, match=r"terms are \['bce', 'dice'\], weights are \['bce', 'dise'\]"):
        CombinedLoss(terms={"bce": WeightedBCELoss(), "dice": DiceLoss()}, weights={"bce": 1.0, "dise": 1.0})


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"terms": {}}, ValueError, "terms must map at least one name to a loss, got {}"),
        ({"terms": [DiceLoss()]}, ValueError, "terms must map at least one name"),
        ({"terms": {"dice": "dice"}}, TypeError, r"terms\['dice'\] must be a loss that can be called, got 'dice'"),
        (
            {"terms": {"dice": DiceLoss()}, "weights": {"dice": -1.0}},
            ValueError,
            r"weights\['dice'\] must be finite and at least 0, got -1",
        ),
        (
            {"terms": {"dice": DiceLoss()}, "weights": {"dice": math.nan}},
            ValueError,
            r"weights\['dice'\] must be finite",
        ),
        ({"terms": {"dice": DiceLoss()}, "weights": {"dice": "1"}}, TypeError, r"weights\['dice'\] must be a number"),
    ],
)
def test_bad_terms_and_weights(arguments: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        CombinedLoss(**arguments)


@pytest.mark.parametrize("convert", ["all", "none"])
def test_hydra_builds_a_nested_combined_loss(convert: str) -> None:
    config = OmegaConf.create(
        {
            "_target_": "losses.CombinedLoss",
            "_convert_": convert,
            "terms": {
                "bce": {"_target_": "losses.WeightedBCELoss", "pos_weight": [1.0, 2.0, 3.0]},
                "lovasz": {
                    "_target_": "segmentation_models_pytorch.losses.LovaszLoss",
                    "mode": "multilabel",
                },
            },
            "weights": {"bce": 1, "lovasz": 0.5},
        }
    )
    loss = hydra.utils.instantiate(config)
    logits, target, _ = _batch()
    expected = weighted_bce_loss(logits, target, pos_weight=[1, 2, 3])
    expected = expected + 0.5 * smp_losses.LovaszLoss(mode="multilabel")(logits, target.float())
    torch.testing.assert_close(loss(logits, target), expected)
