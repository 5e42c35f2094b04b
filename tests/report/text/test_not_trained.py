"""Untrained arms come first wherever the answer is given, and no invalid interval is shown."""

import re

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from experiments.evaluation.histogram_builder import ScoreHistogramBuilder
from experiments.inference.words import WORDS
from experiments.report.checklist.evidence import StudyEvidence
from experiments.report.checklist.levers import time_table
from experiments.report.checklist.sentences import checklist
from experiments.report.gallery import draw_all
from experiments.report.study import compare, report_study
from experiments.report.summary.paper import latex_table
from experiments.report.summary.run import print_run
from experiments.report.summary.study import summary_markdown, summary_text
from experiments.report.text.markdown import details_markdown
from experiments.report.text.sayings import SAYINGS
from experiments.report.text.verdicts import verdict_rows
from experiments.report.text.wording import TOO_FEW_SEEDS
from experiments.runs import store
from experiments.runs.study import load_study

SETTINGS = OmegaConf.create(
    {"margin": 0.01, "point_margin": 0.05, "level": 0.05, "headline": "ap", "beta": 1.0, "recall_band": [0, 1]}
)

WORTHLESS = -4.5
"""Gain with which positives score lower than the rest."""


def collapse(folder, image_scores):
    """Make a run one that gave every pixel the same score."""
    splits = {}
    for split, name in enumerate(("val", "test")):
        builder = ScoreHistogramBuilder(("thin", "dots"), thresholds={"tuned": [0.0, 0.0]})
        for index in range(12):
            target, logits = image_scores(split, index, 0, 2, 0.0, 0.0)
            builder.add(f"i{index}", f"i{index}", np.zeros_like(logits), target)
        splits[name] = builder.build()
    store.write_scores(folder, splits)
    info = store.read_info(folder)
    store.write_json(folder / store.RUN_FILE, {**info, "status": "diverged", "reason": store.CONSTANT_OUTPUT})


@pytest.fixture(scope="module")
def study_dir(on_disk, tmp_path_factory):
    """A trained baseline, an arm that learned nothing, and one of which a seed collapsed to a constant."""
    arms = {
        "loss=bce": ({"_target_": "my.Bce"}, 0.0, 0.0),
        "loss=nothing": ({"_target_": "my.Loss"}, 0.0, WORTHLESS),
        "loss=partly": ({"_target_": "my.Other"}, 0.0, 2.0),
    }
    write_study, image_scores = on_disk
    root = write_study(tmp_path_factory.mktemp("untrained"), arms=arms, examples=False, history=False)
    collapse(root / "loss=partly" / "seed=2", image_scores)
    return root


def test_the_answer_begins_with_what_is_not_trained(study_dir, tmp_path, capsys):
    report_study(study_dir, tmp_path, SETTINGS)
    printed = capsys.readouterr().out
    last = " ".join(printed.split("details.md\n\n")[1].split())
    assert last.startswith("Not trained: nothing is not shown to be better than random scores on thin (AP 0.0")
    assert re.search(r"1 of 3 seeds of partly collapsed on dots: seed 2 \(AP 0\.0\d+ at a prevalence of 0\.0", last)
    answer = (tmp_path / "report.md").read_text().split("\n\n")[1]
    assert answer.startswith("**Not trained:** **nothing** is not shown")
    page = (tmp_path / "report.html").read_text()
    assert re.search(r'</h1>\s*<p class="warned"><strong>Not trained:', page)
    verdicts = pd.read_csv(tmp_path / "verdicts.csv").set_index(["arm", "mask"])
    assert (verdicts["verdict"] == "not trained").all()
    assert verdicts.columns[-10:-6].tolist() == ["arm_ap", "baseline_ap", "prevalence", "untrained_runs"]
    assert verdicts["untrained_runs"]["loss=partly"].tolist() == ["loss=partly seed 2"] * 2
    assert verdicts["reason"]["loss=partly", "thin"].startswith("1 of 3 seeds of loss=partly collapsed (seed 2: one ")
    assert verdicts[["ap_gain_low", "f1_gain_high", "needed_seeds"]].isna().all(axis=None)
    scores = pd.read_csv(tmp_path / "scores.csv")
    assert (scores.groupby("arm")["trained"].sum().to_dict()) == {"loss=bce": 6, "loss=nothing": 0, "loss=partly": 4}
    assert pd.read_csv(tmp_path / "holes.csv").empty


def test_tables_show_the_level_and_no_gain_of_it(study_dir):
    study = load_study(study_dir)
    comparison = compare(study, SETTINGS)
    headers, rows = verdict_rows(study, comparison)
    cells = {row[1]: dict(zip(headers, row, strict=True)) for row in rows if row and row[0] == "thin"}
    assert cells["nothing"]["AP gain"] == cells["partly"]["tuned F1 gain"] == "-"
    scores = comparison.scores
    own = scores[(scores["arm"] == "loss=bce") & (scores["mask"] == "thin")]
    level = f"{own['average_precision'].mean():.3f} ({own['prevalence'].iloc[0]:.3g})"
    assert cells["bce"]["AP (prevalence)"] == level
    assert all(cells[name]["seeds needed"] == "" for name in ("nothing", "partly"))
    sentences = checklist([StudyEvidence.of(study, comparison)])
    assert any("train what is not trained" in sentence for sentence in sentences)
    assert not any("more seeds.**" in sentence or "third seed" in sentence for sentence in sentences)
    assert "nan" not in details_markdown(study, comparison, None, sentences).lower()
    assert "$nan" not in latex_table(comparison)


def test_a_baseline_that_learned_nothing_leaves_no_verdict(make_study):
    arms = {"loss=bce": ({}, 0.0, WORTHLESS), "loss=good": ({}, 0.0, 0.0)}
    study, comparison = make_study(arms=arms, seeds=(0,), masks=("thin",), examples=False, history=False)
    last = " ".join(summary_text(study, comparison, "places").split("places\n\n")[1].split())
    assert last.startswith("Not trained: bce (the baseline) is not shown to be better than random scores on thin")
    assert "No answer yet" in last
    assert "No answer yet" in summary_markdown(study, comparison)
    sentences = checklist([StudyEvidence.of(study, comparison)])
    assert not any("seed" in sentence for sentence in sentences if "Next" in sentence and "More seeds" not in sentence)
    assert not any("tune the threshold" in sentence for sentence in sentences)


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_too_few_seeds_show_no_interval(make_study, tmp_path, seeds):
    study, comparison = make_study(seeds=seeds, masks=("thin",), examples=False, history=False)
    for table in (comparison.verdicts, comparison.slides, comparison.decomposition, comparison.matched):
        ends = [name for name in table.columns if name.endswith(("low", "high"))]
        assert ends
        assert table[ends].isna().all(axis=None)
    for text in (summary_text(study, comparison), details_markdown(study, comparison), latex_table(comparison)):
        assert TOO_FEW_SEEDS in " ".join(text.lower().split())
        assert not re.search(r"\[[-+][0-9.]+, ", text)
        assert "?, ?" not in text
    draw_all(tmp_path, study, comparison, only=("gains", "decomposition", "slide"))
    captions = (tmp_path / "captions.md").read_text()
    assert TOO_FEW_SEEDS in captions


def test_the_time_of_two_seeds_has_no_interval(make_study):
    study, _ = make_study(seeds=(0, 1), masks=("thin",), examples=False, history=False)
    for seeds in study.complete.values():
        for seed, run in seeds.items():
            run.info["fit_seconds"] = 60.0 + seed
    assert time_table(study)[["added_low", "added_high"]].isna().all(axis=None)


def test_a_single_run_says_it(study_dir, capsys):
    run = study_dir / "loss=nothing" / "seed=0"
    columns = ["mask", "operating_point", "probability", "precision", "recall", "f1", "ap"]
    rows = [["test", "thin", "natural", 0.5, 0.1, 0.1, 0.1, 0.08]]
    store.write_table(run / store.METRICS_FILE, pd.DataFrame(rows, columns=["split", *columns]))
    info = store.read_info(run) | {"images": {"test": 12}, "seed": 0, "updates": 5, "wall_seconds": 1, "device": "cpu"}
    store.write_json(run / store.RUN_FILE, info)
    print_run(run)
    printed = capsys.readouterr().out
    assert "not trained: thin is not shown to be better than random scores, AP 0.0" in printed
    assert "not trained: dots" in printed


def test_every_word_has_its_saying():
    assert tuple(SAYINGS) == WORDS
    for column in ("one", "several", "count", "means", "sign", "shade"):
        assert all(getattr(saying, column) for saying in SAYINGS.values())
    assert len({saying.sign for saying in SAYINGS.values()}) == len(WORDS)
