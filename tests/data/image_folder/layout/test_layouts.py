"""Folders laid out in ways of their own: each is read by its options, and what does not fit is named together."""

import logging
import os
import re
import unicodedata

import numpy as np
import pytest
from PIL import Image

from experiments.data.data_error import DataError
from experiments.data.image_folder.load import load_image_folder

SIZE = (30, 40)
THIRDS = (0.34, 0.33, 0.33)


def photo(number):
    return np.random.default_rng(number).integers(0, 256, (*SIZE, 3), dtype=np.uint8)


def line(number, value=255):
    mask = np.zeros(SIZE, np.uint8)
    mask[3 + number, 4:30] = value  # 26 pixels
    return mask


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


def flat(root, photos="{}.png", masks="{}_lab.png", count=6):
    """Photographs and masks by patterns with {} for the image's number."""
    for number in range(count):
        save(root / photos.format(f"r{number}"), photo(number))
        save(root / masks.format(f"r{number}"), line(number))
    return root


def message_of(**options):
    with pytest.raises(DataError) as caught:
        load_image_folder(**options)
    return str(caught.value)


def everything(data):
    """Target and size of every image by name."""
    return {name: split.samples[i] for split in data.splits for i, name in enumerate(split.image_ids)}


LAYOUTS = {
    "suffix": (("{}.png", "{}_lab.png"), {"images": "*.png", "truth": "{stem}_lab.png"}),
    "prefix": (("photo_{}.png", "gt_{}.png"), {"images": "photo_{stem}.png", "truth": "gt_{stem}.png"}),
    "other ending": (("{}.jpg", "{}.png"), {"images": "*.jpg", "truth": "{stem}.png"}),
    "siblings": (("images/{}.jpg", "masks/{}.png"), {"images": "images/*", "truth": "masks/{stem}.*"}),
    "deep": (("a/b/img/{}.png", "a/b/gt/{}.png"), {"images": "**/img/{stem}.png", "truth": "**/gt/{stem}.png"}),
    "folder of an image": (("{}/photo.png", "{}/mask.png"), {"images": "{stem}/photo.png", "truth": "{stem}/mask.png"}),
    "spaces and brackets": (("Img ({}).png", "Img ({}).gt.png"), {"images": "*.png", "truth": "{stem}.gt.png"}),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_is_read_by_its_patterns(tmp_path, name):
    places, patterns = LAYOUTS[name]
    data = load_image_folder(root=flat(tmp_path / "roads", *places), splits=THIRDS, **patterns)
    assert [len(split) for split in data.splits] == [2, 2, 2]
    assert data.masks == ("mask",)
    samples = everything(data)
    assert len(samples) == 6
    for number in range(6):
        found = next(sample for image, sample in samples.items() if f"r{number}" in image)
        assert np.array_equal(found.target[0], line(number) > 0)


@pytest.mark.parametrize("name", ["suffix", "other ending", "siblings", "spaces and brackets"])
def test_the_options_that_are_suggested_read_the_folder(tmp_path, name):
    root = flat(tmp_path / "roads", *LAYOUTS[name][0])
    found = dict(re.findall(r"data\.(\w+)='([^']+)'", message_of(root=root)))
    assert set(found) == {"images", "truth"}
    samples = everything(load_image_folder(root=root, splits=THIRDS, **found))
    assert len(samples) == 6


def test_patterns_of_the_usual_layout_read_the_same_data(tmp_path):
    for split in ("train", "val", "test"):
        flat(tmp_path / split, "images/{}.png", "masks/{}.png", count=2)
        for number in range(2):  # every picture in one split only
            save(tmp_path / split / f"images/r{number}.png", photo(first_of(split) + number))
    usual = load_image_folder(root=tmp_path)
    asked = load_image_folder(root=tmp_path, images="{split}/images/{stem}.png", truth="{split}/masks/{stem}.png")
    assert usual.fingerprints() == asked.fingerprints()


def first_of(split):
    return 10 * (1 + ("train", "val", "test").index(split))


def test_masks_groups_and_names_of_ones_own_stand_in_paths(tmp_path):
    for place, site in enumerate(("east", "west", "north")):
        for number in range(2):
            save(tmp_path / site / f"{number}.png", photo(10 * place + number))
            for mask in ("vein", "artery"):
                save(tmp_path / site / mask / f"{number}.png", line(number + (mask == "vein")))
    message = message_of(root=tmp_path, images="**/{stem}.png", splits=THIRDS)
    assert "expected different names of images" in message
    assert "0: 0.png in" in message
    data = load_image_folder(
        root=tmp_path, images="{site}/*.png", truth="{site}/{mask}/{stem}.png", masks=["vein", "artery"], splits=THIRDS
    )
    assert data.masks == ("vein", "artery")
    samples = everything(data)
    assert sorted(samples) == [f"{site}_{number}" for site in ("east", "north", "west") for number in range(2)]
    assert np.array_equal(samples["east_1"].target, [line(2) > 0, line(1) > 0])


def test_a_group_in_the_path_is_never_split(tmp_path):
    for patient in range(5):
        for number in range(3):
            save(tmp_path / f"p{patient}" / f"{number}.png", photo(10 * patient + number))
            save(tmp_path / f"p{patient}" / f"{number}_m.png", line(number))
    data = load_image_folder(
        root=tmp_path, images="{group}/*.png", truth="{group}/{stem}_m.png", splits=[0.6, 0.2, 0.2]
    )
    assert {f"{group}_{number}" for group in ("p0", "p4") for number in range(3)} <= set(everything(data))
    groups = [set(split.group_ids) for split in data.splits]
    assert [len(found) for found in groups] == [3, 1, 1]
    assert not groups[0] & groups[1] | groups[1] & groups[2] | groups[0] & groups[2]
    again = load_image_folder(
        root=tmp_path, images="{group}/*.png", truth="{group}/{stem}_m.png", splits=[0.6, 0.2, 0.2]
    )
    assert again.fingerprints() == data.fingerprints()
    other = [
        load_image_folder(
            root=tmp_path, images="{group}/*.png", truth="{group}/{stem}_m.png", splits=[0.6, 0.2, 0.2], split_seed=seed
        ).fingerprints()
        for seed in range(1, 6)
    ]
    assert any(each != data.fingerprints() for each in other)


def test_an_accent_written_in_two_ways_is_one_name(tmp_path):
    flat(tmp_path, count=3)
    save(tmp_path / unicodedata.normalize("NFC", "é.png"), photo(9))
    save(tmp_path / unicodedata.normalize("NFD", "é_lab.png"), line(9))
    data = load_image_folder(root=tmp_path, images="*.png", truth="{stem}_lab.png", splits=THIRDS)
    assert unicodedata.normalize("NFC", "é") in everything(data)


def test_the_longest_stem_owns_a_file(tmp_path):
    for stem in ("a", "a_b"):
        save(tmp_path / f"{stem}.jpg", photo(len(stem)))
        for mask in ("c_d", "e"):
            save(tmp_path / f"{stem}_{mask}.png", line(len(stem)))
    message = message_of(root=tmp_path, images="*.jpg", truth="{stem}_{mask}.png")
    assert "expected splits" in message  # the only thing that is missing
    save(tmp_path / "z.jpg", photo(99))
    message = message_of(root=tmp_path, images="*.jpg", truth="{stem}_{mask}.png")
    assert "z.jpg" in message
    assert "no c_d" not in message


def test_names_that_are_asked_for_leave_other_files_alone(tmp_path):
    for stem in ("w1", "w1_2", "w2"):  # w1_2.png could be what an annotator "2" drew of w1
        save(tmp_path / f"{stem}.png", photo(len(stem) + int(stem[-1])))
        for name in ("ann", "bob"):
            save(tmp_path / f"{stem}_{name}.png", line(int(stem[-1])))
    asked = {
        "root": tmp_path,
        "images": "*.png",
        "truth": "{stem}_{annotator}.png",
        "annotation": "union",
        "splits": THIRDS,
    }
    assert "no 2" in message_of(**asked)
    data = load_image_folder(**asked, annotators=["ann", "bob"])
    assert sorted(everything(data)) == ["w1", "w1_2", "w2"]


def test_what_is_no_file_is_named_and_what_a_system_leaves_is_passed_over(tmp_path):
    flat(tmp_path)
    asked = {"root": tmp_path, "images": "**/*.png", "truth": "**/{stem}_lab.png", "splits": THIRDS}
    save(tmp_path / "__MACOSX" / "junk.png", photo(1))
    save(tmp_path / "._r1.png", photo(1))
    (tmp_path / "sub").symlink_to(tmp_path)  # a circle of folders
    assert len(everything(load_image_folder(**asked))) == 6
    os.mkfifo(tmp_path / "r6.png")
    (tmp_path / "r7.png").symlink_to(tmp_path / "gone.png")
    message = message_of(**asked)
    assert "r6.png: a pipe" in message
    assert "r7.png: a link that leads nowhere" in message


def test_images_without_truth_are_refused_or_left_out(tmp_path, caplog):
    flat(tmp_path)
    save(tmp_path / "alone.png", photo(50))
    asked = {"root": tmp_path, "images": "*.png", "truth": "{stem}_lab.png", "splits": THIRDS}
    assert "data.skip_without_truth=true leaves such images out (1):\n  alone.png" in message_of(**asked)
    with caplog.at_level(logging.WARNING):
        data = load_image_folder(**asked, skip_without_truth=True)
    assert "alone" not in everything(data)
    assert "alone.png" in caplog.text


def test_all_that_does_not_match_is_named_together(tmp_path):
    flat(tmp_path)
    (tmp_path / "r0_lab.png").unlink()
    save(tmp_path / "r9_lab.png", line(3))
    (tmp_path / "r2_lab.png").rename(tmp_path / "r2_lab.gif")
    message = message_of(root=tmp_path, images="r*.png", truth="{stem}_lab.png", threshold="high", splits=[0.5, 0.5])
    assert "image without truth: no {stem}_lab.png" in message
    assert all(f"  {name}\n" in message for name in ("r0.png", "r2.png"))
    assert "r9_lab.png" in message
    assert "data.threshold: expected a number" in message
    assert "data.splits: expected a CSV file or three shares" in message


PATTERNS = [
    ({"truth": "{stem}.png"}, ["expected data.images=PATTERN with it", "data.truth"]),
    ({"images": 7}, ["data.images: 7"]),
    ({"images": "{stem"}, ["expected names in braces", "{stem"]),
    ({"images": "{}.png"}, ["expected names in braces"]),
    ({"images": "../*.png"}, ["expected a path below data.root"]),
    ({"images": "/tmp/*.png"}, ["expected a path below data.root"]),
    ({"images": "{mask}/{stem}.png"}, ["data.images: {mask}"]),
    ({"images": "*.png", "truth": "{site}/{stem}.png"}, ["data.truth: {site}"]),
    ({"images": "*.png", "truth": "mask.png"}, ["expected {stem}", "mask.png"]),
    ({"images": "*.png", "truth": "{mask}/{stem}.png", "labels": {"a": 1}}, ["expected no {mask}"]),
    ({"images": "*.bmp", "truth": "{stem}_lab.png"}, ["data.images=*.bmp: no such file", "12 .png files"]),
    ({"images": "*.png"}, ["expected truth", "data.truth=PATTERN"]),
    ({"images": "*.png", "truth": "{stem}_lab.png"}, ["expected splits", "data.splits=[0.6,0.2,0.2]"]),
    ({"images": "*.png", "truth": "{stem}_lab.png", "masks": ["a", "b"]}, ["masks: expected one name", "a, b"]),
    ({"images": "*.png", "truth": "{stem}_{mask}.png", "masks": ["gt"]}, ["'gt', not one of lab"]),
    ({"images": "*.png", "truth": "{stem}_{annotator}.png"}, ["several annotators"]),
    ({"images": "*.png", "truth": "{stem}_lab.png", "annotation": "lab"}, ["data.annotation: expected null"]),
]


@pytest.mark.parametrize(("options", "words"), PATTERNS, ids=[str(number) for number in range(len(PATTERNS))])
def test_a_wrong_pattern_is_named(tmp_path, options, words):
    message = message_of(root=flat(tmp_path), **options)
    assert all(word in message for word in words), message


def write_splits(path, rows, header="image,split"):
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_a_split_file_names_splits_and_groups(tmp_path, caplog):
    flat(tmp_path)
    file = write_splits(
        tmp_path / "split.csv",
        ["r0,train,a,x", "r1.png,train,b,x", "r2,val,c,y", "r3,test,d,y", "r4,test,d,x"],
        "image,split,group,scanner",
    )
    asked = {"root": tmp_path, "images": "*.png", "truth": "{stem}_lab.png"}
    with caplog.at_level(logging.WARNING):
        data = load_image_folder(**asked, splits=str(file))
    assert [split.image_ids for split in data.splits] == [("r0", "r1"), ("r2",), ("r3", "r4")]
    assert data.test.group_ids == ("d", "d")
    assert "data.splits does not list them" in caplog.text
    assert "r5.png" in caplog.text
    below = load_image_folder(**asked, splits="split.csv")  # found below the folder
    assert below.fingerprints() == data.fingerprints()


def test_a_split_file_without_val_is_cut(tmp_path):
    flat(tmp_path)
    rows = [f"r{number},{'test' if number > 3 else 'train'}" for number in range(6)]
    file = write_splits(tmp_path / "split.csv", rows)
    data = load_image_folder(root=tmp_path, images="*.png", truth="{stem}_lab.png", splits=str(file))
    assert [len(split) for split in data.splits] == [3, 1, 2]


def test_the_faults_of_a_split_file_are_named_together(tmp_path):
    flat(tmp_path)
    rows = [
        "r0,train,a",
        "r1,val,b",
        "r2,test,a",
        "r3,testing,d",
        "nobody,train,e",
        "r0,train,a",
        ",train,f",
        "r4,test,",
    ]
    file = write_splits(tmp_path / "split.csv", rows, "image,split,group")
    message = message_of(root=tmp_path, images="*.png", truth="{stem}_lab.png", splits=str(file))
    assert "group 'a' is in train and test" in message
    assert "line 5: 'testing'" in message
    assert "expected images of the folder, by name, file name or path (2):\n  nobody" in message
    assert "r0: lines 2 and 7" in message
    assert "expected a name in the column image (1):\n  line 8" in message
    assert "expected a name in the column group (1):\n  line 9" in message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file"),
        ("name,part\nr0,train\n", "name, part"),
        ("", "empty"),
        ("image,split\n\xff".encode("latin-1"), "UTF-8"),
    ],
)
def test_a_split_file_that_cannot_be_read_is_named(tmp_path, content, words):
    flat(tmp_path)
    file = tmp_path / "split.csv"
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    message = message_of(root=tmp_path, images="*.png", truth="{stem}_lab.png", splits=str(file))
    assert "data.splits" in message
    assert words in message


@pytest.mark.parametrize("shares", [(0.05, 0.05, 0.9), (0.05, 0.9, 0.05), (0.9, 0.05, 0.05)])
def test_every_split_gets_a_group(tmp_path, shares):
    data = load_image_folder(root=flat(tmp_path, count=3), images="*.png", truth="{stem}_lab.png", splits=shares)
    assert [len(split) for split in data.splits] == [1, 1, 1]


def test_too_few_groups_cannot_be_cut(tmp_path):
    flat(tmp_path, count=2)
    message = message_of(root=tmp_path, images="*.png", truth="{stem}_lab.png", splits=THIRDS)
    assert "expected at least 3 groups of images to cut" in message
    assert "2 images of 2 groups" in message
