"""Looks at a study in stages: each is a whole comparison at its share of the level; a decided arm keeps its look."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from experiments.audit.simulation.runs import ArmModel, Effects, TestSet, simulate_runs
from experiments.comparison.compare_arms import compare_arms
from experiments.comparison.settings import CompareSettings
from experiments.inference.looks import Looks

LOOKS = Looks.of([3, 5], [4, 0, 1, 2, 3])
STAGED = CompareSettings(n_draws=100, workers=1, looks=LOOKS)
SHARED = replace(STAGED, looks=None, n_comparisons=2)  # one look, at the level that each of two looks has
ARMS = {"bce": ArmModel(), "better": ArmModel(separation=4.0), "close": ArmModel(separation=3.05)}
FIRST, LAST = LOOKS.seeds


@pytest.fixture(scope="module")
def runs():
    test = TestSet(n_groups=20, pixels=800)
    return simulate_runs(ARMS, range(5), test=test, effects=Effects(), rng=np.random.default_rng(3), masks=("a", "b"))


def some(runs, **seeds):
    """The runs with some seeds of each arm."""
    return {arm: {seed: run for seed, run in each.items() if seed in seeds[arm]} for arm, each in runs.items()}


def staged(runs, settings=STAGED):
    return compare_arms(runs, baseline="bce", settings=settings)


def rows(comparison, arm):
    """Both tables of an arm, without the number of the look."""
    tables = (comparison.arm_verdicts, comparison.verdicts)
    return [table[table["arm"] == arm].drop(columns="look").reset_index(drop=True) for table in tables]


def looks(comparison):
    return comparison.arm_verdicts.set_index("arm")["look"].to_dict()


def test_looks_take_the_seeds_in_the_order_of_the_sweep():
    assert (FIRST, LAST, LOOKS.stages) == ((4, 0, 1), (4, 0, 1, 2, 3), (3, 5))
    assert [LOOKS.added(look) for look in range(2)] == [(4, 0, 1), (2, 3)]


def test_a_decided_arm_keeps_its_look_and_the_others_get_the_next(runs):
    found = staged(some(runs, bce=LAST, better=FIRST, close=LAST))
    assert looks(found) == {"better": 1, "close": 2}
    first = staged(some(runs, bce=FIRST, better=FIRST, close=FIRST), SHARED)
    assert first.arm_verdicts["verdict"].tolist() == ["moves out", "undecided"]
    last = staged(some(runs, bce=LAST, better=FIRST, close=LAST), SHARED)
    for arm, one_look in (("better", first), ("close", last)):
        for mine, alone in zip(rows(found, arm), rows(one_look, arm), strict=True):
            pd.testing.assert_frame_equal(mine, alone)
    assert found.arm_verdicts["n_seeds"].tolist() == [3, 5]
    assert found.arm_verdicts["seeds_left_out"].tolist() == ["", ""]


def test_seeds_that_a_decided_arm_has_beyond_its_look_change_nothing(runs):
    """Else the study's end would depend on runs that nobody asked for."""
    found, more = (staged(some(runs, bce=LAST, better=seeds, close=LAST)) for seeds in (FIRST, LAST))
    for name in ("arm_verdicts", "verdicts", "points", "matched", "curves"):
        pd.testing.assert_frame_equal(getattr(found, name), getattr(more, name))


@pytest.mark.parametrize("missing", ["bce", "close"])
def test_a_look_waits_for_all_of_its_seeds(runs, missing):
    seeds = {"bce": LAST, "better": FIRST, "close": LAST, missing: (*FIRST, 2)}
    found, before = staged(some(runs, **seeds)), staged(some(runs, bce=FIRST, better=FIRST, close=FIRST))
    pd.testing.assert_frame_equal(found.arm_verdicts, before.arm_verdicts)
    assert looks(found) == {"better": 1, "close": 1}


def test_a_look_does_not_wait_for_seeds_that_diverged(runs):
    diverged = replace(STAGED, looks=replace(LOOKS, ended_without_scores={"close": frozenset({3})}))
    found = staged(some(runs, bce=LAST, better=FIRST, close=(*FIRST, 2)), diverged)
    assert looks(found) == {"better": 1, "close": 2}
    assert found.arm_verdicts["n_seeds"].tolist() == [3, 4]


def test_every_look_has_its_share_of_the_level(runs):
    assert (STAGED.n_looks, STAGED.verdict_level) == (2, 0.025)
    assert replace(STAGED, n_comparisons=5).rule("AP").level == pytest.approx(0.005)
    strict = replace(STAGED, level=1e-12)
    assert looks(staged(runs, strict)) == {"better": 2, "close": 2}, "nothing is decided, so all go on"


def test_a_study_without_stages_has_one_look(runs):
    found = staged(runs, replace(STAGED, looks=None))
    assert found.arm_verdicts["look"].tolist() == [1, 1]
    assert found.settings.verdict_level == 0.05


def test_a_study_whose_baseline_lacks_the_first_look_is_refused(runs):
    with pytest.raises(ValueError, match=r"baseline: expected runs of bce with the first look's seeds \(4, 0, 1\)"):
        staged(some(runs, bce=(2, 3), better=FIRST, close=FIRST))
