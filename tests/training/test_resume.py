"""A stopped run ends like one that was not, to the bit: with random numbers, counters and workers."""

# ruff: noqa: NPY002  (the legacy generator is what is tested)

import json
import os
import random
import signal

import numpy as np
import pandas as pd
import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from experiments.config import ConfigError, to_plain
from experiments.data.batches import pixel_statistics
from experiments.data.sampling.uniform import Tile
from experiments.process import stop_signals
from experiments.process.leftovers import remove_if_abandoned
from experiments.process.random_numbers import generator_states, seed_generators, set_generator_states
from experiments.runs import store
from experiments.training.own_state import own_state, set_own_state
from experiments.training.run import execute, is_finished
from experiments.training.setup import LoadedData, check

SETTINGS = (
    "trainer.max_steps=6",
    "trainer.tile=32",
    "trainer.batch_size=2",
    "trainer.log_every=4",
    "trainer.accelerator=cpu",
    "trainer.channels_last=false",
    "loss=custom",
    "loss._target_=losses.Drawing",
)


class Dropping(nn.Module):
    """A network with dropout and batch statistics."""

    def __init__(self, in_channels, classes):
        super().__init__()
        self.norm = nn.BatchNorm2d(in_channels)
        self.dropout = nn.Dropout2d(0.5)
        self.middle = nn.Conv2d(in_channels, 4, 3, padding=1)
        self.last = nn.Conv2d(4, classes, 3, padding=1)

    def forward(self, image):
        return self.last(self.dropout(self.middle(self.norm(image)).relu()))


class Drawing(nn.Module):
    """Draws from every generator there is, counts its calls and keeps a mean, all outside its state_dict."""

    def __init__(self):
        super().__init__()
        self.calls = 0
        self.mean = None
        self.own = torch.Generator().manual_seed(3)
        self.numpy = np.random.default_rng(4)

    def forward(self, logits, target):
        self.calls += 1
        weights = torch.rand(logits.shape) + torch.rand(logits.shape, generator=self.own)
        weights = weights * float(np.random.rand() + random.random() + self.numpy.random() + self.calls)
        loss = (
            weights * nn.functional.binary_cross_entropy_with_logits(logits, target.float(), reduction="none")
        ).mean()
        self.mean = loss.detach() if self.mean is None else 0.5 * self.mean + 0.5 * loss.detach()
        return loss + 0.1 * (loss - self.mean).abs()


class GlobalSampling:
    """Ignores the generator that it is given."""

    def draw(self, split, rng, *, count, side, progress):
        return [
            Tile(random.randrange(len(split)), int(np.random.randint(8)), int(torch.randint(8, ())))
            for _ in range(count)
        ]


class Noise:
    """An augmentation that draws from the shared generators."""

    def __call__(self, image, masks):
        return image.add(int(np.random.randint(9)) + random.randrange(9) + int(torch.randint(9, ()))), masks


@pytest.fixture(scope="module")
def loaded(request):
    blobs = request.getfixturevalue("blobs")
    prevalence = tuple(blobs.prevalence("train").tolist())
    return LoadedData(blobs, prevalence, pixel_statistics(blobs.train), ignores_pixels=False)


@pytest.fixture
def configured(composed, monkeypatch):
    for part in (Dropping, Drawing, GlobalSampling, Noise):
        monkeypatch.setattr(f"losses.{part.__name__}", part, raising=False)

    def make(*overrides):
        cfg = composed(*SETTINGS, *overrides)
        OmegaConf.set_struct(cfg, False)
        cfg.model = {"_target_": "losses.Dropping"}
        cfg.sampling = {"_target_": "losses.GlobalSampling"}
        cfg.augmentation = {"_target_": "losses.Noise"}
        return cfg

    return make


def nothing(update):
    pass


def artifacts(folder):
    """Everything that a run computed, in a form that can be compared to the bit."""
    weights = torch.load(folder / store.CHECKPOINT_FILE, weights_only=True)["model"]
    history = pd.read_csv(folder / store.HISTORY_FILE).drop(columns="seconds").to_csv()
    with np.load(folder / store.SCORES_FILE) as scores:
        arrays = {name: scores[name].tobytes() for name in scores.files}
    return {name: value.numpy().tobytes() for name, value in weights.items()}, history, arrays


@pytest.fixture(scope="module")
def whole(request, tmp_path_factory):
    return {}


def run_whole(whole, configured, loaded, tmp_path):
    """The run that nothing stopped; made once."""
    if not whole:
        assert execute(configured(), tmp_path / "whole", "a", loaded, nothing) == "complete"
        whole["artifacts"] = artifacts(tmp_path / "whole")
    return whole["artifacts"]


# The test asks for more than this machine may have cores.
MANY_WORKERS = "ignore:This DataLoader will create:UserWarning"


class PowerCut(Exception):
    pass


@pytest.mark.filterwarnings(MANY_WORKERS)
@pytest.mark.parametrize("workers", [1, 4])
def test_workers_change_nothing(whole, configured, loaded, tmp_path, workers):
    expected = run_whole(whole, configured, loaded, tmp_path)
    assert execute(configured(f"trainer.workers={workers}"), tmp_path, "a", loaded, nothing) == "complete"
    assert artifacts(tmp_path) == expected


@pytest.mark.filterwarnings(MANY_WORKERS)
@pytest.mark.parametrize(
    ("first", "then"),
    [
        (("trainer.checkpoint_every=3",), ()),
        (("trainer.checkpoint_every=3", "trainer.workers=1"), ("trainer.workers=4",)),
        (("trainer.checkpoint_every=100", "trainer.checkpoint_minutes=1e-9"), ("trainer.checkpoint_minutes=null",)),
    ],
    ids=["no workers", "workers", "by time"],
)
def test_a_run_that_was_cut_off_ends_like_one_that_was_not(whole, configured, loaded, tmp_path, first, then):
    expected = run_whole(whole, configured, loaded, tmp_path)

    def cut(update):
        if update == 5:  # in the middle of a row of the history
            raise PowerCut

    assert execute(configured(*first), tmp_path, "a", loaded, cut) == "failed"
    random.seed(1), np.random.seed(1), torch.manual_seed(1)  # another process
    seen = []
    assert not is_finished(tmp_path, to_plain(configured(*then)), loaded)
    assert execute(configured(*then), tmp_path, "a", loaded, seen.append) == "complete"
    assert seen == ([4, 5, 6] if "trainer.checkpoint_every=3" in first else [6])
    assert artifacts(tmp_path) == expected


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
@pytest.mark.parametrize("workers", [0, 2])
def test_a_signal_ends_the_update_and_keeps_it(whole, configured, loaded, tmp_path, name, workers):
    expected = run_whole(whole, configured, loaded, tmp_path)
    cfg = configured(f"trainer.workers={workers}")
    number = getattr(signal, name)
    seen = []

    def send(update):
        seen.append(update)
        if update == 2:
            os.kill(os.getpid(), number)

    before = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)]
    with pytest.raises(stop_signals.Terminated) as stop, stop_signals.command_signals():
        execute(cfg, tmp_path, "a", loaded, send)
    assert stop.value.exit_code == (130 if name == "SIGINT" else 143)
    assert [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)] == before
    assert seen == [1, 2]
    info = json.loads((tmp_path / store.RUN_FILE).read_text())
    assert info["status"] == "stopped"
    assert name in info["reason"]
    assert execute(cfg, tmp_path, "a", loaded, seen.append) == "complete"
    assert seen == [1, 2, 4, 5, 6]  # the third was done when the signal was heeded
    assert artifacts(tmp_path) == expected


def test_a_signal_while_scoring_costs_no_update(configured, loaded, tmp_path, monkeypatch):
    from experiments.training import run

    def killed(*arguments, **settings):
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("the signal was not heeded at once")

    scoring = run.score_split
    monkeypatch.setattr(run, "score_split", killed)
    cfg = configured()
    with pytest.raises(stop_signals.Terminated), stop_signals.command_signals():
        execute(cfg, tmp_path, "a", loaded, nothing)
    assert json.loads((tmp_path / store.RUN_FILE).read_text())["status"] == "stopped"
    monkeypatch.setattr(run, "score_split", scoring)
    seen = []
    assert execute(cfg, tmp_path, "a", loaded, seen.append) == "complete"
    assert seen == []


def test_a_signal_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with stop_signals.command_signals():
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stop_signals.stop_received()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_ctrl_c_twice_does_not_wait():
    with stop_signals.command_signals(), pytest.raises(stop_signals.Terminated), stop_signals.held_back():
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        assert stop_signals.stop_received()
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("the second Ctrl-C was not heeded at once")


def test_a_worker_leaves_signals_to_its_parent():
    child = os.fork()
    if not child:
        stop_signals.leave_to_parent()
        for name in ("SIGINT", "SIGHUP", "SIGTERM"):
            os.kill(os.getpid(), getattr(signal, name))
        os.kill(os.getpid(), signal.SIGTERM)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 143


def test_a_launchers_process_without_a_run_notes_a_signal_and_heeds_it_in_the_next_run():
    child = os.fork()
    if not child:
        stop_signals.wait_for_run()
        os.kill(os.getpid(), signal.SIGTERM)
        try:
            with stop_signals.run_signals():
                os._exit(1)
        except stop_signals.Terminated:
            os.kill(os.getpid(), signal.SIGTERM)
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_generators_go_on_where_they_were(tmp_path):
    seed_generators(2**40 + 7)
    random.gauss(0, 1), np.random.standard_normal()
    torch.save(generator_states(), tmp_path / "states")

    def draw():
        return [
            random.gauss(0, 1),
            random.random(),
            np.random.standard_normal(),
            np.random.rand(),
            float(torch.rand(())),
        ]

    expected = draw()
    seed_generators(1)
    assert draw() != expected
    set_generator_states(torch.load(tmp_path / "states", weights_only=True))
    assert draw() == expected
    seed_generators(2**40 + 7)
    first = draw()
    seed_generators(7)
    assert draw() != first  # all bits of the seed count


@pytest.mark.parametrize("kind", [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64])
def test_what_a_loss_keeps_of_its_own_comes_back(tmp_path, kind):
    class Part(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("passing", torch.zeros(2), persistent=False)
            self.kept = {"rate": 0.5, 3: [1, None, (2.0, "word")], "mean": np.float32(0.1)}
            self.array = np.arange(3, dtype=np.uint16)
            self.numpy = np.random.Generator(kind(5))
            self.state = np.random.RandomState(6)
            self.python = random.Random(7)
            self.host = torch.Generator().manual_seed(8)
            self.lazy = None
            self.function = print  # not a value: left alone

        def draw(self):
            return [
                self.numpy.random(),
                self.state.rand(),
                self.python.random(),
                float(torch.rand((), generator=self.host)),
            ]

    module = nn.Sequential(Part(), nn.Conv2d(1, 1, 1))
    part = module[0]
    part.draw()
    part.passing += 4
    part.kept["rate"], part.array[1], part.lazy = 0.25, 9, torch.ones(1)
    torch.save(own_state(module), tmp_path / "state")
    expected = part.draw()
    other = nn.Sequential(Part(), nn.Conv2d(1, 1, 1))
    set_own_state(other, torch.load(tmp_path / "state", weights_only=True))
    found = other[0]
    assert found.draw() == expected
    assert found.kept == part.kept
    assert type(found.kept["mean"]) is np.float32
    assert found.array.dtype == np.uint16
    assert found.array.tolist() == [0, 9, 2]
    assert found.passing.tolist() == [4, 4]
    assert dict(found.named_buffers())["passing"] is found.passing
    assert found.lazy.tolist() == [1]
    assert found.function is print


@pytest.mark.parametrize("minutes", [0, -1, "nan"])
def test_minutes_that_cannot_be_are_refused(composed, minutes):
    with pytest.raises(ConfigError, match=r"trainer.checkpoint_minutes: expected a positive number or null"):
        check(composed(f"trainer.checkpoint_minutes={minutes}"))


def test_temporary_files_of_a_kill_are_removed(configured, loaded, tmp_path):
    ours = [tmp_path / f".{name}.ab_12xyz" for name in ("checkpoint.pt", "run.json", "scores.npz")]
    others = [tmp_path / name for name in (".checkpoint.pt.mine", ".notes.ab_12xyz", "checkpoint.pt.ab_12xyz")]
    for path in (*ours, *others):
        path.write_text("half")
    assert execute(configured(), tmp_path, "a", loaded, nothing) == "complete"
    assert not any(path.exists() for path in ours)
    assert all(path.exists() for path in others)


def test_a_file_that_may_still_be_written_stays(tmp_path):
    fresh, old = tmp_path / ".metrics.csv.abcdefgh", tmp_path / ".verdicts.csv.abcdefgh"
    for path in (fresh, old):
        path.write_text("half")
        remove_if_abandoned(path)
    os.utime(old, (0, 0))
    remove_if_abandoned(old)
    assert fresh.exists()
    assert not old.exists()


def test_determinism_changes_nothing_on_a_cpu_and_ends_with_the_run(whole, configured, loaded, tmp_path, monkeypatch):
    expected = run_whole(whole, configured, loaded, tmp_path)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    cfg = configured("trainer.deterministic=true")
    seen = []

    def look(update):
        seen.append(torch.are_deterministic_algorithms_enabled() and torch.backends.cudnn.deterministic)

    assert execute(cfg, tmp_path, "a", loaded, look) == "complete"
    assert seen == [True] * 6
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    assert not torch.are_deterministic_algorithms_enabled()
    assert not torch.backends.cudnn.deterministic
    assert artifacts(tmp_path) == expected
    with pytest.raises(ConfigError, match=r"trainer.deterministic: True there, None now"):
        is_finished(tmp_path, to_plain(configured()), loaded)
