"""A study under joblib, killed and then asked to stop: no process is left, and the same command completes it."""

import json
import os
import signal
import sys
from pathlib import Path

import pytest
from killed_study import differences
from small_study import draw_little, end, fork_command, wait_until, with_small

from experiments.process.waiting_threads import let_waiting_threads_sleep
from experiments.train import main as train_main

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")

STUDY = with_small(
    "study=losses",
    "loss=bce",
    "seed=0",
    "study_dir=study",
    "optimizer._target_=waiting.Waiting",
    "trainer.checkpoint_every=1",
    "trainer.workers=1",
)
# One run for two processes: one of them waits for a run that never comes.
JOBLIB = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
WAITING = """
import time
from pathlib import Path
import torch
from experiments.process.stop_signals import stop_received

class Waiting(torch.optim.AdamW):
    def step(self, closure=None):
        super().step(closure)
        if any(state["step"] > 1 for state in self.state.values()):
            Path("waits").touch()
            while not (Path("go").exists() or stop_received()):
                time.sleep(0.01)
"""


def start(folder, *overrides):
    """Start the study; return the process id."""

    def prepare():
        for name in sleeping():
            os.environ.pop(name, None)
        draw_little(["frontier"])

    return fork_command(train_main, ("experiments.train", *STUDY, *overrides), folder, before=prepare)


def sleeping():
    """What a command sets where the user has set nothing."""
    variables = {}
    let_waiting_threads_sleep(variables)
    return variables


def descendants(process):
    """The children of a process, theirs, and so on, that have not ended."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = path.read_text().rsplit(")", 1)[1].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state != "Z":
            parents[int(path.parent.name)] = int(parent)
    found, last = [], [process]
    while last := [child for child, parent in parents.items() if parent in last]:
        found += last
    return found


def is_alive(process):
    stat = Path("/proc", str(process), "stat")
    try:
        return stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def environment(process):
    """The variables that a process was started with."""
    pairs = Path("/proc", str(process), "environ").read_bytes().split(b"\0")
    return dict(pair.decode(errors="replace").split("=", 1) for pair in pairs if b"=" in pair)


def test_a_study_that_was_killed_and_then_stopped_is_completed(tmp_path, monkeypatch):
    for name in ("HYDRA_FULL_ERROR", "PYTHONPATH"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    whole, folder = tmp_path / "whole", tmp_path / "killed"
    for each in (whole, folder):
        each.mkdir()
        (each / "waiting.py").write_text(WAITING)
    (whole / "go").touch()
    assert end(start(whole)) == 0, (whole / "log").read_text()

    waits, log = folder / "waits", folder / "log"
    main = start(folder, *JOBLIB)
    wait_until(waits.exists)
    others = descendants(main)
    # Two processes of joblib, one of them idle, and a loader's worker. They had the variables before they loaded torch.
    assert len(others) >= 3
    for process in others:
        assert sleeping().items() <= environment(process).items()
    os.kill(main, signal.SIGKILL)
    assert end(main) == -signal.SIGKILL
    wait_until(lambda: not any(map(is_alive, others)), seconds=30)
    waits.unlink()

    main = start(folder, *JOBLIB)
    wait_until(waits.exists)
    others = descendants(main)
    os.kill(main, signal.SIGTERM)
    assert end(main) == 143, log.read_text()
    wait_until(lambda: not any(map(is_alive, others)), seconds=30)
    (run,) = (folder / "study").glob("*/seed=0")
    info = json.loads((run / "run.json").read_text())
    assert (info["status"], "SIGTERM" in info["reason"]) == ("stopped", True)
    assert "Traceback" not in log.read_text()

    (folder / "go").touch()
    assert end(start(folder, *JOBLIB)) == 0, log.read_text()
    assert differences(whole / "study", folder / "study") == []


COUNTED = """
import os
from pathlib import Path
import torch

def note(what):
    with Path("noted").open("a") as file:
        file.write(f"{os.getpid()} {what}\\n")

class Optimizer(torch.optim.AdamW):
    def __init__(self, *arguments, **settings):
        note("optimizer")
        super().__init__(*arguments, **settings)

class Network(torch.nn.Conv2d):
    def __init__(self, in_channels, classes, **settings):
        note("network")
        super().__init__(in_channels, classes, 3, padding=1)

class Augmentation:
    def __init__(self):
        note("augmentation")

    def __call__(self, image, masks):
        note("tile")
        return image, masks
"""


def test_a_run_s_process_makes_nothing_that_the_command_has_checked(tmp_path):
    """The command builds and tries every part before a process starts; the process builds what it trains."""
    (tmp_path / "counted.py").write_text(COUNTED)
    overrides = (
        "optimizer._target_=counted.Optimizer",
        "model._target_=counted.Network",
        "augmentation=none",
        "augmentation._target_=counted.Augmentation",
    )
    study = (*with_small("study=losses", "loss=bce", "seed=0,1", "study_dir=study"), *JOBLIB, *overrides)
    main = fork_command(train_main, ("experiments.train", *study), tmp_path, before=lambda: draw_little(["frontier"]))
    assert end(main) == 0, (tmp_path / "log").read_text()
    noted = [line.split() for line in (tmp_path / "noted").read_text().splitlines()]
    by_command = {what for process, what in noted if int(process) == main}
    in_runs = [what for process, what in noted if int(process) != main]
    assert by_command == {"optimizer", "network", "augmentation", "tile"}
    runs, updates, batch = 2, 3, 2
    assert sorted(set(in_runs)) == sorted(by_command)
    for made in ("optimizer", "network", "augmentation"):
        assert in_runs.count(made) == runs
    assert in_runs.count("tile") == runs * updates * batch
