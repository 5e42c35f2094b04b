"""A run in a tracker: all of its history and metrics, nothing twice, and the same run as without one, to the bit."""

import os
import random
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from experiments.data.batches import pixel_statistics
from experiments.runs import store
from experiments.tracking import run_tracker
from experiments.training.run import execute
from experiments.training.setup import LoadedData

SETTINGS = (
    "trainer.max_steps=6",
    "trainer.tile=32",
    "trainer.batch_size=2",
    "trainer.log_every=2",
    "trainer.checkpoint_every=3",
    "trainer.accelerator=cpu",
    "trainer.channels_last=false",
)


class Dropping(nn.Module):
    """A network that draws random numbers, also from the generators of Python and numpy."""

    def __init__(self, in_channels, classes):
        super().__init__()
        self.middle = nn.Conv2d(in_channels, 4, 3, padding=1)
        self.last = nn.Conv2d(4, classes, 3, padding=1)

    def forward(self, image):
        noise = random.random() + float(np.random.rand()) if self.training else 0.0  # noqa: NPY002
        return self.last(nn.functional.dropout(self.middle(image / 255).relu() + noise, 0.5, self.training))


@pytest.fixture
def loaded(blobs):
    return LoadedData(blobs, tuple(blobs.prevalence("train").tolist()), pixel_statistics(blobs.train), False)


@pytest.fixture
def configured(composed, monkeypatch, tmp_path):
    monkeypatch.setattr("losses.Dropping", Dropping, raising=False)

    def make(*overrides):
        cfg = composed(*SETTINGS, f"study_dir={tmp_path}", *overrides)
        OmegaConf.set_struct(cfg, False)
        cfg.model = {"_target_": "losses.Dropping"}
        return cfg

    return make


def train(cfg, folder, loaded, on_update=lambda update: None):
    return execute(cfg, folder, "loss=bce", loaded, on_update)


def computed(folder):
    """What a run computed, to the bit."""
    weights = torch.load(folder / store.CHECKPOINT_FILE, weights_only=True)["model"]
    history = pd.read_csv(folder / store.HISTORY_FILE).drop(columns="seconds").to_csv()
    metrics = (folder / store.METRICS_FILE).read_text()
    with np.load(folder / store.SCORES_FILE) as scores:
        arrays = {name: scores[name].tobytes() for name in scores.files}
    return {name: value.numpy().tobytes() for name, value in weights.items()}, history, metrics, arrays


def test_a_run_is_logged_whole_and_stays_the_same(tracker, configured, loaded, tmp_path):
    _, overrides, read = tracker
    assert train(configured(), tmp_path / "plain" / "seed=0", loaded) == "complete"
    watched = tmp_path / "arm" / "seed=0"
    assert train(configured(*overrides), watched, loaded) == "complete"
    assert computed(watched) == computed(tmp_path / "plain" / "seed=0")

    values, config = read("loss=bce/seed=0")
    history = pd.read_csv(watched / store.HISTORY_FILE)
    for column in ("loss", "lr", "foreground_bright", "foreground_dark"):
        logged = sorted(values[f"train/{column}"])
        assert [step for step, _ in logged] == [2, 4, 6]
        assert [value for _, value in logged] == pytest.approx(history[column].tolist(), rel=1e-5)
    metrics = pd.read_csv(watched / store.METRICS_FILE).set_index(["split", "mask", "operating_point"])
    for mask in ("bright", "dark"):
        for point in ("natural", "tuned"):
            for column in ("precision", "recall", "f1"):
                expected = metrics.loc[("test", mask, point), column]
                logged = values.get(f"test/{mask}/{point}/{column}", [])
                assert [v for _, v in logged] == pytest.approx([expected] if np.isfinite(expected) else [], rel=1e-5)
        assert [v for _, v in values[f"test/{mask}/ap"]] == pytest.approx(
            [metrics.loc[("test", mask, "natural"), "ap"]], rel=1e-5
        )
    assert "trainer.max_steps" in config
    assert "losses.Dropping" in config


def test_a_run_that_goes_on_is_one_run_and_no_update_is_logged_twice(tracker, configured, loaded, tmp_path):
    _, overrides, read = tracker
    folder = tmp_path / "arm" / "seed=0"

    def cut(update):
        if update == 5:  # after the row of update 4 and the checkpoint of update 3
            raise RuntimeError("power cut")

    assert train(configured(*overrides), folder, loaded, cut) == "failed"
    assert train(configured(*overrides), folder, loaded) == "complete"
    values, _ = read("loss=bce/seed=0")
    assert sorted(step for step, _ in values["train/loss"]) == [2, 4, 6]
    assert len(values["test/bright/ap"]) == 1


@pytest.mark.parametrize("when", ["start", "store_init_configuration", "log", "finish"])
def test_a_broken_tracker_changes_nothing(configured, loaded, tmp_path, monkeypatch, capsys, when):
    from accelerate.tracking import TensorBoardTracker

    def broken(self, *arguments, **options):
        random.random(), torch.rand(3)
        raise ConnectionError("no way to the server")

    assert train(configured(), tmp_path / "plain" / "seed=0", loaded) == "complete"
    monkeypatch.setattr(TensorBoardTracker, when, broken)
    assert train(configured("tracker=tensorboard"), tmp_path / "arm" / "seed=0", loaded) == "complete"
    assert computed(tmp_path / "arm" / "seed=0") == computed(tmp_path / "plain" / "seed=0")
    assert capsys.readouterr().err.count("warning: tracker=tensorboard: no way to the server") == 1


def test_a_folder_that_cannot_be_written_is_a_warning(configured, loaded, tmp_path, capsys):
    (tmp_path / "file").write_text("x")
    cfg = configured("tracker=tensorboard", f"tracker.folder={tmp_path / 'file'}")
    assert train(cfg, tmp_path / "arm" / "seed=0", loaded) == "complete"
    assert "the run goes on without it" in capsys.readouterr().err


def test_a_run_that_is_replaced_is_another_run_of_the_tracker(configured, loaded, tmp_path):
    folder = tmp_path / "arm" / "seed=0"
    for overwrite in (False, True):
        assert train(configured("tracker=tensorboard", f"overwrite={overwrite}"), folder, loaded) == "complete"
    for run in ("loss=bce/seed=0", "loss=bce/seed=0-2"):
        assert len(list((tmp_path / "tensorboard" / run).glob("events.*"))) == 1


def test_a_row_is_noted_before_it_is_logged(tmp_path, monkeypatch):
    """A process killed between the two loses a row; the other order would log it twice."""

    class Killed(BaseException):
        pass

    class Tracker:
        def store_init_configuration(self, values):
            pass

        def log(self, values, step):
            raise Killed

        def finish(self):
            pass

    monkeypatch.setitem(run_tracker._STARTS, "tensorboard", lambda settings, note, name: Tracker())
    settings = {"name": "tensorboard", "folder": str(tmp_path)}
    with pytest.raises(Killed), run_tracker.tracked(settings, tmp_path, "a", "f", {}) as tracker:
        tracker.log_row({"update": 4, "loss": 1.0})
    assert run_tracker._read_note(tmp_path)["logged"] == 4


def test_no_tracker_is_imported_unless_asked_for():
    code = (
        "import sys, experiments.train, experiments.compare, experiments.training.run, experiments.tracking.verdicts; "
        "from pathlib import Path; from experiments.tracking.run_tracker import tracked\n"
        "with tracked({'name': None}, Path('nowhere'), 'a', 'b', {}) as t: t.log_row({'update': 1, 'loss': 1.0})\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('tensorboard', 'wandb', 'mlflow', 'optuna')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert not os.path.exists("nowhere")
