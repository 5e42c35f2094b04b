"""Tiles cut on the device equal the loader's, bit for bit; images that do not fit go through the loader."""

import numpy as np
import pytest
import torch
from noise_tiles import FLIPS, make, noise_split
from torchvision import tv_tensors
from torchvision.transforms import v2

from experiments.data import resident_tiles
from experiments.data.batches import cut_tile
from experiments.data.resident_tiles import (
    ResidentTiles,
    check_augmentation,
    resident_bytes,
    stays_on_device,
    training_updates,
)
from experiments.data.sampling.uniform import UniformTiles

CPU = torch.device("cpu")
PHOTO = v2.Compose([*FLIPS.transforms, v2.ColorJitter(brightness=0.2, contrast=0.2)])
CROP = v2.RandomResizedCrop(size=32, scale=(0.2, 0.6))


def assert_equal(found, expected):
    assert torch.equal(found.image, expected.image)
    assert torch.equal(found.target, expected.target)
    assert (found.valid is None) == (expected.valid is None)
    assert found.valid is None or torch.equal(found.valid, expected.valid)


@pytest.mark.parametrize("ignored", [False, True], ids=["all valid", "ignored pixels"])
@pytest.mark.parametrize("augment", [v2.Identity(), FLIPS, PHOTO, CROP], ids=["none", "flips", "photo", "crop"])
def test_resident_batches_are_the_loader_s(augment, ignored):
    batches = make(augment, ignored)
    resident = ResidentTiles(batches, CPU)
    for update in range(8):
        assert_equal(resident[update], batches[update])
        assert resident[update].image.is_contiguous(memory_format=torch.channels_last)
        assert resident[update].image.dtype == torch.uint8
        assert resident[update].target.dtype == torch.bool


def _reference_batch(batches, update):
    """The recipe written out, with torch's own seeding of everything."""
    rng = np.random.default_rng([batches.seed, update])
    tiles = UniformTiles().draw(batches.split, rng, count=6, side=32, progress=update / 8)
    torch.manual_seed(int(rng.integers(2**63)))
    parts = []
    for tile in tiles:
        sample = cut_tile(batches.split, tile, 32)
        image = tv_tensors.Image(torch.from_numpy(sample.image.copy()).permute(2, 0, 1))
        parts.append(batches.augment(image, tv_tensors.Mask(torch.from_numpy(sample.target))))
    images, targets = zip(*parts, strict=True)
    return torch.stack(images), torch.stack(targets)


@pytest.mark.parametrize("augment", [FLIPS, PHOTO], ids=["flips", "photo"])
def test_a_batch_is_drawn_by_the_stated_recipe(augment):
    batches = make(augment)
    for found in (batches[5], ResidentTiles(batches, CPU)[5]):
        image, target = _reference_batch(batches, 5)
        assert torch.equal(found.target, target)
        if augment is FLIPS:
            assert torch.equal(found.image, image)
        else:  # other machine code rounds a value in many thousands to its neighbour
            difference = (found.image.int() - image.int()).abs()
            assert difference.max() <= 1
            assert (difference > 0).float().mean() < 1e-3


def test_the_global_generator_is_left_alone():
    resident = ResidentTiles(make(), CPU)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    resident[0]
    assert torch.equal(torch.rand(3), expected)


def test_a_transform_that_works_in_place_leaves_the_images_alone():
    def blacken(image, masks):
        image.zero_()
        masks.zero_()
        return image, masks

    batches = make(blacken)
    resident = ResidentTiles(batches, CPU)
    assert not resident[0].image.any()
    batches.augment = v2.Identity()
    assert_equal(resident[1], make(v2.Identity())[1])


@pytest.mark.parametrize("on_device", ["true", "True", "false", "auto"])
def test_updates_come_in_order_from_where_a_run_goes_on(on_device):
    batches = make()
    found = list(training_updates(batches, first=5, device=CPU, on_device=on_device, workers=0))
    assert len(found) == 3
    for update, batch in zip((5, 6, 7), found, strict=True):
        assert_equal(batch, batches[update])


def test_no_loader_is_made_where_images_stay_on_the_device(monkeypatch):
    monkeypatch.setattr(resident_tiles, "updates_loader", None)
    assert len(list(training_updates(make(), first=6, device=CPU, on_device="true", workers=4))) == 2


def test_memory_is_counted_from_the_sizes():
    pixels = 40 * 56 + 64 * 33 + 20 * 70 + 10 * 12
    assert resident_bytes(noise_split(), ignores_pixels=False) == pixels * (3 + 2)
    assert resident_bytes(noise_split(channels=1, ignored=True), ignores_pixels=True) == pixels * (1 + 2 + 1)
    batches = make()
    resident = ResidentTiles(batches, CPU)
    held = sum(part.numel() * part.element_size() for part in (resident._image, resident._target, resident._valid))
    assert held == resident_bytes(batches.split, ignores_pixels=False)


@pytest.mark.parametrize(
    ("choice", "free", "expected"),
    [("auto", 4.0, True), ("auto", 3.9, False), ("true", 1.0, True), ("false", 100.0, False)],
)
def test_auto_takes_a_quarter_of_a_gpu_s_free_memory_at_most(monkeypatch, choice, free, expected):
    batches = make()
    needed = resident_bytes(batches.split, ignores_pixels=False)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free * needed, 1e12))
    assert stays_on_device(choice, batches, torch.device("cuda")) is expected


def test_auto_keeps_the_loader_on_a_cpu_and_true_does_not():
    assert [stays_on_device(choice, make(), CPU) for choice in ("auto", "true", "false")] == [False, True, False]


def test_a_choice_that_cannot_be_is_refused(monkeypatch):
    with pytest.raises(ValueError, match="expected auto, true or false, got gpu"):
        stays_on_device("gpu", make(), CPU)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1000, 10**12))
    with pytest.raises(ValueError, match=r"fit in the 0\.00 GB .*; use auto or false"):
        stays_on_device("true", make(), torch.device("cuda"))


def test_an_augmentation_that_cannot_work_on_the_device_is_refused():
    def by_numpy(image, masks):
        raise TypeError("can't convert cuda:0 device type tensor to numpy")

    check_augmentation(make(PHOTO, ignored=True), CPU)
    with pytest.raises(ValueError, match=r"failed on a tile on cpu.*convert cuda.*data_on_device=false"):
        check_augmentation(make(by_numpy), CPU)
    with pytest.raises(ValueError, match="leave a tile on cpu, got it on meta"):
        check_augmentation(make(lambda image, masks: (image.to("meta"), masks.to("meta"))), CPU)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_on_a_gpu_flips_are_equal_photos_near_and_nothing_is_waited_for():
    device = torch.device("cuda")
    for augment, tolerance in ((FLIPS, 0), (PHOTO, 1)):
        batches = make(augment, ignored=True)
        resident = ResidentTiles(batches, device)
        resident[0]  # places of mirrored tiles
        torch.cuda.set_sync_debug_mode("error")
        try:
            found = resident[1]
        finally:
            torch.cuda.set_sync_debug_mode("default")
        assert torch.equal(found.target.cpu(), batches[1].target)
        assert torch.equal(found.valid.cpu(), batches[1].valid)
        assert (found.image.cpu().int() - batches[1].image.int()).abs().max() <= tolerance
