"""Every option of every group composes, and likely mistakes are refused by name."""

from importlib.resources import files
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module
from hydra.errors import ConfigCompositionException, MissingConfigException
from omegaconf import OmegaConf

from experiments.config import missing_keys

CONF = Path(str(files("experiments.conf")))
OPTIONS = sorted(
    (path.parent.name, path.stem)
    for path in CONF.glob("*/*.yaml")
    if path.parent.name not in ("hydra", "study", "experiment")
)
STUDIES = sorted(path.stem for path in (CONF / "study").glob("*.yaml"))


def composed(*overrides, **arguments):
    with initialize_config_module("experiments.conf", version_base="1.3"):
        return compose("config", overrides=list(overrides), **arguments)


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_every_option_composes(group, option):
    cfg = composed(f"{group}={option}")
    OmegaConf.to_container(cfg, resolve=True, throw_on_missing=False)
    open_keys = {"custom": ["loss._target_"], "image_folder": ["data.root"]}.get(option, [])
    assert missing_keys(cfg) == open_keys


@pytest.mark.parametrize("study", STUDIES)
def test_every_study_declares_question_baseline_and_arms(study):
    cfg = composed(f"study={study}", return_hydra_config=True)
    assert cfg.study.name == study
    assert cfg.study.question.endswith("?")
    if cfg.study.source is not None:  # treats the runs of another study: no arms of its own
        return
    assert cfg.hydra.mode.name == "MULTIRUN"
    params = cfg.hydra.sweeper.params
    axis, value = cfg.study.baseline.split("=")
    assert value in params[axis].split(",")
    assert "seed" in params


def test_custom_holds_a_target_and_nothing_else():
    assert list(composed("loss=custom").loss) == ["_target_"]


def test_launch_command_is_the_first_comment_of_every_option():
    for path in CONF.rglob("*.yaml"):
        if "hydra" not in path.relative_to(CONF).parts:
            comments = [line for line in path.read_text().splitlines() if not line.startswith("# @package")]
            assert comments[0].startswith("# python -m experiments."), path


@pytest.mark.parametrize(
    "override", ["loss.pos_weigth=3", "trainer.max_stepz=3", "losss=dice", "trainer.max_steps=many"]
)
def test_unknown_keys_and_wrong_types_fail_at_compose(override):
    with pytest.raises(ConfigCompositionException):
        composed(override)


def test_unknown_option_lists_the_known_ones():
    with pytest.raises(MissingConfigException, match="weighted_bce"):
        composed("loss=wighted_bce")
