"""A study on a real Slurm of one node: requeued, out of time, cancelled, refused."""

import json
import os
import re
import signal
import subprocess

import pytest
from killed_study import differences
from one_node_slurm import missing, slurm_cluster
from small_study import WAITING_STUDY, draw_little, end, fork_command, wait_until, with_small

from experiments.train import main as train_main

pytest.importorskip("submitit", reason="needs submitit: pip install submitit")
pytestmark = pytest.mark.skipif(
    bool(missing()), reason=f"needs Slurm (apt install slurm-wlm munge): no {', '.join(missing())}"
)

STUDY = with_small(*WAITING_STUDY)
SLURM = ("hydra/launcher=slurm", "hydra.launcher.cpus=1", "hydra.launcher.memory=1", "hydra.launcher.poll=0.2")
# Waits in its second update and in the first after each start, until it may go or is told to stop.
WAITING = """
import os, time
from pathlib import Path
import torch
from experiments.process.stop_signals import stop_received

class Waiting(torch.optim.AdamW):
    def step(self, closure=None):
        super().step(closure)
        if any(state["step"] > 1 for state in self.state.values()):
            Path(f"waits-{os.environ.get('SLURM_ARRAY_TASK_ID')}").touch()
            while not (Path("go").exists() or stop_received()):
                time.sleep(0.01)
"""


@pytest.fixture(scope="module")
def cluster():
    with slurm_cluster() as conf:
        yield conf


@pytest.fixture
def folder(cluster, tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_CONF", str(cluster))
    for name in ("HYDRA_FULL_ERROR", "PYTHONPATH"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    folder = tmp_path / "slurm"
    folder.mkdir()
    (folder / "waiting.py").write_text(WAITING)
    return folder


def start(folder, *overrides):
    before = lambda: draw_little(["frontier"])  # noqa: E731
    return fork_command(train_main, ("experiments.train", *STUDY, *overrides), folder, before=before)


def wait_while(main, is_so, log):
    """Wait until something is so; fail at once if the command ends before."""

    def is_so_or_over():
        over = os.waitid(os.P_PID, main, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        assert not over or is_so(), log.read_text()
        return over or is_so()

    wait_until(is_so_or_over)


def statuses(folder):
    return [json.loads(path.read_text())["status"] for path in sorted((folder / "study").glob("*/seed=0/run.json"))]


def waiting(folder):
    """The tasks of the array in whose processes an optimizer waits."""
    return sorted(path.name.rpartition("-")[2] for path in folder.glob("waits-*"))


def test_a_study_that_is_requeued_and_runs_out_of_time_ends_with_the_same_numbers(folder, tmp_path):
    whole = tmp_path / "whole"
    whole.mkdir()
    (whole / "waiting.py").write_text(WAITING)
    (whole / "go").touch()
    assert end(start(whole)) == 0, (whole / "log").read_text()

    main, log = start(folder, *SLURM), folder / "log"
    wait_while(main, lambda: waiting(folder) == ["0", "1"], log)
    (array,) = re.findall(r"Slurm job (\d+): 2 runs", log.read_text())
    for path in folder.glob("waits-*"):
        path.unlink()
    # As when an urgent job needs the node: SIGTERM, and back into the queue.
    subprocess.run(["scontrol", "requeue", f"{array}_0"], check=True)
    # As when its time is nearly over: the run puts itself back, and only itself.
    subprocess.run(["scancel", "--signal=USR2", f"{array}_1"], check=True)
    wait_while(main, lambda: statuses(folder) == ["stopped", "stopped"], log)
    wait_while(main, lambda: waiting(folder) == ["0", "1"], log)
    (folder / "go").touch()
    assert end(main) == 0, log.read_text()
    assert log.read_text().count("Slurm job ") == 1, "nothing was submitted twice"
    assert "Traceback" not in log.read_text()
    assert differences(whole / "study", folder / "study") == []


def test_a_command_that_is_stopped_cancels_its_runs_which_write_checkpoints(folder):
    main = start(folder, *SLURM)
    wait_while(main, lambda: waiting(folder) == ["0", "1"], folder / "log")
    os.kill(main, signal.SIGTERM)
    assert end(main) == 143, (folder / "log").read_text()
    wait_until(lambda: statuses(folder) == ["stopped", "stopped"])
    assert len(list(folder.glob("study/*/seed=0/checkpoint.pt"))) == 2


def test_what_sbatch_would_refuse_is_refused_before_anything_is_written(folder):
    assert end(start(folder, *SLURM, "hydra.launcher.partition=nowhere")) == 2
    text = (folder / "log").read_text()
    assert text.startswith("error: hydra/launcher=slurm: sbatch refuses these settings: ")
    assert "nowhere" in text or "partition" in text
    assert not (folder / "study").exists()
