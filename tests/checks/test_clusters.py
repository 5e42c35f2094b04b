"""A cluster's launcher without what it needs, or with impossible settings, is refused; nothing is written."""

import importlib.util

import pytest
from small_study import with_small

from experiments.launch.clusters import ray_tasks, slurm_array
from experiments.train import main as train_main

STUDY = with_small("study=losses", "loss=bce,dice", "seed=0", "study_dir=study")


@pytest.fixture
def without(monkeypatch):
    """Hide modules and commands."""

    def hide(*names):
        find, which = importlib.util.find_spec, slurm_array.shutil.which
        for module in (slurm_array, ray_tasks):
            monkeypatch.setattr(module, "find_spec", lambda name: None if name in names else find(name))
        monkeypatch.setattr(slurm_array.shutil, "which", lambda name: None if name in names else which(name))

    return hide


@pytest.mark.parametrize(
    ("launcher", "hidden", "message"),
    [
        ("slurm", ["submitit"], "hydra/launcher=slurm: needs submitit; pip install"),
        ("slurm", ["sbatch", "squeue"], "hydra/launcher=slurm: no sbatch"),
        ("ray", ["ray"], "hydra/launcher=ray: needs Ray; pip install"),
    ],
)
def test_what_is_missing_is_named_and_nothing_is_written(command, without, tmp_path, launcher, hidden, message):
    without(*hidden)
    code, _, err = command(train_main, *STUDY, f"hydra/launcher={launcher}")
    assert code == 2
    assert err.startswith(f"error: {message}") or message in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("launcher", "setting", "expected"),
    [
        ("slurm", "cpus=0", "hydra.launcher.cpus: expected a whole number from 1, got 0"),
        ("slurm", "memory=lots", "hydra.launcher.memory: expected a positive number, got lots"),
        ("ray", "gpus=-1", "hydra.launcher.gpus: expected a whole number from 0, got -1"),
        ("ray", "address=7", "hydra.launcher.address: expected a name or null, got 7"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(command, tmp_path, launcher, setting, expected):
    code, _, err = command(train_main, *STUDY, f"hydra/launcher={launcher}", f"hydra.launcher.{setting}")
    assert (code, expected in err) == (2, True), err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("launcher", ["slurm", "ray"])
def test_a_single_run_has_no_use_for_a_cluster(command, tmp_path, launcher):
    code, _, err = command(train_main, *STUDY[3:], f"hydra/launcher={launcher}")
    assert (code, "no effect on a single run" in err) == (2, True), err
    assert not list(tmp_path.iterdir())
