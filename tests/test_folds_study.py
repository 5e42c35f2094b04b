"""A study on folds, from the command line: trained, resumed with a hole filled, or refused before training."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from small_study import with_small

from experiments.train import main as train_main


@pytest.fixture
def folder(tmp_path):
    """Four wells with two images each."""
    root = tmp_path / "mine"
    root.mkdir()
    for number in range(8):
        name = f"w{number // 2}_y{number}"
        image = np.random.default_rng(number).integers(0, 256, (64, 64), dtype=np.uint8)
        mask = np.zeros((64, 64), np.uint8)
        mask[10 + number : 14 + number, 4:60] = 1
        Image.fromarray(image).save(root / f"{name}.png")
        Image.fromarray(mask).save(root / f"{name}_lab.png")
    return root


def typed(*more):
    images = (
        "data.root=mine",
        "data.images=*.png",
        "data.truth={stem}_lab.png",
        "data.group_pattern=^(.*)_y",
    )
    return with_small("study=losses", "loss=bce,dice", "seed=0", "data=image_folder", *images, *more)


def test_a_study_on_folds_is_trained_resumed_and_compared(command, tmp_path, folder):
    code, out, err = command(train_main, *typed("data.folds=3"))
    assert code == 0, err
    assert "losses: 2 arms x 3 folds, 6 runs" in out
    assert "8 test images in 4 groups" in out
    study = tmp_path / "outputs" / "losses"
    assert "3 folds by group: each image is tested once per seed" in (study / "report" / "details.md").read_text()
    metrics = pd.read_csv(study / "report" / "arms.csv")
    assert metrics["arm"].tolist() == ["loss=dice"]
    page = (study / "report" / "report.html").read_text()
    assert "folds by group" in page
    kept = {path: path.read_bytes() for path in study.glob("*/seed=0/scores.npz")}
    assert len(kept) == 6
    gone = study / "loss=dice,data.fold=2" / "seed=0"
    again = json.loads((gone / "run.json").read_text())["command"]
    assert "data.fold=2" in again
    assert "study.axes=[loss,data.fold]" in again
    shutil.rmtree(gone)
    code, out, err = command(train_main, *typed("data.folds=3"))
    assert code == 0, err
    assert "losses: 2 arms x 3 folds, 6 runs, 5 of them done before" in out
    for path, content in kept.items():
        assert gone in path.parents or path.read_bytes() == content


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("data.folds=5",), "data.folds=5 by group"),
        (("data.folds=many",), "data.folds: expected a whole number"),
        (("data.folds=3", "data.fold=7,8"), "data.fold: expected a whole number from 0 to 2, got 7"),
        (("data.folds=3", "study.conditions=[data.fold]"), "expected other keys than data.fold"),
    ],
)
def test_what_cannot_be_cut_is_refused_before_training(command, tmp_path, folder, more, message):
    code, _, err = command(train_main, *typed(*more))
    assert code == 2
    assert message in err
    assert not (tmp_path / "outputs").exists()
