"""Batches augmented at once are those of torchvision tile by tile, and nothing is read from the device."""

import weakref
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from noise_tiles import make
from torch.utils._python_dispatch import TorchDispatchMode
from torchvision.transforms import v2

from experiments.data.batched_augmentation import _lit, batched_plan, in_changed_light
from experiments.data.resident_tiles import ResidentTiles
from experiments.data.sample import Sample

CPU, META = torch.device("cpu"), torch.device("meta")


def flips(p=0.5, q=0.5):
    return v2.Compose([v2.RandomHorizontalFlip(p), v2.RandomVerticalFlip(q)])


AUGMENTATIONS = {
    "none": v2.Identity(),
    "flips": flips(),
    "never": flips(0, 0),
    "always": flips(1, 1),
    "seldom and often": flips(0.1, 0.9),
    "one flip": v2.RandomVerticalFlip(0.3),
    "to and fro": v2.Compose([v2.RandomHorizontalFlip(0.7), v2.Identity(), flips()]),
    "photo": v2.Compose([flips(), v2.ColorJitter(brightness=0.2, contrast=0.2)]),
    "brightness": v2.ColorJitter(brightness=(0.1, 3.0)),
    "contrast": v2.Compose([v2.ColorJitter(contrast=0.9), flips()]),
    "two changes": v2.Compose([v2.ColorJitter(0.5, 0.5), v2.RandomVerticalFlip(), v2.ColorJitter(0.1, (2.0, 3.0))]),
    "no change": v2.ColorJitter(),
}
CHANGES_LIGHT = ("photo", "brightness", "contrast", "two changes")


def one_by_one(augment):
    """Hide what the transform is, so that it gets one tile at a time."""
    return lambda image, masks: augment(image, masks)


def assert_same_labels(found, expected):
    assert torch.equal(found.target, expected.target)
    assert found.target.stride() == expected.target.stride()
    assert (found.valid is None) == (expected.valid is None)
    assert found.valid is None or torch.equal(found.valid, expected.valid)
    assert found.index == expected.index


def assert_same_image(found, expected, *, rounded):
    """Equal, or where values were rounded: other machine code rounds a value in many thousands to its neighbour."""
    assert found.stride() == expected.stride()
    difference = (found.int() - expected.int()).abs()
    assert difference.max() <= int(rounded)
    assert (difference > 0).float().mean() < 1e-3


@pytest.mark.parametrize("ignored", [False, True], ids=["all valid", "ignored pixels"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_batches_are_torchvision_s_tile_by_tile(name, channels, ignored):
    augment = AUGMENTATIONS[name]
    assert batched_plan(augment) is not None
    for seed in range(4):
        found, expected = (
            make(each, channels=channels, ignored=ignored, seed=seed) for each in (augment, one_by_one(augment))
        )
        resident, resident_one_by_one = ResidentTiles(found, CPU), ResidentTiles(expected, CPU)
        for update in range(4):
            tiles = expected[update]
            for batch in (found[update], resident[update], resident_one_by_one[update]):
                assert_same_labels(batch, tiles)
                assert_same_image(batch.image, tiles.image, rounded=name in CHANGES_LIGHT)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_as_many_random_numbers_are_drawn(name):
    augment, tile = AUGMENTATIONS[name], torch.zeros(3, 8, 8, dtype=torch.uint8)
    torch.manual_seed(3)
    for _ in range(5):
        augment(tile)
    expected = torch.rand(1)
    torch.manual_seed(3)
    batched_plan(augment).draw(5)
    assert torch.rand(1) == expected


class FlipOfSomebody(v2.RandomHorizontalFlip):
    """May do anything."""


@pytest.mark.parametrize(
    "augment",
    [
        v2.RandomRotation(10),
        v2.ColorJitter(brightness=0.1, saturation=0.1),
        v2.ColorJitter(hue=0.1),
        v2.Compose([v2.RandomHorizontalFlip(), v2.GaussianBlur(3)]),
        v2.RandomApply([v2.RandomHorizontalFlip()]),
        FlipOfSomebody(),
        lambda image, masks: (image, masks),
    ],
    ids=["rotation", "saturation", "hue", "blur among others", "perhaps", "subclass", "function"],
)
def test_what_is_not_known_gets_one_tile_at_a_time(augment):
    assert batched_plan(augment) is None


def _reference_light(image, factors):
    """The formulas in float64, in numpy, for one tile (K, H, W)."""
    before, contrast, after = factors.astype(np.float64)
    image = np.floor(np.clip(image * before, 0, 255))
    grey = image[0] if len(image) == 1 else np.floor(np.tensordot([0.2989, 0.587, 0.114], image, 1))
    image = np.floor(np.clip(image * contrast + (1 - contrast) * grey.mean(), 0, 255))
    return np.floor(np.clip(image * after, 0, 255))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_whole_batch_is_changed_like_its_tiles_and_by_the_formula(channels):
    """A GPU changes the whole batch at once, a CPU tile by tile; tiles larger than 256 pixels exceed float32 sums."""
    rng = np.random.default_rng(1)
    image = torch.from_numpy(rng.integers(0, 256, (5, channels, 300, 280), np.uint8))
    light = batched_plan(v2.ColorJitter(brightness=0.3, contrast=0.5)).draw(5).light
    expected = np.stack(
        [_reference_light(tile, factors) for tile, factors in zip(image.numpy(), light[0].T, strict=True)]
    )
    assert len(set(map(tuple, light[0].T))) == 5
    assert (light[0, [0, 2]] != 1).any(axis=1).all()  # both orders occur
    for found in (_lit(image.clone(), light[0]), in_changed_light(image.clone(), light)):
        assert_same_image(found, torch.from_numpy(expected), rounded=True)


class DecodedOnDemand(Sequence):
    """Images of which nothing is kept here; notes how many earlier ones somebody still holds."""

    def __init__(self, samples):
        self.samples = samples
        self.decoded = []
        self.held = 0

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        self.held = max(self.held, sum(image() is not None for image in self.decoded))
        sample = self.samples[index]
        image = sample.image.copy()
        self.decoded.append(weakref.ref(image))
        return Sample(image, sample.target, sample.valid)


@pytest.mark.parametrize("augment", [flips(), one_by_one(flips())], ids=["batch", "tile by tile"])
def test_one_image_at_a_time_is_held(augment):
    batches = make(augment)
    on_demand = DecodedOnDemand(batches.split.samples)
    batches.split = replace(batches.split, samples=on_demand)
    for update in range(4):
        assert torch.equal(batches[update].image, make(augment)[update].image)
    assert len(on_demand.decoded) == 4 * 6
    assert on_demand.held <= 1


class Kernels(TorchDispatchMode):
    """Counts operators that compute or copy; on a GPU each of them is one kernel."""

    def __init__(self):
        super().__init__()
        self.counted = Counter()

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        result = operator(*args, **(kwargs or {}))
        is_view = any(value.alias_info and not value.alias_info.is_write for value in operator._schema.returns)
        if isinstance(result, torch.Tensor) and result.device.type == "meta" and not is_view:
            self.counted[operator._schema.name] += 1
        return result


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_a_batch_takes_as_many_kernels_as_a_tile_and_reads_none(name):
    """A tensor on torch's meta device has no values: to read one would raise an error."""

    def kernels(count):
        resident = ResidentTiles(make(AUGMENTATIONS[name], ignored=True, batch_size=count, seed=4), META)
        with Kernels() as kernels:
            assert resident[0].image.shape == (count, 3, 32, 32)
        return kernels.counted

    assert kernels(16) == kernels(8)
    # A copy of the places, their sum, and one kernel for each of image, target and valid pixels.
    assert name in CHANGES_LIGHT or sum(kernels(16).values()) == 5
