"""A loss with parameters of its own, and arguments by name: trained, kept, resumed to the bit, scored as trained."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from experiments.config import to_plain
from experiments.data.batches import pixel_statistics
from experiments.evaluation import score_split as scoring
from experiments.runs import store
from experiments.training.parts import make_optimizer
from experiments.training.run import execute, is_finished
from experiments.training.setup import LoadedData
from losses.classes import class_scores

SETTINGS = (
    "trainer.max_steps=6",
    "trainer.tile=32",
    "trainer.batch_size=2",
    "trainer.log_every=2",
    "trainer.accelerator=cpu",
    "trainer.channels_last=false",
    "model.decoder_channels=[16,8,8]",
    "loss=custom",
)


class Uncertain(nn.Module):
    """Cross-entropy and the boundary term, weighed as learned (Kendall et al. 2018), with a mean for each image.

    It takes every argument by name that does not need another package.
    """

    seen: list = []  # noqa: RUF012  (of all calls, for the test)

    def __init__(self):
        super().__init__()
        self.log_variance = nn.Parameter(torch.zeros(2))
        self.register_buffer("means", torch.zeros(6))

    def forward(self, logits, target, *, index, image_id, update, distance):
        Uncertain.seen.append((update, index.tolist(), image_id))
        each = nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none").mean(dim=(1, 2, 3))
        self.means[index] = 0.9 * self.means[index] + 0.1 * each.detach()
        terms = torch.stack([(each / (1 + self.means[index])).mean(), (logits.sigmoid() * distance).mean() / 10])
        return (terms * torch.exp(-self.log_variance) + self.log_variance).sum() / (1 + 0.01 * update)


@pytest.fixture(scope="module")
def loaded(request):
    blobs = request.getfixturevalue("blobs")
    prevalence = tuple(blobs.prevalence("train").tolist())
    return LoadedData(blobs, prevalence, pixel_statistics(blobs.train), ignores_pixels=False)


@pytest.fixture
def cfg(composed, monkeypatch):
    monkeypatch.setattr("losses.Uncertain", Uncertain, raising=False)
    monkeypatch.setattr(Uncertain, "seen", [])
    return composed(*SETTINGS, "loss._target_=losses.Uncertain", "trainer.checkpoint_every=3")


def nothing(update):
    pass


def content(folder):
    return torch.load(folder / store.CHECKPOINT_FILE, weights_only=True)


def comparable(folder):
    kept = content(folder)
    states = {
        f"{part} {name}": v.numpy().tobytes() for part in ("model", "criterion") for name, v in kept[part].items()
    }
    history = pd.read_csv(folder / store.HISTORY_FILE).drop(columns="seconds").to_csv()
    with np.load(folder / store.SCORES_FILE) as scores:
        arrays = {name: scores[name].tobytes() for name in scores.files}
    return states, history, arrays


def test_the_optimizer_trains_both_groups(cfg):
    model, criterion = nn.Conv2d(1, 1, 1), Uncertain()
    optimizer, scheduler = make_optimizer(cfg, model, criterion)
    assert [len(group["params"]) for group in optimizer.param_groups] == [2, 1]
    assert optimizer.param_groups[1]["params"][0] is criterion.log_variance
    assert len(set(scheduler.get_last_lr())) == 1
    plain, _ = make_optimizer(cfg, model, nn.BCEWithLogitsLoss())
    assert len(plain.param_groups) == 1


def test_a_run_that_was_cut_off_ends_like_one_that_was_not(cfg, loaded, tmp_path):
    assert execute(cfg, tmp_path / "whole", "a", loaded, nothing) == "complete"
    trained = content(tmp_path / "whole")["criterion"]
    assert (trained["log_variance"] != 0).all()
    assert trained["means"].any()
    whole = list(Uncertain.seen)
    assert [update for update, _, _ in whole] == list(range(6))
    assert all(names == [loaded.data.train.image_ids[i] for i in index] for _, index, names in whole)

    def cut(update):
        if update == 5:
            raise RuntimeError("power cut")

    Uncertain.seen.clear()
    assert execute(cfg, tmp_path / "cut", "a", loaded, cut) == "failed"
    torch.manual_seed(1)  # another process
    Uncertain.seen.clear()
    assert not is_finished(tmp_path / "cut", to_plain(cfg), loaded)
    assert execute(cfg, tmp_path / "cut", "a", loaded, nothing) == "complete"
    assert Uncertain.seen == whole[3:]
    assert comparable(tmp_path / "cut") == comparable(tmp_path / "whole")


def test_a_trained_run_is_scored_again_with_what_the_loss_learned(cfg, loaded, tmp_path):
    assert execute(cfg, tmp_path, "a", loaded, nothing) == "complete"
    before = comparable(tmp_path)
    (tmp_path / store.SCORES_FILE).unlink()
    Uncertain.seen.clear()
    assert execute(cfg, tmp_path, "a", loaded, nothing) == "complete"
    assert Uncertain.seen == []
    assert comparable(tmp_path) == before


def test_exclusive_classes_are_scored_by_their_log_odds(composed, loaded, tmp_path, monkeypatch):
    given = []
    build = scoring.ScoreHistogramBuilder

    class Kept(build):
        def add_batch(self, names, groups, logits, targets):
            given.append(logits.clone())
            super().add_batch(names, groups, logits, targets)

    monkeypatch.setattr(scoring, "ScoreHistogramBuilder", Kept)
    line = ("loss._target_=torch.nn.CrossEntropyLoss", "+loss.input=classes")
    for name, arguments in {"classes": line, "masks": ("loss._target_=torch.nn.BCEWithLogitsLoss",)}.items():
        given.clear()
        cfg = composed(*SETTINGS, *arguments)
        assert execute(cfg, tmp_path / name, "a", loaded, nothing) == "complete"
        weights = content(tmp_path / name)["model"]
        scores = torch.cat(given)
        from experiments.training.network import build_segmenter

        data = loaded.data
        model = build_segmenter(cfg, channels=1, prevalence=loaded.prevalence, statistics=loaded.statistics).eval()
        model.load_state_dict(weights)
        images = [sample.image for split in (data.val, data.test) for sample in split.samples]
        with torch.inference_mode():
            logits = model(torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2)))
        expected = class_scores(logits) if name == "classes" else logits
        assert torch.allclose(scores, expected, atol=1e-4)
        if name == "classes":
            assert not torch.allclose(logits, expected, atol=1e-4)
