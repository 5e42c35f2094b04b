"""The report of runs on disk says which verdicts flip within a distance, and which runs did not record it."""

import dataclasses

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from experiments.comparison import CompareSettings, compare_scores, load_study
from experiments.comparison.compared_study import ComparedStudy
from experiments.config import ConfigError
from experiments.frontier.tolerance.centerlines import CenterlineCounts
from experiments.report.gallery import draw_all
from experiments.report.settings import report_problems
from experiments.report.study import report_study, write_tables, write_texts
from experiments.report.summary.study import summary_text
from experiments.report.text.verdicts import footnotes
from experiments.report.thresholding.report import report_thresholding
from experiments.report.tolerance.figure import ToleranceDisplay
from experiments.report.tolerance.text import flips, tolerance_notes
from experiments.runs import store

REPORT = {"margin": 0.03, "point_margin": 0.05, "level": 0.05, "headline": "ap", "beta": 1.0, "recall_band": [0, 1]}
NAMES = {"bce": "bce", "shifted": "shifted", "worse": "worse"}


def lines(split, count=12):
    rng = np.random.default_rng([split, 99])
    found = []
    for index in range(count):
        target = np.zeros((34 + index, 44), bool)
        row = rng.integers(6, 26)
        target[row : row + 3, 4:40] = True
        found.append(target)
    return found


def maps(split, seed, down, signal, draw):
    return [
        signal * np.roll(target, down, 0)
        - 3
        + np.random.default_rng([split, index]).normal(size=target.shape)
        + np.random.default_rng([split, index, seed, draw]).normal(0, 0.3, target.shape)
        for index, target in enumerate(lines(split))
    ]


def arms(split):
    made = {"bce": (0, 4.0, 1), "shifted": (1, 4.0, 2), "worse": (0, 2.0, 3)}
    return {arm: {seed: maps(split, seed, *how) for seed in range(4)} for arm, how in made.items()}


def write_run(folder, run, tolerances=(2,)):
    store.write_config(folder, {"seed": run.seed, "loss": {"_target_": "my.Loss"}})
    store.write_scores(folder, run.scores)
    names = run.scores["test"].image_ids
    counts = np.tile([10, 5, 8, 8], (len(names), 1, 1, 1)).astype(np.int64)
    store.write_tolerant(folder, run.tolerant, CenterlineCounts(names, ("tuned",), counts))
    info = {"status": "complete", "axes": ["loss"], "baseline": "bce", "data_fingerprint": {"test": "T"}}
    store.write_json(folder / store.RUN_FILE, {**info, "tolerances": list(tolerances), "cldice": True})


@pytest.fixture(scope="module")
def study():
    settings = CompareSettings(margin=0.03)
    return compare_scores(arms(1), lines(1), validation=(arms(0), lines(0)), settings=settings, tolerance=2)


@pytest.fixture(scope="module")
def study_dir(study, tmp_path_factory):
    root = tmp_path_factory.mktemp("tolerant")
    for arm, seeds in study.runs.complete.items():
        for seed, run in seeds.items():
            write_run(root / arm / f"seed={seed}", run)
    return root


def test_runs_on_disk_give_the_same(study, study_dir):
    read = load_study(study_dir, settings=CompareSettings(margin=0.03, tolerance=2, theory={"bce": 1.0}))
    for name in ("verdicts", "thin", "tolerant_curves"):
        pd.testing.assert_frame_equal(getattr(read.comparison, name), getattr(study.comparison, name))


def test_the_flip_is_told_and_nothing_else(study_dir):
    study = load_study(study_dir, settings=CompareSettings(margin=0.03, tolerance=2))
    found = flips(study.comparison)
    assert found["arm"].tolist() == ["shifted"]
    (note,) = tolerance_notes(study.comparison, NAMES)
    assert note.startswith("Within 2 pixels, other verdicts than without tolerance: shifted (mask) stays (")
    assert ", exactly moves in (-" in note
    assert "worse" not in note
    assert note in " ".join(summary_text(study.runs, study.comparison).split())
    families = next(text for text in footnotes(study.runs, study.comparison, None) if text.startswith("False claims"))
    assert "for AP and for tuned F1 and for AP within 2 px and for crossing curves" in families
    assert "over the 4 families" in families


def test_the_report_has_both_verdicts_and_the_scores(study, study_dir, tmp_path):
    read = load_study(study_dir, settings=CompareSettings(margin=0.03, tolerance=2, theory={"bce": 1.0}))
    write_tables(tmp_path, read.runs, read.comparison, None)
    write_texts(tmp_path, read.runs, read.comparison, None)
    text = (tmp_path / "details.md").read_text()
    assert "## Within 2 pixels" in text
    row = next(line for line in text.splitlines() if line.startswith("| mask | shifted |") and "differs" in line)
    assert "moves in" in row
    assert "stays" in row
    thin = pd.read_csv(tmp_path / "thin_scores.csv")
    means = thin[(thin["arm"] == "shifted") & (thin["tolerance"] == 2)][["ap", "chance_ap", "ods", "ois"]].mean()
    assert f"| mask | shifted | 2 | {' | '.join(f'{value:.2f}' for value in means)} |" in text
    lines_of = pd.read_csv(tmp_path / "cldice.csv")
    assert lines_of["cldice"].unique() == pytest.approx([2 * 0.5 * 1.0 / 1.5], rel=1e-6)
    assert "| mask | bce | tuned | 0.67 | 0.67 |" in text
    verdicts = pd.read_csv(tmp_path / "verdicts.csv").set_index("arm")
    assert verdicts.loc["shifted", "verdict_tolerant"] == "stays"
    # A later report without a tolerance leaves none of it.
    plain = load_study(study_dir, settings=CompareSettings(margin=0.03, theory={"bce": 1.0}))
    write_tables(tmp_path, plain.runs, plain.comparison, None)
    write_texts(tmp_path, plain.runs, plain.comparison, None)
    assert not (tmp_path / "thin_scores.csv").exists()
    assert "Within 2 pixels" not in (tmp_path / "report.md").read_text() + (tmp_path / "details.md").read_text()
    assert "verdict_tolerant" not in pd.read_csv(tmp_path / "verdicts.csv").columns


def test_the_figure_draws_both_frontiers(study_dir, tmp_path):
    settings = CompareSettings(margin=0.03, tolerance=2, theory={"bce": 1.0}, workers=1)
    read = load_study(study_dir, settings=settings)
    display = ToleranceDisplay.of(read.runs, read.comparison)
    (ax,) = display.plot().axes
    drawn = {tuple(np.round(line.get_ydata(), 9)) for line in ax.lines}
    for arm in NAMES:
        for curves in (read.curves, read.comparison.tolerant_curves):
            own = curves[curves["arm"] == arm].sort_values("recall")
            assert any(np.allclose(own["precision"], line, equal_nan=True) for line in drawn if len(line) == len(own))
    thin = read.comparison.thin.query("arm == 'shifted' and tolerance == 2")
    point = display.points.query("arm == 'shifted' and point == 'tuned'").iloc[0]
    assert point["precision"] == pytest.approx(thin["tuned_precision"].mean())
    assert "within 2 pixels (thick)" in display.caption
    plt.close("all")
    files = draw_all(tmp_path, read.runs, read.comparison, only=("tolerance",))
    assert [path.name for path in files] == ["tolerance.png"]
    plain = load_study(study_dir, settings=dataclasses.replace(settings, tolerance=None))
    assert not draw_all(tmp_path, plain.runs, plain.comparison, only=("tolerance",))
    assert not (tmp_path / "tolerance.png").exists()


def test_equal_verdicts_are_told_too(study):
    both = study.comparison.verdicts.assign(verdict_tolerant=study.comparison.verdicts["verdict_exact"])
    same = ComparedStudy(study.runs, dataclasses.replace(study.comparison, verdicts=both))
    assert tolerance_notes(same.comparison, NAMES) == [
        "Within 2 pixels: every verdict is the same as without tolerance."
    ]


def test_runs_without_the_distance_are_named_with_what_to_do(study, tmp_path):
    for arm, seeds in study.runs.complete.items():
        for seed, run in seeds.items():
            write_run(tmp_path / arm / f"seed={seed}", run, [] if (arm, seed) == ("worse", 2) else [2])
    elsewhere = tmp_path / "shifted" / "seed=1"
    info = {**(store.read_info(elsewhere) or {}), store.PREDICTIONS: "F", "tolerances": []}
    store.write_json(elsewhere / store.RUN_FILE, info)
    with pytest.raises(ConfigError) as refused:
        report_study(tmp_path, tmp_path / "report", OmegaConf.create({**REPORT, "tolerance": 2}))
    first, *others = str(refused.value).splitlines()
    assert first == "report.tolerance: expected runs scored within 2 pixels, got"
    assert others[0].startswith(f"{tmp_path}/worse/seed=2: give its command trainer.tolerances=[2]")
    assert others[1].startswith(f"{elsewhere}: score the maps again with tolerances=[2]")
    assert len(others) == 2


@pytest.mark.parametrize("value", [-1, 33, 2.5, "two", True])
def test_a_distance_that_cannot_be_is_named_once(value):
    for headline in ("ap", "tolerant_ap"):
        found = report_problems(OmegaConf.create({**REPORT, "headline": headline, "tolerance": value}))
        assert len(found) == 1
        assert found[0].startswith("report.tolerance: expected a whole number from 0 to 32 (pixels), got")


def test_a_tolerant_headline_needs_a_tolerance():
    found = report_problems(OmegaConf.create({**REPORT, "headline": "tolerant_f1"}))
    assert found == ["report.headline: tolerant_f1 needs a tolerance in pixels, got none"]
    assert not report_problems(OmegaConf.create({**REPORT, "headline": "tolerant_f1", "tolerance": 0}))


def test_treatments_have_no_tolerance(study_dir, tmp_path):
    with pytest.raises(ConfigError, match="tolerance: expected null"):
        report_thresholding(study_dir, tmp_path, OmegaConf.create({**REPORT, "tolerance": 2}))
