"""Figures fit one column of a paper: stacked at 3.3 inches, text of 7 points, nothing on top of other text."""

from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from experiments.report.figures.band import BandDisplay
from experiments.report.figures.examples import ExampleDisplay
from experiments.report.figures.frontier import FrontierDisplay
from experiments.report.figures.gains import ForestDisplay
from experiments.report.figures.panels import Stackable
from experiments.report.figures.slide import DecompositionDisplay, SlideDisplay
from experiments.report.figures.slide_step import SlideStepDisplay
from experiments.report.figures.style import COLUMN
from experiments.report.figures.textbook.averages import AveragesDisplay
from experiments.report.figures.textbook.calibration import CalibrationDisplay
from experiments.report.figures.textbook.roc import RocDisplay
from experiments.report.figures.training import TrainingDisplay
from experiments.report.gallery import draw_all

WIDE = (
    SlideStepDisplay,
    FrontierDisplay,
    SlideDisplay,
    BandDisplay,
    DecompositionDisplay,
    ForestDisplay,
    RocDisplay,
    AveragesDisplay,
    CalibrationDisplay,
    TrainingDisplay,
    ExampleDisplay,
)
STACKED = {"frontier": FrontierDisplay, "gains": ForestDisplay, "decomposition": DecompositionDisplay}


def shown(figure):
    """Every text of a figure with its box on the screen."""
    figure.draw_without_rendering()
    beyond = set()  # ticks outside the limits, which have a text and are not drawn
    for axis in (axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)):
        low, high = sorted(axis.get_view_interval())
        ticks = zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=False)
        beyond |= {label for place, label in ticks if not low <= place <= high}
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    boxes = [(text, text.get_window_extent()) for text in texts if text not in beyond]
    return [(text, box) for text, box in boxes if box.width]


def touching(figure):
    """Pairs of texts that lie on each other, by more than a rounding."""
    return [
        (one.get_text(), other.get_text())
        for (one, a), (other, b) in combinations(shown(figure), 2)
        if min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1
    ]


@pytest.mark.parametrize("kind", STACKED.values(), ids=STACKED)
@pytest.mark.parametrize("masks", [("thin",), ("thin", "dots", "dashes")], ids=["one mask", "three masks"])
def test_panels_stand_below_each_other_in_one_column(make_study, masks, kind):
    wide = kind.of(*make_study(masks=masks, examples=False, history=False))
    assert isinstance(wide, Stackable)
    figure = wide.in_column().plot()
    try:
        assert figure.get_size_inches()[0] == COLUMN
        assert not touching(figure)
        assert min(text.get_fontsize() for text, _ in shown(figure)) >= 7
        page = figure.get_tightbbox()
        assert page.x0 >= -0.01
        assert page.x1 <= COLUMN + 0.01
        places = np.array([ax.get_position().bounds for ax in figure.axes])
        assert len(places) == len(masks) + (kind is ForestDisplay and len(masks) > 1)
        np.testing.assert_allclose(places[:, 0], places[0, 0], atol=1e-6)
        assert (np.diff(places[:, 1]) < 0).all()
        assert [bool(ax.get_xlabel()) for ax in figure.axes] == [False] * (len(places) - 1) + [True]
    finally:
        plt.close(figure)


@pytest.mark.parametrize("kind", WIDE, ids=lambda kind: kind.__name__)
def test_no_text_lies_on_another_at_the_width_that_figures_are_drawn_for(drawn_study, kind):
    figure = kind.of(*drawn_study).plot()
    try:
        assert not touching(figure)
    finally:
        plt.close(figure)


@pytest.fixture(scope="module")
def long_names(make_study):
    """A study whose arms and masks have names as long as people give them."""
    arms = (
        "weighted_bce_of_the_gamma_ray_thesis_2",
        "a_loss_whose_name_tells_it_all_v3",
        "weighted_bce_blue_curve_only_42",
    )
    shifts = ((0.0, 0.0), (0.0, -1.0), (float(np.log(4)), 0.0))
    losses = {f"loss={arm}": ({"_target_": f"my.{arm}"}, *how) for arm, how in zip(arms, shifts, strict=True)}
    masks = ("the solid blue curve of gamma ray", "resistivity, dashed, deep laterolog", "a third one")
    return make_study(arms=losses, masks=masks)


@pytest.mark.parametrize(
    ("kind", "column"),
    [*((kind, False) for kind in WIDE), *((kind, True) for kind in STACKED.values())],
    ids=lambda value: getattr(value, "__name__", "column" if value else "wide"),
)
def test_long_names_are_broken_and_neither_meet_nor_leave_the_figure(long_names, kind, column):
    display = kind.of(*long_names)
    figure = (display.in_column() if column else display).plot()
    try:
        texts = shown(figure)
        assert not touching(figure)
        right, top = figure.bbox.size
        outside = [t.get_text() for t, at in texts if min(at.x0, at.y0) < -1 or at.x1 > right + 1 or at.y1 > top + 1]
        assert not outside
    finally:
        plt.close(figure)


def test_a_column_draws_the_same_numbers(drawn_study):
    for kind in STACKED.values():
        wide = kind.of(*drawn_study)
        assert wide.in_column().table.equals(wide.table)


def test_single_masks_of_the_forest_are_without_tuned_f1_in_a_column(drawn_study):
    wide = ForestDisplay.of(*drawn_study)
    assert "by AP alone" in wide.in_column().caption
    assert "alone" not in wide.caption
    hollow = []
    for display in (wide, wide.in_column()):
        figure = display.plot()
        hollow.append(
            [sum(line.get_markerfacecolor() == "white" for line in ax.lines if line.get_marker()) for ax in figure.axes]
        )
        plt.close(figure)
    arms = len(drawn_study[0].complete) - 1
    assert hollow == [[arms] * 3, [arms, 0, 0]]


def test_a_report_draws_one_column_where_it_is_asked_to(drawn_study, tmp_path):
    study, comparison = drawn_study
    files = draw_all(tmp_path, study, comparison, only=[*STACKED, "band"], one_column=True)
    widths = {}
    for path in files:
        with Image.open(path) as image:
            widths[path.stem] = image.width / 200
    assert {name: widths[name] for name in STACKED} == dict.fromkeys(STACKED, COLUMN)
    assert widths["band"] > COLUMN  # arms by masks: it needs two
