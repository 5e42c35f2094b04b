"""Subgroups of a study on disk: files of the report, words and figure; bad input is named and writes nothing."""

import json
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from experiments.compare import main as compare_main
from experiments.comparison import load_study
from experiments.evaluation.histogram_builder import ScoreHistogramBuilder
from experiments.report.gallery import draw_all
from experiments.report.page.page import write_page
from experiments.report.page.subgroups import subgroups_section
from experiments.report.study import write_tables, write_texts
from experiments.report.subgroups.figure import ALL, SubgroupDisplay
from experiments.report.subgroups.text import flip_note, flips, interaction, subgroup_cells, subgroup_section
from experiments.report.text.wording import typeset
from experiments.runs import store

ARMS = {"loss=bce": (0.0, 0.0), "loss=one": (2.0, 0.0), "loss=both": (2.0, 2.0)}
"""How much an arm's signal is above the baseline's in images of scanner x and of scanner y."""

SCANNER = {f"{'xy'[n % 2]}_{n:02d}": "xy"[n % 2] for n in range(16)}


def scores(seed, arm, split):
    builder = ScoreHistogramBuilder(("thin",))
    for index, (name, scanner) in enumerate(SCANNER.items()):
        world = np.random.default_rng([split, index])
        target = world.random((1, 24, 24)) < 0.08
        noise = world.normal(0, 1, target.shape) + np.random.default_rng([split, index, seed]).normal(0, 0.05)
        builder.add(name, name, (2.0 + ARMS[arm]["xy".index(scanner)]) * target - 3 + noise, target)
    return builder.build()


def write(root, columns=None, **extra):
    for arm in ARMS:
        for seed in range(3):
            folder = root / arm / f"seed={seed}"
            store.write_config(folder, {"seed": seed, "loss": {"_target_": "my.Loss"}})
            store.write_scores(folder, {split: scores(seed, arm, k) for k, split in enumerate(("val", "test"))})
            store.write_columns(folder, columns or {})
            info = {"status": "complete", "axes": ["loss"], "baseline": "loss=bce", **extra}
            info |= {"data_fingerprint": {"train": "R", "val": "V", "test": "T"}, "prevalence": {"thin": 0.05}}
            store.write_json(folder / store.RUN_FILE, info)
    return root


COLUMNS = {
    "train": {"scanner": {"t1": "x", "t2": "x"}},
    "test": {"scanner": SCANNER, "site": dict.fromkeys(SCANNER, "a")},
}


@pytest.fixture(scope="module")
def study_dir(tmp_path_factory):
    return write(tmp_path_factory.mktemp("study"), COLUMNS)


@pytest.fixture(scope="module")
def study(study_dir):
    return load_study(study_dir, by="scanner")


def test_a_column_and_a_pattern_of_names_give_the_same(study, study_dir):
    by_name = load_study(study_dir, by="^([^_]*)_").subgroups
    same = [name for name in by_name.columns if name not in ("by", "in_training")]
    pd.testing.assert_frame_equal(by_name[same], study.subgroups[same])
    assert study.subgroups.groupby("subgroup")["in_training"].first().to_dict() == {"x": 2, "y": 0}
    assert by_name["in_training"].isna().all()


def test_the_flip_and_the_difference_are_told(study):
    names = {arm: arm.removeprefix("loss=") for arm in ARMS}
    comparison, found = study.comparison, study.by_subgroup
    rows = study.subgroups.set_index(["arm", "subgroup"])
    assert rows.loc[("loss=one", "x"), "verdict"] == "moves out"
    assert rows.loc["loss=one", "differs"].all()
    assert not rows.loc["loss=both", "differs"].any()
    shown = flips(comparison, found)
    assert list(zip(shown["arm"], shown["subgroup"], strict=True)) == [("loss=one", "y")]
    note = flip_note(comparison, found, names)
    assert "is not shown" not in note
    quiet = replace(found, table=found.table.assign(differs=False))
    assert flip_note(comparison, quiet, names).endswith("That the gain differs between subgroups is not shown.")
    assert note.startswith(f"By scanner: **one** {rows.loc[('loss=one', 'y'), 'verdict']} for y (")
    assert "**one**: x +" in interaction(comparison, found, names)
    section = "\n".join(subgroup_section(comparison, found, names))
    assert "y (not in training)" in section
    assert "Out of distribution, with no training image: y." in section


def test_the_page_has_the_verdicts_of_every_subgroup(study, tmp_path):
    names = {arm: arm.removeprefix("loss=") for arm in ARMS}
    comparison, found = study.comparison, study.by_subgroup
    write_page(tmp_path / "with.html", study.runs, comparison, by_subgroup=found)
    write_page(tmp_path / "without.html", study.runs, comparison)
    page = (tmp_path / "with.html").read_text()
    assert 'id="subgroups"' in page
    assert 'id="subgroups"' not in (tmp_path / "without.html").read_text()
    section = page.partition('<section id="subgroups"')[2].partition("</section>")[0]
    assert section.count('<th scope="row">') == 2 * 2 * (1 + 2)  # arms x (all images and two subgroups), two heads each
    assert "<strong>one</strong> undecided for y" in section or "<strong>one</strong> stays for y" in section
    assert "y (not in training)" in section and "Out of distribution" in section
    for cell in (cell for row in subgroup_cells(comparison, found, names)[1] for cell in row):
        assert typeset(cell) in section
    hostile = replace(found, by="<img src=x>", table=found.table.assign(subgroup="<b>x</b>"))
    escaped = subgroups_section(comparison, hostile, names)
    assert "<img" not in escaped and "<b>x" not in escaped


def test_the_figure_has_a_panel_per_arm_and_a_row_per_subgroup(study):
    display = SubgroupDisplay.of(study.runs, study.comparison, study.by_subgroup)
    assert list(display.table["subgroup"]) == [ALL, "x", "y"] * 2
    figure = display.plot()
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["all images (16)", "x (8)", "y (8)"]
    assert "*" in "".join(text.get_text() for text in figure.axes[1].texts + figure.axes[0].texts)
    plt.close(figure)
    assert SubgroupDisplay.of(study.runs, study.comparison, None) is None


def test_a_report_without_subgroups_removes_those_of_an_earlier_one(study, tmp_path):
    runs, comparison = study.runs, study.comparison
    for found in (study.by_subgroup, None):
        write_tables(tmp_path, runs, comparison, None, found)
        draw_all(tmp_path / "figures", runs, comparison, by_subgroup=found, only=("subgroups",))
        write_texts(tmp_path, runs, comparison, None, None, found)
        text = (tmp_path / "details.md").read_text() + (tmp_path / "report.md").read_text()
        files = [tmp_path / "subgroups.csv", tmp_path / "figures" / "subgroups.png"]
        if found is None:
            assert not any(file.exists() for file in files)
            assert "ubgroup" not in text
        else:
            assert list(pd.read_csv(files[0])["subgroup"]) == ["x", "y"] * 2
            assert files[1].exists()
            assert all(words in text for words in ("## Subgroups", "`subgroups.csv`", "By scanner:"))


BAD = [
    ("region", ["report.by: expected a column that the split file has (scanner, site), got 'region'", "^([^_]*)_"]),
    ("site", ["report.by=site: expected at least two subgroups, got one: a"]),
    ("'^(x)_'", ["report.by=^(x)_: expected a pattern that matches every test image, got none for [y_01, y_03"]),
    ("'(x'", ["report.by: expected a regular expression, got '(x': missing )"]),
    ("'(?:x)_'", ["report.by: expected a pattern with a bracket that captures the subgroup, got '(?:x)_'"]),
    ("'_(.*)'", ["report.by=_(.*): expected a subgroup of at least 5 test groups, got 00: 1, 01: 1"]),
]


@pytest.mark.parametrize(("by", "words"), BAD)
def test_bad_input_is_named_and_nothing_is_written(command, study_dir, tmp_path, by, words):
    code, _, err = command(
        compare_main, f"study_dir={study_dir}", f"report_dir={tmp_path / 'report'}", f"report.by={by}"
    )
    assert code == 2
    for word in words:
        assert word in err
    assert not list(tmp_path.rglob("*"))


def test_runs_without_the_column_are_named_with_what_to_do(command, tmp_path):
    root = write(tmp_path / "study", COLUMNS)
    old = root / "loss=one" / "seed=1"
    store.write_columns(old, {})
    other = root / "loss=both" / "seed=0"
    store.write_columns(other, {"test": {"scanner": {**SCANNER, "x_00": "y", "x_02": ""}}})
    elsewhere = root / "loss=both" / "seed=2"
    store.write_columns(elsewhere, {})
    info = json.loads((elsewhere / store.RUN_FILE).read_text())
    store.write_json(elsewhere / store.RUN_FILE, {**info, store.PREDICTIONS: "p"})
    code, _, err = command(compare_main, f"study_dir={root}", "report.by=scanner")
    assert code == 2
    assert f"{old}: add the column scanner to the file of data.splits and give the run's command again" in err
    assert f"{elsewhere}: score the maps again" in err
    assert f"{other} differs from" in err
    assert "[x_00, x_02]" in err
    assert not (root / "report" / "report.md").exists()
    damaged = root / "loss=bce" / "seed=0" / store.COLUMNS_FILE
    damaged.write_text('{"test": {"scanner": ["x"]}}')
    with pytest.raises(ValueError, match=r"columns\.json: expected split, column, image and value as texts"):
        store.read_columns(damaged.parent)
