"""Good folders in all their forms, and folders with one fault each, where every file is named."""

import errno
import logging
import os
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments.data.data_error import DataError
from experiments.data.image_folder.load import load_image_folder
from experiments.data.split import summary_table

SIZE = (24, 20)
COUNTS = {"train": 3, "val": 2, "test": 2}


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


def picture(split, index, channels=3):
    rng = np.random.default_rng([list(COUNTS).index(split), index])
    shape = (*SIZE, channels) if channels == 3 else SIZE
    return rng.integers(0, 256, size=shape, dtype=np.uint8)


def mask_array(value=255, size=SIZE):
    mask = np.zeros(size, np.uint8)
    mask[3:5, 4:9] = value  # 10 pixels
    return mask


@pytest.fixture
def folder(tmp_path):
    """Three training, two validation and two test images with one mask: all good."""
    root = tmp_path / "photos"
    for split, count in COUNTS.items():
        for index in range(count):
            save(root / split / "images" / f"{split} {index}.jpg", picture(split, index), quality=90)
            save(root / split / "masks" / f"{split} {index}.png", mask_array())
    return root


@pytest.fixture
def several(tmp_path):
    """The same with two masks, as grey PNG."""
    root = tmp_path / "several"
    for split, count in COUNTS.items():
        for index in range(count):
            save(root / split / "images" / f"{split}_{index}.png", picture(split, index, 1))
            save(root / split / "masks" / "vein" / f"{split}_{index}.png", mask_array())
            save(root / split / "masks" / "artery" / f"{split}_{index}.png", mask_array(1).T.reshape(SIZE))
    return root


def message_of(root, **options):
    with pytest.raises(DataError) as caught:
        load_image_folder(root=root, **options)
    return str(caught.value)


def section(message, start):
    """Entries of the kind of problem that starts so."""
    lines = message.splitlines()
    heads = [i for i, line in enumerate(lines) if line.startswith(start)]
    assert len(heads) == 1, message
    entries = []
    for line in lines[heads[0] + 1 :]:
        if not line.startswith("  "):
            break
        entries.append(line.strip())
    assert lines[heads[0]].endswith(f"({len(entries)}):")
    return entries


def test_one_mask_in_colour(folder):
    data = load_image_folder(root=folder)
    assert (data.name, data.masks, data.channels, data.eta) == ("photos", ("mask",), 3, None)
    assert data.train.image_ids == data.train.group_ids == ("train 0", "train 1", "train 2")
    assert [len(split) for split in data.splits] == [3, 2, 2]
    sample = data.test.samples[1]
    with Image.open(folder / "test/images/test 1.jpg") as image:
        assert np.array_equal(sample.image, np.asarray(image))
    assert np.array_equal(sample.target, mask_array()[None] > 0)
    assert sample.valid is None
    assert data.prevalence("train") == 10 / (24 * 20)
    assert "photos: RGB, masks mask" in summary_table(data)


def test_several_masks_in_grey_sorted_or_as_asked(several):
    data = load_image_folder(root=several)
    assert (data.masks, data.channels) == (("artery", "vein"), 1)
    assert np.array_equal(data.val.samples[0].image[:, :, 0], picture("val", 0, 1))
    vein_first = load_image_folder(root=several, masks=["vein", "artery"])
    assert vein_first.masks == ("vein", "artery")
    assert np.array_equal(vein_first.val.samples[0].target, data.val.samples[0].target[::-1])
    only = load_image_folder(root=several, masks="vein")
    assert only.masks == ("vein",)
    assert only.val.samples[0].target.shape == (1, *SIZE)


def test_the_only_mask_may_be_named(folder):
    assert load_image_folder(root=folder, masks="crack").masks == ("crack",)


def test_one_colour_image_makes_all_of_them_rgb(several):
    save(several / "test/images/test_0.png", picture("test", 0))
    data = load_image_folder(root=several)
    assert data.channels == 3
    grey = data.train.samples[0].image
    assert np.array_equal(grey, np.repeat(picture("train", 0, 1)[:, :, None], 3, axis=2))


def test_sixteen_bit_images_share_one_scale(several):
    for index, top in enumerate((4000, 100, 1000)):
        values = np.linspace(0, top, 480).astype(np.uint16).reshape(SIZE)
        save(several / f"train/images/train_{index}.png", values)
    data = load_image_folder(root=several)
    assert [int(sample.image.max()) for sample in data.train.samples] == [4000 // 16, 100 // 16, 1000 // 16]
    assert np.array_equal(data.val.samples[0].image[:, :, 0], picture("val", 0, 1))  # 8 bits stay as they are


def test_sizes_may_differ(folder):
    save(folder / "train/images/train 1.jpg", picture("train", 7)[:11, :17])
    save(folder / "train/masks/train 1.png", mask_array()[:11, :17])
    data = load_image_folder(root=folder)
    assert data.train.sizes.tolist() == [[24, 20], [11, 17], [24, 20]]


def test_ignored_pixels_are_not_counted(folder):
    valid = np.full(SIZE, 255, np.uint8)
    valid[:4] = 0
    for index in range(3):
        save(folder / f"train/valid/train {index}.png", valid)
    data = load_image_folder(root=folder)
    assert data.train.ignores_pixels
    assert not data.test.ignores_pixels
    assert data.train.pixels.tolist() == [[400]] * 3
    assert data.train.positives.tolist() == [[5]] * 3
    assert np.array_equal(data.train.samples[0].valid, valid > 0)


def test_exif_orientation_turns_image_and_mask(folder):
    exif = Image.Exif()
    exif[0x0112] = 6
    # A phone stores a turned picture; the mask was drawn on the upright one.
    save(folder / "train/images/train 0.jpg", np.rot90(picture("train", 0)).copy(), exif=exif)
    assert load_image_folder(root=folder).train.sizes[0].tolist() == list(SIZE)
    # A mask that carries the same orientation is turned the same way.
    save(folder / "train/masks/train 0.png", np.rot90(mask_array()).copy(), exif=exif)
    turned = load_image_folder(root=folder)
    assert np.array_equal(turned.train.samples[0].target[0], mask_array() > 0)


def test_other_files_and_hidden_files_do_not_matter(folder):
    (folder / "train/images/Thumbs.db").write_bytes(b"x")
    (folder / "train/images/._train 0.jpg").write_bytes(b"x")
    (folder / "train/masks/notes.txt").write_text("x")
    (folder / "README.md").write_text("x")
    assert len(load_image_folder(root=folder).train) == 3


def test_validation_is_cut_from_training_by_group(folder):
    shutil.rmtree(folder / "val")
    for index in range(3, 10):
        save(folder / f"train/images/train {index}.jpg", picture("train", index))
        save(folder / f"train/masks/train {index}.png", mask_array())
    for path in sorted(folder.rglob("train *.*")):
        index = int(path.stem.split()[1])
        path.rename(path.with_name(f"road{index // 2} {index}{path.suffix}"))
    options = {"root": folder, "group_pattern": "^(road[0-9]|test)", "val_fraction": 0.4}
    with pytest.raises(DataError, match="test"):
        load_image_folder(**{**options, "group_pattern": "^(road[0-9])"})
    shutil.rmtree(folder / "test")
    for index in range(2):
        save(folder / f"test/images/test{index} {index}.jpg", picture("test", index))
        save(folder / f"test/masks/test{index} {index}.png", mask_array())
    data = load_image_folder(**options)
    assert (len(data.train), len(data.val)) == (6, 4)
    assert not set(data.train.group_ids) & set(data.val.group_ids)
    assert set(data.train.group_ids) | set(data.val.group_ids) == {f"road{i}" for i in range(5)}
    assert sorted(data.train.image_ids + data.val.image_ids) == [f"road{i // 2} {i}" for i in range(10)]
    again = load_image_folder(**options)
    assert again.fingerprints() == data.fingerprints()
    others = {load_image_folder(**options, split_seed=seed).val.image_ids for seed in range(6)}
    assert len(others) > 1
    assert load_image_folder(**options, split_seed=1).test.fingerprint == data.test.fingerprint


def test_the_same_names_in_two_splits_are_different_pictures(folder):
    for kind, suffix in (("images", "jpg"), ("masks", "png")):
        (folder / f"test/{kind}/test 0.{suffix}").rename(folder / f"test/{kind}/train 0.{suffix}")
    assert load_image_folder(root=folder).test.image_ids == ("test 1", "train 0")


def test_fingerprint_follows_pixels_and_labels_not_file_formats(several):
    before = load_image_folder(root=several)
    path = several / "test/images/test_0.png"
    Image.open(path).save(path.with_suffix(".tif"))
    path.unlink()
    assert load_image_folder(root=several).fingerprints() == before.fingerprints()
    save(several / "test/masks/vein/test_0.png", mask_array()[::-1])
    after = load_image_folder(root=several)
    assert after.test.fingerprint != before.test.fingerprint
    assert after.train.fingerprint == before.train.fingerprint


def test_decodes_on_demand_in_threads(folder):
    lean = load_image_folder(root=folder, memory=0)
    kept = load_image_folder(root=folder)
    indices = list(range(3)) * 20
    with ThreadPoolExecutor(4) as pool:
        samples = list(pool.map(lean.train.samples.__getitem__, indices))
    assert all(np.array_equal(s.image, kept.train.samples[i].image) for i, s in zip(indices, samples, strict=True))
    assert lean.train.samples.n_kept == 0


# What is broken --------------------------------------------------------------------------------------------------


def test_a_missing_folder_names_its_closest_parent_and_what_that_holds(folder):
    message = message_of(folder / "train" / "nowhere" / "deeper")
    assert f"{folder / 'train'} holds images/, masks/" in message
    assert "nowhere/deeper is missing" in message


def test_a_file_is_no_folder(folder):
    assert "test 0.png is a file" in message_of(folder / "test/masks/test 0.png")


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_missing_split_is_named_with_what_is_there(folder, split):
    (folder / split).rename(folder / "Set 2")
    (entry,) = section(message_of(folder), "expected a folder")
    assert entry.startswith(f"{split}/ is missing; {folder} holds Set 2/, ")


def test_images_at_the_top_are_told_where_they_belong(tmp_path):
    save(tmp_path / "images/a.png", picture("train", 0))
    save(tmp_path / "masks/a.png", mask_array())
    entries = section(message_of(tmp_path), "expected a folder")
    assert [entry.split()[0] for entry in entries] == ["train/", "test/"]
    assert all("holds images/, masks/" in entry for entry in entries)


@pytest.mark.parametrize("missing", ["train/images", "test/masks"])
def test_a_missing_inner_folder(folder, missing):
    shutil.rmtree(folder / missing)
    assert f"{missing}/ is missing" in message_of(folder)


def test_an_empty_split_says_what_it_holds(folder):
    for path in (folder / "val/images").iterdir():
        path.rename(path.with_suffix(".mat"))
    shutil.rmtree(folder / "val/masks")
    (folder / "val/masks").mkdir()
    (entry,) = section(message_of(folder), "expected at least one image in every split")
    assert entry == "val/images holds 2 .mat files"


def test_masks_of_an_unknown_type_are_named(folder):
    for path in folder.rglob("masks/*.png"):
        path.rename(path.with_suffix(".mat"))
    entries = section(message_of(folder), "expected mask files")
    assert entries[0] == "train/masks holds 3 .mat files"


def test_every_image_without_mask_and_every_mask_without_image_is_named(folder):
    (folder / "train/masks/train 0.png").unlink()
    (folder / "train/masks/train 2.png").unlink()
    (folder / "test/images/test 1.jpg").unlink()
    message = message_of(folder)
    assert section(message, "image without mask") == [
        "train/images/train 0.jpg: no train/masks/train 0.*",
        "train/images/train 2.jpg: no train/masks/train 2.*",
    ]
    assert section(message, "mask without image") == ["test/masks/test 1.png: no test/images/test 1.*"]


def test_a_mask_missing_in_one_of_several_is_named_with_its_folder(several):
    (several / "train/masks/vein/train_1.png").unlink()
    shutil.rmtree(several / "test/masks/artery")
    message = message_of(several)
    assert section(message, "image without mask") == ["train/images/train_1.png: no train/masks/vein/train_1.*"]
    assert "test/masks/artery/ is missing; " in message


def test_every_mask_of_another_size_is_named_with_both_sizes(folder):
    save(folder / "train/masks/train 1.png", mask_array(size=(24, 21)))
    save(folder / "test/masks/test 0.png", mask_array(size=SIZE[::-1]))
    entries = section(message_of(folder), "expected mask and image of one size")
    assert entries[0] == "train/masks/train 1.png: 21 x 24, train/images/train 1.jpg: 20 x 24"
    assert entries[1].startswith("test/masks/test 0.png: 24 x 20, test/images/test 0.jpg: 20 x 24 (as if")


def test_every_mask_with_other_values_is_named_with_them(folder):
    save(folder / "train/masks/train 0.png", mask_array(128))
    save(folder / "val/masks/val 1.png", np.arange(480, dtype=np.uint8).reshape(SIZE) % 4)
    entries = section(message_of(folder), "expected a mask of two values")
    assert entries[0].startswith("train/masks/train 0.png: values 0 (97.9%), 128 (2.1%); ")
    assert entries[1].startswith(
        "val/masks/val 1.png: values 0 (25.0%), 1 (25.0%), 2 (25.0%), 3 (25.0%); they look like labels"
    )


def test_every_unreadable_file_is_named(folder):
    (folder / "train/images/train 1.jpg").write_bytes(b"not an image")
    path = folder / "test/masks/test 0.png"
    path.write_bytes(path.read_bytes()[:60])
    (folder / "val/images/val 0.jpg").write_bytes(b"")
    entries = section(message_of(folder), "cannot be read as an image")
    assert [entry.split(":")[0] for entry in entries] == [
        "train/images/train 1.jpg",
        "val/images/val 0.jpg",
        "test/masks/test 0.png",
    ]


def test_ambiguous_names_are_named_together(folder):
    save(folder / "train/images/train 1.png", picture("train", 1))
    save(folder / "test/masks/test 0.bmp", mask_array())
    assert section(message_of(folder), "expected one file of a name") == [
        "train/images/train 1.jpg, train/images/train 1.png",
        "test/masks/test 0.bmp, test/masks/test 0.png",
    ]


def test_a_mask_without_positives_in_training_is_named(several):
    for index in range(3):
        save(several / f"train/masks/vein/train_{index}.png", mask_array(0))
    (entry,) = section(message_of(several), "expected positive pixels of every mask in every split")
    assert entry == "train: vein: none in 3 images"


def test_positives_that_are_all_ignored_do_not_count(folder):
    for index in range(3):
        save(folder / f"train/valid/train {index}.png", 255 - mask_array())
    assert "train: mask: none in 3 images" in message_of(folder)


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_mask_without_positives_in_any_split_is_refused(folder, split):
    save(folder / f"{split}/masks/{split} 0.png", mask_array(0))
    load_image_folder(root=folder)  # one image may be empty
    save(folder / f"{split}/masks/{split} 1.png", mask_array(0))
    (entry,) = section(message_of(folder), "expected positive pixels of every mask in every split")
    assert entry == f"{split}: mask: none in 2 images"


def test_every_group_in_two_splits_is_named(folder):
    message = message_of(folder, group_pattern=r"(\d)$")
    assert section(message, "expected every group in one split only") == [
        "group '0' is in train/ and in val/",
        "group '1' is in train/ and in val/",
        "group '0' is in train/ and in test/",
        "group '1' is in train/ and in test/",
        "group '0' is in val/ and in test/",
        "group '1' is in val/ and in test/",
    ]


def test_a_picture_in_two_splits_is_found_under_any_name(folder):
    shutil.copy(folder / "train/images/train 2.jpg", folder / "test/images/test 0.jpg")
    (entry,) = section(message_of(folder), "expected every picture in one split only")
    assert entry == "train/images/train 2.jpg = test/images/test 0.jpg"


def test_blank_pictures_may_repeat(folder):
    for path in ("train/images/train 2.jpg", "test/images/test 0.jpg"):
        save(folder / path, np.zeros((*SIZE, 3), np.uint8))
    assert len(load_image_folder(root=folder).test) == 2


def test_every_file_that_the_pattern_misses_is_named(folder):
    entries = section(message_of(folder, group_pattern="^(train|val) "), "data.group_pattern '^(train|val) ' does not")
    assert entries == ["test/images/test 0.jpg", "test/images/test 1.jpg"]


def test_a_pattern_that_is_none_is_named(folder):
    assert "group_pattern: expected a regular expression" in message_of(folder, group_pattern="(")


def test_one_group_cannot_give_a_validation_split(folder):
    shutil.rmtree(folder / "val")
    (entry,) = section(message_of(folder, group_pattern="^[a-z]+"), "expected val/, or at least 2 groups")
    assert entry == "train/ has 3 images of 1 group"


def test_a_mask_name_that_is_not_there(several):
    (entry,) = section(message_of(several, masks=["vein", "nerve"]), "masks: expected names of sub-folders")
    assert entry == "'nerve', but masks/ holds artery, vein"


def test_two_names_for_one_mask(folder):
    (entry,) = section(message_of(folder, masks=["a", "b"]), "masks: expected one name")
    assert entry == "a, b"


def test_files_beside_folders_of_masks_are_ambiguous(several):
    save(several / "train/masks/train_0.png", mask_array())
    entries = section(message_of(several), "expected either files or sub-folders")
    assert entries[0] == "train/masks holds artery/, vein/, 1 .png file"


def test_all_kinds_of_problems_come_in_one_message(folder):
    save(folder / "train/masks/train 0.png", mask_array(7))
    save(folder / "train/masks/train 1.png", mask_array(size=(5, 9)))
    (folder / "train/masks/train 2.png").unlink()
    (folder / "val/images/val 0.jpg").write_bytes(b"broken")
    (folder / "test/images/test 0.jpg").unlink()
    message = message_of(folder)
    for name in ("train 0.png", "train 1.png", "train 2.jpg", "val 0.jpg", "test 0.png"):
        assert name in message
    assert len(re.findall(r"\(1\):", message)) == 5


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 2])
def test_a_fraction_outside_its_range_is_refused(folder, fraction):
    save(folder / "test/masks/test 0.png", mask_array(7))
    message = message_of(folder, val_fraction=fraction)
    (entry,) = section(message, "expected other values")
    assert entry == f"data.val_fraction: expected a number between 0 and 1, got {fraction}"
    assert section(message, "expected a mask of two values")  # the files are checked all the same


def test_a_file_that_changes_after_the_check_is_named(folder):
    data = load_image_folder(root=folder)
    path = folder / "train/masks/train 1.png"
    save(path, mask_array(7))
    with pytest.raises(DataError, match=rf"^{path}: expected a mask of two values.*it was good when"):
        data.train.samples[1]
    (folder / "train/images/train 0.jpg").unlink()
    with pytest.raises(DataError, match=r"train 0\.jpg: cannot be read from the disk: No such file or directory"):
        data.train.samples[0]


@pytest.mark.parametrize("place", ["", "train/images", "train/masks"])
def test_a_folder_that_may_not_be_read_is_named(folder, monkeypatch, place):
    scan = os.scandir

    def refuse(path):
        if Path(path) == folder / place:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert f"cannot be listed (1):\n  {folder / place}: Permission denied" in message_of(folder)


# What is worth a look ---------------------------------------------------------------------------------------------


def warning_of(root, caplog, **options):
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        load_image_folder(root=root, **options)
    return caplog.text


def test_a_good_folder_gives_no_warning(several, caplog):
    for split, count in COUNTS.items():
        for index in range(count):
            save(several / split / "masks" / "vein" / f"{split}_{index}.png", np.roll(mask_array(), index, axis=0))
            save(several / split / "masks" / "artery" / f"{split}_{index}.png", np.roll(mask_array(), -index, axis=1))
    assert warning_of(several, caplog) == ""


def test_one_mask_for_all_images_and_two_equal_masks_are_noticed(several, caplog):
    for path in several.rglob("masks/*/*.png"):
        save(path, mask_array())
    text = warning_of(several, caplog)
    assert "all images have one and the same mask (2):\n  artery, 7 files\n  vein, 7 files" in text
    assert "two masks are the same in all images (1):\n  artery = vein" in text


def test_a_turned_image_is_noticed_where_its_mask_fits_either_way(folder, caplog):
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down: the size does not tell
    save(folder / "train/images/train 0.jpg", picture("train", 0), exif=exif)
    assert "fit either way: taken as drawn on the upright image (1):\n  train/images/train 0.jpg" in warning_of(
        folder, caplog
    )
    save(folder / "train/masks/train 0.png", mask_array(), exif=exif)
    assert "EXIF" not in warning_of(folder, caplog)
    exif[0x0112] = 6  # a quarter turn: the size tells
    save(folder / "train/images/train 0.jpg", np.rot90(picture("train", 0)).copy(), exif=exif)
    save(folder / "train/masks/train 0.png", mask_array())
    assert "EXIF" not in warning_of(folder, caplog)


def test_inverted_valid_pixels_equal_pictures_and_a_lonely_group_are_noticed(folder, caplog):
    valid = 255 - mask_array()
    valid[4, 8] = 255  # one of ten positive pixels counts
    for index in range(3):
        save(folder / f"train/valid/train {index}.png", valid)
        save(folder / f"train/masks/train {index}.png", np.roll(mask_array(), 0))
    for split, count in (("val", 2), ("test", 2)):
        for index in range(count):
            save(folder / f"{split}/valid/{split} {index}.png", valid)
    shutil.copy(folder / "train/images/train 1.jpg", folder / "train/images/train 2.jpg")
    for kind, suffix in (("images", "jpg"), ("masks", "png"), ("valid", "png")):
        (folder / f"test/{kind}/test 0.{suffix}").unlink()
    text = warning_of(folder, caplog)
    assert "as if it were inverted; 0 means ignore (1):\n  54 of 60" in text
    assert "train/images/train 1.jpg = train/images/train 2.jpg" in text
    assert "one test group" in text


# Real data -------------------------------------------------------------------------------------------------------


def test_crackforest(shared_data):
    data = load_image_folder(root=shared_data / "crackforest")
    assert (data.masks, data.channels) == (("mask",), 3)
    assert len(data.train) + len(data.val) == 72
    assert len(data.test) == 46
    assert 100 * data.prevalence("test")[0] == pytest.approx(1.607, abs=0.001)  # as its SOURCE.md states


def test_les_av_has_two_masks_and_two_sizes(shared_data):
    data = load_image_folder(root=shared_data / "les_av_half")
    assert (data.masks, data.channels) == (("artery", "vein"), 3)
    np.testing.assert_allclose(100 * data.prevalence("test"), [3.172, 3.703], atol=0.001)
    assert len(np.unique(np.concatenate([data.train.sizes, data.val.sizes]), axis=0)) == 2


def test_raster_logs_are_grey_with_wells_as_groups(shared_data):
    data = load_image_folder(root=shared_data / "raster_logs", group_pattern="^(.*)_y")
    assert (data.masks, data.channels) == (("blue", "green", "red"), 1)
    assert (len(data.test), len(set(data.test.group_ids))) == (25, 6)
    assert not set(data.train.group_ids) & set(data.val.group_ids)
    # Every mask is rare and lies in few wells; the cut still leaves some of each on both sides.
    assert (data.train.positives.sum(axis=0) > 0).all()
    assert (data.val.positives.sum(axis=0) > 0).all()
