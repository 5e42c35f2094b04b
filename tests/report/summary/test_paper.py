"""The table for a paper: every number from the comparison, every name escaped."""

import re

import numpy as np
import pytest

from experiments.report.summary.paper import escape_latex, latex_table, paper_markdown
from experiments.report.text.wording import digits_of, signed, signed_interval


def body(latex):
    """Cells of the rows between the rules."""
    lines = [line for line in latex.splitlines() if line.endswith(r"\\")]
    return [[cell.strip() for cell in line.removesuffix(r"\\").split(" & ")] for line in lines]


def test_numbers_are_those_of_the_comparison(drawn_study):
    _, comparison = drawn_study
    latex = latex_table(comparison)
    header, *rows = body(latex)
    assert all(len(row) == len(header) == 10 for row in rows)
    assert len(rows) == 3 * 3  # all masks, then each, x arms, the baseline among them
    over = comparison.arm_verdicts.set_index("arm").loc["loss=worse"]
    row = next(row for row in rows[:3] if row[1] == "worse")
    assert row[2] == over["verdict"]
    digits = digits_of(over["ap_gain_low"], over["ap_gain_high"])
    assert row[3].startswith(f"${signed(over['ap_gain'], digits)} [")
    points = comparison.points.query("arm == 'loss=worse' and operating_point == 'natural'")
    assert "background" in set(points["mask"])  # whose precision and recall near 1 are not among those of the masks
    of_masks = points[points["mask"] != "background"]
    assert [float(cell.strip("$")) for cell in row[6:9]] == pytest.approx(
        of_masks[["recall", "precision", "f1"]].mean().tolist(), abs=5e-3
    )
    verdict = comparison.verdicts.query("arm == 'loss=worse' and mask == 'dots'").iloc[0]
    row = next(row for row in rows[6:] if row[1] == "worse")
    assert row[2] == verdict["verdict"]
    own = (verdict["ap_gain_low"], verdict["ap_gain_high"])
    assert row[3] == f"${signed(verdict['ap_gain'], digits_of(*own))} {signed_interval(*own)}$"
    assert row[4].strip("$") == signed_interval(verdict["verdict_low"], verdict["verdict_high"])
    natural = comparison.points.query("arm == 'loss=worse' and mask == 'dots' and operating_point == 'natural'")
    shown = [float(cell.strip("$")) for cell in row[6:9]]
    assert shown == pytest.approx(natural[["recall", "precision", "f1"]].mean().tolist(), abs=5e-3)
    slide = comparison.slides.query("arm == 'loss=worse' and mask == 'dots'").iloc[0]
    assert float(row[9].strip("$")) == pytest.approx(slide["shift"], abs=0.05)
    assert [row[0] for row in rows] == ["over 2", "", "", "thin", "", "", "dots", "", ""]
    assert rows[0][1:3] == ["bce", "baseline"]


def test_the_table_is_whole_and_its_caption_says_what_it_rests_on(drawn_study):
    latex = latex_table(drawn_study[1], label="tab:mine")
    assert latex.count("{") - latex.count(r"\{") == latex.count("}") - latex.count(r"\}")
    for command in (r"\toprule", r"\bottomrule", r"\label{tab:mine}", r"\end{table}"):
        assert latex.count(command) == 1
    assert latex.count(r"\midrule") == 3
    assert "3 seeds, 12 test images in 12 groups" in latex
    assert r"margin $\pm$0.01, level 0.05 after Holm over all arms" in latex
    assert len(re.search(r"tabular}{(\w+)}", latex).group(1)) == 10


def test_names_are_escaped(make_study):
    odd = {"a_b&c": ({}, 0.0, 0.0), "50%$x|": ({}, 0.0, -1.0)}
    _, comparison = make_study(arms=odd, seeds=(0, 1), masks=("m#1", "[link](x)<b>"))
    latex = latex_table(comparison)
    assert r"a\_b\&c" in latex
    assert r"50\%\$x\textbar{}" in latex
    assert r"m\#1" in latex
    assert all(len(row) == 10 for row in body(latex.replace(r"\&", "")))
    text = paper_markdown(comparison)
    assert r"50%$x\|" in text
    assert r"\[link](x)\<b\>" in text
    named = latex_table(comparison, {"a_b&c": "plain", "50%$x|": "other"})
    assert "plain" in named
    assert "50" not in named.split("tabular")[1]


def test_every_special_character_is_escaped():
    assert escape_latex("\\{}$&#_%~^<>|\n") == (
        r"\textbackslash{}\{\}\$\&\#\_\%\textasciitilde{}\textasciicircum{}\textless{}\textgreater{}\textbar{}"
    )


def test_markdown_has_the_same_rows_and_a_caption(drawn_study):
    _, comparison = drawn_study
    table, caption = paper_markdown(comparison).split("\n\n")
    assert len(table.splitlines()) == 2 + 9
    assert "margin ±0.01" in caption
    assert "95 % intervals" in caption
    assert "\\" not in table.replace("weighted\\_bce", "") + caption


def test_one_seed_has_gains_and_no_interval(make_study):
    _, comparison = make_study(seeds=(0,), masks=("thin",), examples=False)
    cell = next(row for row in body(latex_table(comparison)) if row[1] == "worse")[3]
    assert cell.endswith("$ [too few seeds for an interval]")
    assert np.isfinite(float(re.search(r"[+-]\d\.\d+", cell).group()))
