"""The documentation's pictures are of today's commands, configurations and drawing code, or say why they are older."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[1] / "docs"


@pytest.fixture(scope="module")
def pictures():
    spec = importlib.util.spec_from_file_location("pictures", DOCS / "pictures.py")
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["pictures"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", sorted(path.stem for path in (DOCS / "figures").glob("*.png")))
def test_a_picture_is_of_today(pictures, name):
    found, now = pictures.noted().get(name), pictures.today()[name]
    assert found is not None, f"{name} is not noted: python docs/pictures.py"
    assert now.command, f"no command stands above {name} in the documentation"
    assert pictures.outdated(found, now) == [], f"draw docs/figures/{name}.png anew: {now.command}"


def test_no_picture_is_noted_that_is_gone(pictures):
    assert set(pictures.noted()) == set(pictures.today())


def test_what_changed_is_told_but_not_of_a_picture_that_is_kept(pictures):
    one = pictures.Picture("a", "1", "train", "2", "3")
    for what in ("command", "config", "code"):
        assert pictures.outdated(one, replace(one, **{what: "other"})) == [what]
        assert pictures.outdated(replace(one, kept="old"), replace(one, **{what: "other"})) == []
    assert pictures.outdated(replace(one, kept="old"), replace(one, picture="4")) != []


def test_comments_and_docstrings_are_no_change_and_values_are(pictures, tmp_path):
    def meaning(text):
        path = tmp_path / "figure.py"
        path.write_text(text)
        return pictures._meaning(path)

    plain = meaning("def draw():\n    return 1\n")
    assert meaning('def draw():\n    """Draw."""\n    # one\n    return 1\n') == plain
    assert meaning("def draw():\n    return 2\n") != plain


def test_a_changed_default_changes_the_configuration_of_a_command(pictures):
    digest = pictures._config_digest
    command = "python -m experiments.train study=losses"
    assert digest(command) != digest(f"{command} trainer.max_steps=7")
    assert digest(command) != digest(f"{command} loss=bce,dice")
    assert digest(command) == digest(f"{command} study_dir=elsewhere trainer.threads=1")
    assert digest("python -m experiments.compare study_dir=outputs/losses") == ""
