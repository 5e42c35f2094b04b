"""`report=note` and `report.published`: through the schema, into the frontier figure, never into an arm's name."""

import matplotlib.pyplot as plt
import pytest
from hydra import compose, initialize_config_module
from hydra.errors import ConfigCompositionException

from experiments.config import arm_name
from experiments.report.figures.frontier import FrontierDisplay
from experiments.report.published import published_points


def report_of(*overrides):
    with initialize_config_module("experiments.conf", version_base="1.3"):
        return compose("compare", overrides=["study_dir=x", *overrides]).report


def test_the_note_is_an_option():
    assert published_points(report_of()) == ()
    points = published_points(report_of("report=note"))
    assert [(p.weight, p.recall, p.f1, round(p.precision, 2)) for p in points] == [
        (42.0, 0.96, 0.37, 0.23),
        (42.0, 0.97, 0.26, 0.15),
    ]
    assert all(point.label.startswith("note") for point in points)


def test_points_are_given_on_the_command_line():
    points = published_points(report_of("report.published=[{label: theirs, recall: 0.9, f1: 0.5, mask: solid}]"))
    assert [(point.label, point.mask) for point in points] == [("theirs", "solid")]


def test_a_wrong_type_fails_at_compose():
    with pytest.raises(ConfigCompositionException):
        report_of("report.published=[{label: theirs, recall: high, f1: 0.5}]")


def test_the_report_is_no_part_of_an_arm():
    assert arm_name(["loss=dice", "report=note", "seed=0"], None) == "loss=dice"


def test_the_frontier_figure_places_them(sweep):
    points = published_points(report_of("report=note"))
    display = FrontierDisplay.of(sweep.study, sweep.comparison, None, points)
    places = [
        tuple(round(float(value), 2) for value in line.get_xydata()[0])
        for line in display.plot().axes[0].lines
        if line.get_marker() in ("x", "+")
    ]
    assert places == [(0.96, 0.23), (0.97, 0.15)]
    assert "note, curve 2: weight 42, recall 0.97" in display.caption
    assert display.table.equals(FrontierDisplay.of(sweep.study, sweep.comparison).table)
    plt.close("all")
