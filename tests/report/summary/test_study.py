"""The page and the terminal keep within their budgets, agree with the tables, and end with the answer."""

import re
import shlex

import numpy as np
import pandas as pd
import pytest

from experiments.report.study import report_study
from experiments.report.summary.study import WIDEST, folded, summary_markdown, summary_text
from experiments.report.summary.tables import mask_tables
from experiments.report.text.verdicts import verdict_rows
from experiments.report.text.wording import digits_of, signed, signed_interval

MOST_WORDS, MOST_NUMBERS = 600, 120
NUMBER = re.compile(r"(?<![\w.])[-+±]?\d+(?:\.\d+)?")
ARMS = {
    f"loss={name}": ({"_target_": target}, shift, gain)
    for name, target, shift, gain in (
        ("bce", "losses.WeightedBCELoss", 0.0, 0.0),
        ("combined", "losses.CombinedLoss", 0.2, 0.3),
        ("dice", "losses.DiceLoss", 0.5, 0.02),
        ("focal", "losses.FocalLoss", -0.4, -0.5),
        ("tversky", "losses.TverskyLoss", 1.0, -0.03),
        ("weighted_bce", "losses.WeightedBCELoss", float(np.log(4)), 0.0),
    )
}
MASKS = ("solid", "dashed", "dotted")


@pytest.fixture(scope="module")
def study_dir(on_disk, tmp_path_factory):
    """As large as the main study: six losses, three masks."""
    write_study, _ = on_disk
    return write_study(tmp_path_factory.mktemp("main"), arms=ARMS, masks=MASKS, examples=False, history=False)


@pytest.fixture(scope="module")
def main_study(make_study):
    return make_study(arms=ARMS, masks=MASKS, examples=False, history=False)


@pytest.fixture(scope="module")
def report(study_dir, tmp_path_factory):
    from omegaconf import OmegaConf

    folder = tmp_path_factory.mktemp("report")
    settings = {"margin": 0.01, "point_margin": 0.05, "level": 0.05, "headline": "ap", "beta": 1.0}
    report_study(study_dir, folder, OmegaConf.create({**settings, "recall_band": [0, 1]}))
    return folder


def test_the_page_keeps_its_budget_of_words_and_numbers(report):
    text = (report / "report.md").read_text()
    words = [word for word in text.split() if re.search(r"\w", word)]
    assert len(words) <= MOST_WORDS
    assert len(NUMBER.findall(text)) <= MOST_NUMBERS


def test_all_that_the_page_points_to_is_there(report):
    targets = re.findall(r"\]\(([^)]+)\)", (report / "report.md").read_text())
    assert {"figures/slide_step.png", "details.md", "report.html"} <= set(targets)
    assert all((report / target).is_file() for target in targets)
    assert "](report.md)" in (report / "details.md").read_text()


def test_the_small_table_has_the_numbers_of_the_tables_on_disk(report):
    lines = (report / "report.md").read_text().splitlines()
    arms, metrics = pd.read_csv(report / "arms.csv"), pd.read_csv(report / "metrics.csv")
    of_masks = metrics[(metrics["split"] == "test") & metrics["mask"].isin(MASKS)]
    means = of_masks.groupby(["arm", "operating_point"])["f1"].mean()
    assert len(arms) == len(ARMS) - 1
    for _, row in arms.iterrows():
        line = next(line for line in lines if line.startswith(f"| {row['arm'].removeprefix('loss=')} |"))
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        ends = (row["verdict_low"], row["verdict_high"])
        assert cells[1] == row["verdict"]
        assert cells[2] == f"{signed(row['headline_gain'], digits_of(*ends))} {signed_interval(*ends)}"
        assert cells[3] == row["verdict_f1"]
        needed = row["needed_seeds"]
        if np.isfinite(needed):
            assert cells[4] == f"{needed:.0f}"
        assert cells[5] == f"{row['arm_ap']:.3f}"
        assert cells[6:8] == [f"{means[row['arm'], point]:.2f}" for point in ("natural", "tuned")]


@pytest.mark.parametrize("width", [WIDEST, 300, 60])
def test_the_terminal_has_room_for_every_line(main_study, width):
    text = summary_text(*main_study, width=width)
    assert max(map(len, text.splitlines())) <= min(width, WIDEST)
    for arm in ARMS:
        assert text.count(f"\n{arm.removeprefix('loss=')} ") >= 2 - (arm == "loss=bce"), "over all masks and by mask"


def test_the_answer_is_last(main_study):
    before, last = summary_text(*main_study, "details: there", width=80).split("details: there\n\n")
    told = summary_markdown(*main_study).split("## Verdicts")[0].replace("**", "").split("\n\n")
    blocks = [" ".join(block.split()).removeprefix("- ") for block in last.split("\n\n")]
    assert blocks[0] == told[1], "the answer"
    assert blocks[1].startswith(told[3]), "what to do"
    assert told[1] not in before


def test_a_folded_command_is_the_same_command():
    words = ["python", "-m", "experiments.train", *(f"key_{place}=a b,'{place}'" for place in range(9))]
    text = folded(shlex.join(words), 60)
    assert shlex.split(text.replace("\\\n", " ")) == words
    assert max(map(len, text.splitlines())) <= 60


def test_the_background_is_not_one_of_the_masks(main_study):
    """Recall, precision and F1 of a row over all masks are means of those rows of its masks."""
    study, comparison = main_study
    headers, rows = verdict_rows(study, comparison)
    cells = [dict(zip(headers, row, strict=True)) for row in rows if row]
    for name in ("recall", "precision", "F1"):
        for arm in ("bce", "dice"):
            over = next(float(row[name]) for row in cells if row["arm"] == arm and row["mask"] == "over 3")
            own = [float(row[name]) for row in cells if row["arm"] == arm and row["mask"] in MASKS]
            assert len(own) == 3
            assert over == pytest.approx(np.mean(own), abs=0.011)


def test_many_masks_go_below_each_other_and_none_is_lost(make_study):
    masks = tuple(f"mask_number_{place}" for place in range(9))
    study, comparison = make_study(seeds=(0, 1, 2), masks=masks, examples=False, history=False)
    tables = mask_tables(study, comparison, 80)
    assert len(tables) > 1
    heads = [table.splitlines()[0].split("  ") for table in tables]
    assert [name.strip() for head in heads for name in head[1:] if name.strip()] == list(masks)
    assert all(len(line) <= 80 for table in tables for line in table.splitlines())


def test_one_mask_has_no_table_by_mask(make_study):
    study, comparison = make_study(masks=("thin",), examples=False, history=False)
    assert mask_tables(study, comparison, 100) == []


def test_runs_that_are_missing_are_told_and_do_not_fill_the_page(main_study):
    from dataclasses import replace

    study, comparison = main_study
    row = {"arm": "loss=dice", "status": "diverged", "reason": "not finite", "command": ""}
    holes = pd.DataFrame([{**row, "seed": seed} for seed in range(40)])
    text = summary_markdown(replace(study, holes=holes), comparison)
    assert text.count("hole: ") == 3
    assert "... and 37 more, in details.md" in text
