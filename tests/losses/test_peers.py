"""The losses against those of torch, torchvision, segmentation_models_pytorch and MONAI, where definitions agree."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional

from losses import DiceLoss, FocalLoss, FocalTverskyLoss, TverskyLoss, WeightedBCELoss

smp_losses = pytest.importorskip("segmentation_models_pytorch").losses
monai_losses = pytest.importorskip("monai.losses")

PER_MASK = [0.5, 3.0, 42.0]


def _batch(masks: int = 3) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    shape = (4, masks, 9, 7)
    return 3 * torch.randn(shape, generator=rng, dtype=torch.float64), torch.rand(shape, generator=rng) < 0.2


def _torch_bce(pos_weight: float | list[float]) -> Callable[[Tensor, Tensor], Tensor]:
    weight = torch.tensor(pos_weight, dtype=torch.float64).reshape(-1, 1, 1)
    return lambda x, t: functional.binary_cross_entropy_with_logits(x, t, pos_weight=weight)


def _torchvision_focal(alpha: float, gamma: float) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda x, t: torchvision.ops.sigmoid_focal_loss(x, t, alpha=alpha, gamma=gamma, reduction="mean")


SAME = {
    "torch bce": (WeightedBCELoss(), functional.binary_cross_entropy_with_logits),
    "torch pos_weight": (WeightedBCELoss(pos_weight=42), _torch_bce(42.0)),
    "torch pos_weight per mask": (WeightedBCELoss(pos_weight=PER_MASK), _torch_bce(PER_MASK)),
    "smp bce": (WeightedBCELoss(), smp_losses.SoftBCEWithLogitsLoss()),
    # torchvision calls "no weighting" alpha = −1; smp and MONAI call it None, as we do.
    "torchvision focal": (FocalLoss(), _torchvision_focal(-1.0, 2.0)),
    "torchvision focal alpha": (FocalLoss(gamma=1.5, positive_weight=0.25), _torchvision_focal(0.25, 1.5)),
    "smp focal": (FocalLoss(), smp_losses.FocalLoss("multilabel")),
    "smp focal alpha": (
        FocalLoss(gamma=3.0, positive_weight=0.7),
        smp_losses.FocalLoss("multilabel", alpha=0.7, gamma=3.0),
    ),
    "monai focal": (FocalLoss(), monai_losses.FocalLoss()),
    "monai focal alpha": (
        FocalLoss(gamma=0.5, positive_weight=0.25),
        monai_losses.FocalLoss(gamma=0.5, alpha=0.25),
    ),
    "smp dice": (DiceLoss(smooth=1.0), smp_losses.DiceLoss("multilabel", smooth=1.0)),
    # Our smooth (and smp's) goes with TP; MONAI adds its own to 2·TP, hence a factor of 2 in Dice.
    "monai dice": (
        DiceLoss(smooth=0.5),
        monai_losses.DiceLoss(sigmoid=True, batch=True, smooth_nr=1.0, smooth_dr=1.0),
    ),
    "monai dice per image": (
        DiceLoss(smooth=0.5, per_image=True),
        monai_losses.DiceLoss(sigmoid=True, smooth_nr=1.0, smooth_dr=1.0),
    ),
    "smp tversky": (TverskyLoss(), smp_losses.TverskyLoss("multilabel", alpha=0.3, beta=0.7, smooth=1.0)),
    "monai tversky": (
        TverskyLoss(),
        monai_losses.TverskyLoss(sigmoid=True, alpha=0.3, beta=0.7, batch=True, smooth_nr=1.0, smooth_dr=1.0),
    ),
    "monai tversky per image": (
        TverskyLoss(fp_weight=0.9, fn_weight=0.2, per_image=True),
        monai_losses.TverskyLoss(sigmoid=True, alpha=0.9, beta=0.2, smooth_nr=1.0, smooth_dr=1.0),
    ),
}


@pytest.mark.parametrize(("ours", "theirs"), SAME.values(), ids=SAME.keys())
def test_value_and_gradient_agree(ours: nn.Module, theirs: Callable[[Tensor, Tensor], Tensor]) -> None:
    logits, target = _batch()
    x, y = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    value, expected = ours(x, target), theirs(y, target.double())
    single = expected.dtype == torch.float32  # MONAI's focal loss computes float64 logits in float32
    torch.testing.assert_close(value, expected.double(), rtol=1e-6 if single else 1e-12, atol=0)
    value.backward()
    expected.backward()
    # The peers lose digits by cancellation, so there is an absolute tolerance besides the relative one.
    rtol, atol = (1e-5, 1e-8) if single else (1e-9, 1e-14)
    torch.testing.assert_close(x.grad, y.grad, rtol=rtol, atol=atol)


def test_smp_gamma_is_the_inverse_of_ours_and_applied_after_the_mean() -> None:
    """smp raises the mean over masks to the power gamma; the paper, and we, raise each mask to 1/gamma."""

    def smp(gamma: float) -> nn.Module:
        return smp_losses.TverskyLoss("multilabel", alpha=0.3, beta=0.7, smooth=1.0, gamma=gamma)

    logits, target = _batch(masks=1)
    ours = FocalTverskyLoss(gamma=4 / 3)
    torch.testing.assert_close(ours(logits, target), smp(0.75)(logits, target.double()), rtol=1e-12, atol=0)
    logits, target = _batch(masks=3)
    assert ours(logits, target) < smp(0.75)(logits, target.double()) - 1e-6  # Jensen


def test_smp_calls_an_empty_mask_perfect_and_we_do_not() -> None:
    """smp sets the loss of a mask without positives to 0, so that its false positives cost nothing."""
    logits, target = torch.zeros(2, 1, 4, 4), torch.zeros(2, 1, 4, 4)
    assert smp_losses.DiceLoss("multilabel", smooth=1.0)(logits, target) == 0
    assert DiceLoss()(logits, target).item() == pytest.approx(8 / 9)  # FP = 16: .5 · 16 / (.5 · 16 + 1)


def test_without_smoothing_monai_gives_an_empty_mask_no_slope_and_ours_does() -> None:
    """MONAI's default smooth of 1e-5 saturates an empty mask at a loss of 1; ours of one pixel still slopes."""
    monai = monai_losses.DiceLoss(sigmoid=True, batch=True)
    x, y = (torch.zeros(1, 1, 8, 8, requires_grad=True) for _ in range(2))
    monai(x, torch.zeros(1, 1, 8, 8)).backward()
    DiceLoss()(y, torch.zeros(1, 1, 8, 8)).backward()
    assert x.grad is not None
    assert y.grad is not None
    assert y.grad.min() > 1e3 * x.grad.max()


def test_monai_per_mask_alpha_leaves_negatives_alone_and_ours_does_not() -> None:
    """A list of alphas in MONAI weighs positives only; a number weighs negatives by 1 − alpha, as the paper does."""
    logits, target = (tensor.float() for tensor in _batch())
    none = torch.zeros_like(target)
    per_mask = monai_losses.FocalLoss(alpha=[0.25, 0.25, 0.25])(logits, none)
    torch.testing.assert_close(per_mask, FocalLoss()(logits, none), rtol=1e-5, atol=0)
    torch.testing.assert_close(0.75 * per_mask, FocalLoss(positive_weight=0.25)(logits, none), rtol=1e-5, atol=0)
