"""Two commands on one study at once: every run is trained, none twice, and both end well."""

import os
import signal
import sys
import time
import warnings

import pandas as pd
import pytest

from experiments.report import study as study_report
from experiments.runs import store
from experiments.train import main as train_main
from experiments.training import run as run_module
from experiments.training import setup as preflight

STUDY = (
    "study=losses",
    "loss=bce,dice",
    "seed=0,1",
    "study_dir=study",
    "data.train_logs=2",
    "data.val_logs=1",
    "data.test_logs=2",
    "data.height=[64,64]",
    "data.width=[64,64]",
    "data.cache_dir=null",
    "trainer.max_steps=6",
    "trainer.tile=32",
    "trainer.batch_size=2",
    "trainer.log_every=4",
    "trainer.checkpoint_every=2",
    "trainer.accelerator=cpu",
    "trainer.threads=1",
    "model.decoder_channels=[16,8,8,8]",
)
RUNS = [(arm, seed) for arm in ("loss=bce", "loss=dice") for seed in (0, 1)]

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


class Commands:
    """Commands in forks of this process, in which everything is imported; each notes what it trains in `trained`."""

    def __init__(self, folder):
        self.folder = folder
        self.trained = folder / "trained"
        self.trained.touch()

    def start(self, name, *overrides, on_update=lambda update: None):
        """Start the study; return the process id. `on_update` is called after every update of its runs."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*multi-threaded.*fork", category=DeprecationWarning)
            pid = os.fork()
        if pid:
            return pid
        code = 70
        try:
            os.setsid()
            os.chdir(self.folder)
            log = os.open(f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(log, 1)
            os.dup2(log, 2)
            sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1) for number in (1, 2))
            self._watch(name, on_update)
            keys = {override.split("=")[0] for override in overrides}
            sys.argv = ["experiments.train", *(o for o in STUDY if o.split("=")[0] not in keys), *overrides]
            train_main()
            code = 0
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _watch(self, name, on_update):
        train = run_module._fit_and_score

        def noted(cfg, folder, loaded, updated, fingerprint):
            self.note(f"{name} {folder.parent.name} {cfg.seed}")

            def both(update):
                updated(update)
                on_update(update)

            return train(cfg, folder, loaded, both, fingerprint)

        run_module._fit_and_score = noted
        draw = study_report.draw_all
        study_report.draw_all = lambda *arguments, only, **options: draw(*arguments, only=("frontier",), **options)
        study_report.write_page = lambda *arguments, **options: None
        preflight.check_criterion = lambda *arguments, **options: []  # most of a small study's time

    def note(self, line):
        with self.trained.open("a") as file:
            file.write(f"{line}\n")

    def notes(self):
        """What was trained, in order: who, which arm, which seed."""
        lines = [line.split() for line in self.trained.read_text().splitlines()]
        return [(who, (arm, int(seed))) for who, arm, seed in lines]

    def until_both_train(self, update):
        """Wait until two commands have begun to train."""
        wait_until(lambda: len({who for who, _ in self.notes()}) == 2)

    def end(self, pid, name):
        """Wait for a command; return its exit code, minus the signal that killed it, and what it printed."""
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return code, (self.folder / f"{name}.log").read_text()


def wait_until(is_so, seconds=60):
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


@pytest.fixture
def commands(tmp_path, monkeypatch):
    for name in ("HYDRA_FULL_ERROR", "PYTHONPATH"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    return Commands(tmp_path)


def statuses(study):
    return {(arm, seed): (store.read_info(study / arm / f"seed={seed}") or {}).get("status") for arm, seed in RUNS}


def test_two_commands_share_a_study(commands):
    names = ("first", "second")
    pids = [commands.start(name, on_update=commands.until_both_train) for name in names]
    for pid, name in zip(pids, names, strict=True):
        code, out = commands.end(pid, name)
        assert code == 0, out
        assert "Traceback" not in out
        assert "report: study/report/report.md" in out, "whoever ends compares"
    assert {who for who, _ in commands.notes()} == set(names)
    assert sorted(run for _, run in commands.notes()) == RUNS, "each run is trained once"
    assert set(statuses(commands.folder / "study").values()) == {"complete"}
    verdicts = pd.read_csv(commands.folder / "study" / "report" / "verdicts.csv")
    assert (verdicts["n_seeds"] == 2).all(), "the last comparison saw every run"
    assert not list(commands.folder.glob("study/**/.*.????????")), "no temporary file is left"


def test_the_other_command_finishes_what_one_that_was_killed_left(commands):
    def die(update):
        commands.until_both_train(update)
        if update == 4:
            os.kill(os.getpid(), signal.SIGKILL)

    first = commands.start("first", "seed=0", on_update=die)
    second = commands.start("second", "seed=0", on_update=commands.until_both_train)
    assert commands.end(first, "first")[0] == -signal.SIGKILL
    code, out = commands.end(second, "second")
    assert code == 0, out
    (left,) = [run for who, run in commands.notes() if who == "first"]
    mine = [run for who, run in commands.notes() if who == "second"]
    assert sorted(mine) == [("loss=bce", 0), ("loss=dice", 0)]
    assert mine[-1] == left, "it takes what the first left once that is free"
    found = statuses(commands.folder / "study")
    assert [found[run] for run in mine] == ["complete", "complete"]
    assert (commands.folder / "study" / "report" / "verdicts.csv").exists()
