"""Verdicts on curves: planted errors are found with the right sign, an arm beside itself stays, runs on disk agree."""

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from experiments.comparison import CompareSettings, compare_scores, load_study
from experiments.frontier.curve_space.centre_line import curve_errors
from experiments.report.settings import report_problems
from experiments.report.study import write_tables, write_texts
from experiments.runs import store

REPORT = {"margin": 0.01, "point_margin": 0.05, "level": 0.05, "headline": "ap", "beta": 1.0, "recall_band": [0, 1]}
SETTINGS = CompareSettings(headline="curve_accuracy", curve_scale=0.5)
NAMES = ("bce", "other draws", "shifted", "sparse", "straight")


def strokes(split, count=10):
    found = []
    for index in range(count):
        rng = np.random.default_rng([split, index])
        centres = np.round(20 + 6 * np.sin(np.arange(40) / 6 + rng.uniform(0, 6)))
        mask = np.zeros((40, 48), bool)
        for row, centre in enumerate(centres.astype(int)):
            mask[row, centre - 2 : centre + 3] = True
        found.append(mask)
    return found


def maps(split, arm, seed):
    """Draw each stroke a pixel to the right, in a fifth of its rows two; others do better or worse."""
    made = []
    for index, truth in enumerate(strokes(split)):
        rng = np.random.default_rng([split, index, seed, NAMES.index(arm)])
        stroke = np.roll(truth, {"shifted": 3, "straight": 0}.get(arm, 1), axis=1)
        further = rng.random(len(stroke)) < 0.2
        stroke[further] = np.roll(stroke[further], 1, axis=1)
        if arm == "sparse":
            stroke[rng.random(len(stroke)) < 0.4] = False
        made.append(np.where(stroke, 4.0, -4.0) + rng.normal(0, 1.0, truth.shape))
    return made


def arms(split, names=NAMES):
    return {arm: {seed: maps(split, arm, seed) for seed in range(4)} for arm in names}


@pytest.fixture(scope="module")
def study():
    return compare_scores(arms(1), strokes(1), validation=(arms(0), strokes(0)), settings=SETTINGS, curve="rows")


def write_run(folder, run, curves=True):
    store.write_config(folder, {"seed": run.seed, "loss": {"_target_": "my.Loss"}})
    store.write_scores(folder, run.scores)
    info = {"status": "complete", "axes": ["loss"], "baseline": "bce", "data_fingerprint": {"test": "T"}}
    if curves:
        store.write_curves(folder, run.curves)
        info["curve"] = run.curves.axis
    store.write_json(folder / store.RUN_FILE, info)


@pytest.fixture(scope="module")
def study_dir(study, tmp_path_factory):
    root = tmp_path_factory.mktemp("curves")
    for arm, seeds in study.runs.complete.items():
        for seed, run in seeds.items():
            write_run(root / arm / f"seed={seed}", run)
    return root


def test_a_smaller_error_is_better_and_a_larger_worse(study):
    found = study.arms.set_index("arm")
    assert found["verdict"].to_dict() == {
        "other draws": "stays",
        "shifted": "moves in",
        "sparse": "slides",  # its gaps, filled, cost less than the margin; recall falls
        "straight": "moves out",
    }
    assert found.loc["straight", "headline_gain"] == pytest.approx(1 / 48, abs=0.005)  # a pixel of 48
    gains = study.comparison.curve_errors.gains.set_index("arm")
    assert gains.loc["straight", "mae_gain"] == pytest.approx(1, abs=0.2)
    assert gains.loc["shifted", "mae_gain"] == pytest.approx(-2, abs=0.2)
    assert (gains["mae_gain_low"] <= gains["mae_gain"]).all()
    assert (gains["mae_gain_high"] >= gains["mae_gain"]).all()


def test_rows_left_out_are_told_by_the_coverage_and_not_by_the_error(study):
    found = study.comparison.curve_errors.runs
    tuned = found[found["point"] == "tuned"].groupby("arm")[["mae", "mae_filled", "coverage", "true_rows"]].mean()
    assert tuned.loc["sparse", "coverage"] < 0.75 < 0.95 < tuned.loc["bce", "coverage"]
    assert tuned.loc["sparse", "mae"] == pytest.approx(tuned.loc["bce", "mae"], abs=0.25)
    assert tuned.loc["sparse", "mae_filled"] > tuned.loc["sparse", "mae"]
    assert (found["mae_units"] == 0.5 * found["mae"]).all()


def test_the_pooled_errors_are_those_of_the_masks_themselves(study):
    """One run's numbers against the free function on the thresholded maps, image by image."""
    each = [curve_errors(scores >= 0, truth) for scores, truth in zip(maps(1, "sparse", 2), strokes(1), strict=True)]
    rows = np.array([one.true_rows * one.coverage for one in each])
    row = study.comparison.curve_errors.runs.query("arm == 'sparse' and seed == 2 and point == 'natural'").iloc[0]
    assert row["mae"] == pytest.approx(np.average([one.mae for one in each], weights=rows))
    assert row["coverage"] == pytest.approx(rows.sum() / sum(one.true_rows for one in each))
    groups = study.comparison.curve_errors.groups.query("arm == 'sparse' and seed == 2 and point == 'natural'")
    assert groups["mae"].tolist() == pytest.approx([one.mae for one in each])


def test_runs_on_disk_give_the_same(study, study_dir, tmp_path):
    read = load_study(study_dir, settings=dataclasses.replace(SETTINGS, theory={"bce": 1.0}))
    for name in ("verdicts", "arm_verdicts"):
        pd.testing.assert_frame_equal(getattr(read.comparison, name), getattr(study.comparison, name))
    pd.testing.assert_frame_equal(read.comparison.curve_errors.groups, study.comparison.curve_errors.groups)
    write_tables(tmp_path, read.runs, read.comparison, None)
    write_texts(tmp_path, read.runs, read.comparison, None)
    text = (tmp_path / "details.md").read_text()
    assert "by curve accuracy" in text
    assert "## Curves" in text
    assert "MAE, units" in text
    accuracy = study.comparison.curve_errors.runs.query("arm == 'straight' and point == 'tuned'")["accuracy"].mean()
    assert re.search(rf"\| mask +\| straight +\| tuned .*\| {accuracy:.4f} ", text)
    assert re.search(r"\| mask +\| straight +\| \+[01]\.\d+ \[", text)
    assert "`curve_groups.csv`" in text
    assert len(pd.read_csv(tmp_path / "curve.csv")) == 5 * 4 * 2
    assert len(pd.read_csv(tmp_path / "curve_groups.csv")) == 5 * 4 * 2 * 10


def test_without_curves_nothing_is_said_and_the_headline_names_the_runs(study, tmp_path):
    for arm in ("bce", "straight"):
        for seed, run in study.runs.complete[arm].items():
            write_run(tmp_path / arm / f"seed={seed}", run, curves=arm == "bce")
    with pytest.raises(ValueError, match="curve_accuracy needs runs that counted their curves") as caught:
        load_study(tmp_path, settings=SETTINGS)
    assert all(f"straight/seed={seed}" in str(caught.value) for seed in range(4))
    assert "bce/seed" not in str(caught.value)
    assert "trainer.curve=rows" in str(caught.value)
    read = load_study(tmp_path)
    assert not len(read.comparison.curve_errors.runs)
    write_texts(tmp_path / "report", read.runs, read.comparison, None)
    text = (tmp_path / "report" / "details.md").read_text()
    assert "4 of 8 runs counted curves" in text
    assert "curve_groups.csv" not in text


def test_without_validation_there_is_no_tuned_mask_and_no_verdict():
    some = arms(1, ("bce", "straight"))
    found = compare_scores(some, strokes(1), settings=SETTINGS, curve="rows")
    assert found.verdicts["verdict"].tolist() == ["undecided"]
    assert "no threshold could be tuned" in found.verdicts["reason"].iloc[0]
    assert found.comparison.curve_errors.runs["point"].unique().tolist() == ["natural"]


def test_images_without_a_true_row_are_left_out_and_counted(study):
    truths = [*strokes(1), np.zeros((40, 48), bool)]
    some = {
        arm: {seed: [*each, np.full((40, 48), -3.0)] for seed, each in seeds.items()}
        for arm, seeds in arms(1, ("bce", "straight")).items()
    }
    validation = arms(0, ("bce", "straight")), strokes(0)
    found = compare_scores(some, truths, validation=validation, settings=SETTINGS, curve="rows")
    table = found.comparison.curve_errors.runs
    assert (table["images_without_rows"] == 1).all()
    before = study.comparison.curve_errors.runs
    assert table["mae"].tolist() == before[before["arm"].isin(["bce", "straight"])]["mae"].tolist()


def test_curves_of_other_axes_or_labels_are_refused(study, tmp_path):
    runs = study.runs.complete
    write_run(tmp_path / "bce/seed=0", runs["bce"][0])
    other = dataclasses.replace(runs["straight"][0].curves, axis="columns")
    write_run(tmp_path / "straight/seed=0", dataclasses.replace(runs["straight"][0], curves=other))
    with pytest.raises(ValueError, match="expected curves along one axis in all runs"):
        load_study(tmp_path, settings=SETTINGS)
    wrong = dataclasses.replace(other, axis="rows", sums=other.sums + 1)
    write_run(tmp_path / "straight/seed=0", dataclasses.replace(runs["straight"][0], curves=wrong))
    with pytest.raises(ValueError, match="straight seed 0: expected the curves of the labels of bce seed 0"):
        load_study(tmp_path, settings=SETTINGS)


def test_damaged_sums_make_a_damaged_run(study, tmp_path):
    write_run(tmp_path / "bce/seed=0", study.runs.complete["bce"][0])
    np.savez(tmp_path / "bce/seed=0" / store.CURVE_FILE, axis="rows")
    run = store.load_run(tmp_path / "bce/seed=0")
    assert run.status == "damaged"
    assert re.match(r"curve.npz: .*missing \['image_ids'", run.info["reason"])
    assert not run.scores


@pytest.mark.parametrize("scale", [0.0, -1.0, float("inf"), float("nan")])
def test_a_scale_that_is_not_positive_is_refused(scale):
    (found,) = report_problems(OmegaConf.create({**REPORT, "curve_scale": scale}))
    assert found.startswith("report.curve_scale: expected a finite number of units per pixel above 0, got")


def test_subgroups_are_judged_by_their_own_curves():
    """An arm that is better in the first half of the images alone."""
    validation = arms(0, ("bce", "straight")), strokes(0)
    some = arms(1, ("bce", "straight"))
    mixed = {seed: [*some["straight"][seed][:5], *some["bce"][seed][5:]] for seed in range(4)}
    by = ["first"] * 5 + ["second"] * 5
    found = compare_scores(
        {"bce": some["bce"], "straight": mixed},
        strokes(1),
        validation=validation,
        settings=SETTINGS,
        curve="rows",
        by=by,
    ).by_subgroup.table.set_index("subgroup")["headline_gain"]
    assert found["first"] == pytest.approx(1 / 48, abs=0.005)
    assert found["second"] == pytest.approx(0, abs=0.002)  # its threshold is tuned on its own validation
