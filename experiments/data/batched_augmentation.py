"""Flips and changes of light for all tiles of a batch at once, with the random numbers that torchvision draws per tile.

torchvision changes one tile at a time, which takes a GPU a dozen kernels a tile. Here flips are part of where a pixel
is read from, and light is a few operations on the whole batch. The tiles are those that torchvision would make. There
is one difference: the mean grey level that contrast keeps is a sum of integers, hence exact, and the same on every
device and with any number of threads. torchvision sums in float32, which is as exact for tiles of up to 256 x 256
pixels; in larger ones a pixel may differ by one grey level.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms import v2

_AXIS = {v2.RandomVerticalFlip: 0, v2.RandomHorizontalFlip: 1}  # what runs backwards: rows or columns


@dataclass(frozen=True)
class Draws:
    """What an augmentation drew for the N tiles of a batch, on the host.

    Args:
        backwards: bool (N, 2), whether the rows and the columns of a tile are read backwards.
        light: float32 (J, 3, N), for each ColorJitter in order: the factor of brightness where brightness comes before
            contrast, that of contrast, and the factor of brightness where it comes after. 1 changes nothing.
    """

    backwards: NDArray[np.bool_]
    light: NDArray[np.float32]


@dataclass(frozen=True)
class BatchedPlan:
    """An augmentation that works on whole batches.

    Args:
        steps: Its flips and changes of light, in order.
    """

    steps: tuple[v2.Transform, ...]

    def draw(self, count: int) -> Draws:
        """Draw for `count` tiles from torch's generator of the host, in the order in which torchvision would."""
        jitters = [step for step in self.steps if isinstance(step, v2.ColorJitter)]
        backwards = np.zeros((count, 2), bool)
        light = np.ones((len(jitters), 3, count), np.float32)
        for tile in range(count):
            changes = iter(light[:, :, tile])
            for step in self.steps:
                if isinstance(step, v2.ColorJitter):
                    next(changes)[:] = _factors(step)
                elif not torch.rand(1) >= step.p:
                    backwards[tile, _AXIS[type(step)]] ^= True
        return Draws(backwards, light)


def _factors(jitter: v2.ColorJitter) -> tuple[float, float, float]:
    drawn = jitter.make_params([])
    brightness, contrast = (
        1.0 if drawn[name] is None else drawn[name] for name in ("brightness_factor", "contrast_factor")
    )
    order = drawn["fn_idx"].tolist()
    comes_first = drawn["contrast_factor"] is None or order.index(0) < order.index(1)
    before, after = (brightness, 1.0) if comes_first else (1.0, brightness)
    return before, contrast, after


def batched_plan(augment: Any) -> BatchedPlan | None:
    """Return how to apply an augmentation to whole batches; None if it has to see one tile at a time.

    Known are torchvision's Identity, RandomHorizontalFlip, RandomVerticalFlip, ColorJitter of brightness and contrast,
    and Compose of these. Any other transform, and any subclass of these, is not.

    >>> batched_plan(v2.Compose([v2.Identity(), v2.RandomHorizontalFlip(0.5)])).steps
    (RandomHorizontalFlip(p=0.5),)
    >>> batched_plan(v2.RandomRotation(10)) is None
    True
    """
    kind = type(augment)
    if kind is v2.Identity:
        return BatchedPlan(())
    if kind in _AXIS or (kind is v2.ColorJitter and augment.saturation is None and augment.hue is None):
        return BatchedPlan((augment,))
    if kind is not v2.Compose:
        return None
    parts = [batched_plan(part) for part in augment.transforms]
    known = [part for part in parts if part is not None]
    return BatchedPlan(tuple(step for part in known for step in part.steps)) if len(known) == len(parts) else None


def in_changed_light(image: Tensor, light: NDArray[np.float32]) -> Tensor:
    """Change brightness and contrast of a batch, each value rounded as torchvision rounds it.

    Args:
        image: uint8 (N, K, H, W), K = 1 or 3; it may be overwritten.
        light: float32 (J, 3, N); see `Draws`.

    Returns:
        uint8 (N, K, H, W), with the strides of `image`.
    """
    for factors in light:
        if image.device.type == "cpu":  # tile by tile, which stays in the caches
            for place in range(len(image)):
                one = slice(place, place + 1)
                image[one] = _lit(image[one], factors[:, one])
        else:
            image = _lit(image, factors)
    return image


def _lit(image: Tensor, factors: NDArray[np.float32]) -> Tensor:
    brightens, contrasts, brightens_after = (factors != 1).any(axis=1)
    if not (brightens or contrasts or brightens_after):
        return image
    with_rest = np.concatenate([factors, 1 - factors[1:2]])
    before, contrast, after, rest = on_device(with_rest, image.device).view(4, -1, 1, 1, 1).unbind()
    if brightens:
        image = _grey_levels(image * before)
    if contrasts:
        # In one operation, which rounds once on processors that can, as torchvision's blending does.
        image = _grey_levels(torch.addcmul(image * contrast, _mean_grey(image), rest))
    if brightens_after:
        image = _grey_levels(image * after)
    return image


def _grey_levels(values: Tensor) -> Tensor:
    return values.clamp_(0, 255).to(torch.uint8)


def _mean_grey(image: Tensor) -> Tensor:
    """Return the mean grey level of each tile, float32 (N, 1, 1, 1)."""
    grey = image
    if image.shape[1] == 3:
        red, green, blue = image.unbind(1)
        grey = red.mul(0.2989).add_(green, alpha=0.587).add_(blue, alpha=0.114).to(torch.uint8).unsqueeze(1)
    total = grey.sum((1, 2, 3), keepdim=True)
    # Not divided by a Python number, in whose place a GPU multiplies by its rounded inverse.
    return total / torch.full_like(total, grey[0].numel())


def on_device(array: NDArray[Any], device: torch.device) -> Tensor:
    """Copy an array to a device without waiting for it."""
    tensor = torch.from_numpy(array)
    return (tensor.pin_memory() if device.type == "cuda" else tensor).to(device, non_blocking=True)
