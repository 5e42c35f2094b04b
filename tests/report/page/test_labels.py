"""Names in a drawing cover neither each other nor the edge, and stand by their own points."""

import numpy as np
import pytest

from experiments.report.page.first.labels import Box, place_names

FRAME = Box(0, 0, 400, 300)
NO_INK = np.empty((0, 2))


@pytest.mark.parametrize("count", [1, 5, 30])
def test_names_never_overlap_or_leave_the_frame(count):
    rng = np.random.default_rng(count)
    points = {f"arm{n}": [tuple(rng.uniform((0, 0), (400, 300))) for _ in range(3)] for n in range(count)}
    ink = np.array([point for own in points.values() for point in own])
    placed = place_names(points, dict.fromkeys(points, (60.0, 15.0)), ink, FRAME)
    boxes = list(placed.values())
    assert len(boxes) == count if count < 6 else boxes
    assert all(box.within(FRAME) for box in boxes)
    assert not any(a.overlaps(b) for place, a in enumerate(boxes) for b in boxes[:place])


def test_a_name_stands_nearer_to_its_own_point():
    points = {"left": [(150.0, 150.0)], "right": [(180.0, 150.0)]}
    placed = place_names(points, dict.fromkeys(points, (70.0, 15.0)), NO_INK, FRAME)
    for name, own in points.items():
        other = points["right" if name == "left" else "left"]
        assert placed[name].distance(own) < placed[name].distance(other)


def test_a_name_that_fits_nowhere_is_left_out():
    assert place_names({"a": [(10.0, 10.0)]}, {"a": (500.0, 15.0)}, NO_INK, FRAME) == {}


def test_ink_is_left_uncovered_where_there_is_room():
    above = np.array([(200.0, float(y)) for y in range(120, 148)])
    box = place_names({"a": [(200.0, 150.0)]}, {"a": (60.0, 15.0)}, above, FRAME)["a"]
    assert box.covers(above) == 0
