"""Processes end when their parent is killed: by the kernel if it can, otherwise by watching the parent's id."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="an orphan keeps its parent's id here")

PARENT = """
import multiprocessing, os, pathlib, signal, sys, time
from experiments.process import child_process
folder, kernel = pathlib.Path(sys.argv[1]), sys.argv[2]
child_process._SECONDS_BETWEEN_LOOKS = 0.05
if kernel == "without the kernel":
    child_process._kernel_ends_it = lambda: False
def wait(grandchild):
    (folder / f"before {os.getpid()}").touch()
    if kernel == "too late":
        parent = os.getppid()
        os.kill(parent, signal.SIGKILL)
        while os.getppid() == parent:
            time.sleep(0.01)
    child_process.end_with_parent()
    child_process.end_with_parent()
    if not grandchild:
        child = fork.Process(target=wait, args=(True,))
        child.start()
    (folder / f"after {os.getpid()}").touch()
    time.sleep(60)
fork = multiprocessing.get_context("fork")
child = fork.Process(target=wait, args=(kernel == "too late",))
child.start()
child.join()
"""


def is_alive(process):
    """Say whether a process is there, and not only its entry, which init may not have read yet."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    state = Path("/proc", str(process), "stat")
    return not state.exists() or state.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def wait_until(is_so, seconds=60):
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


@pytest.mark.parametrize("kernel", ["with the kernel", "without the kernel"])
def test_children_and_theirs_end_with_their_parent(tmp_path, kernel):
    with subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path), kernel]) as parent:
        wait_until(lambda: len(list(tmp_path.glob("after *"))) == 2)
        children = [int(path.name.split()[1]) for path in tmp_path.glob("after *")]
        assert all(map(is_alive, children))
        parent.kill()
    wait_until(lambda: not any(map(is_alive, children)), seconds=20)


def test_a_child_ends_whose_parent_ended_before_it_asked(tmp_path):
    ended = subprocess.run([sys.executable, "-c", PARENT, str(tmp_path), "too late"], check=False)
    assert ended.returncode == -signal.SIGKILL
    (child,) = [int(path.name.split()[1]) for path in tmp_path.glob("before *")]
    wait_until(lambda: not is_alive(child), seconds=20)
    assert not list(tmp_path.glob("after *"))


def test_a_users_own_process_is_left_alone():
    code = "import experiments.process.child_process as c; "
    code += "c.end_with_parent(); print(c._arrange_end.cache_info().currsize)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.strip() == b"0"
