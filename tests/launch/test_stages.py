"""A study in stages goes on by itself, ends alike after a kill, and compares alike later."""

import os
import shutil
import signal

import pandas as pd
import pytest
from killed_study import differences
from small_study import draw_little, end, fork_command, with_small

from experiments.compare import main as compare_main
from experiments.train import main as train_main

# "blind" gives every pixel one score, which the first look sees. For "wide" nothing can be decided: the margin is wider
# than the baseline is above chance.
NETWORKS = """
from torch import nn

class Blind(nn.Conv2d):
    def forward(self, images):
        return super().forward(0 * images)

def small(in_channels, classes, width=4):
    first = nn.Conv2d(in_channels, width, 3, padding=1)
    return nn.Sequential(first, nn.ReLU(), nn.Conv2d(width, classes, 1))

def wide(in_channels, classes):
    return small(in_channels, classes, 8)

def blind(in_channels, classes):
    return Blind(in_channels, classes, 1)
"""
STUDY = (
    "--config-dir",
    "mine",
    "--multirun",
    *with_small(
        "model=small,wide,blind",
        "seed=5,0,1,2,3",
        "study.stages=[3,5]",
        "study.baseline=small",
        "study_dir=study",
        "report.margin=0.9",
        "optimizer.lr=0.05",
        "data.train_logs=3",
        "data.val_logs=2",
        "data.test_logs=4",
        "data.height=[64,96]",
        "data.width=[64,64]",
        "data.cache_dir=../logs",
        "trainer.max_steps=40",
        "trainer.checkpoint_every=10",
        "trainer.tile=32",
        "trainer.batch_size=4",
        "trainer.accelerator=cpu",
        "trainer.threads=1",
    ),
)
RUNS = {"model=small": {5, 0, 1, 2, 3}, "model=wide": {5, 0, 1, 2, 3}, "model=blind": {5, 0, 1}}


def kill_at_the_second_stage():
    from experiments.training import run

    execute = run.execute

    def killed(cfg, folder, arm, *rest):
        if (arm, folder.name) == ("model=wide", "seed=2"):
            os.kill(os.getpid(), signal.SIGKILL)
        return execute(cfg, folder, arm, *rest)

    run.execute = killed


def command(main, folder, *words, kill=False):
    """Run a command in a fork; return its exit code and what it has printed."""
    folder.mkdir(exist_ok=True)
    (folder / "mine" / "model").mkdir(parents=True, exist_ok=True)
    (folder / "networks.py").write_text(NETWORKS)
    for name in ("small", "wide", "blind"):
        (folder / "mine" / "model" / f"{name}.yaml").write_text(f"_target_: networks.{name}\n")

    def prepare():
        draw_little(["frontier"])
        if kill:
            kill_at_the_second_stage()

    (folder / "log").unlink(missing_ok=True)
    code = end(fork_command(main, ("command", *words), folder, before=prepare))
    return code, (folder / "log").read_text()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stages") / "whole"
    code, log = command(train_main, folder, *STUDY)
    assert code == 0, log
    return folder, log


def test_undecided_arms_and_the_baseline_go_on_by_themselves(whole):
    folder, log = whole
    found = {arm: {int(each.name.split("=")[1]) for each in (folder / "study" / arm).iterdir()} for arm in RUNS}
    assert found == RUNS
    table = pd.read_csv(folder / "study" / "report" / "arms.csv").set_index("arm")
    assert table[["verdict", "look", "n_seeds"]].T.to_dict("list") == {
        "model=blind": ["not trained", 1, 3],
        "model=wide": ["undecided", 2, 5],
    }
    assert not len(pd.read_csv(folder / "study" / "report" / "holes.csv"))
    for text in (
        "stages of 3 and 5 seeds: 9 runs first; then at most 6 more",
        "Each of 2 looks has level 0.025 of 0.05",
        "look 1 of 2, 3 seeds: blind not trained; going on to 5 seeds: small, wide",
    ):
        assert text in log
    report = (folder / "study" / "report" / "details.md").read_text()
    for text in ("looks at 3 and 5 seeds, each a whole comparison at level 0.025", "Look 2, 5 seeds: wide undecided"):
        assert text in report


@pytest.mark.parametrize("launcher", [(), ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")])
def test_a_study_that_was_killed_in_its_second_stage_ends_alike(whole, tmp_path_factory, launcher):
    folder = tmp_path_factory.mktemp("killed", numbered=True)
    shutil.copytree(whole[0].parent / "logs", folder / "logs")
    folder /= "killed"
    code, log = command(train_main, folder, *STUDY, kill=True)
    assert code == -signal.SIGKILL, log
    code, log = command(train_main, folder, *STUDY, *launcher)
    assert code == 0, log
    assert differences(whole[0] / "study", folder / "study") == []


def test_a_later_comparison_finds_the_looks_in_the_runs(whole, tmp_path):
    folder = tmp_path / "later"
    shutil.copytree(whole[0], folder)
    shutil.rmtree(folder / "study" / "report")
    code, log = command(compare_main, folder, "study_dir=study", "report.margin=0.9")
    assert code == 0, log
    for name in ("arms", "verdicts", "holes"):
        before, after = (each / "study" / "report" / f"{name}.csv" for each in (whole[0], folder))
        assert before.read_bytes() == after.read_bytes()


@pytest.mark.parametrize("other", [("study.stages=[4,5]",), ("study.stages=null",), ("seed=5,0,1,3,2",)])
def test_a_study_does_not_change_the_stages_that_it_declared(whole, other):
    keys = {text.partition("=")[0] for text in other}
    words = [word for word in STUDY if word.partition("=")[0] not in keys]
    code, log = command(train_main, whole[0], *words, *other)
    assert code == 2
    assert "study.stages: expected one declaration in all runs of study" in log


def test_a_comparison_before_the_next_look_says_what_it_waits_for(whole, tmp_path):
    folder = tmp_path / "early"
    shutil.copytree(whole[0], folder)
    shutil.rmtree(folder / "study" / "model=wide" / "seed=3")
    code, log = command(compare_main, folder, "study_dir=study", "report.margin=0.9")
    assert code == 0, log
    assert "look 2 of wide is to come: it waits for the seeds 2 and 3" in log
    shutil.rmtree(folder / "study" / "model=wide" / "seed=5")
    code, log = command(compare_main, folder, "study_dir=study", "report.margin=0.9")
    assert "look 1 of wide is not complete: expected the seeds 5, 0 and 1" in log
