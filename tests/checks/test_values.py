"""Bad values of a configuration that the schema accepts."""

import copy

import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf, open_dict

from experiments.checks import values
from experiments.checks.values import parts_named, value_problems


@pytest.fixture(scope="module")
def shipped():
    with initialize_config_module("experiments.conf", version_base="1.3"):
        return compose("config", overrides=[])


def problems(shipped, **changes):
    cfg = copy.deepcopy(shipped)
    with open_dict(cfg):
        for key, value in changes.items():
            OmegaConf.update(cfg, key.replace("__", "."), value, force_add=True)
    return value_problems(cfg)


REFUSED = [
    ("seed", -1, "at least 0, got -1"),
    ("seed", 2**63, "at most 9223372036854775807"),
    ("trainer.max_steps", 0, "a positive number, got 0"),
    ("trainer.max_steps", 10**12, "at most 1000000000"),
    ("trainer.batch_size", -4, "a positive number"),
    ("trainer.tile", 50, "a multiple of 32, got 50; 64 is near"),
    ("trainer.tile", 999_968, "at most 8192"),
    ("trainer.eval_tile", 10**6, "at most 32768"),
    ("trainer.eval_overlap", -8, "at least 0, got -8"),
    ("trainer.eval_overlap", 256, "less than half of trainer.eval_tile (512), got 256"),
    ("trainer.workers", -1, "at least 0"),
    ("trainer.threads", 0, "a positive number or null, got 0"),
    ("trainer.example_pixels", -5, "at least 0"),
    ("trainer.tolerances", [2, 33], "a whole number from 0 to 32 (pixels), got 33"),
    ("trainer.tolerances", [-1], "a whole number from 0 to 32 (pixels), got -1"),
    ("trainer.precision", "16", "got 16: fp16 and bf16 take 16 bits"),
    ("trainer.accelerator", "gpu", "got gpu: a GPU is cuda or mps"),
    ("trainer.data_on_device", "maybe", "auto, true or false, got maybe"),
    ("trainer.foo", 1, "nothing reads this key"),
    ("trainer.max_stepz", 1, "Did you mean max_steps?"),
    ("typo", 1, "nothing reads this key"),
    ("study.nonsense", 1, "nothing reads this key"),
    ("optimizer.lr", float("inf"), "a finite number, got inf"),
    ("optimizer.lr", float("nan"), "a finite number, got nan"),
    ("optimizer.lr", 0, "(0, 1000], got 0"),
    ("optimizer.lr", -1.0, "(0, 1000], got -1.0"),
    ("optimizer.lr", 1e10, "(0, 1000], got"),
    ("optimizer.weight_decay", -1, "[0, 1000], got -1"),
    ("optimizer.momentum", 2, "[0, 1), got 2"),
    ("optimizer.betas", [0.9, 1.5], "numbers in [0, 1)"),
    ("scheduler.warmup_share", float("inf"), "a finite number"),
    ("loss.pos_weight", [1.0, float("nan")], "a finite number"),
    ("data.noise", float("nan"), "a finite number"),
    ("study_dir", "/", "the root of all files"),
    ("data.cache_dir", "/", "the root of all files"),
    ("data.cache_dir", "caf\udce9", "text in UTF-8"),
    ("loss", None, "an option of the group, with a _target_"),
    ("loss", 3, "an option of the group, with a _target_"),
    ("study_dir", "${nope}", "Interpolation key 'nope' not found"),
    ("data.cache_dir", "${oc.env:SURELY_NOT_SET}", "SURELY_NOT_SET"),
    ("loss.pos_weight", "${loss.pos_weight}", "loss.pos_weight"),
]


@pytest.mark.parametrize(("key", "value", "words"), REFUSED)
def test_a_value_that_cannot_be_is_named_with_its_key(shipped, key, value, words):
    found = [problem for problem in problems(shipped, **{key: value}) if problem.startswith(key)]
    assert found
    assert words in found[0]


@pytest.mark.parametrize(
    ("key", "value"),
    [("seed", 2**63 - 1), ("trainer.threads", None), ("trainer.tile", 8192), ("optimizer.lr", 30), ("loss.x", None)],
)
def test_a_value_at_the_edge_is_accepted(shipped, key, value):
    assert problems(shipped, **{key: value}) == []


def test_skeletons_need_scikit_image(shipped, monkeypatch):
    monkeypatch.setattr(values, "find_spec", lambda name: None)
    (found,) = problems(shipped, trainer__cldice=True)
    assert found.startswith("trainer.cldice: expected scikit-image to be installed")
    assert "pip install scikit-image" in found
    assert problems(shipped) == []


def test_all_problems_come_together(shipped):
    found = problems(shipped, seed=-1, trainer__tile=50, optimizer__lr=-1, study_dir="/", data__root="???")
    assert [problem.split(":")[0] for problem in found] == [
        "data.root",
        "seed",
        "trainer.tile",
        "optimizer.lr",
        "study_dir",
    ]


def test_a_study_does_not_go_into_the_data(shipped, tmp_path):
    found = problems(shipped, data__root=str(tmp_path), study_dir=str(tmp_path / "out"))
    assert found == [f"study_dir: expected a folder outside the data ({tmp_path}), got {tmp_path / 'out'}"]


def test_the_parts_that_problems_are_about():
    assert parts_named(
        [
            "loss.gamma: expected",
            "loss._target_, data.root: no value given",
            "model (smp.create_model): wrong: name",
            "trainer.tile: expected",
            "+x=1: no",
        ]
    ) == {"loss", "data", "model", "trainer", "x"}
