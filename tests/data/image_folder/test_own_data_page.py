"""Every command of docs/own-data.md reads the folder that it is for, as its source ships it."""

import re
import shlex
from pathlib import Path

import pandas as pd
import pytest

from experiments.inspect import main as inspect_main

PAGE = Path(__file__).resolve().parents[3] / "docs" / "own-data.md"
ROWS = [line for line in PAGE.read_text().splitlines() if "data.root=$DATA/" in line]
COMMANDS = [re.findall(r"`(data\.root=[^`]+)`", row)[0] for row in ROWS]

# Of each command: images, masks and foreground shares in percent, by another reading of the files (scipy, Pillow).
EXPECTED = [
    ("crackforest", 3, {"crack": 1.637}),
    ("crackforest", 3, {"mask": 0.955}),
    ("crackforest", 1, {"crack": 1.192}),
    ("les_av", 2, {"artery": 4.001, "vein": 4.687}),
    ("lmm_crack_crops", 4, {"mask": 4.815}),
    ("pfc_neurons", 2, {"mask": 6.161}),
    ("pfc_neurons", 2, {"derived_dilated": 5.922, "gt": 6.161}),
    ("pfc_neurons", 2, {"mask": 6.161}),
    ("welllog_tiff", 2, {}),
]


def test_every_folder_has_a_command(shared_data):
    folders = {path.name for path in (shared_data / "raw_samples").iterdir() if path.is_dir()}
    assert folders == {name for name, _, _ in EXPECTED}
    assert len(COMMANDS) == len(EXPECTED)


@pytest.mark.parametrize("number", range(len(EXPECTED)))
def test_a_command_of_the_page_reads_its_folder(command, shared_data, tmp_path, number):
    folder, images, shares = EXPECTED[number]
    typed = [part.replace("$DATA", str(shared_data / "raw_samples")) for part in shlex.split(COMMANDS[number])]
    code, out, err = command(inspect_main, "data=image_folder", *typed, f"out_dir={tmp_path / 'look'}")
    assert code == 0, err
    assert out.startswith(f"{folder}: {images} image")
    assert (tmp_path / "look" / "overlays.png").read_bytes().startswith(b"\x89PNG")
    assert len(pd.read_csv(tmp_path / "look" / "images.csv")) == images
    if not shares:
        assert "no truth: images only" in out
        return
    masks = pd.read_csv(tmp_path / "look" / "masks.csv").set_index("mask")["prevalence"]
    assert (100 * masks).round(3).to_dict() == pytest.approx(shares, abs=0.002)


@pytest.mark.parametrize("name", sorted({name for name, _, _ in EXPECTED}))
def test_without_options_the_message_names_some(command, shared_data, name):
    code, _, err = command(inspect_main, "data=image_folder", f"data.root={shared_data / 'raw_samples' / name}")
    assert code == 2
    assert "data.images=" in err
    suggested = re.findall(r"data\.(?:images|truth)='[^']+'", err)
    assert suggested[0] in {f"data.images='{p}'" for p in ("{stem}.jpg", "{stem}.image.png", "*.tif")}
