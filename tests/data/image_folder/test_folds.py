"""Folds: no group is split, each image tests once, and a folder that cannot be cut so is refused."""

import os
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from experiments.data.data_error import DataError
from experiments.data.image_folder.folds import read
from experiments.data.image_folder.folds.cut import fold_of_images
from experiments.data.image_folder.load import load_image_folder
from experiments.inspection import inspect_folder

FLAT = {"images": "*.png", "truth": "{stem}_lab.png", "group_pattern": "^(.*)_y"}


def save(path, number, mask=True):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(number).integers(0, 256, (16, 16), dtype=np.uint8)).save(path)


def save_mask(path, number):
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = np.zeros((16, 16), np.uint8)
    mask[number % 12 : number % 12 + 2, 2:14] = 1
    Image.fromarray(mask).save(path)


@pytest.fixture
def flat(tmp_path):
    """Seven wells with 1 to 3 images each, in one folder."""
    number = 0
    for well in range(7):
        for piece in range(1 + well % 3):
            save(tmp_path / "flat" / f"w{well}_y{piece}.png", number)
            save_mask(tmp_path / "flat" / f"w{well}_y{piece}_lab.png", number)
            number += 1
    return tmp_path / "flat"


def test_each_image_tests_once_and_no_group_is_split(flat):
    folds = [load_image_folder(root=flat, **FLAT, folds=3, fold=fold) for fold in range(3)]
    tested = Counter(name for data in folds for name in data.test.image_ids)
    assert set(tested.values()) == {1}
    assert len(tested) == 13
    for data in folds:
        groups = [set(split.group_ids) for split in data.splits]
        assert not (groups[0] & groups[1] or groups[0] & groups[2] or groups[1] & groups[2])
        assert sum(map(len, data.splits)) == 13
        assert all(len(split) for split in data.splits)
    assert max(len(data.test) for data in folds) - min(len(data.test) for data in folds) <= 1
    # Another fold validates on other wells, not on the first few of the order again and again.
    assert len({frozenset(data.val.group_ids) for data in folds}) > 1


def test_samples_of_a_fold_are_those_of_the_folder(flat):
    data = load_image_folder(root=flat, **FLAT, folds=3, fold=1)
    for split in data.splits:
        for name, sample, positives in zip(split.image_ids, split.samples, split.positives, strict=True):
            with Image.open(flat / f"{name}.png") as image:
                assert (sample.image.squeeze() == np.asarray(image)).all()
            assert sample.target.sum() == positives.sum()
        assert [id(one) for one in split.samples[:1]] == [id(split.samples[0])]


def test_splits_of_a_folder_are_pooled(tmp_path):
    for number in range(9):
        split = ("train", "val", "test")[number % 3]
        save(tmp_path / split / "images" / f"a{number}.png", number)
        save_mask(tmp_path / split / "masks" / f"a{number}.png", number)
    tested = [name for k in range(3) for name in load_image_folder(root=tmp_path, folds=3, fold=k).test.image_ids]
    assert sorted(tested) == [f"a{number}" for number in range(9)]
    save(tmp_path / "test" / "images" / "a0.png", 50)
    save_mask(tmp_path / "test" / "masks" / "a0.png", 3)
    with pytest.raises(DataError, match=r"every name in one split only(.|\n)*a0"):
        load_image_folder(root=tmp_path, folds=3, fold=0)


def test_the_cut_depends_on_names_and_seed_alone():
    groups = [f"g{number // 2}" for number in range(40)]
    order = np.random.default_rng(0).permutation(40)
    folds = fold_of_images(groups, 5, 0)
    assert fold_of_images([groups[i] for i in order], 5, 0) == [folds[i] for i in order]
    assert fold_of_images(groups, 5, 1) != folds
    assert Counter(folds) == dict.fromkeys(range(5), 8)


@pytest.mark.parametrize("n_folds", [2, 3, 5, 7])
def test_folds_are_balanced_and_none_is_empty(n_folds):
    """A group more or less is all that two folds may differ by, whatever the sizes of the groups."""
    for seed in range(20):
        sizes = np.random.default_rng(seed).integers(1, 30, 12)
        groups = [f"g{g}" for g, size in enumerate(sizes) for _ in range(size)]
        counts = Counter(fold_of_images(groups, n_folds, seed))
        assert set(counts) == set(range(n_folds))
        assert max(counts.values()) - min(counts.values()) <= sizes.max()
    # One group larger than all others together still leaves no fold empty.
    assert len(set(fold_of_images(["big"] * 50 + [f"g{n}" for n in range(6)], n_folds, 0))) == n_folds


def test_every_fold_gets_positives_where_that_can_be_done():
    groups = [f"g{number}" for number in range(12)]
    positives = np.zeros((12, 1), np.int64)
    positives[:3] = 5
    folds = np.array(fold_of_images(groups, 3, 0, positives))
    assert sorted(folds[:3]) == [0, 1, 2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folds": 8, "fold": 0}, r"data\.folds=8 by group.*\n?.*at least 8 groups of images, got 7"),
        ({"folds": 1, "fold": 0}, r"data\.folds: expected a whole number from 2 to 100, got 1"),
        ({"folds": 3, "fold": 3}, r"data\.fold: expected a whole number from 0 to 2, got 3"),
        ({"folds": 3}, r"data\.fold: expected the number of the fold that tests"),
        ({"fold": 1}, r"data\.fold: no effect without data\.folds, got 1"),
        ({"folds": 3, "fold": 0, "splits": [0.6, 0.2, 0.2]}, r"data\.folds: expected no shares"),
    ],
)
def test_what_cannot_be_cut_is_refused_by_key(flat, options, message):
    with pytest.raises(DataError, match=message):
        load_image_folder(root=flat, **FLAT, **options)


def test_a_picture_in_two_folds_is_refused(flat):
    for name in ("w0_y0.png", "w3_y0.png", "w6_y0.png"):  # in three wells, and one fold of seven has no two of them
        (flat / name).write_bytes((flat / "w1_y0.png").read_bytes())
    with pytest.raises(DataError, match=r"equal pixels(.|\n)*w1_y0\.png"):
        load_image_folder(root=flat, **FLAT, folds=7, fold=0)


def test_folds_share_what_was_read_until_a_file_changes(flat):
    first = load_image_folder(root=flat, **FLAT, folds=3, fold=0)
    second = load_image_folder(root=flat, **FLAT, folds=3, fold=1)
    name = first.test.image_ids[0]
    assert name in second.train.image_ids + second.val.image_ids
    split = second.train if name in second.train.image_ids else second.val
    assert split.samples[split.image_ids.index(name)] is first.test.samples[0]
    pool = read._last_pool
    save(flat / f"{name}.png", 99)
    os.utime(flat / f"{name}.png", ns=(1, 1))
    assert load_image_folder(root=flat, **FLAT, folds=3, fold=0).test.fingerprint != first.test.fingerprint
    assert read._last_pool is not pool


def test_inspection_says_whether_the_folds_can_be_cut(flat):
    assert not [text for text in inspect_folder(flat, **FLAT, folds=3).warnings if "split" in text or "refuse" in text]
    (warning,) = [text for text in inspect_folder(flat, **FLAT, folds=8).warnings if "refuse" in text]
    assert "at least 8 groups of images, got 7" in warning
