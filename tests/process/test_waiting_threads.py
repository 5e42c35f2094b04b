"""Waiting threads sleep by default in every process that trains, and the user's settings are kept."""

import os

import pytest
import torch
from joblib import cpu_count

from experiments.cli import run_command
from experiments.process.waiting_threads import let_waiting_threads_sleep, machine_is_idle
from experiments.training.device import set_threads

SLEEPING = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}


@pytest.mark.parametrize("idle", [False, True])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, SLEEPING),
        ({"OMP_WAIT_POLICY": "active"}, {"OMP_WAIT_POLICY": "active"}),
        ({"KMP_BLOCKTIME": "7"}, SLEEPING | {"KMP_BLOCKTIME": "7"}),
        ({"GOMP_SPINCOUNT": "9"}, SLEEPING | {"GOMP_SPINCOUNT": "9"}),
    ],
)
def test_what_the_user_has_set_stays(before, after, idle):
    environment = dict(before)
    let_waiting_threads_sleep(environment, idle_machine=idle)
    if idle and "OMP_WAIT_POLICY" not in before:
        after = {"GOMP_SPINCOUNT": "10000"} | after
    assert environment == after


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system ties no process to cores")
@pytest.mark.parametrize(("others", "idle"), [(0, True), (1, False), (40, False)])
def test_an_idle_machine_has_a_core_for_every_thread(tmp_path, monkeypatch, others, idle):
    monkeypatch.setattr("os.cpu_count", lambda: len(os.sched_getaffinity(0)))
    load = tmp_path / "loadavg"
    load.write_text(f"0.52 0.58 0.59 {1 + others}/389 12345\n")
    assert machine_is_idle(load) is idle


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system ties no process to cores")
def test_neighbours_on_other_cores_do_not_count(tmp_path, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: len(os.sched_getaffinity(0)) + 10)
    load = tmp_path / "loadavg"
    for others, idle in ((10, True), (11, False)):
        load.write_text(f"9.0 9.0 9.0 {1 + others}/389 12345\n")
        assert machine_is_idle(load) is idle


@pytest.mark.parametrize("text", [None, "", "0.5 0.5 0.5", "0.5 0.5 0.5 many/389 1"])
def test_a_machine_that_does_not_tell_is_not_idle(tmp_path, text):
    load = tmp_path / "loadavg"
    if text is not None:
        load.write_text(text)
    assert not machine_is_idle(load)


def test_every_command_sets_it_before_anything_else(monkeypatch):
    monkeypatch.setattr("sys.argv", ["command"])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "")
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.setattr("sys.path", [os.getcwd()])
    for name in ("OMP_WAIT_POLICY", "KMP_BLOCKTIME"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    seen = {}
    run_command(lambda: seen.update(os.environ), "")
    assert seen["OMP_WAIT_POLICY"] == "PASSIVE"


@pytest.mark.parametrize(
    ("limit", "threads", "jobs", "count"),
    [
        (None, None, 1, cpu_count()),
        (None, None, 10**6, 1),
        ("1", None, 1, 1),
        ("1", 2, 1, 2),  # trainer.threads is the nearer word
        ("1,4", None, 1, 1),
        ("0", None, 1, 1),
        ("many", None, 1, cpu_count()),
    ],
)
def test_threads_respect_the_users_limit(monkeypatch, limit, threads, jobs, count):
    before = torch.get_num_threads()
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if limit is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", limit)
    try:
        assert set_threads(threads, jobs) == torch.get_num_threads() == count
    finally:
        torch.set_num_threads(before)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system ties no process to cores")
def test_threads_are_no_more_than_the_cores_of_this_process(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before, cores = torch.get_num_threads(), os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(cores)})
        assert set_threads(None, 1) == 1
    finally:
        os.sched_setaffinity(0, cores)
        torch.set_num_threads(before)
