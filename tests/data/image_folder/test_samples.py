"""Large TIFFs read in windows give, to the bit, what they give when they are decoded whole."""

import pickle

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from torch import nn
from torchvision.transforms import v2

from experiments.data.batches import TileBatches, pixel_statistics
from experiments.data.image_folder import samples, windowed
from experiments.data.image_folder.load import load_image_folder
from experiments.data.resident_tiles import resident_bytes
from experiments.data.sampling.foreground_tiles import ForegroundTiles
from experiments.data.sampling.undersampling import BackgroundUndersampling, foreground_tile_shares
from experiments.data.sampling.uniform import UniformTiles
from experiments.evaluation.example_collector import choose_windows, example_collector
from experiments.evaluation.score_split import score_split

tifffile = pytest.importorskip("tifffile", reason="the extra 'tiff' is not installed")

HEIGHT, WIDTH, SIDE = 1130, 91, 64  # two bands of 512 rows and a part of a third


def drawn(seed, height=HEIGHT):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (height, WIDTH)).astype(np.uint8)
    masks = np.zeros((2, height, WIDTH), bool)
    rows = np.arange(height)
    for mask in masks:
        mask[rows, (40 + 25 * np.sin(rows / rng.uniform(20, 60))).astype(int)] = rows % 300 > 100
    return image, masks


def save(path, pixels, **how):
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, pixels, **{"rowsperstrip": 50, "compression": "zlib", "photometric": "minisblack", **how})


def grey(folder, split, name, image, masks):
    save(folder / split / "images" / f"{name}.tif", image)
    for channel, mask in enumerate(masks):
        save(folder / split / "masks" / f"m{channel}" / f"{name}.tif", mask.astype(np.uint8) * 255)


def wide_and_valid(folder, split, name, image, masks):
    """Save 16 bits, masks of 0 and 1, some of them in tiles, and valid pixels."""
    save(folder / split / "images" / f"{name}.tif", image.astype(np.uint16) * 16 + 5)
    for channel, mask in enumerate(masks):
        how = {"tile": (64, 48), "rowsperstrip": None} if channel else {"compression": None, "rowsperstrip": len(mask)}
        save(folder / split / "masks" / f"m{channel}" / f"{name}.tif", mask.astype(np.uint8), **how)
    valid = np.ones(image.shape, np.uint8)
    valid[30:90, 10:50] = 0
    save(folder / split / "valid" / f"{name}.tif", valid)


def colour_and_labels(folder, split, name, image, masks):
    """Save colours, and one file of labels with a value to ignore in some rows only."""
    save(folder / split / "images" / f"{name}.tif", np.stack([image, image[::-1], 255 - image], 2), photometric="rgb")
    labels = np.where(masks[0], 1, np.where(masks[1], 2, 0)).astype(np.uint8)
    labels[700:720] = 255
    save(folder / split / "masks" / f"{name}.tif", labels)


FOLDERS = {
    "grey": (grey, {}),
    "16 bits and valid pixels": (wide_and_valid, {}),
    "colour and labels": (colour_and_labels, {"labels": {"m0": 1, "m1": 2}, "ignore_value": 255}),
}


@pytest.fixture(params=FOLDERS)
def loaded(request, tmp_path, monkeypatch):
    """The same data, kept in memory and read in windows; to decode a large file whole again is an error."""
    write, options = FOLDERS[request.param]
    for number, split in enumerate(("train", "val", "test")):
        write(tmp_path, split, f"well{number}", *drawn(number))
    write(tmp_path, "train", "short", *drawn(9, height=50))  # less than a tile
    monkeypatch.setattr(windowed, "LARGE", 60 * WIDTH)
    whole = load_image_folder(root=tmp_path, **options)
    in_windows = load_image_folder(root=tmp_path, memory=0, **options)
    decode = samples.load_sample

    def refuse(files, *others):
        assert files.name == "short", f"{files.name} is decoded whole"
        return decode(files, *others)

    for split in whole.splits:
        assert all(sample is split.samples[index] for index, sample in enumerate(split.samples))  # kept
    monkeypatch.setattr(samples, "load_sample", refuse)
    assert in_windows.fingerprints() == whole.fingerprints()
    return whole, in_windows


SAMPLINGS = [
    UniformTiles(),
    ForegroundTiles(foreground_share=0.7),
    BackgroundUndersampling(foreground_share=0.95, least_foreground=1.5),
]


@pytest.mark.parametrize("sampling", SAMPLINGS, ids=lambda sampling: type(sampling).__name__)
def test_batches_are_the_same(loaded, sampling):
    batches = [
        TileBatches(
            data.train,
            sampling,
            v2.RandomHorizontalFlip(),
            batch_size=6,
            side=SIDE,
            seed=0,
            max_steps=5,
            ignores_pixels=data.train.ignores_pixels,
        )
        for data in loaded
    ]
    for update in range(5):
        whole, in_windows = (each[update] for each in batches)
        assert torch.equal(whole.image, in_windows.image)
        assert torch.equal(whole.target, in_windows.target)
        assert whole.index == in_windows.index
        if whole.valid is not None:
            assert torch.equal(whole.valid, in_windows.valid)


def test_places_are_listed_the_same(loaded, monkeypatch):
    monkeypatch.setattr("experiments.data.sampling.undersampling._TRIES", 0)
    monkeypatch.setattr("experiments.data.sampling.undersampling._known", {})
    sampling = BackgroundUndersampling(foreground_share=0.95, least_foreground=1.5)
    tiles = [sampling.draw(data.train, np.random.default_rng(0), count=8, side=SIDE, progress=0) for data in loaded]
    assert tiles[0] == tiles[1]
    whole, in_windows = (foreground_tile_shares(data.train, side=SIDE, least=0.01) for data in loaded)
    np.testing.assert_array_equal(whole, in_windows)


class Blurred(nn.Module):
    """Two masks, whose scores depend on the pixels around."""

    def forward(self, image):
        values = image.float().mean(1, keepdim=True) / 50 - 2
        return torch.cat([torch.nn.functional.avg_pool2d(values, 5, 1, 2), values], 1)


def test_scores_examples_and_statistics_are_the_same(loaded):
    found = []
    for data in loaded:
        examples = example_collector(data.test, 2, 64 * WIDTH)
        scores = score_split(
            Blurred(), data.test, data.masks, Accelerator(cpu=True), side=96, overlap=8, batch_size=3, examples=examples
        )
        found.append({**scores.to_arrays(), **examples.finish().to_arrays()})
    assert found[0].keys() == found[1].keys()
    for name, values in found[0].items():
        np.testing.assert_array_equal(values, found[1][name], err_msg=name)
    assert choose_windows(loaded[0].test, 10**4) == choose_windows(loaded[1].test, 10**4)
    whole, in_windows = (pixel_statistics(data.train) for data in loaded)
    assert whole == in_windows
    sizes = [resident_bytes(data.train, ignores_pixels=False) for data in loaded]
    assert sizes[0] == sizes[1] == (HEIGHT + 50) * WIDTH * (loaded[0].channels + 2)


def test_samples_survive_pickling_for_workers(loaded):
    whole, in_windows = (data.val for data in loaded)
    again = pickle.loads(pickle.dumps(in_windows))
    rows, columns = slice(500, 800), slice(3, 90)
    np.testing.assert_array_equal(again.window(0, rows, columns).image, whole.window(0, rows, columns).image)


def test_folds_read_in_windows_too(tmp_path, monkeypatch):
    for number in range(6):
        image, masks = drawn(number)
        save(tmp_path / "images" / f"well{number}.tif", image)
        save(tmp_path / "masks" / f"well{number}.tif", masks.any(0).astype(np.uint8) * 255)
    monkeypatch.setattr(windowed, "LARGE", 60 * WIDTH)
    options = {"images": "images/{stem}.tif", "truth": "masks/{stem}.tif", "folds": 3, "fold": 0}
    whole = load_image_folder(root=tmp_path, **options).test
    parts = [whole.window(index, slice(100, 900), slice(0, WIDTH)).target for index in range(len(whole))]
    in_windows = load_image_folder(root=tmp_path, **options, memory=0).test
    monkeypatch.setattr(samples, "load_sample", None)
    for index, part in enumerate(parts):
        np.testing.assert_array_equal(in_windows.window(index, slice(100, 900), slice(0, WIDTH)).target, part)


KINDS = {
    "one bit": (np.uint8, {"photometric": "minisblack"}, True),
    "white is zero": (np.uint8, {"photometric": "miniswhite"}, True),
    "16 bits, white is zero": (np.uint16, {"photometric": "miniswhite"}, False),
    "JPEG": (np.uint8, {"compression": "jpeg"}, False),
}


@pytest.mark.parametrize("kind", KINDS)
def test_files_are_read_in_pieces_only_where_both_ways_agree(tmp_path, monkeypatch, kind):
    """Of one bit: labels 0 and 1, and not 0 and 255."""
    dtype, how, exact = KINDS[kind]
    if how.get("compression") == "jpeg":
        pytest.importorskip("imagecodecs", reason="writes JPEG")
    image, masks = drawn(0)
    if kind == "one bit":
        from PIL import Image

        path = tmp_path / "a.tif"
        Image.fromarray(masks[0]).save(path, compression="tiff_deflate")
    else:
        path = tmp_path / "a.tif"
        save(path, image.astype(dtype) * (257 if dtype == np.uint16 else 1), **how)
    monkeypatch.setattr(windowed, "LARGE", 10)
    assert windowed.is_exact_in_pieces(path) == exact
    if exact:
        from experiments.data.image_folder.decode import open_upright

        rows, columns = slice(100, 300), slice(5, 80)
        picture, whole = samples._picture(path, rows, columns), open_upright(path)
        assert picture.mode == whole.mode
        np.testing.assert_array_equal(np.asarray(picture), np.asarray(whole)[rows, columns])
