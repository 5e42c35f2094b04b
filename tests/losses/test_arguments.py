"""Arguments by name: told from the signature, passed through every adapter, cut along with the batch."""

import functools

import pytest
import torch
from torch import nn

from losses import BoundaryLoss, CombinedLoss, DiceLoss, SkeletonRecallLoss, apply_criterion
from losses.adapters import EachLoss, FunctionLoss, ProbabilityLoss, takes_valid
from losses.arguments import taken_arguments, unknown_arguments
from losses.classes import ClassLoss


class Seen(nn.Module):
    """Keeps what it was given."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def forward(self, logits, target, valid=None, *, index, image_id, update, distance):
        self.calls.append((index.tolist(), image_id, update, distance.clone()))
        return logits.mean()


def some(logits, target, update, valid=None, skeleton=None):
    return logits.mean()


def hyper(logits, target, distance=3.0, index=0):
    return logits.mean()


def anything(logits, target, **more):
    return logits.mean()


@pytest.mark.parametrize(
    ("criterion", "expected"),
    [
        (DiceLoss(), {"valid"}),
        (nn.BCEWithLogitsLoss(), set()),
        (BoundaryLoss(), {"valid", "distance"}),
        (some, {"update", "valid", "skeleton"}),
        (functools.partial(some, update=3), {"valid", "skeleton"}),
        (hyper, set()),  # numbers are hyperparameters
        (anything, set()),
        (FunctionLoss(some), {"update", "valid", "skeleton"}),
        (EachLoss(ProbabilityLoss(some), axis=1), {"update", "valid", "skeleton"}),
        (ClassLoss(some), {"update", "valid", "skeleton"}),
        (CombinedLoss(terms={"a": SkeletonRecallLoss(), "b": BoundaryLoss()}), {"valid", "skeleton", "distance"}),
    ],
)
def test_what_a_criterion_takes(criterion, expected):
    assert taken_arguments(criterion) == expected
    assert unknown_arguments(criterion) == []


def test_what_nobody_can_give_is_unknown():
    def weighted(logits, target, weight, *, dates, update, power=2): ...

    assert unknown_arguments(weighted) == ["weight", "dates"]
    assert unknown_arguments(functools.partial(weighted, weight=1)) == ["dates"]


CONTEXT = {
    "index": torch.tensor([7, 4]),
    "image_id": ["g", "d"],
    "update": 5,
    "distance": torch.arange(2 * 3 * 4 * 4.0).reshape(2, 3, 4, 4),
    "skeleton": None,
}


@pytest.mark.parametrize("wrap", [lambda c: c, ProbabilityLoss, ClassLoss, lambda c: CombinedLoss(terms={"a": c})])
def test_arguments_go_through_every_adapter(wrap):
    seen = Seen()
    logits, target = torch.randn(2, 3, 4, 4), torch.zeros(2, 3, 4, 4)
    apply_criterion(wrap(seen), logits, target, context=CONTEXT)
    ((index, names, update, distance),) = seen.calls
    assert (index, names, update) == ([7, 4], ["g", "d"], 5)
    assert torch.equal(distance, CONTEXT["distance"])


def test_each_image_gets_its_own_and_each_mask_its_plane():
    seen = Seen()
    logits, target = torch.randn(2, 3, 4, 4), torch.zeros(2, 3, 4, 4)
    apply_criterion(EachLoss(EachLoss(seen, axis=1), axis=0), logits, target, context=CONTEXT)
    assert [call[:3] for call in seen.calls] == [([7], ["g"], 5)] * 3 + [([4], ["d"], 5)] * 3
    planes = torch.cat([call[3] for call in seen.calls]).reshape(2, 3, 4, 4)
    assert torch.equal(planes, CONTEXT["distance"])


@pytest.mark.parametrize("axis", [0, 1])
def test_each_is_the_mean_of_the_parts(axis):
    generator = torch.Generator().manual_seed(2)
    logits = torch.randn(2, 3, 8, 8, generator=generator)
    target = torch.rand(2, 3, 8, 8, generator=generator) < 0.2
    valid = torch.rand(2, 1, 8, 8, generator=generator) < 0.7
    criterion = EachLoss(DiceLoss(), axis=axis)
    if axis == 0:
        parts = [DiceLoss()(logits[n : n + 1], target[n : n + 1], valid[n : n + 1]) for n in range(2)]
    else:
        parts = [DiceLoss()(logits[:, c : c + 1], target[:, c : c + 1], valid) for c in range(3)]
    got = apply_criterion(criterion, logits, target, valid)
    assert got.item() == pytest.approx(torch.stack(parts).mean().item(), rel=1e-6)
    assert takes_valid(criterion)
    assert not takes_valid(EachLoss(nn.BCEWithLogitsLoss(), axis=axis))


def test_an_axis_is_images_or_masks():
    with pytest.raises(ValueError, match="axis must be 0"):
        EachLoss(DiceLoss(), axis=2)
