"""Exclusive classes: labels by number, the background's fixed logit, ignored pixels, and scores that rank as it."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from losses import apply_criterion
from losses.adapters import EachLoss, takes_valid
from losses.classes import ClassLoss, class_labels, class_scores, takes_classes, with_background


def batch(masks=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(2, masks, 6, 7, generator=generator)
    chosen = torch.randint(0, masks + 1, (2, 6, 7), generator=generator)
    target = torch.stack([chosen == mask + 1 for mask in range(masks)], dim=1)
    return logits, target, chosen


@pytest.mark.parametrize("masks", [1, 3])
def test_the_loss_is_cross_entropy_over_background_and_masks(masks):
    logits, target, chosen = batch(masks)
    zeros = torch.zeros(2, 1, 6, 7)
    expected = F.cross_entropy(torch.cat([zeros, logits], dim=1), chosen)
    criterion = ClassLoss(nn.CrossEntropyLoss())
    assert apply_criterion(criterion, logits, target).item() == pytest.approx(expected.item(), rel=1e-6)
    assert takes_classes(EachLoss(criterion, axis=0))


def test_one_mask_is_the_sigmoid():
    logits, target, _ = batch(masks=1)
    ours = apply_criterion(ClassLoss(nn.CrossEntropyLoss()), logits, target)
    assert ours.item() == pytest.approx(F.binary_cross_entropy_with_logits(logits, target.float()).item(), rel=1e-5)
    assert torch.equal(class_scores(logits), logits)


@pytest.mark.parametrize("masks", [1, 2, 5])
def test_scores_rank_pixels_as_the_softmax_probability(masks):
    logits, _, _ = batch(masks, seed=4)
    logits = logits.double()
    probability = torch.softmax(with_background(logits), dim=1)[:, 1:]
    scores = class_scores(logits)
    assert torch.allclose(scores.sigmoid(), probability, rtol=1e-12, atol=0)
    for mask in range(masks):
        by_score = scores[:, mask].flatten().argsort()
        by_probability = probability[:, mask].flatten().argsort()
        assert torch.equal(by_score, by_probability)
    # The natural threshold 0 is probability .5, which no two masks of a pixel exceed.
    assert torch.equal(scores > 0, probability > 0.5)
    assert (scores > 0).sum(dim=1).max() == 1


def test_a_logit_ranks_otherwise():
    # Mask 0 has the larger logit at the first pixel, but there mask 1 is more likely still.
    logits = torch.tensor([[[[3.0, 1.0]], [[6.0, -4.0]]]])
    scores = class_scores(logits)[0, 0, 0]
    assert scores[0] < scores[1]


def test_scores_stay_finite_where_the_softmax_is_0_or_1():
    logits = torch.tensor([[[[500.0, -500.0, 200.0]], [[-500.0, 500.0, 200.5]]]])
    scores = class_scores(logits)
    assert torch.isfinite(scores).all()
    assert scores[0, :, 0].tolist() == [
        pytest.approx([500.0, -1000.0, -0.5]),
        pytest.approx([-1000.0, 500.0, 0.5]),
    ]


def test_pixels_of_several_masks_and_ignored_ones_do_not_count():
    logits, target, chosen = batch()
    target[0, :, 0, 0] = True  # of all masks
    valid = torch.ones(2, 1, 6, 7, dtype=torch.bool)
    valid[1, :, 3] = False
    kept = valid[:, 0].clone()
    kept[0, 0, 0] = False
    each = F.cross_entropy(with_background(logits), chosen, reduction="none")
    criterion = ClassLoss(nn.CrossEntropyLoss(ignore_index=255))
    assert takes_valid(criterion)
    value = apply_criterion(criterion, logits, target, valid)
    assert value.item() == pytest.approx(each[kept].mean().item(), rel=1e-5)


def test_without_a_label_to_ignore_several_masks_are_the_first_and_valid_is_refused():
    logits, target, chosen = batch()
    target[0, 1:, 0, 0] = True
    target[0, 0, 0, 0] = False
    chosen[0, 0, 0] = 2
    assert torch.equal(class_labels(target), chosen)
    margin = ClassLoss(nn.MultiMarginLoss())
    assert not takes_valid(margin)
    valid = torch.ones(2, 1, 6, 7, dtype=torch.bool)
    valid[..., 0] = False
    with pytest.raises(ValueError, match="MultiMarginLoss has no ignore_index"):
        margin(logits, target, valid)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_monai_gets_its_labels_in_a_channel():
    losses = pytest.importorskip("monai.losses", reason="the extra zoo")
    logits, target, chosen = batch()
    inner = losses.DiceCELoss(softmax=True, to_onehot_y=True)
    expected = inner(with_background(logits), chosen[:, None])
    got = apply_criterion(ClassLoss(inner, channel=True), logits, target)
    assert got.item() == pytest.approx(expected.item(), rel=1e-6)


def test_an_index_to_ignore_is_found_where_a_loss_keeps_it():
    smp = pytest.importorskip("segmentation_models_pytorch").losses
    assert ClassLoss(nn.CrossEntropyLoss()).ignore_index == -100
    assert ClassLoss(F.cross_entropy).ignore_index == -100
    assert ClassLoss(smp.FocalLoss("multiclass", ignore_index=0)).ignore_index == 0
    assert ClassLoss(smp.JaccardLoss("multiclass")).ignore_index is None
    assert ClassLoss(nn.MultiMarginLoss()).ignore_index is None
