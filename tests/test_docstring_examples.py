"""Every example in a docstring runs and gives the stated result."""

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for package in ("losses", "experiments")
    for path in (ROOT / package).rglob("*.py")
    if ">>> " in path.read_text()
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_give_what_they_say(name):
    failed, tried = doctest.testmod(importlib.import_module(name))
    assert tried and not failed


@pytest.mark.parametrize("package", ["losses", "experiments.frontier", "experiments.comparison"])
def test_every_public_name_has_an_example(package):
    module = importlib.import_module(package)
    assert not [name for name in module.__all__ if ">>> " not in (getattr(module, name).__doc__ or "")]
