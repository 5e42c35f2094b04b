"""Folds of an arm and seed become one run, and what cannot be pooled is a hole or is refused."""

import numpy as np
import pytest

from experiments.comparison.compared_study import load_study as compared
from experiments.config import ConfigError
from experiments.evaluation.histogram_builder import ScoreHistogramBuilder
from experiments.frontier.arithmetic import merge
from experiments.frontier.tolerance.histograms import TolerantHistograms
from experiments.runs import store
from experiments.runs.study import load_study

N_FOLDS = 3


def scores(names, seed, shift=0.0):
    builder = ScoreHistogramBuilder(("a", "b"))
    rng = np.random.default_rng(seed)
    for name in names:
        target = np.random.default_rng(sum(map(ord, name))).random((2, 8, 8)) < 0.2
        builder.add(name, name[:2], 2 * target + rng.normal(shift, 1, (2, 8, 8)), target)
    return builder.build()


def images(fold):
    """Two wells of two images each."""
    return [f"{well}{n}_y{n}" for well in ("w", "v") for n in (2 * fold, 2 * fold + 1)]


def write_fold(study, arm, fold, seed, *, noise=None, status="complete", folds=N_FOLDS, test=None, **info):
    folder = study / f"{arm},data.fold={fold}" / f"seed={seed}"
    store.write_config(folder, {"seed": seed, "loss": {"_target_": arm}, "data": {"folds": folds, "fold": fold}})
    draw = 1000 * seed + fold if noise is None else noise + 1000 * seed + fold
    val = scores(images((fold + 1) % N_FOLDS), draw + 500)
    tests = scores(images(fold) if test is None else test, draw)
    store.write_scores(folder, {"val": val, "test": tests})
    exact = {"val": TolerantHistograms.exact(val), "test": TolerantHistograms.exact(tests)}
    store.write_tolerant(folder, {0: exact}, None)
    content = {
        "status": status,
        "axes": ["loss", "data.fold"],
        "baseline": "loss=bce",
        "tolerances": [0],
        "data_fingerprint": {"train": f"R{fold}", "val": f"V{fold}", "test": f"T{fold}"},
        "initial_weights": f"w{seed}",
        "updates": 5,
        "prevalence": {"a": 0.1 * (fold + 1), "b": 0.2},
        "annotators": [{"annotator": "ann", "mask": "a", "hits": 1, "false_alarms": fold, "misses": 0}],
        "command": f"python -m experiments.train study=losses loss=bce data.fold={fold} data.folds={folds}",
        **info,
    }
    store.write_json(folder / store.RUN_FILE, content)
    return folder


@pytest.fixture
def study(tmp_path):
    for arm in ("loss=bce", "loss=dice"):
        for seed in (0, 1, 2):
            for fold in range(N_FOLDS):
                write_fold(tmp_path, arm, fold, seed, noise=50 if arm == "loss=dice" else 0)
    return tmp_path


def test_a_pooled_run_holds_the_histograms_of_its_folds(study):
    runs = load_study(study)
    assert (list(runs.complete), runs.axes, runs.folds) == (["loss=bce", "loss=dice"], ("loss",), N_FOLDS)
    assert runs.holes.empty
    assert runs.differences.empty
    run = runs.complete["loss=dice"][1]
    parts = [store.load_run(study / f"loss=dice,data.fold={fold}" / "seed=1") for fold in range(N_FOLDS)]
    by_hand = merge([part.scores["test"] for part in parts])
    test, val = run.scores["test"], run.scores["val"]
    assert test.image_ids == by_hand.image_ids == tuple(name for fold in range(N_FOLDS) for name in images(fold))
    assert test.group_ids == by_hand.group_ids
    for name in ("row_start", "bins", "positives", "negatives", "joint"):
        np.testing.assert_array_equal(getattr(test, name), getattr(by_hand, name))
    assert len(test.groups()[0]) == 12
    assert val.image_ids[:1] == ("fold 0: w2_y2",)
    for mask in range(2):
        for pooled, each in ((test, "test"), (val, "val")):
            total = [np.sum(found, axis=0) for found in zip(*(p.scores[each].pooled(mask) for p in parts), strict=True)]
            np.testing.assert_array_equal(pooled.pooled(mask), total)
    within = run.tolerant[0]["test"]
    assert within.near.image_ids == test.image_ids
    np.testing.assert_array_equal(within.near.pooled(0), test.pooled(0))
    assert run.info["prevalence"]["a"] == pytest.approx(0.2)
    assert run.info["annotators"] == [{"annotator": "ann", "mask": "a", "hits": 3, "false_alarms": 3, "misses": 0}]
    assert "data.fold=" not in run.info["command"]
    assert "data.folds=3" in run.info["command"]


def test_a_fold_that_is_missing_or_failed_makes_a_hole(study):
    for path in sorted((study / "loss=dice,data.fold=1" / "seed=2").iterdir()):
        path.unlink()
    write_fold(study, "loss=dice", 2, 0, status="failed", reason="out of memory", command="train it again")
    runs = load_study(study)
    assert sorted(runs.complete["loss=dice"]) == [1]
    holes = runs.holes.set_index(["arm", "seed"])
    assert holes.loc[("loss=dice", 2), ["status", "reason", "command"]].tolist() == [
        "missing",
        "fold 1 of 3: missing: no run folder",
        "",
    ]
    assert holes.loc[("loss=dice", 0), ["status", "reason", "command"]].tolist() == [
        "failed",
        "fold 2 of 3: failed: out of memory",
        "train it again",
    ]


def test_the_last_fold_missing_everywhere_is_a_hole_of_every_run(study):
    for path in study.glob("*,data.fold=2/seed=*/*"):
        path.unlink()
    with pytest.raises(ConfigError, match="fold 2 of 3: missing"):
        load_study(study)


def test_a_collapsed_fold_is_an_outcome(study):
    write_fold(study, "loss=dice", 1, 0, status="diverged", reason=store.CONSTANT_OUTPUT)
    runs = load_study(study)
    assert runs.holes.empty
    assert runs.complete["loss=dice"][0].status == "diverged"


@pytest.mark.parametrize(("test", "what"), [(["w0_y0", "v9_y9"], "image.*w0_y0"), (["w0_y7", "v9_y9"], "group.*w0")])
def test_an_image_or_a_group_that_is_tested_twice_is_refused(study, test, what):
    write_fold(study, "loss=dice", 1, 0, test=test)
    with pytest.raises(ConfigError, match=f"data.folds: expected every {what}"):
        load_study(study)


def test_folds_of_other_cuts_or_trainings_are_refused(study):
    folder = write_fold(study, "loss=dice", 1, 0)
    config = {"seed": 0, "loss": {"_target_": "loss=dice"}, "data": {"folds": 3, "fold": 1, "split_seed": 4}}
    store.write_config(folder, config)
    with pytest.raises(ConfigError, match=r"data\.split_seed: expected one value in all folds"):
        load_study(study)
    write_fold(study, "loss=dice", 1, 0, folds=5)
    with pytest.raises(ConfigError, match=r"data\.folds: expected one number of folds"):
        load_study(study)


def test_the_same_loss_under_two_names_gains_exactly_nothing(tmp_path):
    for arm in ("loss=bce", "loss=same"):
        for seed in (0, 1, 2):
            for fold in range(N_FOLDS):
                write_fold(tmp_path, arm, fold, seed)
    row = compared(tmp_path).comparison.arm_verdicts.iloc[0]
    assert row["headline_gain"] == 0.0
    assert (row["n_seeds"], row["headline_gain_low"], row["headline_gain_high"]) == (3, 0.0, 0.0)
