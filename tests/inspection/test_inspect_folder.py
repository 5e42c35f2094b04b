"""What inspection says of data: counts and widths known by construction, warnings, pictures, the command."""

import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw

from experiments.data.data_error import DataError
from experiments.data.well_logs.dataset import make_well_logs
from experiments.inspect import main as inspect_main
from experiments.inspection import inspect_data, inspect_folder
from experiments.inspection.overlays import Example, choose_window, mask_colours, overlay
from experiments.inspection.strokes import stroke_width

SIZE = (60, 80)


def write(root, mask_of, count=6, size=SIZE):
    root.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        noise = np.random.default_rng(number).integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(noise).save(root / f"r{number}.bmp")
        Image.fromarray(mask_of(number)).save(root / f"r{number}_lab.png")
    return root


def stripe(number, value=255):
    mask = np.zeros(SIZE, np.uint8)
    mask[10 + number : 14 + number] = value  # 4 of 60 rows
    return mask


ASKED = {"images": "*.bmp", "truth": "{stem}_lab.png"}


@pytest.mark.parametrize("angle", [0, 20, 45, 70, 90])
@pytest.mark.parametrize("width", [3, 5, 8, 13])
def test_the_width_of_a_stroke_at_any_angle(width, angle):
    place = np.mgrid[:400, :400] - 200.0
    normal = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    stroke = np.abs(np.tensordot(normal, place, 1)) <= width / 2 - 1e-6
    real = stroke.sum() / (400 / max(abs(normal)))  # area over length, to the border
    assert stroke_width(stroke) == pytest.approx(real, rel=0.09)


def test_the_width_of_a_curve_and_of_nothing():
    image = Image.new("1", (400, 400))
    ImageDraw.Draw(image).ellipse((50, 50, 350, 350), outline=1, width=6)
    assert stroke_width(np.asarray(image)) == pytest.approx(6, rel=0.05)
    assert np.isnan(stroke_width(np.zeros((9, 9), bool)))
    assert np.isnan(stroke_width(np.ones((9, 9), bool)))


def test_the_width_over_images_is_area_over_length(tmp_path):
    def mask_of(number):
        mask = np.zeros(SIZE, np.uint8)
        for start in (5, 20, 35) if number else (10,):  # three strokes of 4 rows, or one of 12
            mask[start : start + (4 if number else 12)] = 255
        return mask

    found = inspect_folder(write(tmp_path / "roads", mask_of, count=2), **ASKED)
    assert found.masks["stroke_width"].item() == pytest.approx((3 * 4 + 12) / 4, rel=0.07)


def test_a_folder_is_counted_without_splits_and_with(tmp_path):
    root = write(tmp_path / "roads", stripe)
    found = inspect_folder(root, **ASKED)
    assert found.name == "roads"
    assert found.images["image"].tolist() == [f"r{number}" for number in range(6)]
    assert set(found.images["split"]) == {"all"}
    assert (found.images[["height", "width", "valid_pixels"]] == [60, 80, 4800]).all(axis=None)
    assert found.images["foreground"].tolist() == [4 / 60] * 6
    (row,) = found.masks.to_dict("records")
    assert (row["images"], row["empty"], row["positives"], row["measured"]) == (6, 0, 6 * 320, 6)
    assert row["prevalence"] == 4 / 60
    assert row["stroke_width"] == pytest.approx(4, rel=0.07)
    assert found.warnings == ("no splits: data.splits=[0.6,0.2,0.2] cuts by group, data.splits=FILE.csv lists images",)
    assert len(found.examples) == 6
    cut = inspect_folder(root, **ASKED, splits=[0.5, 0.25, 0.25])
    assert cut.masks["split"].tolist() == ["train", "val", "test"]
    assert any("test has 1 group: no interval, no verdict" in warning for warning in cut.warnings)


def test_warnings_say_what_looks_wrong(tmp_path):
    inverted = inspect_folder(write(tmp_path / "inverted", lambda n: 255 - stripe(n)), **ASKED)
    assert inverted.warnings[0] == "mask in all: 93 % foreground: inverted? data.inverted=true reads 0 as inside"
    assert any("training would refuse this" in warning for warning in inverted.warnings)
    empty = inspect_folder(write(tmp_path / "empty", lambda n: stripe(n, 0)), **ASKED)
    assert any("mask in all: no positive pixel in 6 images" in warning for warning in empty.warnings)
    some = inspect_folder(write(tmp_path / "some", lambda n: stripe(n, 255 * (n == 0))), **ASKED)
    assert any("mask in all: 5 of 6 images are empty" in warning for warning in some.warnings)
    (tmp_path / "split.csv").write_text(
        "image,split,scanner\n"
        + "".join(f"r{n}.bmp,{['test', 'val', 'train'][min(n, 2)]},{'ab'[n % 2]}\n" for n in range(6))
    )
    apart = inspect_folder(write(tmp_path / "apart", stripe), **ASKED, splits=str(tmp_path / "split.csv"))
    assert any("test has 1 group: no interval, no verdict" in warning for warning in apart.warnings)
    assert apart.columns.to_dict("records") == [
        {"split": "test", "column": "scanner", "value": "a", "images": 1},
        {"split": "train", "column": "scanner", "value": "a", "images": 2},
        {"split": "train", "column": "scanner", "value": "b", "images": 2},
        {"split": "val", "column": "scanner", "value": "b", "images": 1},
    ]


def test_tiles_of_one_picture_are_pointed_out(tmp_path):
    root = write(tmp_path / "tiles", stripe)
    for number in range(6):
        for end in (".bmp", "_lab.png"):
            (root / f"r{number}{end}").rename(root / f"road{number // 2}_y{number}_x0{end}")
    assert "data.group_pattern='^(.*)[_-].*[_-]'" in inspect_folder(root, **ASKED).warnings[0]
    root = write(tmp_path / "roads", stripe)
    for number in range(6):
        for end in (".bmp", "_lab.png"):
            (root / f"r{number}{end}").rename(root / f"road{number // 2}_y{number}{end}")
    (warning, _) = inspect_folder(root, **ASKED).warnings
    assert "names such as road0_y0 and road0_y1 begin alike" in warning
    assert "data.group_pattern='^(.*)[_-]'" in warning
    assert not any("begin alike" in w for w in inspect_folder(root, **ASKED, group_pattern="^(.*)[_-]").warnings)


def test_splits_that_differ_in_prevalence_are_named(tmp_path):
    def mask_of(number):
        mask = stripe(number)
        mask[:, 40:] *= number > 1  # half of the stripe in the first two
        mask[:, 10:] *= number > 1
        return mask

    (tmp_path / "split.csv").write_text(
        "image,split\n" + "".join(f"r{n},{'train' if n > 3 else 'val' if n > 1 else 'test'}\n" for n in range(6))
    )
    found = inspect_folder(write(tmp_path / "roads", mask_of), **ASKED, splits=str(tmp_path / "split.csv"))
    assert "mask: the splits differ in prevalence: train 6.67 %, val 6.67 %, test 0.833 %" in found.warnings


def test_annotators_are_compared_over_all_images(tmp_path):
    root = write(tmp_path / "roads", stripe)
    for number in range(6):
        (root / f"r{number}_lab.png").rename(root / f"r{number}_ann.png")
        Image.fromarray(np.maximum(stripe(number), stripe(number + 2))).save(root / f"r{number}_bob.png")
    found = inspect_folder(root, images="*.bmp", truth="{stem}_{annotator}.png", annotation="union")
    table = found.annotators.set_index("annotator")
    assert table.loc["ann", ["recall", "precision"]].tolist() == pytest.approx([4 / 6, 1])
    assert table.loc["bob", ["recall", "precision"]].tolist() == pytest.approx([1, 4 / 6])
    assert table["f1"].tolist() == pytest.approx([0.8, 0.8])
    both = inspect_folder(root, images="*.bmp", truth="{stem}_{annotator}.png", annotation="majority")
    assert "the majority of two annotators is what both drew: ann and bob" in both.warnings
    assert both.masks["prevalence"].tolist() == pytest.approx([4 / 60])


def test_what_cannot_be_read_is_refused_and_an_unknown_option_too(tmp_path):
    root = write(tmp_path / "roads", lambda n: stripe(n, 3))
    with pytest.raises(DataError, match=r"data\.threshold=1\.5"):
        inspect_folder(root, **ASKED)
    with pytest.raises(TypeError, match="label"):
        inspect_folder(root, **ASKED, label={"a": 1})


def test_synthetic_logs_are_inspected_too():
    data = make_well_logs(train_logs=4, val_logs=2, test_logs=2, cache_dir=None)
    found = inspect_data(data, overlays=5)
    assert len(found.images) == 8
    assert [example.split for example in found.examples].count("train") <= 3
    assert {example.split for example in found.examples} == {"train", "val", "test"}
    assert len(found.examples) == 5
    for row in found.masks.to_dict("records"):
        assert row["prevalence"] == data.prevalence(row["split"])[found.mask_names.index(row["mask"])]


def test_a_picture_shows_thin_strokes_and_ignored_pixels_after_shrinking():
    image = np.full((3000, 900, 1), 200, np.uint8)
    target = np.zeros((1, 3000, 900), bool)
    target[0, 2500, :] = True
    valid = np.ones((3000, 900), bool)
    valid[:, :100] = False
    window = choose_window(image, target, valid)
    assert window[0].shape == (1024, 900, 1)
    assert window[1].sum() == 900
    shown = overlay(Example("a", "all", *window), mask_colours(["curve"]))
    assert max(shown.shape) <= 400
    assert (shown[:, -1] != 200).any(axis=1).sum() == 1  # one row of the stroke
    assert (shown[0, 0] < 100).all()
    assert (shown[0, -1] == 200).all()


def test_the_command_writes_tables_and_a_picture(command, tmp_path):
    root = write(tmp_path / "roads", stripe)
    typed = ("data=image_folder", f"data.root={root}", "data.images=*.bmp", "data.truth={stem}_lab.png")
    code, out, err = command(inspect_main, *typed, "out_dir=look", "overlays=3")
    assert code == 0, err
    assert re.search(r"^mask +all +6\.667 +0 +4\.\d", out, re.MULTILINE)
    assert "no splits: data.splits=" in out
    assert len(pd.read_csv(tmp_path / "look" / "images.csv")) == 6
    assert sorted(path.name for path in (tmp_path / "look").iterdir()) == ["images.csv", "masks.csv", "overlays.png"]
    with Image.open(tmp_path / "look" / "overlays.png") as picture:
        assert picture.width > 500


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (("data=image_folder",), ("data.root: no value given",)),
        (("overlays=0",), ("overlays: expected a number from 1 to 200, got 0",)),
        (("data.noise=-1",), ("data", "noise")),
        (("data=image_folder", "data.root=nowhere", "overlays=0"), ("overlays",)),
        (("data=image_folder", "data.root=nowhere"), ("nowhere is missing",)),
        (("data=image_folder", "data.root=.", "data.threshold=high"), ("data.threshold",)),
        (("data=image_folder", "data.root=.", "+data.thresholds=3"), ("data.thresholds", "threshold")),
    ],
)
def test_bad_input_ends_with_code_2_and_no_files(command, tmp_path, typed, words):
    code, _, err = command(inspect_main, *typed, "out_dir=look")
    assert code == 2
    assert all(word in err for word in words), err
    assert "Traceback" not in err
    assert not list(tmp_path.iterdir())
