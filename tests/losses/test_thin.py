"""Skeleton recall and the boundary loss against a reference in numpy, with ignored pixels and bad input."""

import numpy as np
import pytest
import torch
from scipy.ndimage import binary_dilation

from losses import BoundaryLoss, SkeletonRecallLoss, boundary_loss, skeleton_recall_loss


def batch():
    generator = torch.Generator().manual_seed(1)
    logits = 2 * torch.randn(2, 3, 16, 20, generator=generator)
    target = torch.zeros(2, 3, 16, 20, dtype=torch.bool)
    target[:, :, 4:9, 2:18] = True
    target[1, 2] = False
    skeleton = torch.zeros_like(target)
    skeleton[:, :, 6, 4:16] = True
    skeleton &= target
    valid = torch.rand(2, 1, 16, 20, generator=generator) < 0.8
    return logits, target, skeleton, valid


def _reference_skeleton_recall(logits, target, skeleton, valid, radius, smooth):
    probability = 1 / (1 + np.exp(-logits.numpy().astype(np.float64)))
    losses = []
    for mask in range(logits.shape[1]):
        found = total = 0.0
        for image in range(logits.shape[0]):
            tube = skeleton[image, mask].numpy()
            if radius:
                tube = binary_dilation(tube, iterations=radius)  # by the four neighbours
            tube = tube & target[image, mask].numpy() & valid[image, 0].numpy()
            found += probability[image, mask][tube].sum()
            total += tube.sum()
        losses.append(1 - (found + smooth) / (total + smooth))
    return np.mean(losses)


@pytest.mark.parametrize("radius", [0, 1, 2])
def test_skeleton_recall_is_the_reference(radius):
    logits, target, skeleton, valid = batch()
    criterion = SkeletonRecallLoss(radius=radius, smooth=0.5)
    got = criterion(logits, target, valid, skeleton=skeleton)
    expected = _reference_skeleton_recall(logits, target, skeleton, valid, radius, 0.5)
    assert got.item() == pytest.approx(expected, rel=1e-5)


def test_skeleton_recall_pulls_up_the_tube_alone():
    logits, target, skeleton, valid = batch()
    logits.requires_grad_()
    skeleton_recall_loss(logits, target, valid, skeleton=skeleton, radius=1).backward()
    inside = torch.zeros_like(target)
    inside[:, :, 5:8, 4:16] = inside[:, :, 6, 3:17] = True
    inside &= target & valid
    assert torch.equal(logits.grad < 0, inside)
    assert not logits.grad[~inside].any()


def test_without_a_skeleton_value_and_gradient_are_0():
    logits = torch.randn(1, 2, 4, 4, requires_grad=True)
    empty = torch.zeros(1, 2, 4, 4, dtype=torch.bool)
    value = skeleton_recall_loss(logits, empty, skeleton=empty)
    value.backward()
    assert value.item() == 0
    assert not logits.grad.any()


def test_the_boundary_loss_is_the_mean_of_probability_times_distance():
    logits, target, _, valid = batch()
    distance = torch.randn(target.shape)
    probability = torch.sigmoid(logits.double())
    expected = (probability * distance)[valid.expand_as(target)].mean().item()
    assert BoundaryLoss()(logits, target, valid, distance=distance).item() == pytest.approx(expected, rel=1e-4)
    expected = (probability * distance).mean().item()
    assert boundary_loss(logits, target, distance=distance).item() == pytest.approx(expected, rel=1e-4)
    nothing = torch.zeros_like(valid)
    assert boundary_loss(logits, target, nothing, distance=distance * torch.inf).item() == 0


@pytest.mark.parametrize("call", [lambda **more: SkeletonRecallLoss(**more), lambda **more: run(**more)])
@pytest.mark.parametrize(("name", "value"), [("radius", -1), ("radius", 1.5), ("radius", True), ("smooth", 0.0)])
def test_bad_hyperparameters_are_named(call, name, value):
    with pytest.raises((TypeError, ValueError), match=f"{name} must be"):
        call(**{name: value})


def run(**more):
    logits, target, skeleton, _ = batch()
    return skeleton_recall_loss(logits, target, skeleton=skeleton, **more)


def test_bad_maps_are_named():
    logits, target, skeleton, _ = batch()
    with pytest.raises(ValueError, match="skeleton must have shape"):
        skeleton_recall_loss(logits, target, skeleton=skeleton[:1])
    with pytest.raises(TypeError, match="distance must be a tensor, got ndarray"):
        boundary_loss(logits, target, distance=skeleton.numpy())
