"""A launcher's processes start before the study is checked: ready for its runs, or ended with the command."""

import multiprocessing
import os
import sys
import time
from functools import partial

import joblib
import numpy as np
import pytest
from hydra_plugins.hydra_joblib_launcher._core import process_joblib_cfg
from hydra_plugins.hydra_joblib_launcher.config import JobLibLauncherConf
from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor
from joblib.parallel import LokyBackend
from omegaconf import OmegaConf

from experiments.config import ConfigError
from experiments.launch.early_start import parallel_settings, processes_start
from experiments.launch.side_by_side import begin_process


def process_and_modules():
    time.sleep(0.2)  # so that every process gets a task
    return os.getpid(), set(sys.modules)


def launched(launcher, tasks=6):
    """Run tasks as Hydra's launcher does; return the modules of each process that took one."""
    settings = {key: value for key, value in OmegaConf.to_container(launcher).items() if key != "_target_"}
    settings["backend"] = "loky"
    process_joblib_cfg(settings)
    return dict(Parallel(**settings)(delayed(process_and_modules)() for _ in range(tasks)))


def process_that_grows():
    kept[:] = [np.ones(45_000_000)]  # 360 MB, of which joblib allows 300
    time.sleep(1.2)  # it looks once a second
    return os.getpid()


kept = []


def children():
    return {child.pid for child in multiprocessing.active_children()}


@pytest.fixture(autouse=True)
def no_process_is_left():
    yield
    get_reusable_executor().shutdown(wait=True, kill_workers=True)


@pytest.fixture
def launcher():
    return OmegaConf.structured(JobLibLauncherConf(n_jobs=2))


def test_runs_are_trained_in_the_processes_that_started_early(launcher, composed):
    before = children()
    with processes_start(launcher, 2, composed()):
        started = children() - before
    processes = launched(launcher)
    assert len(started) == 2
    assert set(processes) <= started
    for modules in processes.values():
        assert {"torch", "experiments.training.run", "segmentation_models_pytorch"} <= modules


def test_a_refused_command_ends_them(launcher, composed):
    before = children()
    with pytest.raises(ConfigError, match="wrong"), processes_start(launcher, 2, composed()):
        started = children() - before
        time.sleep(0.5)
        raise ConfigError("wrong")
    assert len(started) == 2
    assert not children() & started


def test_a_process_that_keeps_its_data_is_kept(monkeypatch, recwarn):
    begin = partial(begin_process, [], "")
    monkeypatch.setitem(joblib.parallel.BACKENDS, "loky", partial(LokyBackend, initializer=begin))
    parallel = Parallel(n_jobs=2)
    parallel(delayed(process_and_modules)() for _ in range(6))  # joblib measures from here
    used = [set(parallel(delayed(process_that_grows)() for _ in range(2))) for _ in range(3)]
    assert used[0] == used[1] == used[2]
    assert len(used[0]) == 2
    assert not [warning for warning in recwarn if "worker stopped" in str(warning.message)]


@pytest.mark.parametrize(
    ("given", "expected"), [("2*n_jobs", "2*n_jobs"), ("4", 4), ("all", "all")], ids=["expression", "number", "word"]
)
def test_settings_are_those_of_hydra_s_launcher(launcher, given, expected):
    launcher.pre_dispatch = given
    found = parallel_settings(launcher)
    assert found["pre_dispatch"] == expected
    settings = {key: value for key, value in OmegaConf.to_container(launcher).items() if key != "_target_"}
    process_joblib_cfg(settings)
    assert found == {**settings, "backend": "loky"}
