"""Curves from the command line: counted later without training, over folds, and as the headline."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from small_study import with_small

from experiments.compare import main as compare_main
from experiments.frontier import code_to_logit
from experiments.frontier.curve_space.centre_line import curve_errors
from experiments.frontier.operating_point import tuned_thresholds
from experiments.runs import store
from experiments.train import main as train_main

TYPED = with_small("study=losses", "loss=bce,dice", "seed=0,1")


@pytest.fixture
def trained(command, tmp_path):
    code, _, err = command(train_main, *TYPED)
    assert code == 0, err
    return tmp_path / "outputs" / "losses"


def test_the_command_given_again_counts_curves_and_trains_nothing(command, trained, monkeypatch):
    runs = sorted(trained.glob("*/seed=*"))
    assert len(runs) == 4
    assert not list(trained.glob("**/" + store.CURVE_FILE))
    before = {
        run: {name: (run / name).read_bytes() for name in (store.HISTORY_FILE, store.METRICS_FILE)} for run in runs
    }
    infos = {run: json.loads((run / store.RUN_FILE).read_text()) for run in runs}

    def refuse(*_, **__):
        raise AssertionError("a network was trained")

    monkeypatch.setattr(torch.optim.AdamW, "step", refuse)
    code, _, err = command(train_main, *TYPED, "trainer.curve=rows", "report.headline=curve_accuracy")
    assert code == 0, err
    assert "by curve accuracy" in (trained / "report" / "details.md").read_text()
    for run in runs:
        info = json.loads((run / store.RUN_FILE).read_text())
        assert info["curve"] == "rows"
        for name in ("fit_seconds", "updates", "initial_weights", "fingerprint"):
            assert info[name] == infos[run][name]
        assert {name: (run / name).read_bytes() for name in before[run]} == before[run]
    table = pd.read_csv(trained / "report" / "curve.csv")
    assert len(table) == 2 * 2 * 3 * 2  # arms, seeds, masks, operating points
    # Asked again without curves, nothing is scored, and the curves are kept.
    kept = {run: (run / store.CURVE_FILE).stat().st_mtime_ns for run in runs}
    code, _, err = command(train_main, *TYPED)
    assert code == 0, err
    assert {run: (run / store.CURVE_FILE).stat().st_mtime_ns for run in runs} == kept


def test_runs_that_lack_curves_are_named_and_the_way_told_works(command, trained):
    code, _, err = command(compare_main, f"study_dir={trained}", "report.headline=curve_accuracy")
    assert code == 2
    assert "curve_accuracy needs runs that counted their curves" in err
    assert all(f"loss={arm}/seed={seed}" in err for arm in ("bce", "dice") for seed in (0, 1))
    some = [text for text in TYPED if text != "loss=bce,dice"]
    code, _, err = command(train_main, *some, "loss=bce", "trainer.curve=rows")
    assert code == 0, err
    code, _, err = command(compare_main, f"study_dir={trained}", "report.headline=curve_accuracy")
    assert code == 2
    assert "loss=dice/seed=0" in err
    assert "loss=bce/seed" not in err
    code, out, err = command(compare_main, f"study_dir={trained}")  # another headline needs no curves
    assert code == 0, err
    assert "4 runs counted curves" not in out
    code, _, err = command(train_main, *some, "loss=dice", "trainer.curve=rows")
    assert code == 0, err
    code, _, err = command(compare_main, f"study_dir={trained}", "report.headline=curve_accuracy")
    assert code == 0, err
    arms = pd.read_csv(trained / "report" / "arms.csv")
    assert arms["headline"].tolist() == ["curve_accuracy"]
    assert len(pd.read_csv(trained / "report" / "curve_gains.csv")) == 3


def test_curves_over_folds_are_pooled(command, tmp_path):
    """Every image is read once per seed, at the threshold tuned in the fold that tests it."""
    root = tmp_path / "mine"
    root.mkdir()
    for place in range(8):
        rng = np.random.default_rng(place)
        mask = np.zeros((64, 64), np.uint8)
        for row in range(64):
            column = 30 + int(15 * np.sin(row / 9 + place))
            mask[row, column : column + 3] = 1
        image = np.where(mask, 40, 200) + rng.integers(0, 30, mask.shape)
        Image.fromarray(image.astype(np.uint8)).save(root / f"w{place // 2}_y{place}.png")
        Image.fromarray(mask).save(root / f"w{place // 2}_y{place}_lab.png")
    images = ("data.root=mine", "data.images=*.png", "data.truth={stem}_lab.png", "data.group_pattern=^(.*)_y")
    typed = with_small("study=losses", "loss=bce,dice", "seed=0", "data=image_folder", *images, "data.folds=3")
    code, _, err = command(train_main, *typed, "trainer.curve=rows", "trainer.example_pixels=100000")
    assert code == 0, err
    study = tmp_path / "outputs" / "losses"
    table = pd.read_csv(study / "report" / "curve.csv")
    assert table[["arm", "point"]].to_numpy().tolist() == [
        [f"loss={arm}", point] for arm in ("bce", "dice") for point in ("natural", "tuned")
    ]
    assert table["true_rows"].tolist() == [8 * 64] * 4
    for arm in ("bce", "dice"):
        found, rows = [], []
        for fold in range(3):
            run = study / f"loss={arm},data.fold={fold}" / "seed=0"
            (threshold,) = tuned_thresholds(store.load_run(run).scores["val"])
            examples = store.read_examples(run)
            for codes, truth in zip(examples.codes, examples.targets, strict=True):
                each = curve_errors(code_to_logit(codes[0]) >= threshold, truth[0])
                found.append(np.nan_to_num(each.mae_filled))
                rows.append(each.true_rows)
        pooled = table.query(f"arm == 'loss={arm}' and point == 'tuned'")["mae_filled"].iloc[0]
        assert len(found) == 8
        assert pooled == pytest.approx(np.average(found, weights=rows), rel=1e-5)
    groups = pd.read_csv(study / "report" / "curve_groups.csv")
    assert sorted(set(groups["group"])) == ["w0", "w1", "w2", "w3"]
    code, _, err = command(compare_main, f"study_dir={study}", "report.headline=curve_accuracy")
    assert code == 0, err
