"""Arm names, missing keys, and errors that name the cause."""

import re

import pytest
from omegaconf import OmegaConf

from experiments.config import ConfigError, arm_name, instantiate, missing_keys, require_complete
from experiments.runs.arms import only_keys, without_keys
from experiments.runs.study import find_arm


@pytest.mark.parametrize(
    ("overrides", "axes", "name"),
    [
        (["loss=dice", "seed=0"], ["loss"], "loss=dice"),
        (["loss=weighted_bce", "loss.pos_weight=8", "seed=1"], ["loss.pos_weight"], "loss.pos_weight=8"),
        (["loss=dice", "+loss.mode=a", "seed=0"], ["loss"], "loss=dice,loss.mode=a"),
        (["loss=dice", "trainer.max_steps=5", "data.root=/a/b", "study=losses"], ["loss"], "loss=dice"),
        (["study=losses", "seed=3"], ["loss"], "default"),
        (["data.root=/a b/c", "loss=dice"], None, "data.root=_a_b_c,loss=dice"),
        (["hydra.launcher.n_jobs=2", "report.margin=0.1", "hydra/launcher=joblib"], None, "default"),
        (["lossy=1"], ["loss"], "default"),
    ],
)
def test_arm_name(overrides, axes, name):
    assert arm_name(overrides, axes) == name


def test_long_arm_names_stay_short_and_apart():
    first = arm_name([f"loss.key{i}=value" for i in range(40)], None)
    second = arm_name([f"loss.key{i}=value" for i in range(39)] + ["loss.last=1"], None)
    assert len(first) <= 150
    assert len(second) <= 150
    assert first != second


def test_a_long_name_keeps_the_swept_keys_for_every_arm_alike():
    axes = ["data", "data.prevalence", "loss"]
    many = [f"data.key{i}=[{i},{i}]" for i in range(30)]
    names = [
        arm_name([f"data={data}", "data.prevalence=0.02", f"loss={loss}", *many], axes)
        for data in ("plain", "cluttered")
        for loss in ("bce", "focal_tversky")
    ]
    rest = names[0].rpartition(",")[2]
    assert re.fullmatch("others=[0-9a-f]{8}", rest)
    assert names[3] == f"data=cluttered,data.prevalence=0.02,loss=focal_tversky,{rest}"
    assert [only_keys(name, axes[:2]) for name in names] == [
        "data=plain,data.prevalence=0.02",
        "data=plain,data.prevalence=0.02",
        "data=cluttered,data.prevalence=0.02",
        "data=cluttered,data.prevalence=0.02",
    ]
    assert find_arm([without_keys(name, axes[:2]) for name in names[:2]], "loss=bce") == f"loss=bce,{rest}"
    assert arm_name(["loss=bce", *many, "data.key30=1"], axes) != arm_name(["loss=bce", *many], axes)


@pytest.mark.parametrize("axes", [None, ["loss", "model"], ["loss"]])
def test_any_name_fits_a_folder(axes):
    long = ["loss=" + "ü" * 200, "model=" + "x" * 200, "model.name=" + "名" * 90]
    names = {arm_name([*long[:i], *long[i + 1 :], *extra], axes) for i in range(3) for extra in ([], ["loss.a=1"])}
    assert all(len(name.encode()) <= 240 for name in names)
    assert len(names) == (6 if axes != ["loss"] else 4)  # the model makes no arm there


def test_missing_keys_are_all_named():
    cfg = OmegaConf.create({"loss": {"_target_": "???"}, "data": {"root": "???"}, "seed": 0})
    assert missing_keys(cfg) == ["data.root", "loss._target_"]
    with pytest.raises(ConfigError, match=r"data.root, loss._target_: no value given"):
        require_complete(cfg)


def test_instantiate_names_key_target_and_reason():
    cfg = OmegaConf.create({"loss": {"_target_": "losses.WeightedBCELoss", "pos_weight": -1}})
    with pytest.raises(ConfigError, match=r"loss \(losses.WeightedBCELoss\).*pos_weight.*-1"):
        instantiate(cfg, "loss")
    cfg = OmegaConf.create({"loss": {"_target_": "losses.NoSuchLoss"}})
    with pytest.raises(ConfigError, match="NoSuchLoss"):
        instantiate(cfg, "loss")
    with pytest.raises(ConfigError, match="expected a group option with a _target_"):
        instantiate(OmegaConf.create({"loss": 3}), "loss")


def passes_on(**options):
    return dict(**_inner(**options))


def _inner(in_channels=3):
    return {"in_channels": in_channels}


def test_an_argument_that_is_passed_on_and_refused_inside_is_named_by_its_key():
    cfg = OmegaConf.create({"model": {"_target_": f"{__name__}.passes_on", "nonsense": 1}})
    with pytest.raises(ConfigError, match=r"model\.nonsense: expected an argument that .* takes, got nonsense=1"):
        instantiate(cfg, "model")
