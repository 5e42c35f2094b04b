"""The report of a study that trains nothing: files, sentences and figure against its tables."""

import os
import sys
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from experiments.comparison.settings import CompareSettings
from experiments.comparison.thresholding.treatments import TREATMENTS, UNTREATED
from experiments.config import ConfigError
from experiments.frontier.arithmetic import from_pixels
from experiments.report.facts import StudySize
from experiments.report.text.wording import number
from experiments.report.thresholding.figure import ThresholdingDisplay
from experiments.report.thresholding.findings import findings
from experiments.report.thresholding.markdown import thresholding_markdown, value_rows, verdict_rows
from experiments.report.thresholding.report import report_thresholding
from experiments.report.thresholding.treated_study import treat_study
from experiments.runs import store
from experiments.thresholding import main as thresholding_main
from experiments.train import main as train_main

REPORT = OmegaConf.create(
    {"margin": 0.01, "point_margin": 0.05, "level": 0.05, "headline": "ap", "beta": 1.0, "recall_band": [0, 1]}
)
CONTRACT = ["arm", "mask", "baseline", "verdict", "verdict_f1", "ap_gain", "ap_gain_low", "ap_gain_high", "n_seeds"]
LOSSES = {
    "loss=bce": {"_target_": "losses.WeightedBCELoss", "pos_weight": 1.0},
    "loss=focal": {"_target_": "losses.FocalLoss", "gamma": 2.0, "positive_weight": None},
    "loss=weighted_bce": {"_target_": "losses.WeightedBCELoss", "pos_weight": 20.0},
}


def scores(seed, arm, split):
    """Log odds of the truth, as the arm's loss distorts them: 20 images of 1500 pixels."""
    world = np.random.default_rng([split, 7])
    true = world.normal(-3.5, 1.8, (20, 1, 1500))
    labels = world.random(true.shape) < 1.0 / (1.0 + np.exp(-true))
    stated = true + np.random.default_rng([split, seed]).normal(0, 0.1, true.shape)
    if arm == "loss=weighted_bce":
        stated = stated + np.log(20)
    elif arm == "loss=focal":
        stated = 0.4 * stated  # pulled towards 0, as focusing does
    names = [f"i{k}" for k in range(20)]
    return from_pixels(["thin"], names, names, stated, labels)


def write_run(folder, arm, seed, **info):
    store.write_config(folder, {"seed": seed, "loss": LOSSES[arm]})
    store.write_scores(folder, {"val": scores(seed, arm, 0), "test": scores(seed, arm, 1)})
    told = {"status": "complete", "axes": ["loss"], "baseline": "loss=bce", "prevalence": {"thin": 0.05}}
    fingerprints = {"data_fingerprint": {"train": "R", "val": "V", "test": "T"}}
    store.write_json(folder / store.RUN_FILE, {**told, **fingerprints, **info})


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    root = tmp_path_factory.mktemp("losses")
    for arm in LOSSES:
        for seed in range(3):
            write_run(root / arm / f"seed={seed}", arm, seed)
    diverged = {"status": "diverged", "axes": ["loss"], "baseline": "loss=bce", "reason": "not finite"}
    store.write_json(root / "loss=focal" / "seed=3" / store.RUN_FILE, diverged)
    return root


@pytest.fixture(scope="module")
def found(source):
    return treat_study(source, CompareSettings())


@pytest.fixture(scope="module")
def report_dir(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    report_thresholding(source, folder, REPORT)
    return folder


def test_the_report_leaves_its_files(report_dir):
    written = {path.relative_to(report_dir).as_posix() for path in report_dir.rglob("*") if path.is_file()}
    assert written == {
        "thresholding.csv", "changes.csv", "verdicts.csv", "holes.csv", "report.md",
        "figures/thresholding.png", "figures/thresholding.svg", "figures/thresholding.csv",
    }  # fmt: skip
    verdicts = pd.read_csv(report_dir / "verdicts.csv")
    assert set(CONTRACT) | {"n_groups", "source_arm"} <= set(verdicts.columns)
    assert not verdicts.duplicated(["source_arm", "arm", "mask"]).any()
    assert (verdicts[["ap_gain", "ap_gain_low", "ap_gain_high"]] == 0).all(axis=None)
    rows = pd.read_csv(report_dir / "thresholding.csv")
    assert len(rows) == 9 * (1 + len(TREATMENTS))
    assert not rows.duplicated(["arm", "seed", "mask", "treatment"]).any()
    assert pd.read_csv(report_dir / "holes.csv")["status"].tolist().count("diverged") == 1


def test_theory_is_that_of_each_arms_loss(found):
    rows = found.runs[(found.runs["treatment"] == "prior_theory") & (found.runs["seed"] == 0)].set_index("arm")
    assert rows.loc["loss=weighted_bce", "formula"] == "logit -2.996"
    assert rows.loc["loss=focal", "formula"] == "unfocus(logit; gamma 2)"
    assert "as they are" in rows.loc["loss=bce", "missing"]


def test_every_arm_is_its_own_baseline_at_a_shared_level(found):
    assert set(found.verdicts["source_arm"]) == set(LOSSES)
    assert found.settings.n_comparisons == 3
    words = found.verdicts.set_index(["source_arm", "arm"])["verdict"]
    for name in TREATMENTS:
        assert words["loss=weighted_bce", name] == "slides"
    assert words["loss=focal", "prior_theory"] == "stays"


def test_a_theory_of_the_studys_own_baseline_counts_too(tmp_path):
    for seed in (0, 1):
        write_run(tmp_path / "loss=weighted_bce" / f"seed={seed}", "loss=weighted_bce", seed, baseline="weighted_bce")
    found = treat_study(tmp_path, CompareSettings())
    assert "prior_theory" in set(found.changes["treatment"])
    assert found.seeds == "2 seeds"


def test_arms_of_a_study_with_conditions_are_treated_under_each(tmp_path):
    for steps in (10, 20):
        folder = tmp_path / f"loss=bce,trainer.max_steps={steps}" / "seed=0"
        write_run(folder, "loss=bce", 0, conditions=["trainer.max_steps"])
    found = treat_study(tmp_path, CompareSettings())
    assert list(found.names) == ["loss=bce,trainer.max_steps=10", "loss=bce,trainer.max_steps=20"]


def test_sentences_say_what_the_tables_say(found):
    text = "\n".join(findings(found))
    count = len(found.verdicts)
    assert f"The AP gain is exactly 0 in all {count} comparisons" in text
    slides = (found.verdicts["verdict"] == "slides").sum()
    assert f"slides {slides}, " in text
    undecided = (found.verdicts["verdict"] == "undecided").sum()
    assert not undecided or f"undecided {undecided} (only whether the point moved by more than 0.05)." in text
    best = found.changes.sort_values("f1_change").iloc[-1]
    assert f"({best['f1_change']:+.3f} [" in text
    harmed = found.changes[(found.changes["f1_change"] < -0.01) & (found.changes["f1_change_high"] < 0)]
    assert set(harmed[harmed["treatment"] == "prior_frequency"]["arm"]) == {"loss=focal"}
    assert "Prior by frequency lowers F1 at probability 0.5 in 1 of 3 arms and masks (focal)" in text
    worst = found.changes[found.changes["treatment"] == UNTREATED].sort_values("mass_ratio").iloc[-1]
    assert f"{worst['mass_ratio']:.2g} times the true one" in text


def test_a_frontier_that_moved_would_be_said(found):
    verdicts = found.verdicts.copy()
    verdicts.loc[0, ["ap_gain", "verdict"]] = [0.02, "moves out"]
    moved = "\n".join(findings(replace(found, verdicts=verdicts)))
    assert "No treatment moved" not in moved
    assert "moves out 1" in moved
    assert "The largest change of AP is 0.02." in moved


def test_undefined_intervals_of_a_single_seed_do_not_hide_that_nothing_moved(found):
    verdicts = found.verdicts.copy()
    verdicts.loc[0, ["ap_gain_low", "ap_gain_high"]] = np.nan
    verdicts.loc[0, ["verdict", "reason"]] = ["undecided", "one seed: how much the seed matters is unknown"]
    verdicts.loc[1, ["verdict", "reason"]] = ["undecided", "the frontier is the same, the point's move is not"]
    told = findings(replace(found, verdicts=verdicts))[0]
    assert told.startswith("**No treatment moved a frontier**")
    point = verdicts[verdicts["verdict"] == "undecided"]["reason"].str.startswith("the frontier").sum()
    assert f"({point} of them only whether the point moved by more than 0.05)" in told


def test_no_sentence_without_evidence(found):
    untreated = found.changes[found.changes["treatment"] == UNTREATED]
    nothing = replace(
        found,
        changes=untreated.assign(mass_ratio=np.nan),
        verdicts=found.verdicts.iloc[:0],
        runs=found.runs[found.runs["treatment"] == UNTREATED],
    )
    assert findings(nothing) == []
    assert "No mask could be compared." in thresholding_markdown(nothing, "caption")


def test_treatments_that_could_not_be_fitted_are_named(found):
    runs = found.runs.copy()
    lost = (runs["arm"] == "loss=bce") & (runs["seed"] == 1) & (runs["treatment"] == "platt")
    runs.loc[lost, "missing"] = "all validation pixels have the same score"
    told = findings(replace(found, runs=runs))[-1]
    assert told == "Not fitted: Platt for bce, mask thin, seed 1: all validation pixels have the same score."


def test_tables_have_a_row_per_mask_and_arm(found):
    headers, rows = value_rows(found, "f1", number)
    assert headers[:3] == ["mask", "arm", "untreated"]
    cells = {row[1]: dict(zip(headers, row, strict=True)) for row in rows}
    assert cells["bce"]["prior by theory"] == "-"
    table = found.changes.set_index(["arm", "treatment"])["f1"]
    assert cells["focal"]["Platt"] == f"{table['loss=focal', 'platt']:.2f}"
    _, words = verdict_rows(found)
    assert [row[1] for row in words] == ["bce", "focal", "weighted_bce"]
    assert words[2][2:] == ["slides"] * 5


def test_the_report_names_its_size_and_its_holes(report_dir, source):
    text = (report_dir / "report.md").read_text()
    assert str(source) in text
    assert "Fitted on 20 validation images, measured on 20 test images, 3 seeds per arm" in text
    assert "Hole: loss=focal seed 3 is diverged" in text
    assert "Nothing is trained here" in text


def test_figure_draws_the_numbers(found):
    size = StudySize(found.seeds, found.images, 0.05, 0.01)
    display = ThresholdingDisplay.of(found.changes, found.names, size, found.n_validation)
    figure, axes = plt.subplots(1, 2)
    try:
        assert display.plot(axes) is figure
        assert [label.get_text() for label in axes[0].get_yticklabels()] == ["bce", "focal", "weighted_bce"]
        table = found.changes.set_index(["arm", "treatment"])
        for ax, value in zip(axes, ("f1", "calibration_error"), strict=True):
            marked = {
                round(float(line.get_xdata()[0]), 9) for line in ax.lines if line.get_marker() not in ("None", "")
            }
            maps = found.changes[~found.changes["treatment"].isin([UNTREATED, "tuned_threshold"])]
            assert marked == set(maps[value].round(9))
            lines = {round(float(path.vertices[0, 0]), 9) for c in ax.collections for path in c.get_paths()}
            assert round(float(table.loc[("loss=focal", UNTREATED), value]), 9) in lines
        assert round(float(table.loc[("loss=focal", "tuned_threshold"), "f1"]), 9) in {
            round(float(path.vertices[0, 0]), 9) for c in axes[0].collections for path in c.get_paths()
        }
        low, high = axes[0].get_xlim()
        assert -0.02 <= low < found.changes["f1"].min() < found.changes["f1"].max() < high <= 1.02
        with pytest.raises(ValueError, match="axes: expected 2"):
            display.plot(axes[:1])
    finally:
        plt.close(figure)
    assert "3 seeds, 20 test images" in display.caption
    assert display.table is found.changes


def test_a_source_that_is_no_study_is_refused_by_its_own_key(tmp_path):
    with pytest.raises(ConfigError, match=r"^study\.source: expected a folder of runs"):
        report_thresholding(tmp_path / "nowhere", tmp_path / "report", REPORT)
    with pytest.raises(ConfigError, match=r"^study\.source: expected runs at"):
        report_thresholding(tmp_path, tmp_path / "report", REPORT)
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize("main", [train_main, thresholding_main])
def test_both_commands_write_the_report_and_nothing_else(main, source, report_dir, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("HYDRA_FULL_ERROR", "PYTHONPATH"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    study = ["study=thresholding"] if main is train_main else []
    monkeypatch.setattr(sys, "argv", ["command", *study, f"study.source={source}", "study_dir=treated"])
    main()
    written = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert written == {
        f"treated/report/{path.relative_to(report_dir).as_posix()}" for path in report_dir.rglob("*") if path.is_file()
    }
    assert (tmp_path / "treated/report/verdicts.csv").read_bytes() == (report_dir / "verdicts.csv").read_bytes()
