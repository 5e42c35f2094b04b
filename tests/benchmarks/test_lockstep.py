"""Stacked networks compute what they compute one by one: the two ways that are timed do the same work."""

import copy

import torch
from torch import nn

from benchmarks.lockstep import Kernels, one_by_one, stacked


def test_both_ways_give_the_same_losses_and_running_means():
    torch.manual_seed(0)
    networks = [nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1)) for _ in range(3)]
    image, target = torch.randn(2, 1, 8, 8), (torch.rand(2, 2, 8, 8) < 0.3).float()
    alone, together = (way([copy.deepcopy(one) for one in networks], image, target) for way in (one_by_one, stacked))
    losses = [way() for way in (alone, together)]
    assert len(set(losses[0].tolist())) == 3
    torch.testing.assert_close(*losses)


def test_more_arms_take_more_kernels_only_one_by_one():
    image, target = torch.randn(2, 1, 8, 8), (torch.rand(2, 2, 8, 8) < 0.3).float()

    def kernels(way, arms):
        update = way([nn.Conv2d(1, 2, 3, padding=1) for _ in range(arms)], image, target)
        with Kernels() as counted:
            update()
        return counted.count

    assert kernels(stacked, 6) == kernels(stacked, 3)
    assert kernels(one_by_one, 6) > 1.5 * kernels(one_by_one, 3)
