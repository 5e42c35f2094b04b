"""Each arm takes its own best setting on validation; test scores and surviving seeds do not matter."""

from pathlib import Path

import numpy as np
import pytest

from experiments.evaluation.histogram_builder import ScoreHistogramBuilder
from experiments.runs.store import Run
from experiments.runs.tuning import choose, validation_ap, without_keys


def scores(separation, seed):
    rng = np.random.default_rng(seed)
    target = rng.random((1, 40, 40)) < 0.1
    builder = ScoreHistogramBuilder(("a",))
    builder.add("i", "i", separation * target + rng.normal(0, 1, target.shape), target)
    return builder.build()


def run(arm, seed, *, val, test=1.0, lr=0.1):
    histograms = {"val": scores(val, seed), "test": scores(test, seed + 100)}
    return Run(Path(arm), arm, seed, "complete", {}, {"optimizer": {"lr": lr}}, histograms)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("loss=dice,optimizer.lr=0.01", "loss=dice"),
        ("optimizer.lr=0.01,loss=dice", "loss=dice"),
        ("loss=dice,optimizer.lr=0.01,loss.smooth=2", "loss=dice,loss.smooth=2"),
        ("optimizer.lr=0.01", "default"),
        ("loss=dice,my_optimizer.lr=0.01", "loss=dice,my_optimizer.lr=0.01"),
    ],
)
def test_the_nuisance_key_leaves_the_name(name, expected):
    assert without_keys(name, ["optimizer.lr"]) == expected


def test_the_setting_best_on_validation_is_chosen_for_each_arm():
    runs = {
        # Better on validation, far worse on test: validation decides.
        "loss=bce,optimizer.lr=0.1": {s: run("b1", s, val=2.0, test=0.0, lr=0.1) for s in (0, 1)},
        "loss=bce,optimizer.lr=0.2": {s: run("b2", s, val=1.0, test=4.0, lr=0.2) for s in (0, 1)},
        "loss=dice,optimizer.lr=0.1": {s: run("d1", s, val=1.0, lr=0.1) for s in (0, 1)},
        "loss=dice,optimizer.lr=0.2": {s: run("d2", s, val=2.0, lr=0.2) for s in (0, 1)},
    }
    chosen, table = choose(runs, ["optimizer.lr"])
    assert {arm: sorted(run.folder.name for run in seeds.values()) for arm, seeds in chosen.items()} == {
        "loss=bce": ["b1", "b1"],
        "loss=dice": ["d2", "d2"],
    }
    assert table[table["chosen"]]["setting"].tolist() == ["optimizer.lr=0.1", "optimizer.lr=0.2"]
    assert (table[table["chosen"]]["behind_best"] == 0).all()
    assert (table[~table["chosen"]]["behind_best"] > 0.1).all()


def test_a_setting_that_lost_runs_is_not_chosen_for_its_lucky_seeds():
    runs = {
        "loss=bce,optimizer.lr=0.1": {0: run("steady", 0, val=1.0), 1: run("steady", 1, val=1.0)},
        "loss=bce,optimizer.lr=9": {0: run("lucky", 0, val=3.0, lr=9)},
        "loss=bce,optimizer.lr=99": {},
    }
    chosen, table = choose(runs, ["optimizer.lr"])
    assert {r.folder.name for r in chosen["loss=bce"].values()} == {"steady"}
    assert table.set_index("n_seeds").loc[0, "setting"] == "loss=bce,optimizer.lr=99"


def test_validation_ap_is_the_mean_over_seeds():
    seeds = {s: run("a", s, val=1.0 + s) for s in (0, 1)}
    each = [validation_ap({s: one}) for s, one in seeds.items()]
    assert validation_ap(seeds) == pytest.approx(np.mean(each))
    assert np.isnan(validation_ap({}))
