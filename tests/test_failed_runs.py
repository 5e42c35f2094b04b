"""A run that fails at an update fails alone and says where and why; the command that it names runs it again."""

import json
import shlex
import sys
from pathlib import Path

import pandas as pd
import pytest
from small_study import with_small

from experiments.launch.rerun import write_command
from experiments.process.error_text import describe_error
from experiments.train import main as train_main

SMALL = with_small("trainer.max_steps=4", "trainer.batch_size=3", "trainer.checkpoint_every=2")
LOSS = """
import sys

import torch

mended = False
updates = {}


class Late(torch.nn.Module):
    def __init__(self, what):
        super().__init__()
        self.what = what

    def forward(self, logits, target):
        value = torch.nn.functional.binary_cross_entropy_with_logits(logits, target)
        if len(logits) == 3:  # a batch of the training; the check before it takes two tiles
            updates[self.what] = updates.get(self.what, 0) + 1
        if updates.get(self.what) != 3 or mended:
            return value
        if self.what == "raise":
            raise IndexError("no such\\nrow")
        if self.what == "exit":
            sys.exit(3)
        return None
"""

REASONS = {
    "raise": "update 3, loss: IndexError: no such row",
    "exit": "update 3, loss: sys.exit(3) was called",
    "none": "update 3, loss: ValueError: Late must return a scalar tensor, got NoneType; is its return missing?",
}


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """Write a module of losses that fail late into the user's own folder, with an option for each."""
    monkeypatch.delitem(sys.modules, "late_losses", raising=False)
    options = tmp_path / "mine" / "loss"
    options.mkdir(parents=True)
    (tmp_path / "mine" / "late_losses.py").write_text(LOSS)
    for what in REASONS:
        (options / f"late_{what}.yaml").write_text(f"_target_: late_losses.Late\nwhat: {what}\n")
    return "mine"


def test_losses_that_fail_late_fail_their_run_alone(command, mine, tmp_path, monkeypatch):
    arms = ",".join(f"late_{what}" for what in REASONS)
    study = ("--config-dir", mine, "study=losses", f"loss=bce,{arms}", "seed=0", *SMALL)
    monkeypatch.setattr("experiments.report.study.draw_all", lambda *a, **k: [Path("frontier.png")])
    code, _, err = command(train_main, *study)
    assert code == 1, err
    folder = tmp_path / "outputs" / "losses"
    infos = {what: json.loads((folder / f"loss=late_{what}" / "seed=0" / "run.json").read_text()) for what in REASONS}
    for what, expected in REASONS.items():
        assert infos[what]["status"] == "failed"
        assert infos[what]["step"] == 3
        assert expected in infos[what]["reason"]
        assert infos[what]["command"] in err
        assert f"late_{what}" in (folder / "report" / "details.md").read_text(), "the comparison names it"
        assert infos[what]["command"] in err, "and so do the last lines"
    assert f"error: {len(REASONS)} of {len(REASONS) + 1} runs failed" in err
    assert "Traceback" not in err
    assert json.loads((folder / "loss=bce" / "seed=0" / "run.json").read_text())["status"] == "complete"
    holes = pd.read_csv(folder / "report" / "holes.csv")
    assert set(holes["command"]) == {info["command"] for info in infos.values()}

    # The command resumes from the checkpoint after update 2.
    monkeypatch.setattr("experiments.report.study.report_study", lambda *a, **k: None)
    import late_losses

    late_losses.mended = True
    late_losses.updates.clear()
    words = shlex.split(infos["exit"]["command"])
    assert words[:3] == ["python", "-m", "experiments.train"]
    code, _, err = command(train_main, *words[3:])
    assert code == 0, err
    info = json.loads((folder / "loss=late_exit" / "seed=0" / "run.json").read_text())
    assert info["status"] == "complete"
    assert not {"step", "part", "reason"} & set(info)
    assert late_losses.updates == {"exit": 2}

    # A mended source is another loss, and a failed run keeps nothing that it could be mixed up with.
    (tmp_path / mine / "late_losses.py").write_text(LOSS + "# mended\n")
    code, _, err = command(train_main, *shlex.split(infos["raise"]["command"])[3:])
    assert code == 0, err
    assert late_losses.updates == {"exit": 2, "raise": 4}


def test_a_baseline_that_fails_ends_with_its_reason_and_code_1(command, mine):
    study = ("--config-dir", mine, "study=losses", "loss=late_raise", "seed=0", "study.baseline=late_raise")
    code, _, err = command(train_main, *study, *SMALL)
    assert code == 1, err
    assert "update 3, loss: IndexError" in err
    assert "expected at least one complete run" in err


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (SystemExit(2), "sys.exit(2) was called"),
        (SystemExit(), "sys.exit() was called"),
        (ValueError("two\nlines"), "ValueError: two lines"),
        (KeyError(), "KeyError"),
        (MemoryError(), "MemoryError Out of memory: lower trainer.batch_size or trainer.tile"),
        (RuntimeError("[enforce fail] can't allocate memory: you tried 9 bytes."), "lower trainer.batch_size"),
        (ValueError("Caught ValueError in worker process 0.\nTraceback\nValueError: no tile"), "ValueError: no tile"),
    ],
)
def test_an_error_in_one_line(error, text):
    assert text in describe_error(error)
    assert "\n" not in describe_error(error)


SWEPT = {"loss": "bce,dice", "seed": "0,1"}


@pytest.mark.parametrize(
    ("given", "command"),
    [
        (
            {"overrides": ["study=losses", "loss=dice", "seed=1"], "axes": ["loss"], "study_params": SWEPT},
            "study=losses loss=dice seed=1 study_dir=out",
        ),
        (  # a sweep that the command line widened keeps the axes that name its folders
            {
                "overrides": ["study=losses", "loss=dice", "+model.depth=3", "overwrite=true"],
                "axes": ["loss", "model.depth"],
                "study_params": SWEPT,
            },
            "study=losses loss=dice +model.depth=3 seed=1 study_dir=out 'study.axes=[loss,model.depth]'",
        ),
        (  # --multirun without a study
            {"overrides": ["loss=dice", "seed=1"], "axes": ["loss"], "study_params": None},
            "loss=dice seed=1 study_dir=out 'study.axes=[loss]'",
        ),
        (
            {"overrides": ["data.root=my images"], "axes": None, "study_params": None, "config_dir": "my dir"},
            "--config-dir 'my dir' 'data.root=my images' seed=1 study_dir=out",
        ),
    ],
)
def test_the_command_names_one_run(given, command):
    settings = {"config_dir": None, "seed": 1, "study_dir": "out", **given}
    assert write_command(**settings) == f"python -m experiments.train {command}"
