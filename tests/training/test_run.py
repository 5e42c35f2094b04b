"""One run on disk: its files, exact resume, divergence, failure, and runs that are not repeated."""

import importlib
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from experiments.config import ConfigError, to_plain
from experiments.data.batches import pixel_statistics
from experiments.runs import store
from experiments.runs.lock import LOCK_FILE, HeldError, is_held
from experiments.training.run import execute, is_finished, own_sources
from experiments.training.setup import LoadedData

SMALL = (
    "trainer.max_steps=6",
    "trainer.tile=32",
    "trainer.batch_size=2",
    "trainer.log_every=2",
    "trainer.checkpoint_every=2",
    "trainer.accelerator=cpu",
    "model.decoder_channels=[16,8,8]",
)


@pytest.fixture(scope="module")
def loaded(request):
    blobs = request.getfixturevalue("blobs")
    prevalence = tuple(blobs.prevalence("train").tolist())
    return LoadedData(blobs, prevalence, pixel_statistics(blobs.train), ignores_pixels=False)


def nothing(update):
    pass


class Stopped(Exception):
    """Stands for a power cut."""


def stop_after(last):
    def on_update(update):
        if update == last:
            raise Stopped

    return on_update


def weights(folder):
    return torch.load(folder / store.CHECKPOINT_FILE, weights_only=True)["model"]


def test_a_term_may_be_called_loss(composed, loaded, tmp_path):
    terms = ("++loss.terms.loss={_target_:losses.TverskyLoss}", "++loss.weights.loss=1.0")
    cfg = composed(*SMALL, "loss=combined", *terms)
    assert execute(cfg, tmp_path, "loss=combined", loaded, nothing) == "complete"
    history = pd.read_csv(tmp_path / store.HISTORY_FILE)
    of_terms = history[["term/bce", "term/dice", "term/loss"]].sum(axis=1)
    assert np.allclose(of_terms, history["loss"], rtol=1e-5)


def test_a_run_leaves_its_files(composed, loaded, tmp_path):
    cfg = composed(*SMALL, "loss=combined")
    assert execute(cfg, tmp_path, "loss=combined", loaded, nothing) == "complete"
    info = json.loads((tmp_path / store.RUN_FILE).read_text())
    assert info["status"] == "complete"
    assert info["updates"] == 6
    assert info["data_fingerprint"] == loaded.data.fingerprints()
    assert info["images"] == {"train": 6, "val": 3, "test": 4}
    assert info["images_per_second"] > 0
    history = pd.read_csv(tmp_path / store.HISTORY_FILE)
    assert history["update"].tolist() == [2, 4, 6]
    assert np.allclose(history["term/bce"] + history["term/dice"], history["loss"], rtol=1e-5)
    metrics = pd.read_csv(tmp_path / store.METRICS_FILE)
    assert len(metrics) == 2 * 2 * 2 + 3  # split x mask x point; background of val has the natural point alone
    counts = metrics[["tp", "fp", "fn", "tn"]].sum(axis=1)
    assert counts[metrics["split"] == "test"].eq(4 * 64 * 96).all()
    assert metrics[metrics["mask"] == "background"]["ap"].isna().all()
    scores = store.read_scores(tmp_path)
    assert scores["test"].image_ids == ("test0", "test1", "test2", "test3")
    assert OmegaConf.load(tmp_path / store.CONFIG_FILE).trainer.max_steps == 6


@pytest.mark.parametrize(
    ("sampling", "last", "again"),
    [
        ("uniform", 5, [5, 6]),  # from the checkpoint after update 4
        ("two_phase", 5, [5, 6]),  # stopped in the second phase, which began after update 3
        ("two_phase", 3, [3, 4, 5, 6]),  # stopped at the switch, resumes in the first phase
    ],
)
def test_resume_is_exact(composed, loaded, tmp_path, sampling, last, again):
    cfg = composed(*SMALL, f"sampling={sampling}")
    execute(cfg, tmp_path / "whole", "a", loaded, nothing)
    assert execute(cfg, tmp_path / "stopped", "a", loaded, stop_after(last)) == "failed"
    assert "Stopped" in json.loads((tmp_path / "stopped" / store.RUN_FILE).read_text())["reason"]
    seen = []
    assert execute(cfg, tmp_path / "stopped", "a", loaded, seen.append) == "complete"
    assert seen == again
    first, second = weights(tmp_path / "whole"), weights(tmp_path / "stopped")
    assert all(torch.equal(first[name], second[name]) for name in first)
    columns = ["update", "loss", "lr", "foreground_bright", "foreground_dark"]
    histories = [pd.read_csv(tmp_path / part / store.HISTORY_FILE)[columns] for part in ("whole", "stopped")]
    assert histories[0].equals(histories[1])
    infos = [json.loads((tmp_path / part / store.RUN_FILE).read_text()) for part in ("whole", "stopped")]
    for key in ("foreground_seen", "sampling_switch"):
        assert infos[0].get(key) == infos[1].get(key)


def test_arms_of_a_seed_start_alike_and_see_the_same_data(composed, loaded, tmp_path):
    for arm in ("bce", "dice"):
        execute(composed(*SMALL, f"loss={arm}"), tmp_path / arm, arm, loaded, nothing)
    infos = [json.loads((tmp_path / arm / store.RUN_FILE).read_text()) for arm in ("bce", "dice")]
    assert infos[0]["initial_weights"] == infos[1]["initial_weights"]
    assert infos[0]["fingerprint"] != infos[1]["fingerprint"]


def test_a_finished_run_is_not_run_again(composed, loaded, tmp_path):
    cfg = composed(*SMALL)
    assert not is_finished(tmp_path, to_plain(cfg), loaded)
    execute(cfg, tmp_path, "a", loaded, nothing)
    assert is_finished(tmp_path, to_plain(cfg), loaded)
    assert is_finished(tmp_path, to_plain(composed(*SMALL, "trainer.workers=3", "report.margin=0.5")), loaded)
    assert is_finished(tmp_path, to_plain(composed(*SMALL, "trainer.data_on_device=true")), loaded)
    earlier = to_plain(cfg)
    del earlier["trainer"]["compile"]  # a run made before the key was there
    assert is_finished(tmp_path, earlier, loaded)
    with pytest.raises(ConfigError, match=r"trainer.max_steps: 6 there, 7 now.*overwrite=true"):
        is_finished(tmp_path, to_plain(composed(*SMALL, "trainer.max_steps=7")), loaded)
    assert not is_finished(tmp_path, to_plain(composed(*SMALL, "trainer.max_steps=7", "overwrite=true")), loaded)


class NanLoss(nn.Module):
    """Becomes NaN at once."""

    def forward(self, logits, target):
        return logits.sum() * float("nan")


class ConstantLoss(nn.Module):
    """Drives every logit to the same huge value."""

    def forward(self, logits, target):
        return (logits * 0).sum()


def test_a_run_that_diverges_says_so_and_has_no_scores(composed, loaded, tmp_path, monkeypatch):
    monkeypatch.setattr("losses.NanLoss", NanLoss, raising=False)
    cfg = composed(*SMALL, "loss=custom", "loss._target_=losses.NanLoss")
    assert execute(cfg, tmp_path, "a", loaded, nothing) == "diverged"
    run = store.load_run_at(tmp_path, "a", 0)
    assert run.status == "diverged"
    assert "not finite by update 2" in run.info["reason"]
    assert not run.scores


def test_a_constant_output_is_a_divergence(composed, loaded, tmp_path, monkeypatch):
    class Flat(nn.Module):
        def __init__(self, in_channels, classes):
            super().__init__()
            self.last = nn.Conv2d(in_channels, classes, 1)
            nn.init.zeros_(self.last.weight)

        def forward(self, image):
            return self.last(image)

    monkeypatch.setattr("losses.Flat", Flat, raising=False)
    monkeypatch.setattr("losses.ConstantLoss", ConstantLoss, raising=False)
    cfg = composed(*SMALL, "loss=custom", "loss._target_=losses.ConstantLoss", "optimizer.weight_decay=0")
    OmegaConf.set_struct(cfg, False)
    cfg.model = {"_target_": "losses.Flat"}
    assert execute(cfg, tmp_path, "a", loaded, nothing) == "diverged"
    assert "the same for every test pixel" in json.loads((tmp_path / store.RUN_FILE).read_text())["reason"]


def test_two_processes_never_train_one_run(tmp_path, loaded, composed):
    folder = tmp_path / "seed=0"
    cfg = composed(*SMALL)
    command = "import sys; from pathlib import Path; from experiments.runs.lock import held\n"
    command += "with held(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", command, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"held\n"
        assert is_held(folder)
        assert not is_finished(folder, to_plain(cfg), loaded)
        with pytest.raises(HeldError, match=r"seed=0 is being trained by another process.*study_dir=ANOTHER"):
            execute(cfg, folder, "a", loaded, nothing)
        assert [entry.name for entry in folder.iterdir()] == [LOCK_FILE]
        other.kill()
        other.wait()
    assert not is_held(folder)
    assert execute(cfg, folder, "a", loaded, nothing) == "complete"


def test_distances_asked_for_later_are_counted_without_training(composed, loaded, tmp_path):
    assert execute(composed(*SMALL), tmp_path, "loss=bce", loaded, nothing) == "complete"
    assert not (tmp_path / store.TOLERANT_FILE).exists()
    assert "tolerances" not in json.loads((tmp_path / store.RUN_FILE).read_text())
    before = {name: (tmp_path / name).read_bytes() for name in (store.SCORES_FILE, store.METRICS_FILE)}
    updates = []
    asked = composed(*SMALL, "trainer.tolerances=[1]", "report.tolerance=2")
    assert not is_finished(tmp_path, to_plain(asked), loaded)
    assert execute(asked, tmp_path, "loss=bce", loaded, updates.append) == "complete"
    assert not updates
    assert before == {name: (tmp_path / name).read_bytes() for name in before}
    history = pd.read_csv(tmp_path / store.HISTORY_FILE)
    assert history["update"].tolist() == [2, 4, 6]
    assert is_finished(tmp_path, to_plain(asked), loaded)
    assert is_finished(tmp_path, to_plain(composed(*SMALL)), loaded)
    # Another distance does not lose those that are there.
    other = composed(*SMALL, "trainer.tolerances=[3]")
    assert not is_finished(tmp_path, to_plain(other), loaded)
    execute(other, tmp_path, "loss=bce", loaded, nothing)
    run = store.load_run_at(tmp_path, "loss=bce", 0)
    assert list(run.tolerant) == [1, 2, 3]
    for splits in run.tolerant.values():
        for split, tolerant in splits.items():
            assert np.array_equal(tolerant.found.pixel_counts()[0], run.scores[split].pixel_counts()[0])
    info = json.loads((tmp_path / store.RUN_FILE).read_text())
    (tmp_path / store.TOLERANT_FILE).write_bytes(b"not a zip")
    damaged = store.load_run_at(tmp_path, "loss=bce", 0)
    assert damaged.status == "damaged"
    assert store.TOLERANT_FILE in damaged.info["reason"]
    store.write_json(tmp_path / store.RUN_FILE, {**info, "tolerances": 5})
    assert "tolerances: expected distances in pixels, got 5" in store.load_run_at(tmp_path, "a", 0).info["reason"]


def test_the_user_s_code_is_the_same_before_and_after_its_import(tmp_path, monkeypatch):
    """The process of a run asks whether the run is finished before it has built anything."""
    monkeypatch.syspath_prepend(tmp_path)
    plain = {
        "loss": {"_target_": "loss_of_the_user.Loss"},
        "model": {"_target_": "package_of_the_user.networks.Network"},
        "optimizer": {"_target_": "torch.optim.AdamW"},
        "sampling": {"_target_": "experiments.data.sampling.uniform.UniformTiles"},
        "augmentation": {"_target_": "builtins.len"},
        "scheduler": {"_target_": "not_there.Schedule"},
    }
    (tmp_path / "loss_of_the_user.py").write_text("raise RuntimeError('imported')")
    package = tmp_path / "package_of_the_user"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "networks.py").write_text("width = 8")
    before = own_sources(plain)
    assert set(before) == {"loss_of_the_user", "package_of_the_user"}
    importlib.import_module("package_of_the_user.networks")
    assert own_sources(plain) == before
    (package / "networks.py").write_text("width = 9")
    (tmp_path / "loss_of_the_user.py").write_text("")
    after = own_sources(plain)
    assert all(after[name] != before[name] for name in before)
    monkeypatch.delitem(sys.modules, "package_of_the_user.networks")
    monkeypatch.delitem(sys.modules, "package_of_the_user")
