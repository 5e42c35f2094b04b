"""Names in a drawing cover neither each other, nor a point, nor the edge, and stand by their own points."""

from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pytest

from experiments.report.figures.frontier import FrontierDisplay
from experiments.report.figures.labels import Box, place_names, write_names
from experiments.report.figures.slide_step import SlideStepDisplay

FRAME, GAP, SIZE = Box(0, 0, 400, 300), 8.0, (60.0, 15.0)


def placed(points, size=SIZE, **given):
    return place_names(points, dict.fromkeys(points, size), FRAME, gap=GAP, **given)


def overlap(one, other):
    across = one.left < other.right and other.left < one.right
    return across and one.top < other.bottom and other.top < one.bottom


def covered(box, places, less=0.0):
    x, y = np.asarray(places).T
    across = (x > box.left + less) & (x < box.right - less)
    return int((across & (y > box.top + less) & (y < box.bottom - less)).sum())


def distance(box, points):
    x, y = np.asarray(points).T
    return np.hypot(
        np.maximum(0, np.maximum(box.left - x, x - box.right)), np.maximum(0, np.maximum(box.top - y, y - box.bottom))
    ).min()


def scattered(count, spread=1.0):
    rng = np.random.default_rng(count)
    middle, half = np.array([200.0, 150.0]), spread * np.array([190.0, 140.0])
    return {f"arm{n}": [tuple(middle + rng.uniform(-half, half)) for _ in range(3)] for n in range(count)}


@pytest.mark.parametrize("spread", [1.0, 0.1, 0.0])  # over the frame, in a heap, on one place
@pytest.mark.parametrize("count", [1, 6, 30])
def test_names_cover_neither_names_nor_points_nor_leaders_nor_the_edge(count, spread):
    points = scattered(count, spread)
    labels = placed(points)
    assert len(labels) == count if count < 30 else len(labels) > 5
    marks = np.array([point for own in points.values() for point in own])
    for label in labels.values():
        box = label.box
        assert box.left >= FRAME.left and box.top >= FRAME.top and box.right <= FRAME.right
        assert box.bottom <= FRAME.bottom and covered(box, marks) == 0
    for one, other in combinations(labels.values(), 2):
        assert not overlap(one.box, other.box)
        for leader, box in ((one.leader, other.box), (other.leader, one.box)):
            if leader is not None:
                start, end = map(np.asarray, leader)
                assert covered(box, start + (end - start) * np.linspace(0, 1, 500)[:, None], less=2.0) == 0


def test_a_leader_joins_a_name_to_one_of_its_points():
    points = scattered(6, 0.05)
    labels = placed(points)
    assert any(label.leader for label in labels.values())
    for name, label in labels.items():
        if label.leader is not None:
            start, end = label.leader
            assert end in points[name]
            assert distance(label.box, [start]) < 1e-9 and covered(label.box, [start]) == 0
        else:
            assert distance(label.box, points[name]) <= np.hypot(GAP, GAP) + 1e-9


def test_a_name_without_a_leader_stands_nearer_to_its_own_point():
    points = {"left": [(150.0, 150.0)], "right": [(180.0, 150.0)]}
    labels = placed(points, (70.0, 15.0))
    for name, label in labels.items():
        (other,) = points.keys() - {name}
        assert label.leader is None
        assert distance(label.box, points[name]) < distance(label.box, points[other])


def test_a_name_that_fits_nowhere_is_left_out():
    assert placed({"a": [(10.0, 10.0)]}, (500.0, 15.0)) == {}
    assert placed({"a": [(200.0, 150.0)]}, taken=[FRAME]) == {}


def test_a_name_with_one_place_only_gets_it_though_it_is_told_last():
    sizes = {"narrow": (20.0, 15.0), "wide": (390.0, 15.0)}
    points = {"narrow": [(380.0, 35.0), (200.0, 290.0)], "wide": [(200.0, 35.0)]}
    labels = place_names(points, sizes, FRAME, gap=GAP, taken=[Box(0, 40, 400, 250)])
    assert set(labels) == {"narrow", "wide"}
    assert labels["wide"].box.bottom <= 40


def test_ink_is_left_uncovered_where_there_is_room():
    above = np.array([(200.0, float(y)) for y in range(120, 148)])
    box = placed({"a": [(200.0, 150.0)]}, ink=above)["a"].box
    assert covered(box, above) == 0


@pytest.mark.parametrize(
    "make", [SlideStepDisplay.of, FrontierDisplay.of, lambda *of: FrontierDisplay.of(*of).close_up()]
)
def test_in_figures_names_cover_no_other_text_and_no_point(drawn_study, make):
    display = make(*drawn_study)
    figure = display.plot()
    figure.draw_without_rendering()
    (ax,) = [each for each in figure.axes if any(text.get_text() in display.names.values() for text in each.texts)]
    frame = ax.get_window_extent()
    inside = [text for text in ax.texts if text.get_text() and not text.get_text().startswith("F1")]
    boxes = {text.get_text(): text.get_window_extent() for text in inside}
    named = {name: box for name, box in boxes.items() if name in display.names.values()}
    marks = [
        place
        for line in ax.lines
        if line.get_linestyle() == "None"
        for place in line.get_transform().transform(line.get_xydata())
    ]
    in_legend = {text.get_text() for legend in figure.legends for text in legend.get_texts()}
    drawn = {display.names[arm] for arm in display.table["arm"] if arm}
    assert len(marks) >= 4 and named.keys() | in_legend >= drawn and len(named) >= 2
    for name, box in named.items():
        assert frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
        assert not any(box.overlaps(other) for text, other in boxes.items() if text != name)
        assert not any(box.x0 < x < box.x1 and box.y0 < y < box.y1 for x, y in marks)
    plt.close(figure)


def test_names_that_a_panel_has_no_room_for_are_returned():
    figure, ax = plt.subplots(figsize=(1.2, 1.2))
    ax.set(xlim=(0, 1), ylim=(0, 1))
    points = {"a": np.array([[0.5, 0.5]]), "b": np.array([[0.4, np.nan], [0.5, 0.5]]), "c": np.array([[np.nan, 0.5]])}
    names = {"a": "far too long a name for this", "b": "b", "c": "nowhere"}
    assert write_names(ax, points, names, dict.fromkeys(names, "black")) == ["a", "c"]
    assert [text.get_text() for text in ax.texts] == ["b"]
    plt.close(figure)
