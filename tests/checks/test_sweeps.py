"""Sweeps that are empty, endless, repeated or not a grid; keys of a study that it does not sweep."""

import pytest
from omegaconf import OmegaConf

from experiments.checks.sweeps import (
    equal_arms,
    launcher_problems,
    parse_sweep,
    study_key_problems,
    sweep_problems,
)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["seed=0,0"], "seed: expected every value once, got 0 more than once"),
        (["loss=bce,dice,dice"], "loss: expected every value once, got dice"),
        (["seed=range(0,0)"], "seed: expected at least one value"),
        (["seed=interval(0,1)"], "seed: expected values to sweep over"),
        (["seed=range(0,1000000000)"], "expected at most 10,000 runs, got 1,000,000,000 (seed 1000000000)"),
        (["seed=range(0,200)", "a=range(0,100)"], "got 20,000 (seed 200, a 100)"),
    ],
)
def test_a_sweep_that_cannot_be_run_is_refused(overrides, words):
    found = sweep_problems(parse_sweep({}, overrides))
    assert len(found) == 1
    assert words in found[0]


def test_a_grid_is_accepted_and_the_command_line_replaces_the_study():
    assert sweep_problems(parse_sweep({"loss": "bce,bce", "seed": "0,1"}, ["loss=bce,dice", "seed=range(0,5)"])) == []


def test_keys_of_a_study_have_to_be_swept_once():
    def found(**study):
        return study_key_problems(
            OmegaConf.create({"baseline": "loss=bce", "nuisance": [], "conditions": [], **study}), ["loss", "lr"]
        )

    assert found(nuisance=["lr"]) == []
    assert found(conditions=["nope"]) == [
        "study.conditions: expected one of the keys that the study sweeps (loss, lr), got nope"
    ]
    assert "got seed" in found(nuisance=["seed"])[0]
    assert "once, got lr 2 times" in found(nuisance=["lr", "lr"])[0]
    assert "in one of them only" in found(nuisance=["lr"], conditions=["lr"])[0]
    assert "study.baseline" in found(baseline=" ")[0]


def test_arms_of_one_configuration_are_named_in_pairs():
    found = list(equal_arms({"a/0": ("x", "a"), "a/1": ("y", "a"), "b/0": ("x", "b"), "b/1": ("y", "b")}))
    assert len(found) == 1
    assert found[0].startswith("a and b are the same configuration")
    assert not list(equal_arms({"a/0": ("x", "a"), "b/0": ("y", "b")}))


@pytest.mark.parametrize(
    ("launcher", "problem"),
    [
        ({"n_jobs": 2}, ""),
        ({"n_jobs": -1}, ""),
        ({"n_jobs": "auto"}, ""),
        ({"n_jobs": "most"}, "got most"),
        ({}, ""),
        ({"n_jobs": 0}, "n_jobs: expected auto, 1 to 1024, or -1 for every core, got 0"),
        ({"n_jobs": -5}, "got -5"),
        ({"n_jobs": True}, "got True"),
        ({"n_jobs": None}, "got None"),
        ({"n_jobs": 2, "backend": "threading", "prefer": "processes"}, "backend: expected null or loky, got threading"),
        ({"n_jobs": 2, "prefer": "threads"}, "prefer: expected processes, got threads"),
    ],
)
def test_numbers_of_jobs(launcher, problem):
    shared = {"prefer": "processes"} if "n_jobs" in launcher else {}
    sweeper = {"_target_": "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"}
    found = launcher_problems(OmegaConf.create({"sweeper": sweeper, "launcher": {**shared, **launcher}}))
    assert bool(found) == bool(problem)
    assert not found or problem in found[0]


def test_a_sweeper_that_makes_no_grid_is_refused():
    hydra = OmegaConf.create({"sweeper": {"_target_": "x.Optuna", "max_batch_size": 0}, "launcher": {}})
    assert [problem.split(":")[0] for problem in launcher_problems(hydra)] == [
        "hydra/sweeper",
        "hydra.sweeper.max_batch_size",
    ]
