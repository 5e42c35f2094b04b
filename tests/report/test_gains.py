"""The axis of gains: it shows what verdicts turn on, whatever one far arm does."""

import numpy as np
import pytest

from experiments.report.gains import GainAxis

NEAR = [[0.0, -0.02, 0.02], [0.01, -0.03, 0.05], [-0.01, -0.04, 0.02]]


def test_a_far_row_does_not_stretch_the_axis():
    without = GainAxis.of(np.array(NEAR), 0.01)
    with_far = GainAxis.of(np.array([*NEAR, [-0.6, -0.9, -0.3]]), 0.01)
    assert without.high == pytest.approx(with_far.high)
    assert with_far.low == pytest.approx(-0.09)  # twice the median of .02, .04, .05 and .9
    assert not with_far.holds(-0.3)
    assert with_far.share(-0.3) == 0.0


def test_without_a_far_row_everything_lies_on_the_axis():
    axis = GainAxis.of(np.array(NEAR), 0.01)
    assert all(axis.holds(value) for row in NEAR for value in row)


@pytest.mark.parametrize("ends", [np.zeros((0, 3)), np.full((2, 3), np.nan), np.zeros((4, 3))])
def test_the_margin_is_always_on_the_axis(ends):
    axis = GainAxis.of(ends, 0.01)
    assert (axis.low, axis.high) == (-0.03, 0.03)
    assert axis.share(0.0) == 0.5


def test_places_are_linear_between_the_ends():
    axis = GainAxis(-0.1, 0.3)
    np.testing.assert_allclose([axis.share(value) for value in (-0.1, 0.0, 0.1, 0.3)], [0, 0.25, 0.5, 1])
