"""A study on a Ray cluster of two nodes: refused, stopped, started again, and a node dies."""

import json
import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from killed_study import differences
from small_study import WAITING_STUDY, draw_little, end, fork_command, with_small

from experiments.train import main as train_main

pytest.importorskip("ray", reason="needs Ray: pip install ray")

ROOT = Path(__file__).resolve().parents[2]
STUDY = with_small(*WAITING_STUDY)
# On a cluster it waits in its first update until both nodes train, and from its second on where it is told to.
WAITING = """
import time
from pathlib import Path
import torch
from experiments.process.stop_signals import stop_received

class Waiting(torch.optim.AdamW):
    def step(self, closure=None):
        super().step(closure)
        if Path("alone").exists():
            return
        import ray
        node = ray.get_runtime_context().get_node_id()
        Path(f"trains-{node}").touch()
        while len(list(Path().glob("trains-*"))) < 2 and not stop_received():
            time.sleep(0.05)
        while Path(f"hold-{node}").exists() and not stop_received():
            if any(state["step"] > 1 for state in self.state.values()):
                Path(f"waits-{node}").touch()
                time.sleep(0.05)
            else:
                return
"""
# Two nodes of one core each. Says how each command ended.
CLUSTER = """
import json, signal, subprocess, sys, time
from pathlib import Path
from ray.cluster_utils import Cluster

def start(*more):
    address = f"hydra.launcher.address={cluster.address}"
    return subprocess.Popen([sys.executable, "-m", "experiments.train", *sys.argv[2:], address, *more])

def end(command):
    print("exit code", command.wait(), flush=True)

def wait_for(command, *names):
    while not all(Path(name).exists() for name in names) and command.poll() is None:
        time.sleep(0.05)

head = {"num_cpus": 1, "include_dashboard": False, "temp_dir": sys.argv[1]}
cluster = Cluster(initialize_head=True, head_node_args=head)
try:
    second = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    end(start("hydra.launcher.cpus=2"))

    nodes = [cluster.head_node.node_id, second.node_id]
    for node in nodes:
        Path(f"hold-{node}").touch()
    command = start()
    wait_for(command, *(f"waits-{node}" for node in nodes))
    command.send_signal(signal.SIGTERM)
    end(command)

    for name in (f"hold-{nodes[0]}", *(f"{what}-{node}" for what in ("waits", "trains") for node in nodes)):
        Path(name).unlink(missing_ok=True)
    states = [json.loads(path.read_text())["status"] for path in Path("study").glob("*/seed=0/run.json")]
    Path("stopped").write_text(json.dumps(states))
    command = start()
    wait_for(command, f"waits-{second.node_id}")
    cluster.remove_node(second, allow_graceful=False)
    end(command)
finally:
    cluster.shutdown()
"""


def test_a_study_that_is_stopped_and_loses_a_node_has_the_numbers_of_one_machine(tmp_path):
    whole, folder = tmp_path / "whole", tmp_path / "ray"
    for each in (whole, folder):
        each.mkdir()
        (each / "waiting.py").write_text(WAITING)
    (whole / "alone").touch()
    command = ("experiments.train", *STUDY)
    assert end(fork_command(train_main, command, whole, before=lambda: draw_little(["frontier"]))) == 0

    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)]),
        "RAY_AUTH_TOKEN": secrets.token_hex(32),  # else Ray would write one to the home folder
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as sockets:  # whose names must be short
        done = subprocess.run(
            [sys.executable, "-c", CLUSTER, sockets, *command[1:], "hydra/launcher=ray"],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=900,
        )
    said = done.stdout + done.stderr
    codes = [line for line in done.stdout.splitlines() if line.startswith("exit code")]
    assert codes == ["exit code 2", "exit code 143", "exit code 0"], said
    assert "a run wants 2 cores, and no machine has that" in done.stderr
    assert json.loads((folder / "stopped").read_text()) == ["stopped", "stopped"], said
    assert len(list(folder.glob("trains-*"))) == 2, said
    # Each run once after the command was stopped, and one of them again after its node had died.
    resumed = [log.read_text().count("going on from update 2") for log in folder.glob("study/*/seed=0/train.log")]
    assert sorted(resumed) == [1, 2], said
    # One machine drew fewer figures, to save time.
    assert [name for name in differences(whole / "study", folder / "study") if not name.startswith("report/")] == []
    assert (folder / "study/report/verdicts.csv").read_bytes() == (whole / "study/report/verdicts.csv").read_bytes()
