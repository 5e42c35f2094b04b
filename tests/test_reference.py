"""docs/configuration.md has every key of today's configuration, each with a meaning."""

import importlib.util
import re
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module
from omegaconf import DictConfig

from experiments.config import StudySchema

ROOT = Path(__file__).resolve().parents[1]
CONF = ROOT / "conf"
OPTIONS = sorted(path.relative_to(CONF) for path in CONF.glob("*/*.yaml"))


@pytest.fixture(scope="module")
def made():
    spec = importlib.util.spec_from_file_location("make_reference", ROOT / "docs" / "make_reference.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def page(made):
    return made.PAGE.read_text()


def test_the_page_is_today_s(made, page):
    assert page == made.reference(), "stale: run `python docs/make_reference.py`"


def keys_of(config, prefix=""):
    """Dotted names of all leaves; a list is a leaf."""
    for name in config:
        value = config._get_node(name)
        if isinstance(value, DictConfig) and not value._is_none() and not value._is_missing() and len(value):
            yield from keys_of(value, f"{prefix}{name}.")
        elif not str(name).startswith("_"):
            yield f"{prefix}{name}"


@pytest.mark.parametrize("option", OPTIONS, ids=str)
def test_what_hydra_composes_is_on_the_page(page, option):
    """Hydra reads the files its own way: inherited options, schemas, packages."""
    with initialize_config_module("experiments.conf", version_base="1.3"):
        config = compose("config", [f"{option.parent.name}={option.stem}"])
    listed = set(re.findall(r"^\| `([\w.]+)` \|", page, flags=re.M))
    groups = {path.name for path in CONF.iterdir() if path.is_dir()}
    missing = {key for key in keys_of(config) if key not in listed and key not in groups}
    assert not {key for key in missing if not key.startswith("sampling.first.")}, "sub-options keep their own names"


def test_every_key_has_a_meaning(page):
    rows = re.findall(r"^\| (`[^`]+`) \|.*\| ([^|]*) \|$", page, flags=re.M)
    assert len(rows) > 200
    assert not [key for key, meaning in rows if not meaning.strip()]


def test_the_keys_of_every_study_have_their_types(page):
    for field in fields(StudySchema):
        kind = str(field.type).replace("|", "\\|")
        assert f"| `study.{field.name}` | `{kind}` |" in page


def test_a_comment_goes_with_its_key_and_its_further_lines(made, tmp_path, monkeypatch):
    monkeypatch.setattr(made, "CONF", tmp_path)
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "one.yaml").write_text(
        "# python -m experiments.train part=one\n# What it is.\n"
        "a: 1e-3       # of the first, and\n              # of the second\n"
        "# Above it.\nb: []\nc: {d: [1, 2]}  # inside\n"
    )
    file = made.read_file(tmp_path / "part" / "one.yaml")
    assert file.commands == ("python -m experiments.train part=one",)
    assert file.about == "What it is."
    assert [(key.name, key.default, key.meaning) for key in file.keys] == [
        ("part.a", "1e-3", "of the first, and of the second"),
        ("part.b", "[]", "Above it."),
        ("part.c.d", "[1, 2]", "inside"),
    ]
