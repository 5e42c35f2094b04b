"""Maps derived from labels: against brute force, at the tile as the loss gets it, and made by the loader."""

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.transforms import v2

from experiments.data.batches import TileBatches, updates_loader
from experiments.data.derived_maps import derived_maps, missing_package
from experiments.data.resident_tiles import stays_on_device
from experiments.data.sampling.uniform import UniformTiles


def _reference_distance(plane):
    positive, negative = np.argwhere(plane), np.argwhere(~plane)
    if not len(positive) or not len(negative):
        return np.zeros(plane.shape)
    found = np.empty(plane.shape)
    for place in np.ndindex(plane.shape):
        others = negative if plane[place] else positive
        nearest = np.sqrt(((others - place) ** 2).sum(axis=1).min())
        found[place] = 1 - nearest if plane[place] else nearest
    return found


def test_distances_are_those_of_brute_force():
    target = torch.rand(2, 3, 9, 11, generator=torch.Generator().manual_seed(0)) < 0.3
    target[0, 1] = False
    target[1, 2] = True
    found = derived_maps(["distance"], target)["distance"]
    assert found.dtype == torch.float32
    for image in range(2):
        for mask in range(3):
            assert np.allclose(found[image, mask], _reference_distance(target[image, mask].numpy()), atol=1e-5)
    assert not found[0, 1].any()
    assert not found[1, 2].any()


def test_skeletons_are_thin_and_inside():
    pytest.importorskip("skimage", reason="scikit-image finds the skeletons")
    target = torch.zeros(1, 2, 20, 30, dtype=torch.bool)
    target[0, 0, 8:13, 3:27] = True
    found = derived_maps(["skeleton"], target)["skeleton"]
    assert found.dtype == torch.bool
    assert not (found & ~target).any()
    assert not found[0, 1].any()
    middle = found[0, 0, :, 8:22]
    assert middle.sum(dim=0).tolist() == [1] * 14  # one pixel wide
    assert set(middle.nonzero()[:, 0].tolist()) == {10}


def test_what_is_missing_is_said(monkeypatch):
    assert missing_package(["distance"]) is None
    monkeypatch.setattr("experiments.data.derived_maps.find_spec", lambda name: None)
    assert "pip install scikit-image" in missing_package(["skeleton", "distance"])


def tile_batches(split, maps=("distance",)):
    return TileBatches(
        split,
        UniformTiles(),
        v2.RandomHorizontalFlip(0.5),
        batch_size=4,
        side=32,
        seed=1,
        max_steps=3,
        ignores_pixels=False,
        maps=maps,
    )


@pytest.mark.parametrize("workers", [0, 1])
def test_the_loader_makes_maps_of_the_tiles_as_they_are_given(blobs, workers):
    loaded = list(updates_loader(tile_batches(blobs.train), first=0, workers=workers, pin=False))
    assert len(loaded) == 3
    for update, batch in enumerate(loaded):
        assert torch.equal(batch.maps["distance"], derived_maps(["distance"], batch.target)["distance"])
        assert batch.maps["distance"].any()
        again = tile_batches(blobs.train, maps=())[update]
        assert torch.equal(batch.target, again.target)  # maps draw no random numbers
        assert again.maps == {}
        assert batch.index == again.index
        assert len(batch.index) == 4
        assert set(batch.index) <= set(range(len(blobs.train)))


def test_the_index_names_the_image_of_a_tile(blobs):
    plain = tile_batches(blobs.train)
    plain.augment = nn.Identity()
    plain.augment.forward = lambda image, masks: (image, masks)
    for update in range(3):
        batch = plain[update]
        for image, tile in zip(batch.index, batch.image, strict=True):
            whole = torch.from_numpy(blobs.train.samples[image].image[..., 0])
            windows = whole.unfold(0, 32, 1).unfold(1, 32, 1)
            assert (windows == tile[0]).all(dim=(-1, -2)).any()


def test_images_whose_labels_the_host_has_to_see_do_not_stay_on_a_gpu(blobs):
    gpu, batches = torch.device("cuda"), tile_batches(blobs.train)
    assert stays_on_device("auto", batches, gpu) is False
    with pytest.raises(ValueError, match="expected auto or false, got true: the loss takes distance"):
        stays_on_device("true", batches, gpu)
    assert stays_on_device("true", batches, torch.device("cpu")) is True
