import numpy as np
import pytest

from experiments.data.well_logs.curve import Stroke, draw_stroke, lay_ink, stamp, trace


def runs(line):
    """Lengths of the stretches of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], line.astype(int), [0]])))
    return (edges[1::2] - edges[::2]).tolist()


def straight(stroke, *, most_ink=1e9, height=60, margin=0, slope=0.0, column=10.0):
    return lay_ink(
        np.random.default_rng(0),
        np.full(height + 40, column),
        stroke,
        most_ink=most_ink,
        size=(height, 20),
        margin=margin,
        slope=slope,
    )


def test_a_line_of_two_pixels_covers_two_columns_exactly():
    coverage = straight(Stroke(2.0, 1.0, 1.0))
    assert np.array_equal(coverage[:, 9:11], np.ones((60, 2), np.float32))
    assert coverage.sum() == 120


def test_a_line_in_the_middle_of_a_pixel_spills_evenly():
    coverage = straight(Stroke(2.0, 1.0, 1.0), column=10.5)
    np.testing.assert_allclose(coverage[30, 8:13], [0, 0.5, 1, 0.5, 0], atol=1 / 255)


@pytest.mark.parametrize("diameter", [1.0, 2.0, 3.0, 5.0, 8.0])
def test_a_disc_has_the_area_of_a_disc(diameter):
    coverage = stamp(np.array([10.0]), np.array([12.0]), diameter, size=(24, 20), margin=0)
    assert coverage.sum() == pytest.approx(np.pi / 4 * diameter**2, rel=0.12)
    rows, columns = np.nonzero(coverage)
    weights = coverage[rows, columns]
    assert np.average(rows + 0.5, weights=weights) == pytest.approx(12.0, abs=1e-3)
    assert np.average(columns + 0.5, weights=weights) == pytest.approx(10.0, abs=1e-3)


def test_the_margin_shows_what_lies_around_the_image():
    x, y = np.array([-2.0, 10.0, 21.0]), np.array([5.0, -1.0, 26.0])
    inner = stamp(x, y, 3.0, size=(24, 20), margin=0)
    outer = stamp(x, y, 3.0, size=(24, 20), margin=4)
    assert np.array_equal(outer[4:-4, 4:-4], inner)
    assert outer[9, 2] > 0.9  # the disc at column -2, row 5
    assert outer.sum() > inner.sum()


def test_points_far_outside_leave_no_ink():
    far = np.array([-50.0, 500.0, 10.0, 10.0])
    assert not stamp(far, far[::-1], 3.0, size=(24, 20), margin=2)[:, :4].any()


def test_dashes_and_gaps_have_the_length_of_the_stroke():
    stroke = Stroke(2.0, 8.0, 12.0)
    coverage = straight(stroke, height=200)
    inked = coverage[:, 9] > 0.5
    assert all(abs(length - 8) <= 1 for length in runs(inked)[1:-1])
    assert all(abs(length - 4) <= 1 for length in runs(~inked)[1:-1])
    assert len(runs(inked)) in (16, 17, 18)  # 200 / 12 = 16.7
    # Rounded ends: 2 x 6 pixels and a disc of diameter 2 in every 12 rows.
    assert stroke.ink_per_pixel == pytest.approx((12 + np.pi) / 12)
    assert coverage.sum() / 200 == pytest.approx((12 + np.pi) / 12, rel=0.05)


def test_ink_runs_out_where_it_should():
    coverage = straight(Stroke(2.0, 1.0, 1.0), most_ink=60.0)
    assert 55 <= coverage.sum() <= 66  # 30 pixels long, and a rounded end of half a disc at each side


def test_skew_tilts_a_line_by_its_slope():
    coverage = straight(Stroke(2.0, 1.0, 1.0), slope=0.05, height=60)
    centre = (coverage * (np.arange(20) + 0.5)).sum(axis=1) / coverage.sum(axis=1)
    assert np.polyfit(np.arange(60), centre, 1)[0] == pytest.approx(0.05, abs=0.003)
    assert centre[30] == pytest.approx(10.0, abs=0.15)


def test_pens_differ_in_rhythm_only():
    for seed in range(50):
        solid, dashed, dotted = (draw_stroke(np.random.default_rng(seed), pen, (1.0, 3.0)) for pen in range(3))
        assert solid.mark == solid.period
        assert dashed.mark > 2 * dotted.mark - 1
        assert dashed.period - dashed.mark >= 3.0
        assert dotted.period > dotted.mark + 1
        assert all(1.0 <= stroke.width <= 3.0 for stroke in (solid, dashed, dotted))


def test_a_trace_stays_in_its_track_and_moves():
    for seed in range(50):
        columns = trace(np.random.default_rng(seed), 300, 12.0, 60.0)
        assert columns.shape == (300,)
        assert columns.min() >= 12.0
        assert columns.max() <= 60.0
        assert np.ptp(columns) > 5.0
