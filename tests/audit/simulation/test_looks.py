"""Simulated stages: the looks are those of the comparison, and looking at the whole level each time is found out."""

import numpy as np
import pytest

from experiments.audit.simulation import looks
from experiments.audit.simulation.gaussian import Spread
from experiments.audit.task import run_tasks

NOTHING = looks.Gains("no gain", ((0.0, 0.0),) * 3, Spread("both", 0.02, 0.04, 0.01))
CLEAR = looks.Gains("clear", ((0.5, 0.5), (0.0, 0.0)), Spread("both", 0.02, 0.04, 0.01))


def table(case, **options):
    tasks = looks.look_tasks(cases=[case], n_groups=15, **options)
    return run_tasks(tasks, seed=(0,), threads=1, description="looks").set_index(["looks", "split"])


def test_a_clear_arm_gets_no_more_seeds_than_it_needs():
    found = table(CLEAR, n_studies=3)
    assert found["runs"].to_dict() == {
        ("3 and 7", "level / K"): 3 + 7 + 7,
        ("3 and 7", "whole level"): 3 + 7 + 7,
        ("7", "whole level"): 21,
    }
    assert (found["decided"] >= 0.5).all()
    assert not found[["false_moves", "false_stays"]].any(axis=None)


def test_the_level_of_each_look_is_what_keeps_the_level():
    """At a level of .4 a few studies show it: two looks at .4 each err more often than two at .2 each."""
    found = table(NOTHING, n_studies=60, level=0.4, stages=(3, 5))["false_moves"]
    assert found["3 and 5", "level / K"] < found["3 and 5", "whole level"]
    assert found["5", "whole level"] <= found["3 and 5", "whole level"]
    assert found["3 and 5", "level / K"] < 0.5


def test_a_gain_at_the_margin_that_is_said_to_lie_inside_is_false():
    case = looks.Gains("margin", ((0.01,), (0.02,)), Spread("small", 0.003, 0.003, 0.001))
    found = table(case, n_studies=40, level=0.49, stages=(3, 5))
    assert found["false_stays"].max() > 0
    assert not found["false_moves"].any()


@pytest.mark.parametrize("axis", [2, 3])
def test_drawn_gains_have_twice_the_variance_of_an_arm(axis):
    rng = np.random.default_rng(0)
    size = Spread("", 0.1, 0, 0) if axis == 2 else Spread("", 0, 0.1, 0)
    values = looks._draw(np.zeros((400, 2)), size, 40, 40, rng)
    assert values.shape == (400, 2, 40, 40)
    constant = values.std(axis=5 - axis)
    assert constant.max() < 1e-12
    within = values.take(0, axis=5 - axis).var(axis=2).mean()
    assert within == pytest.approx(0.02, rel=0.1)
