"""The profile's parts name existing functions, and their times are kept apart."""

import cProfile
import importlib.util
from pathlib import Path

import pytest
import torch

from benchmarks.run_profile import PARTS, part_seconds
from losses import WeightedBCELoss, apply_criterion

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("ending", "name"), PARTS.values(), ids=lambda value: value)
def test_a_part_is_a_function_that_exists(ending, name):
    package = ending.split("/")[0]
    spec = importlib.util.find_spec(package)
    folder = Path(spec.origin).parents[1] if spec is not None and spec.origin else ROOT
    found = [path for path in (folder / ending, ROOT / ending, ROOT / "experiments" / ending) if path.is_file()]
    assert found, ending
    assert name == "*" or f"def {name}(" in found[0].read_text()


def test_only_the_part_that_ran_has_time():
    logits, target = torch.zeros(2, 1, 8, 8, requires_grad=True), torch.zeros(2, 1, 8, 8, dtype=torch.bool)
    profile = cProfile.Profile()
    profile.runcall(apply_criterion, WeightedBCELoss(), logits, target, None)
    seconds = part_seconds(profile)
    assert seconds.pop("loss and its gradient") > 0
    assert set(seconds.values()) == {0.0}
