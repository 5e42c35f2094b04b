"""The frontier figure shows where annotators operate, as a run recorded them."""

from dataclasses import replace

import pytest

from experiments.report.annotators import human_points
from experiments.report.figures.frontier import FrontierDisplay
from experiments.runs.damage import info_problem

ENTRY = {"annotator": "ann", "mask": "thin", "hits": 30, "false_alarms": 10, "misses": 20}


def test_the_figure_draws_annotators_and_says_what_they_are(drawn_study, axes_of):
    study, comparison = drawn_study
    thin, other = comparison.prevalence
    silent = {**ENTRY, "annotator": "eve", "hits": 0, "false_alarms": 0}
    points = human_points({"annotators": [ENTRY, {**ENTRY, "annotator": "bob", "mask": other}, silent]})
    assert [point.annotator for point in points] == ["ann", "bob"]
    plain = FrontierDisplay.of(study, comparison)
    assert "annotators" not in plain.caption
    display = replace(plain, humans=points)
    assert "each against the others" in display.caption
    rows = display.table[display.table["kind"] == "annotator"]
    assert rows[["arm", "mask", "recall", "precision"]].to_numpy().tolist() == [
        ["ann", thin, 0.6, 0.75],
        ["bob", other, 0.6, 0.75],
    ]
    axes = axes_of(2)
    display.plot(axes)
    for ax in axes:
        stars = [line.get_xydata().tolist() for line in ax.lines if line.get_marker() == "*"]
        assert stars == [[[0.6, 0.75]]]
    legend = display.plot().legends[0]
    assert "annotators" in [text.get_text() for text in legend.get_texts()]


@pytest.mark.parametrize(
    "drawn",
    [
        "ann",
        [3],
        [{**ENTRY, "hits": -1}],
        [{**ENTRY, "misses": 1.5}],
        [{**ENTRY, "misses": True}],
        [{**ENTRY, "annotator": "a\nb"}],
        [{name: value for name, value in ENTRY.items() if name != "mask"}],
    ],
)
def test_counts_that_a_run_cannot_have_are_damage(drawn):
    assert info_problem({"status": "complete", "annotators": drawn}).startswith("annotators: expected hits")
    assert not info_problem({"status": "complete", "annotators": [ENTRY]})
