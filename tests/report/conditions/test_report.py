"""A study under conditions: each compared by itself, verdicts combined, numbers from each condition's own runs."""

import shutil
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from experiments.config import ConfigError
from experiments.evaluation.histogram_builder import ScoreHistogramBuilder
from experiments.report.conditions.figure import GAIN, LEVEL, ConditionDisplay
from experiments.report.conditions.report import verdict_rows
from experiments.report.conditions.tables import level_table
from experiments.report.study import compare, report_study
from experiments.runs import store
from experiments.runs.study import condition_values, load_conditions, load_study

REPORT = OmegaConf.create(
    {"margin": 0.01, "point_margin": 0.05, "level": 0.05, "headline": "ap", "beta": 1.0, "recall_band": [0, 1]}
)
GAINS = {("bce", 100): 0.0, ("dice", 100): 2.0, ("bce", 20): 0.0, ("dice", 20): 0.0}


def scores(seed, gain, split):
    builder = ScoreHistogramBuilder(("thin",))
    for index in range(25):
        world = np.random.default_rng([split, index])
        target = world.random((1, 32, 32)) < 0.1
        noise = world.normal(0, 1, target.shape) + np.random.default_rng([split, index, seed]).normal(0, 0.05)
        builder.add(f"i{index}", f"i{index}", (2.5 + gain) * target - 3 + noise, target)
    return builder.build()


@pytest.fixture(scope="module")
def study_dir(tmp_path_factory):
    root = tmp_path_factory.mktemp("budget")
    for (loss, steps), gain in GAINS.items():
        for seed in range(4):
            folder = root / f"loss={loss},trainer.max_steps={steps}" / f"seed={seed}"
            store.write_config(folder, {"seed": seed, "loss": {"_target_": loss}, "trainer": {"max_steps": steps}})
            store.write_scores(folder, {"val": scores(seed, gain, 0), "test": scores(seed, gain, 1)})
            store.write_table(folder / store.METRICS_FILE, pd.DataFrame({"split": ["test"], "mask": ["thin"]}))
            info = {
                "status": "complete",
                "axes": ["trainer.max_steps", "loss"],
                "conditions": ["trainer.max_steps"],
                "baseline": "loss=bce",
                # Other test images under each condition are no reason to refuse: they are never compared.
                "data_fingerprint": {"train": "R", "val": "V", "test": f"T{steps}"},
                "updates": steps,
            }
            store.write_json(folder / store.RUN_FILE, info)
    return root


@pytest.fixture(scope="module")
def comparisons(study_dir):
    studies = load_conditions(study_dir)
    return studies, {study.condition: compare(study, REPORT, n_comparisons=2) for study in studies}


def test_conditions_come_by_size_and_arms_lose_their_keys(comparisons):
    studies, _ = comparisons
    assert [study.condition for study in studies] == ["trainer.max_steps=20", "trainer.max_steps=100"]
    assert [list(study.complete) for study in studies] == [["loss=bce", "loss=dice"]] * 2
    assert all(study.differences.empty and study.holes.empty for study in studies)
    assert condition_values("a=1,b=x") == {"a": "1", "b": "x"}


def test_a_single_comparison_refuses_conditions(study_dir):
    with pytest.raises(ConfigError, match=r"one condition.*max_steps=20; trainer.max_steps=100"):
        load_study(study_dir)


def test_verdicts_are_at_the_shared_level(comparisons):
    studies, found = comparisons
    words = {name: item.verdicts["verdict"].tolist() for name, item in found.items()}
    assert words["trainer.max_steps=100"] == ["moves out"]
    assert words["trainer.max_steps=20"] == ["stays"]
    strict = compare(studies[1], REPORT, n_comparisons=10**12)
    assert strict.verdicts["verdict"].tolist() == ["undecided"]
    # Intervals belong to a row alone.
    assert strict.verdicts["ap_gain_low"].tolist() == found["trainer.max_steps=100"].verdicts["ap_gain_low"].tolist()


def test_levels_are_means_over_the_seeds_of_a_condition(comparisons):
    studies, found = comparisons
    table = level_table(found)
    row = table[(table["condition"] == "trainer.max_steps=100") & (table["arm"] == "loss=dice")]
    row = row[row["statistic"] == "f1_natural"].iloc[0]
    values = []
    for run in studies[1].complete["loss=dice"].values():
        positives, negatives = run.scores["test"].pooled(0)
        logits_at_least_0 = slice(2**15, None)
        tp, fp = positives[logits_at_least_0].sum(), negatives[logits_at_least_0].sum()
        values.append(2 * tp / (tp + fp + positives.sum()))
    assert row["mean"] == pytest.approx(np.mean(values))
    assert (row["lowest"], row["highest"]) == (pytest.approx(min(values)), pytest.approx(max(values)))
    assert row["n_seeds"] == 4


def test_figures_show_every_condition_of_every_arm(comparisons):
    studies, found = comparisons
    gain = ConditionDisplay.of(studies, found, GAIN)
    assert sorted(zip(gain.table["value"], gain.table["mean"] > 0.01, strict=True)) == [("100", True), ("20", False)]
    ax = gain.plot().axes[0]
    assert [text.get_text() for text in ax.get_xticklabels()] == ["20", "100"]
    np.testing.assert_allclose(ax.lines[1].get_xdata(), [20, 100])  # alone, an arm stands where its condition is
    bars = {tuple(np.round(line[:, 1], 9)) for group in ax.collections for line in group.get_segments()}
    for item in found.values():
        for name in ("headline_gain", "verdict"):
            assert tuple(np.round(item.verdicts.loc[0, [f"{name}_low", f"{name}_high"]].astype(float), 9)) in bars
    levels = ConditionDisplay.of(studies, found, LEVEL)
    assert {panel.statistic for panel in levels.panels} == {"f1_tuned", "f1_natural", "background_f1", "frame_accuracy"}
    with pytest.raises(ValueError, match="expected 1, one per panel, got 0"):
        gain.plot([])
    plt.close("all")


def test_the_arms_over_all_masks_come_first(comparisons):
    studies, found = comparisons
    renamed = {
        name: replace(
            item,
            masks=("thin", "wide"),
            arm_verdicts=item.arm_verdicts.assign(mask="mean of thin and wide"),
            verdicts=pd.concat([item.verdicts, item.verdicts.assign(mask="wide")], ignore_index=True),
        )
        for name, item in found.items()
    }
    display = ConditionDisplay.of(studies, renamed, GAIN)
    assert [panel.mask for panel in display.panels] == ["over all 2 masks", "thin", "wide"]
    assert len(display.table) == 6
    titles = [ax.get_title() for ax in display.plot().axes]
    assert titles == ["over all 2 masks", "thin (secondary)", "wide (secondary)"]
    plt.close("all")
    _, rows = verdict_rows(studies[0], renamed)
    assert [row[0] for row in rows if row] == ["over 2"] * 2 + ["thin"] * 2 + ["wide"] * 2


def test_masks_share_the_scale_of_a_statistic(comparisons):
    one = ConditionDisplay.of(*comparisons, GAIN)
    ends = ("mean", "low", "high", "verdict_low", "verdict_high")
    numbers = one.table.assign(mask="wide", **{end: 3 * one.table[end] for end in ends})
    panels = (*one.panels, replace(one.panels[0], mask="wide"))
    both = replace(one, table=pd.concat([one.table, numbers]), panels=panels, columns=2)
    narrow, wide = both.plot().axes
    assert narrow.get_ylim() == wide.get_ylim()
    assert one.plot().axes[0].get_ylim() != narrow.get_ylim()
    plt.close("all")


def test_the_report_is_written_for_each_condition_and_for_all(study_dir, tmp_path, capsys):
    figures = tmp_path / "trainer.max_steps=20" / "figures"
    figures.mkdir(parents=True)
    left_by_a_kill = [tmp_path / ".verdicts.csv.abcd1234", figures / ".frontier.png.zz_9abcd"]
    of_the_user = [tmp_path / ".profile.original", tmp_path / ".notes.md.Original"]
    for path in left_by_a_kill + of_the_user:
        path.touch()
    report_study(study_dir, tmp_path, REPORT)
    assert not any(path.exists() for path in left_by_a_kill)
    assert all(path.exists() for path in of_the_user)
    printed = capsys.readouterr().out
    verdicts = pd.read_csv(tmp_path / "verdicts.csv")
    assert verdicts[["condition", "arm", "verdict"]].to_numpy().tolist() == [
        ["trainer.max_steps=20", "loss=dice", "stays"],
        ["trainer.max_steps=100", "loss=dice", "moves out"],
    ]
    first = pd.read_csv(tmp_path / "arms.csv")
    assert first[["condition", "verdict"]].to_numpy().tolist() == verdicts[["condition", "verdict"]].to_numpy().tolist()
    assert "moves out" in printed
    text = (tmp_path / "report.md").read_text()
    assert "Bonferroni" in text
    assert "Tuned F1 of bce, trainer.max_steps from 20 to 100: thin +0.000 (means over seeds; no test)." in text
    for name in ("trainer.max_steps=20", "trainer.max_steps=100"):
        assert "Bonferroni over 2 conditions" in (tmp_path / name / "details.md").read_text()
        assert (tmp_path / name / "figures" / "frontier.png").is_file()
    assert (tmp_path / "figures" / "gains.png").is_file()


def test_a_baseline_alone_has_levels_and_no_gains(study_dir, tmp_path, capsys):
    for folder in study_dir.glob("loss=bce,*"):
        shutil.copytree(folder, tmp_path / "alone" / folder.name)
    report_study(tmp_path / "alone", tmp_path / "report", REPORT)
    text = (tmp_path / "report" / "report.md").read_text()
    assert "2 conditions" in text
    assert "Nothing is compared: there is no arm beside loss=bce." in text
    assert sorted(path.name for path in (tmp_path / "report" / "figures").glob("*.png")) == ["levels.png"]
    assert pd.read_csv(tmp_path / "report" / "levels.csv")["arm"].unique().tolist() == ["loss=bce"]
    assert "report:" in capsys.readouterr().out
