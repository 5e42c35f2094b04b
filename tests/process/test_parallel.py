"""Parallel results come back in order, and so do errors."""

import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments.process.parallel import in_parallel


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_come_in_the_order_of_the_inputs(workers):
    offset = 10  # a closure, which no process could be sent

    assert in_parallel(lambda number: number + offset, range(9), workers) == list(range(10, 19))
    assert in_parallel(lambda number: number, [], workers) == []


@pytest.mark.skipif(sys.platform != "linux", reason="processes are copied on Linux only")
def test_several_workers_are_several_processes():
    both = multiprocessing.get_context("fork").Barrier(2, timeout=60)

    def wait(_: int) -> int:
        both.wait()
        return os.getpid()

    found = in_parallel(wait, range(2), 2)
    assert len(set(found)) == 2
    assert os.getpid() not in found
    assert in_parallel(lambda _: os.getpid(), range(2), 1) == [os.getpid()] * 2


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_comes_back(workers):
    def fail(number: int) -> int:
        if number == 3:
            raise ValueError("number 3")
        return number

    with pytest.raises(ValueError, match="number 3"):
        in_parallel(fail, range(5), workers)


@pytest.mark.skipif(sys.platform != "linux", reason="processes are copied on Linux only")
def test_a_process_of_a_pool_does_the_work_itself():
    context = multiprocessing.get_context("fork")
    with context.Pool(1) as pool:
        assert pool.apply(_own_process) is True


def _own_process() -> bool:
    return set(in_parallel(lambda _: os.getpid(), range(4), 2)) == {os.getpid()}


@pytest.mark.skipif(sys.platform != "linux", reason="processes are copied on Linux only")
def test_a_pool_ends_with_the_process_that_made_it(tmp_path):
    code = f"""
import os, pathlib, signal, time
from experiments.process.parallel import in_parallel
def work(place):
    pathlib.Path({str(tmp_path)!r}, str(os.getpid())).touch()
    while len(os.listdir({str(tmp_path)!r})) < 2:
        time.sleep(0.01)
    if place == 0:
        os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(30)
in_parallel(work, [0, 1], 2)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    time.sleep(0.5)
    for name in os.listdir(tmp_path):
        state = Path("/proc", name, "stat")
        assert not state.exists() or state.read_text().rsplit(")", 1)[1].split()[0] == "Z"
