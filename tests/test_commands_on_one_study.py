"""Three commands on one study, one of them killed: every run is trained once, and the others end well."""

import ctypes
import os
import signal
import socket

import pandas as pd
import pytest
from small_study import draw_little, end, fork_command, wait_until, with_small

from experiments.runs import store
from experiments.train import main as train_main
from experiments.training import run as run_module

STUDY = with_small(
    "study=losses", "study_dir=study", "loss=bce,dice", "seed=0,1", "trainer.max_steps=6", "trainer.checkpoint_every=2"
)
NAMES = ("first", "second", "killed")
RUNS = [(arm, seed) for arm in ("loss=bce", "loss=dice") for seed in (0, 1)]

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def be_machine(name):
    """Give this process a host name of its own, as on another machine, where the system allows it."""
    new_user, new_host = 0x10000000, 0x04000000  # flags of Linux's unshare(2)
    unshare = getattr(ctypes.CDLL(None), "unshare", lambda flags: -1)
    if unshare(new_host) == 0 or unshare(new_user | new_host) == 0:
        socket.sethostname(name)


class Commands:
    """Commands in forks of this process, in which everything is imported; each notes what it trains in `trained`."""

    def __init__(self, folder):
        self.folder = folder
        self.trained = folder / "trained"
        self.trained.touch()

    def start(self, name, on_update):
        """Start the study; return the process id. `on_update` is called after every update of its runs."""

        def watch():
            be_machine(name)
            train = run_module._fit_and_score

            def noted(cfg, folder, loaded, updated, *others):
                self.note(f"{name} {folder.parent.name} {cfg.seed}")

                def both(update):
                    updated(update)
                    on_update(update)

                return train(cfg, folder, loaded, both, *others)

            run_module._fit_and_score = noted
            draw_little(["frontier"])

        return fork_command(train_main, ("experiments.train", *STUDY), self.folder, out=f"{name}.log", before=watch)

    def note(self, line):
        with self.trained.open("a") as file:
            file.write(f"{line}\n")

    def notes(self):
        """What was trained, in order: who, which arm, which seed."""
        lines = [line.split() for line in self.trained.read_text().splitlines()]
        return [(who, (arm, int(seed))) for who, arm, seed in lines]

    def until_all_train(self, update):
        """Wait until each command has begun to train."""
        wait_until(lambda: len({who for who, _ in self.notes()}) == len(NAMES))

    def end(self, pid, name):
        """Wait for a command; return its exit code, minus the signal that killed it, and what it printed."""
        code = end(pid)
        return code, (self.folder / f"{name}.log").read_text()


@pytest.fixture
def commands(tmp_path, monkeypatch):
    for name in ("HYDRA_FULL_ERROR", "PYTHONPATH"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    return Commands(tmp_path)


def statuses(study):
    return {(arm, seed): (store.read_info(study / arm / f"seed={seed}") or {}).get("status") for arm, seed in RUNS}


def test_commands_share_a_study_and_finish_what_a_killed_one_left(commands):
    def die(update):
        commands.until_all_train(update)
        if update == 4:
            os.kill(os.getpid(), signal.SIGKILL)

    updates = {name: die if name == "killed" else commands.until_all_train for name in NAMES}
    pids = {name: commands.start(name, on_update) for name, on_update in updates.items()}
    assert commands.end(pids["killed"], "killed")[0] == -signal.SIGKILL
    for name in ("first", "second"):
        code, out = commands.end(pids[name], name)
        assert code == 0, out
        assert "Traceback" not in out
        assert "report: study/report/report.md" in out, "whoever ends compares"

    notes = commands.notes()
    (left,) = [run for who, run in notes if who == "killed"]
    others = [run for who, run in notes if who != "killed"]
    assert sorted(others) == RUNS, "each run is trained once by one that lives"
    assert next(who for who, run in notes if run == left) == "killed", "it was taken again when it was free"
    assert set(statuses(commands.folder / "study").values()) == {"complete"}
    verdicts = pd.read_csv(commands.folder / "study" / "report" / "verdicts.csv")
    assert (verdicts["n_seeds"] == 2).all(), "the last comparison saw every run"
    assert not list(commands.folder.glob("study/**/.*.????????")), "no temporary file is left"
