"""Batches are a function of (seed, update); tiles and masks stay together; ignored pixels stay ignored."""

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from experiments.data.batches import TileBatches, _channels_last, cut_tile, pixel_statistics, updates_loader
from experiments.data.sample import Sample
from experiments.data.sampling.uniform import Tile, UniformTiles
from experiments.data.split import make_split

FLIPS = v2.Compose([v2.RandomHorizontalFlip(0.5), v2.RandomVerticalFlip(0.5)])


def coded_split(count=3, size=(40, 56), ignored=False):
    """Images whose grey level is a function of the place; the mask marks grey levels below 32."""
    samples = []
    for index in range(count):
        image = (np.add.outer(np.arange(size[0]), 2 * np.arange(size[1])) + 7 * index).astype(np.uint8)
        valid = image % 5 != 0 if ignored else None
        samples.append(Sample(image[..., None], (image < 32)[None], valid))
    return make_split("train", samples, [f"i{i}" for i in range(count)])


def make(split, seed=0, augment=FLIPS, side=32, ignores=False, **other):
    settings = {"batch_size": 4, "side": side, "seed": seed, "max_steps": 10, "ignores_pixels": ignores, **other}
    return TileBatches(split, UniformTiles(), augment, **settings)


def test_a_batch_is_a_function_of_seed_and_update():
    split = coded_split()
    first, again = make(split)[3], make(split)[3]
    assert torch.equal(first.image, again.image)
    assert not torch.equal(first.image, make(split)[4].image)
    assert not torch.equal(first.image, make(split, seed=1)[3].image)


def test_batches_leave_the_global_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    make(coded_split())[0]
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("ignored", [False, True])
def test_masks_follow_the_image_through_augmentation(ignored):
    batch = make(coded_split(ignored=ignored), ignores=ignored)[2]
    assert batch.image.shape == (4, 1, 32, 32)
    assert torch.equal(batch.target, batch.image < 32)
    if ignored:
        assert torch.equal(batch.valid, batch.image % 5 != 0)
    else:
        assert batch.valid is None


def test_workers_and_a_late_start_give_the_same_batches():
    batches = make(coded_split())
    whole = [batch.image for batch in updates_loader(batches, first=0, workers=0, pin=False)]
    late = [batch.image for batch in updates_loader(batches, first=6, workers=0, pin=False)]
    workers = [batch.image for batch in updates_loader(batches, first=6, workers=1, pin=False)]
    assert len(whole) == 10
    assert all(torch.equal(a, b) for a, b in zip(whole[6:], late, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(whole[6:], workers, strict=True))


def test_an_image_smaller_than_the_tile_is_mirrored():
    image = np.arange(6, dtype=np.uint8).reshape(2, 3, 1)
    split = make_split("train", [Sample(image, image[None, ..., 0] > 3)], ["small"])
    tile = cut_tile(split, Tile(0, 0, 0), 8)
    assert tile.image[0, :, 0].tolist() == [0, 1, 2, 2, 1, 0, 0, 1]
    assert tile.image[:, 0, 0].tolist() == [0, 3, 3, 0, 0, 3, 3, 0]
    assert np.array_equal(tile.target[0], tile.image[..., 0] > 3)


def test_every_place_is_equally_likely():
    """Chi-square of tile positions over two images of different size, against the area of each image."""
    sizes = ((20, 20), (20, 60))
    samples = [Sample(np.zeros((*size, 1), np.uint8), np.ones((1, *size), bool)) for size in sizes]
    split = make_split("train", samples, ["a", "b"])
    rng = np.random.default_rng(0)
    tiles = UniformTiles().draw(split, rng, count=4000, side=16, progress=0.0)
    second = sum(tile.image for tile in tiles)
    assert abs(second - 3000) < 4 * np.sqrt(4000 * 0.75 * 0.25)
    lefts = np.bincount([tile.left for tile in tiles if tile.image == 1], minlength=45)
    expected = lefts.sum() / 45
    assert ((lefts - expected) ** 2 / expected).sum() < 90  # 44 degrees of freedom: the 0.99995 quantile
    assert max(tile.top for tile in tiles) == 4


def test_pixel_statistics_are_those_of_all_pixels():
    split = coded_split()
    pixels = np.concatenate([sample.image.ravel() for sample in split.samples]).astype(float)
    statistics = pixel_statistics(split)
    assert statistics.mean[0] == pytest.approx(pixels.mean())
    assert statistics.std[0] == pytest.approx(pixels.std())


def test_statistics_of_a_flat_image_do_not_divide_by_zero():
    split = make_split("train", [Sample(np.full((4, 4, 1), 9, np.uint8), np.ones((1, 4, 4), bool))], ["a"])
    assert pixel_statistics(split).std == (1.0,)


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.bool])
def test_tiles_are_stacked_with_the_strides_of_a_network_s_input(channels, dtype):
    tiles = [(torch.rand(channels, 5, 7) * 9).to(dtype) for _ in range(3)]
    expected = torch.stack(tiles).contiguous(memory_format=torch.channels_last)
    stacked = _channels_last(tiles)
    assert torch.equal(stacked, expected)
    assert stacked.stride() == expected.stride()
