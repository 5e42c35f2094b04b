"""Batches from images of noise, of several sizes, some smaller than a tile; found by tests as `noise_tiles`."""

import numpy as np
from torchvision.transforms import v2

from experiments.data.batches import TileBatches
from experiments.data.sample import Sample
from experiments.data.sampling.uniform import UniformTiles
from experiments.data.split import make_split

SIZES = ((40, 56), (64, 33), (20, 70), (10, 12))  # the last two are smaller than a tile of 32
FLIPS = v2.Compose([v2.RandomHorizontalFlip(0.5), v2.RandomVerticalFlip(0.5)])


def noise_split(*, channels=3, ignored=False):
    rng = np.random.default_rng(7)
    samples = [
        Sample(
            rng.integers(0, 256, (*size, channels), np.uint8),
            rng.random((2, *size)) < 0.3,
            rng.random(size) < 0.8 if ignored and place else None,  # the first image has no ignored pixel
        )
        for place, size in enumerate(SIZES)
    ]
    return make_split("train", samples, [f"i{i}" for i in range(len(SIZES))])


def make(augment=FLIPS, ignored=False, *, channels=3, seed=3, **settings):
    split = noise_split(channels=channels, ignored=ignored)
    settings = {"batch_size": 6, "side": 32, "max_steps": 8, **settings}
    return TileBatches(split, UniformTiles(), augment, seed=seed, ignores_pixels=ignored, **settings)
