"""docs/python.md is what the docstrings of today's public names say."""

import importlib.util
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def made():
    spec = importlib.util.spec_from_file_location("make_python", ROOT / "docs" / "make_python.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_current(made):
    page = (ROOT / "docs" / "python.md").read_text()
    assert page == made.reference(), "run python docs/make_python.py"


def test_every_public_name_is_explained(made):
    page = (ROOT / "docs" / "python.md").read_text()
    for module in made.MODULES:
        part = page.split(f"## {module}\n")[1].split("\n## ")[0]
        for name in import_module(module).__all__:
            told = part.split(f"### {name}\n")[1].split("\n### ")[0].split("```", 2)[2]
            assert len(told.split()) > 3, name


def test_sections_become_lists_and_examples_code(made):
    text = """Divide.

A formula:

    q = a / b

Args:
    a: Of any *size*,
        on two lines.
    b: See :func:`other`.

Raises:
    ValueError: `b` is 0.

>>> divide(4, 2)
2.0
"""
    assert made.described(text) == (
        "Divide.\n\nA formula:\n\n```\nq = a / b\n```\n\n*Args*\n\n- `a`: Of any \\*size\\*, on two lines.\n"
        "- `b`: See `other`.\n\n*Raises*\n\n- `ValueError`: `b` is 0.\n\n```python\n>>> divide(4, 2)\n2.0\n```"
    )
