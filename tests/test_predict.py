"""`python -m experiments.predict` as a user types it: the report's precision comes out of the written masks."""

import json
import os
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from small_study import with_small

from experiments.application.predict_images import _eight_bits
from experiments.frontier.codes import code_to_logit
from experiments.predict import main as predict_main
from experiments.runs import store
from experiments.score import main as score_main
from experiments.train import main as train_main

DOCS = Path(__file__).resolve().parents[1] / "docs" / "predict.md"
SIZES = ((64, 64), (150, 101), (130, 64), (64, 64), (33, 200))


def write_folder(root, counts=(4, 2, 5)):
    """Bright and dark dots on noise, on pictures of several sizes, some larger than a window."""
    for split, count in zip(("train", "val", "test"), counts, strict=True):
        for number in range(count):
            rng = np.random.default_rng([number, count])
            height, width = SIZES[number]
            image = rng.normal(120, 25, (height, width))
            for mask, change in (("bright", 90), ("dark", -70)):
                truth = np.zeros((height, width), bool)
                for _ in range(12):
                    row, column = rng.integers(3, height - 3), rng.integers(3, width - 3)
                    truth[row - 1 : row + 2, column - 1 : column + 2] = True
                image[truth] += change
                save(root / split / "masks" / mask / f"{split} {number}.png", truth)
            save(root / split / "images" / f"{split} {number}.png", np.clip(image, 0, 255).astype(np.uint8))


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Train one run on a folder; return the folder of both."""
    folder = tmp_path_factory.mktemp("trained")
    write_folder(folder / "dots")
    typed = with_small(
        *("data=image_folder", "data.root=dots", "loss=dice", "seed=0", "study_dir=study", "optimizer.lr=0.01"),
        *("trainer.max_steps=12", "trainer.eval_tile=64", "trainer.eval_overlap=8", "trainer.eval_batch_size=3"),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", list(sys.path))
        for name in ("HYDRA_FULL_ERROR", "PYTHONPATH"):
            patch.setenv(name, os.environ.get(name, ""))
        patch.setattr(sys, "argv", ["train", *typed])
        train_main()
    (run,) = store.find_run_folders(folder / "study")
    return folder, run


@pytest.fixture
def place(trained, tmp_path):
    """Copy the trained run and its images to where the command runs."""
    folder, run = trained
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return tmp_path, run.relative_to(folder)


def counts_of(place, out, mask):
    """Count the pixels of the written masks against the labels, all images together."""
    counts = np.zeros(4, int)
    for path in sorted((place / "dots/test/images").iterdir()):
        truth = np.asarray(Image.open(place / f"dots/test/masks/{mask}/{path.name}")) > 0
        written = np.asarray(Image.open(next((place / out / "masks" / mask).glob(f"{path.stem}.*"))))
        assert set(np.unique(written)) <= {0, 255}
        fired = written > 0
        counts += [(truth & fired).sum(), (~truth & fired).sum(), (truth & ~fired).sum(), (~truth & ~fired).sum()]
    return counts.tolist()


@pytest.mark.parametrize(("point", "files"), [("tuned", "tif"), ("natural", "png")])
def test_written_masks_have_the_precision_and_recall_of_the_report(command, place, point, files):
    folder, run = place
    code, out, err = command(
        predict_main, f"run={run}", "images=dots/test/images", "out_dir=out", f"threshold={point}", f"files={files}",
        "accelerator=cpu", "threads=1",
    )  # fmt: skip
    assert code == 0, err
    metrics = pd.read_csv(run / "metrics.csv")
    about = json.loads((folder / "out/weights.json").read_text(), parse_constant=pytest.fail)  # no NaN in JSON
    for mask in ("bright", "dark"):
        row = metrics.query(f"split == 'test' and operating_point == '{point}' and mask == '{mask}'").iloc[0]
        tp, fp, fn, tn = counts_of(folder, "out", mask)
        assert [tp, fp, fn, tn] == row[["tp", "fp", "fn", "tn"]].tolist()
        precision = tp / (tp + fp) if tp + fp else np.nan  # at the natural point it may predict nothing
        assert precision == pytest.approx(row["precision"], abs=1e-6, nan_ok=True)
        assert tp / (tp + fn) == pytest.approx(row["recall"], abs=1e-6)
        exported = about["thresholds"][mask]["test"]["precision"]
        assert (np.nan if exported is None else exported) == pytest.approx(precision, nan_ok=True)
        assert about["thresholds"][mask]["logit"] == pytest.approx(row["threshold"], rel=1e-6)
    table = pd.read_csv(folder / "out/images.csv")
    assert table.groupby("mask")["positives"].sum().to_dict() == {
        mask: sum(counts_of(folder, "out", mask)[:2]) for mask in ("bright", "dark")
    }
    assert "precision  recall" in out


def test_maps_become_a_run_with_the_same_histograms(command, place):
    folder, run = place
    code, _, err = command(predict_main, f"run={run}", "images=dots/test/images", "out_dir=out", "threads=1")
    assert code == 0, err
    code, _, err = command(
        score_main, "predictions=out/scores", "pattern={arm}/{seed}/{mask}/{image}", "kind=logits",
        "truth=dots/test/masks", "study_dir=again",
    )  # fmt: skip
    assert code == 0, err
    (again,) = store.find_run_folders(folder / "again")
    first, second = (store.read_scores(each)["test"] for each in (folder / run, again))
    for mask in range(2):
        for one, other in zip(first.pooled(mask), second.pooled(mask), strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_map_that_reaches_the_threshold_is_the_mask(command, place):
    folder, run = place
    code, _, err = command(
        predict_main, f"run={run}", "images=dots/test/images/*1.png", "out_dir=out", "threshold=recall:0.8"
    )
    assert code == 0, err
    about = json.loads((folder / "out/weights.json").read_text())
    for mask, threshold in about["thresholds"].items():
        (path,) = (folder / "out/scores").glob(f"*/0/{mask}/*.tif")
        (drawn,) = (folder / "out/masks" / mask).iterdir()
        above = np.asarray(Image.open(path)) >= threshold["logit"]
        np.testing.assert_array_equal(above, np.asarray(Image.open(drawn)) > 0)
        assert threshold["val"]["recall"] >= 0.8
        val = store.read_scores(run)["val"]
        positives = val.pooled(val.masks.index(mask))[0]
        code = int(np.flatnonzero(code_to_logit(np.arange(0x0400, 0xFC00)) == threshold["logit"])[0]) + 0x0400
        assert positives[code + 1 :].sum() < 0.8 * positives.sum() or not positives[code]


def test_weights_are_used_elsewhere_as_the_page_says(command, place):
    folder, run = place
    code, _, err = command(
        predict_main, f"run={run}", "images=dots/test/images/test 0.png", "out_dir=outputs/predicted", "threads=1"
    )
    assert code == 0, err
    code = re.search(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)[1]
    pixels = np.array(Image.open(folder / "dots/test/images/test 0.png"))
    names = {"image": torch.from_numpy(pixels)[None, None]}
    exec(compile(code, str(DOCS), "exec"), names)
    for mask, found in names["masks"].items():
        written = np.asarray(Image.open(folder / f"outputs/predicted/masks/{mask}/test 0.tif")) > 0
        assert int((found[0].numpy() != written).sum()) <= 2  # in another batch a logit may round otherwise


def refusal(command, *typed):
    before = sorted(Path.cwd().rglob("*"))
    code, _, err = command(predict_main, *typed)
    assert code == 2, err
    assert sorted(Path.cwd().rglob("*")) == before
    return err


def test_what_is_wrong_is_named_together_and_nothing_is_written(command, place):
    folder, run = place
    (folder / run / "checkpoint.pt").unlink()
    (folder / "in").mkdir()
    (folder / "in/broken.png").write_bytes((folder / "dots/test/images/test 1.png").read_bytes()[:900])
    (folder / "in/text.tif").write_text("no picture")
    save(folder / "in/a.png", np.zeros((40, 40), np.uint8))
    save(folder / "in/a.tif", np.zeros((40, 40), np.uint8))
    err = refusal(command, f"run={run}", "images=in", "out_dir=out")
    for words in ("expected checkpoint.pt", "trains it again: ", "broken.png", "text.tif", "a.png, a.tif"):
        assert words in err


def test_images_of_other_channels_or_bits_are_refused(command, place):
    folder, run = place
    save(folder / "in/colour.png", np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8))
    save(folder / "in/deep.png", np.full((40, 40), 4000, np.uint16))
    err = refusal(command, f"run={run}", "images=in", "out_dir=out")
    assert "expected grey images, as the run was trained on (1):\n  colour.png: colour" in err
    assert "expected images of 8 bits, which the run was trained on (1):\n  deep.png: 16 bits" in err


def test_values_that_cannot_be_are_named_together(command, place):
    folder, run = place
    (folder / "full").mkdir()
    (folder / "full/notes.txt").write_text("mine")
    err = refusal(
        command, "run=nowhere", "images=dots/test/images", "out_dir=full", "threshold=best", "files=gif", "threads=0",
        "overwrite=true",
    )  # fmt: skip
    for words in (
        "run: expected the folder of a run, <study_dir>/<arm>/seed=<k>, got nowhere, which is not there",
        "threshold: expected natural, tuned or recall:R with R in (0, 1], such as recall:0.9, got best",
        "files: expected one of tif, png, got gif",
        "threads: expected a whole number from 1",
        "out_dir: expected a new or empty folder, got full, which holds notes.txt",
    ):
        assert words in err
    assert "study holds" not in refusal(command, f"run={run}", "images=dots", "out_dir=out", "kind=logits", "files=png")
    err = refusal(command, "run=study", "images=nothing/*.tif", "out_dir=out")
    assert "without run.json; it holds the runs " in err
    assert "expected image files" in err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"status": "stopped", "reason": "Ctrl-C"}, "expected a complete run"),
        ({"predictions_fingerprint": "abc"}, "its predictions were made elsewhere"),
    ],
)
def test_runs_that_cannot_predict_are_refused(command, place, change, words):
    folder, run = place
    info = json.loads((folder / run / "run.json").read_text())
    (folder / run / "run.json").write_text(json.dumps({**info, **change}))
    assert words in refusal(command, f"run={run}", "images=dots/test/images", "out_dir=out")


def test_thresholds_that_validation_cannot_give_are_refused(command, place):
    folder, run = place
    info = json.loads((folder / run / "run.json").read_text())
    scores = store.read_scores(folder / run)
    store.write_scores(folder / run, {"test": scores["test"]})
    (folder / run / "run.json").write_text(json.dumps({**info, "artifacts": store.note_artifacts(folder / run)}))
    err = refusal(command, f"run={run}", "images=dots/test/images", "out_dir=out")
    assert "threshold=tuned: expected validation scores to choose by, and this run has none" in err
    code, out, err = command(predict_main, f"run={run}", "images=dots/test/images", "out_dir=out", "threshold=natural")
    assert code == 0, err
    assert "val" not in out.split("written to")[0].split("\n", 1)[1]


def test_an_earlier_prediction_is_replaced_on_request_alone(command, place):
    folder, run = place
    typed = (f"run={run}", "out_dir=out", "kind=none", "threads=1")
    assert command(predict_main, *typed, "images=dots/test/images")[0] == 0
    assert not (folder / "out/scores").exists()
    assert "with a prediction; overwrite=true replaces it" in refusal(command, *typed, "images=dots/val/images")
    code, _, err = command(predict_main, *typed, "images=dots/val/images", "overwrite=true")
    assert code == 0, err
    assert sorted(path.name for path in (folder / "out/masks/dark").iterdir()) == ["val 0.tif", "val 1.tif"]


def test_a_run_of_exclusive_classes_is_predicted_by_its_own_scores(command, tmp_path):
    write_folder(tmp_path / "dots")
    typed = with_small(
        *("data=image_folder", "data.root=dots", "loss=softmax", "seed=0", "study_dir=study", "optimizer.lr=0.01"),
        *("trainer.max_steps=12", "trainer.eval_tile=64", "trainer.eval_overlap=8", "trainer.eval_batch_size=3"),
    )
    code, _, err = command(train_main, *typed)
    assert code == 0, err
    (run,) = store.find_run_folders(tmp_path / "study")
    asked = (f"run={run}", "images=dots/test/images", "out_dir=out", "threshold=tuned", "files=png")
    code, _, err = command(predict_main, *asked, "accelerator=cpu", "threads=1")
    assert code == 0, err
    metrics = pd.read_csv(run / "metrics.csv")
    for mask in ("bright", "dark"):
        row = metrics.query(f"split == 'test' and operating_point == 'tuned' and mask == '{mask}'").iloc[0]
        assert counts_of(tmp_path, "out", mask) == row[["tp", "fp", "fn", "tn"]].tolist()
    assert json.loads((tmp_path / "out/weights.json").read_text())["scores"] == "log-odds of softmax(0, logits)"


def test_a_prediction_that_is_stopped_leaves_nothing(command, place, monkeypatch):
    folder, run = place

    def stop(*arguments):
        assert (folder / "out/masks/dark/test 0.tif").exists()
        raise KeyboardInterrupt

    monkeypatch.setattr(store, "write_table", stop)
    code, _, err = command(predict_main, f"run={run}", "images=dots/test/images", "out_dir=out", "threads=1")
    assert code == 130
    assert "stopped" in err
    assert "checkpoint" not in err
    assert not (folder / "out").exists()


def test_images_of_16_bits_become_what_the_run_was_trained_on():
    deep = np.array([[[0], [16], [4095], [65535]]], np.uint16)
    assert _eight_bits(deep, channels=1, shift=4).ravel().tolist() == [0, 1, 255, 255]
    shallow = np.array([[[7], [255]]], np.uint8)
    assert _eight_bits(shallow, channels=3, shift=4).tolist() == [[[7, 7, 7], [255, 255, 255]]]
