"""`python -m experiments.score` as a user types it: beside trained runs, and what it refuses."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from small_study import SMALL

from experiments.compare import main as compare_main
from experiments.frontier import code_to_logit, curve_errors
from experiments.runs import store
from experiments.score import main as score_main
from experiments.thresholding import main as thresholding_main
from experiments.train import main as train_main

DATA = tuple(text for text in SMALL if text.startswith("data."))


@pytest.fixture
def folder(tmp_path):
    """Make masks/ of three images, and maps/ of two arms and two seeds."""
    rng = np.random.default_rng(0)
    for image in ("a", "b", "c"):
        mask = rng.random((60, 80)) < 0.05
        save(tmp_path / "masks" / f"{image}.png", mask)
        for arm, signal in (("unet", 2), ("mine", 3)):
            for seed in (0, 1):
                logits = signal * mask - 3 + rng.normal(size=mask.shape)
                save(tmp_path / "maps" / arm / f"fold_{seed}" / f"{image}.npy", 1 / (1 + np.exp(-logits)))
    return tmp_path


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, array)
    else:
        Image.fromarray(array).save(path)


PATTERN = "pattern={arm}/fold_{seed}/{image}"


def test_maps_become_runs_and_are_compared(command, folder):
    typed = ("predictions=maps", "truth=masks", PATTERN, "study_dir=study", "baseline=unet")
    code, out, err = command(score_main, *typed)
    assert code == 0, err
    assert out.count("unet  ") == out.count("mine  ") == 2
    assert "3 test images in 3 groups" in out
    assert "No validation scores, so no tuned points" in out
    info = json.loads((folder / "study/mine/seed=1/run.json").read_text())
    assert info["status"] == "complete"
    assert info["command"].startswith("python -m experiments.score predictions=maps truth=masks 'pattern=")
    code, out, err = command(compare_main, "study_dir=study")
    assert code == 0, err
    assert "made elsewhere: unet and mine." in out
    assert "no validation scores: unet and mine." in out
    assert "not alike" not in out
    table = pd.read_csv(folder / "study/report/verdicts.csv")
    assert table[["arm", "baseline", "n_seeds"]].to_numpy().tolist() == [["mine", "unet", 2]]
    assert (
        "Predictions made elsewhere, whose training is not known: unet and mine."
        in (folder / "study/report/details.md").read_text()
    )


def test_the_command_in_run_json_makes_the_run_again(command, folder):
    import shlex

    command(score_main, "predictions=maps", "truth=masks", PATTERN, "study_dir=study", "baseline=unet")
    info = json.loads((folder / "study/mine/seed=1/run.json").read_text())
    (folder / "study/mine/seed=1/run.json").unlink()
    code, _, err = command(score_main, *shlex.split(info["command"])[3:])
    assert code == 0, err
    assert (folder / "study/mine/seed=1/run.json").exists()


def test_ties_and_hard_masks_are_told(command, folder):
    rng = np.random.default_rng(1)
    for image in ("a", "b", "c"):
        mask = np.asarray(Image.open(folder / "masks" / f"{image}.png"))
        for seed in (0, 1):
            scores = np.clip(40 * rng.random(mask.shape) + 150 * mask, 0, 255).astype(np.uint8)
            save(folder / "maps/eight" / f"fold_{seed}" / f"{image}.png", scores)
            hard = ((mask ^ (rng.random(mask.shape) < 0.01)) * 255).astype(np.uint8)
            save(folder / "maps/drawn" / f"fold_{seed}" / f"{image}.png", hard)
    code, out, err = command(score_main, "predictions=maps", "truth=masks", PATTERN, "study_dir=study", "baseline=unet")
    assert code == 0, err
    assert "Ties: eight has " in out
    assert "Hard masks: drawn has 0 and 1 alone, so an operating point and no frontier, and no verdict." in out
    code, out, err = command(compare_main, "study_dir=study")
    assert code == 0, err
    assert "ties: eight has " in out
    assert "no frontier: drawn has hard masks" in out
    points = pd.read_csv(folder / "study/report/no_frontier.csv")
    assert points[["arm", "mask", "n_seeds", "baseline"]].to_numpy().tolist() == [["drawn", "mask", 2, "unet"]]
    assert points["recall"].iloc[0] > 0.9
    drawn = pd.read_csv(folder / "study/report/figures/frontier.csv")
    assert drawn[drawn["kind"] == "hard masks"][["arm", "recall"]].to_numpy().tolist() == [
        ["drawn", points["recall"].iloc[0]]
    ]
    assert "arms of hard masks" in (folder / "study/report/figures/captions.md").read_text()
    assert "drawn" not in set(pd.read_csv(folder / "study/report/verdicts.csv")["arm"])
    code, _, err = command(compare_main, "study_dir=study", "baseline=drawn")
    assert code == 2
    assert "expected an arm with scores, got drawn" in err


def test_predictions_stand_beside_trained_runs(command, tmp_path):
    """Before and after training; the project's own scores, saved and read back, give its own histograms."""
    study = ("study=losses", "loss=bce", "seed=0,1", "study_dir=study", "trainer.example_pixels=1000000", *SMALL)
    code, _, err = command(train_main, *study)
    assert code == 0, err
    for seed in (0, 1):
        kept = store.read_examples(tmp_path / f"study/loss=bce/seed={seed}")
        assert len(kept.image_ids) == 3
        for image, codes in zip(kept.image_ids, kept.codes, strict=True):
            save(tmp_path / "maps" / "copy" / str(seed) / f"{image}.npy", code_to_logit(codes))
    code, out, err = command(score_main, "predictions=maps", "data=well_logs", *DATA, "kind=logits", "study_dir=study")
    assert code == 0, err
    for seed in (0, 1):
        ours, theirs = (np.load(tmp_path / f"study/{arm}/seed={seed}/scores.npz") for arm in ("copy", "loss=bce"))
        tuned = {"test_joint", "test_points"}  # no validation maps, so not counted at tuned thresholds
        for name in set(theirs.files) - tuned:
            if name.startswith("test_"):
                assert ours[name].tobytes() == theirs[name].tobytes(), name
        np.testing.assert_array_equal(ours["test_joint"], theirs["test_joint"][:, :1])
    code, out, err = command(train_main, *study, "loss=bce,dice")
    assert code == 2  # the same key twice
    code, out, err = command(train_main, *[text.replace("loss=bce", "loss=bce,dice") for text in study])
    assert code == 0, err
    assert "made elsewhere: copy." in out
    table = pd.read_csv(tmp_path / "study/report/verdicts.csv")
    gains = table[table["arm"] == "copy"]
    assert len(gains) == 3
    assert (gains["ap_gain"].fillna(0) == 0).all()
    code, out, err = command(thresholding_main, "study.source=study", "study_dir=treated")
    assert code == 0, err
    holes = pd.read_csv(tmp_path / "treated/report/holes.csv")
    assert holes["arm"].tolist() == ["copy", "copy"]
    assert holes["reason"].eq("no validation scores to fit on").all()


REFUSED = {
    "no folder": (("predictions=nowhere", "truth=masks"), ["predictions: expected a folder, got nowhere"]),
    "nothing given": ((), ["predictions, study_dir: no value given"]),
    "no truth": (("predictions=maps",), ["truth, data: expected one of them"]),
    "field": (("predictions=maps", "truth=masks", "pattern={model}/{image}"), ["the field {model}"]),
    "kind": (("predictions=maps", "truth=masks", PATTERN, "kind=percent"), ["kind: expected one of logits"]),
    "key": (("predictions=maps", "truth=masks", "kinds=logits"), ["kinds: no such key. Did you mean kind?"]),
    "pattern": (
        ("predictions=maps", "truth=masks"),
        ["mine/fold_0/a.npy: 'fold_0'", "expected whole numbers as {seed} (12):"],
    ),
    "data": (("predictions=maps", "data=image_folder", "data.root=masks"), ["train/ is missing"]),
    "in the data": (("predictions=maps", "truth=masks", "study_dir=maps/study"), ["outside the data (maps)"]),
    "list": (("predictions=maps", "truth=masks", PATTERN, "channels=mask"), ["channels"]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused_and_nothing_written(command, folder, name):
    typed, words = REFUSED[name]
    rest = () if any(text.startswith("study_dir") for text in typed) or not typed else ("study_dir=study",)
    before = sorted(folder.rglob("*"))
    code, _, err = command(score_main, *typed, *rest)
    assert code == 2, err
    assert "Traceback" not in err
    for word in words:
        assert word in err, err
    assert sorted(folder.rglob("*")) == before


def test_all_that_is_wrong_with_files_comes_in_one_message(command, folder):
    np.save(folder / "maps/mine/fold_0/a.npy", np.full((60, 80), np.nan))
    np.save(folder / "maps/mine/fold_0/b.npy", np.zeros((60, 81)))
    (folder / "maps/mine/fold_1/c.npy").unlink()
    np.save(folder / "maps/unet/fold_0/x.npy", np.zeros((60, 80)))
    code, _, err = command(score_main, "predictions=maps", "truth=masks", PATTERN, "study_dir=study")
    assert code == 2
    for words in ("NaN", "60 x 81, the image has 60 x 80", "mine seed 1: c", "unet/fold_0/x.npy: 'x'"):
        assert words in err
    assert not (folder / "study").exists()


def test_a_kind_that_cannot_be_right_is_worth_a_look(command, folder):
    typed = ("predictions=maps", "truth=masks", PATTERN)
    code, out, _ = command(score_main, *typed, "study_dir=one", "kind=logits")
    assert code == 0
    assert "Worth a look: every pixel of mine and unet reaches probability 0.5. Is kind= right?" in out
    code, out, _ = command(score_main, *typed, "study_dir=two", "kind=0-255")
    assert code == 0
    assert "Worth a look: no pixel of mine and unet reaches probability 0.5. Is kind= right?" in out
    code, out, _ = command(score_main, *typed, "study_dir=three")
    assert "Worth a look" not in out


@pytest.mark.parametrize("axis", ["rows", "columns"])
def test_curves_are_counted_on_request(command, folder, axis):
    """Strokes of three pixels, one of them beside its place in every tenth row or column."""
    rng = np.random.default_rng(0)
    errors = {}
    for split, images in (("train", "abc"), ("val", "de")):
        for image in images:
            mask = np.zeros((60, 80), bool)
            mask[np.arange(60), 30 + (10 * np.sin(np.arange(60) / 9)).astype(int)] = True
            mask = mask | np.roll(mask, 1, 1) | np.roll(mask, 2, 1)
            mask = mask if axis == "rows" else mask.T
            save(folder / f"{split}_masks" / f"{image}.png", mask)
            for arm, step in (("unet", 4), ("mine", 2)):
                moved = np.roll(mask, step, 1 if axis == "rows" else 0)
                lines = np.arange(60) % 10 == 0
                drawn = np.where(lines[:, None] if axis == "rows" else lines[None], moved, mask)
                for seed in (0, 1):
                    logits = np.where(drawn, 3.0, -3.0) + 0.1 * rng.normal(size=mask.shape)
                    save(folder / f"{split}_maps" / arm / f"fold_{seed}" / f"{image}.npy", logits)
                    if split == "train":
                        errors.setdefault(arm, []).append(curve_errors(logits >= 0, mask, axis=axis).mae)
    typed = ("predictions=train_maps", "truth=train_masks", PATTERN, "kind=logits", "study_dir=study", "baseline=unet")
    typed += ("val_predictions=val_maps", "val_truth=val_masks")
    command(score_main, *typed)
    code, _, err = command(compare_main, "study_dir=study", "report.headline=curve_accuracy")
    assert code == 2
    assert "mine/seed=0" in err
    code, _, err = command(score_main, *typed, f"curve={axis}", "overwrite=true")
    assert code == 0, err
    code, _, err = command(compare_main, "study_dir=study", "report.headline=curve_accuracy", "report.curve_scale=2")
    assert code == 0, err
    table = pd.read_csv(folder / "study/report/curve.csv").query("point == 'natural'")
    for arm, expected in errors.items():
        mine = table[table["arm"] == arm]
        assert mine["mae"].tolist() == pytest.approx([np.mean(expected)] * 2)
        assert mine["mae_units"].tolist() == pytest.approx([2 * np.mean(expected)] * 2)
    assert np.mean(errors["unet"]) == pytest.approx(2 * np.mean(errors["mine"]))
    assert pd.read_csv(folder / "study/report/arms.csv")["headline_gain"].iloc[0] > 0
    code, _, err = command(score_main, *typed, "curve=diagonal")
    assert code == 2
    assert "curve: expected" in err


def test_scores_within_a_distance_are_counted_on_request(command, folder):
    typed = ("predictions=maps", "truth=masks", PATTERN, "study_dir=study", "baseline=unet")
    command(score_main, *typed)
    code, _, err = command(compare_main, "study_dir=study", "report.tolerance=1")
    assert code == 2
    assert "score the maps again with tolerances=[1] overwrite=true" in err
    code, _, err = command(score_main, *typed, "tolerances=[1,3]", "overwrite=true")
    assert code == 0, err
    code, _, err = command(compare_main, "study_dir=study", "report.tolerance=1")
    assert code == 0, err
    scores = pd.read_csv(folder / "study/report/thin_scores.csv")
    assert set(scores["arm"]) == {"unet", "mine"}
    code, _, err = command(score_main, *typed, "tolerances=[-1]")
    assert code == 2
    assert "tolerances: expected a whole number from 0 to 32 (pixels), got -1" in err


def test_an_inverted_truth_is_worth_a_look(command, folder):
    for path in (folder / "masks").iterdir():
        save(path, ~np.asarray(Image.open(path)))
    code, out, _ = command(score_main, "predictions=maps", "truth=masks", PATTERN, "study_dir=study")
    assert code == 0
    assert "Worth a look: mask fills 95% of the pixels. Is the truth inverted?" in out


def test_hard_masks_alone_have_no_comparison(command, folder):
    for image in ("a", "b", "c"):
        mask = np.asarray(Image.open(folder / "masks" / f"{image}.png"))
        save(folder / "drawn" / f"{image}.png", mask ^ (np.arange(mask.shape[1]) < 3))
    typed = ("predictions=drawn", "truth=masks", "pattern={image}", "arm=drawn", "baseline=drawn", "study_dir=study")
    code, out, err = command(score_main, *typed)
    assert code == 0, err
    assert "no frontier" in out
    code, _, err = command(compare_main, "study_dir=study")
    assert code == 2
    assert "expected an arm with scores, got drawn, whose predictions are 0 and 1 alone" in err
