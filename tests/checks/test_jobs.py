"""Runs of a sweep composed together get the same configurations as Hydra gives them one by one."""

import pytest
from hydra import initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import OmegaConf

import experiments.config  # noqa: F401  (schemas and resolver)
from experiments.checks.jobs import Job, job_composer, may_read_seed, split_seed


@pytest.fixture
def study():
    with initialize_config_module("experiments.conf", version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        yield loader.load_configuration("config", ["study.axes=[loss]"], RunMode.MULTIRUN), loader


@pytest.mark.parametrize(
    "grid",
    [
        [["loss=dice", "seed=0"], ["loss=dice", "seed=1"], ["loss=focal", "seed=0"]],
        [["seed=0", "optimizer.lr=1e-3"], ["seed=1", "optimizer.lr=1e-2"]],
        [["+loss.x=1", "trainer.tile=32"], ["+loss.x=2", "trainer.tile=64"]],
        [["optimizer.lr=${trainer.tile}", "trainer.tile=32"], ["optimizer.lr=${seed}", "trainer.tile=64"]],
        [["data.height=[64,96]", "~optimizer.lr"], ["data.height=[32,64]", "~optimizer.lr"]],
        [["trainer={tile: 96}", "trainer.tile=32"], ["trainer={tile: 96}", "trainer.tile=64"]],
        [["loss=combined", "loss.weights.dice=1"], ["loss=combined", "loss.weights.dice=2"]],
        [["augmentation=none", "trainer.tile=32"], ["augmentation=flips", "trainer.tile=64"]],
    ],
)
def test_the_same_configuration_as_one_by_one(study, grid):
    master, loader = study
    expected = [loader.load_sweep_config(master, overrides) for overrides in grid]
    compose = job_composer(master, grid, loader)
    for job, overrides in zip(expected, grid, strict=True):
        found = compose(overrides)
        assert OmegaConf.to_container(found) == OmegaConf.to_container(job)
        assert found.hydra.sweep.subdir == job.hydra.sweep.subdir


@pytest.mark.parametrize("override", ["seed=x", "trainer.tile=a", "trainer.tilee=3", "loss=nope"])
def test_the_same_error_as_one_by_one(study, override):
    master, loader = study
    with pytest.raises(HydraException) as one:
        loader.load_sweep_config(master, ["loss=dice", override])
    compose = job_composer(master, [["loss=dice", "seed=0"], ["loss=dice", override]], loader)
    for _ in range(2):  # the second time from the cache
        with pytest.raises(HydraException) as found:
            compose(["loss=dice", override])
        assert str(found.value) == str(one.value)


def test_a_job_has_its_own_seed(study):
    master, loader = study
    cfg = loader.load_sweep_config(master, ["seed=3"])
    other = loader.load_sweep_config(master, ["seed=2"])
    del cfg.hydra, other.hydra
    assert Job(None, "", cfg, 2, []).cfg == other
    assert cfg.seed == 3


def test_the_seed_is_split_off_where_it_is_written_in_digits():
    assert split_seed(["loss=dice", "seed=3"]) == (("loss=dice",), 3)
    assert split_seed(["seed=-3"]) == ((), -3)
    for text in ("seed=x", "seed=010", "seed=1e3", "seed=${x}", "seed=", "seed=1_0", "+seed=1", "seed='1'"):
        assert split_seed([text])[1] is None


def test_a_value_made_of_the_seed_is_found():
    assert not may_read_seed({"a": ["${b.c}", "x/${study.name}"], "seeds": "seed"})
    for text in ("${seed}", "x${seed}", "${now:%H}", "${a:${seed}}", "${..seed}", "${a[0]}"):
        assert may_read_seed({"a": [text]})
