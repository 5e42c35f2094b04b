"""A study under joblib, killed and then asked to stop: no process is left, and the same command completes it."""

import importlib.util
import json
import os
import signal
import sys
import time
import warnings
from pathlib import Path

import pytest

from experiments.process.waiting_threads import let_waiting_threads_sleep
from experiments.report import study as study_report
from experiments.train import main as train_main
from experiments.training import run as _  # noqa: F401  (here once, and not in every fork)
from experiments.training import setup as preflight

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")

STUDY = (
    "study=losses",
    "loss=bce",
    "seed=0",
    "study_dir=study",
    "data.train_logs=2",
    "data.val_logs=1",
    "data.test_logs=2",
    "data.height=[64,64]",
    "data.width=[64,64]",
    "data.cache_dir=null",
    "optimizer._target_=waiting.Waiting",
    "trainer.max_steps=4",
    "trainer.tile=32",
    "trainer.batch_size=2",
    "trainer.log_every=2",
    "trainer.checkpoint_every=1",
    "trainer.workers=1",
    "trainer.accelerator=cpu",
    "trainer.threads=1",
    "model.decoder_channels=[16,8,8,8]",
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
    """Start the study in a fork of this process, which has imported all; return the process id."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*multi-threaded.*fork", category=DeprecationWarning)
        pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        os.setsid()
        os.chdir(folder)
        log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1) for number in (1, 2))
        for name in sleeping():
            os.environ.pop(name, None)
        draw = study_report.draw_all
        study_report.draw_all = lambda *arguments, only, **options: draw(*arguments, only=("frontier",), **options)
        study_report.write_page = lambda *arguments, **options: None
        preflight.check_criterion = lambda *arguments, **options: []
        sys.argv = ["experiments.train", *STUDY, *overrides]
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


def end(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


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


def wait_until(is_so, seconds=600):
    limit = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < limit, "waited too long"
        time.sleep(0.05)


def differences(whole, other):
    path = Path(__file__).with_name("killed_study.py")
    spec = importlib.util.spec_from_file_location("killed_study", path)
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = before
    return module.differences(whole, other)


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
    # Two of joblib, one of which is idle, and a worker of a loader. They had the variables before they loaded torch.
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
