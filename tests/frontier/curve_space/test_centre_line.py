"""Centre lines and errors of curves against definitions by hand, loops and scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, r2_score

from experiments.frontier.curve_space.centre_line import SUMS, curve_errors, curve_of, curve_sums
from experiments.frontier.curve_space.counts import CurveSums, image_sums


def strokes(centres, width, thickness=3):
    """Draw a stroke through the given centre of each row; NaN leaves a row empty."""
    mask = np.zeros((len(centres), width), bool)
    for row, centre in enumerate(centres):
        if not np.isnan(centre):
            first = round(centre - (thickness - 1) / 2)
            mask[row, max(first, 0) : first + thickness] = True
    return mask


def _reference_curve(mask):
    values = []
    for row in mask.tolist():
        best, length, column = np.nan, 0, 0
        while column < len(row):
            end = column
            while end < len(row) and row[end]:
                end += 1
            if end - column > length:
                best, length = (column + end - 1) / 2, end - column
            column = max(end, column + 1)
        values.append(best)
    return np.array(values)


def test_a_straight_and_a_slanted_stroke_give_their_middle():
    assert curve_of(strokes([5.0] * 4, 12)).tolist() == [5.0] * 4
    slanted = np.arange(3.0, 9.0)
    for thickness in (1, 3, 5):
        assert curve_of(strokes(slanted, 14, thickness)).tolist() == slanted.tolist()
    np.testing.assert_array_equal(curve_of(strokes(slanted, 14).T, "columns"), slanted)


def test_a_stroke_that_jumps_along_a_row_gives_the_middle_of_what_it_covers():
    mask = strokes([2.0, 2.0, 9.0], 12, 1)
    mask[1, 2:10] = True
    assert curve_of(mask).tolist() == [2.0, 5.5, 9.0]


def test_specks_change_nothing_and_of_equal_runs_the_leftmost_counts():
    mask = strokes([4.0, 4.0], 30)
    mask[0, 20:22] = True
    mask[1, 20:23] = True
    assert curve_of(mask).tolist() == [4.0, 4.0]


def test_random_masks_agree_with_a_loop():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        mask = rng.random(rng.integers(1, 12, 2)) < rng.random()
        np.testing.assert_array_equal(curve_of(mask), _reference_curve(mask))


def test_errors_agree_with_scikit_learn_where_both_have_a_value():
    rng = np.random.default_rng(3)
    truth = np.round(20 + 8 * np.sin(np.arange(60) / 7))
    predicted = truth + rng.integers(-3, 4, 60)
    predicted[[5, 6, 40]] = np.nan
    truth[[10, 40]] = np.nan
    found = curve_errors(strokes(predicted, 50), strokes(truth, 50), scale=0.25)
    both = ~np.isnan(predicted) & ~np.isnan(truth)
    assert found.mae == pytest.approx(0.25 * mean_absolute_error(truth[both], predicted[both]))
    assert found.r2 == pytest.approx(r2_score(truth[both], predicted[both]))
    assert found.bias == pytest.approx(0.25 * np.mean(predicted[both] - truth[both]))
    assert found.coverage == 56 / 58
    assert found.extra == 1 / 2
    assert (found.true_rows, found.several_rows) == (58, 0)


def test_gaps_are_filled_between_the_nearest_values_and_held_beyond_the_ends():
    truth = np.arange(10.0, 20.0)
    predicted = truth.copy()
    predicted[[0, 1, 4, 5]] = np.nan  # held at 12: 2 and 1 off; between 13 and 16: exact
    found = curve_errors(strokes(predicted, 40), strokes(truth, 40))
    assert (found.mae, found.mae_filled, found.coverage) == (0.0, 0.3, 0.6)
    assert found.accuracy == pytest.approx(1 - 0.3 / 40)


def test_nothing_predicted_counts_as_the_middle_of_the_image():
    truth = strokes([2.0] * 6, 11)
    found = curve_errors(np.zeros_like(truth), truth)
    assert np.isnan([found.mae, found.r2, found.bias]).all()
    assert (found.mae_filled, found.coverage, found.extra) == (3.0, 0.0, pytest.approx(np.nan, nan_ok=True))


def test_rows_where_the_truth_wraps_or_is_double_are_left_out():
    truth = strokes([7.0, 8.0, 9.0, np.nan, 1.0, 2.0], 11, 1)
    truth[3, [0, 10]] = True  # leaves on the right, comes back on the left
    predicted = strokes([7.0, 8.0, 9.0, 10.0, 1.0, 2.0], 11, 1)
    found = curve_errors(predicted, truth)
    assert (found.true_rows, found.several_rows, found.mae, found.coverage) == (5, 1, 0.0, 1.0)
    late = curve_errors(np.roll(predicted, 1, axis=0), truth)  # a wrap one row late is off by almost the width
    assert late.mae > 1


def test_the_wider_a_shift_the_worse_and_a_shift_is_all_bias():
    truth = strokes(np.round(15 + 5 * np.cos(np.arange(40) / 5)), 40)
    for shift in (1, 3, 6):
        found = curve_errors(np.roll(truth, shift, axis=1), truth)
        assert (found.mae, found.bias, found.mae_filled) == (shift, shift, shift)


def test_sums_add_up_over_images_and_r2_is_within_images():
    """Two wells whose curves stand in other places: the distance between them does not make R2 better."""
    rng = np.random.default_rng(1)
    truths = [np.round(at + rng.normal(0, 2, 50)) for at in (15, 70)]
    off = [truth + rng.integers(-2, 3, 50) for truth in truths]
    sums = sum(curve_sums(strokes(p, 100), strokes(t, 100)) for p, t in zip(off, truths, strict=True))
    named = dict(zip(SUMS, sums, strict=True))
    own = np.concatenate([t - t.mean() for t in truths])
    errors = np.concatenate(off) - np.concatenate(truths)
    assert named["true_spread"] == pytest.approx((own**2).sum())
    assert named["squared_error"] == (errors**2).sum()
    assert named["abs_error"] == np.abs(errors).sum()


def test_ignored_pixels_belong_to_neither_mask():
    truth = strokes([4.0, 4.0, 4.0], 12)
    valid = np.ones_like(truth)
    valid[0] = False
    found = image_sums(truth[None, None], truth[None], valid, "rows")
    assert found.shape == (1, 1, len(SUMS))
    assert dict(zip(SUMS, found[0, 0], strict=True))["true_rows"] == 2


def test_columns_are_rows_of_the_turned_image():
    rng = np.random.default_rng(5)
    fired, target = rng.random((2, 3, 9, 14)) < 0.1, rng.random((3, 9, 14)) < 0.1
    turned = image_sums(fired.swapaxes(2, 3), target.swapaxes(1, 2), None, "rows")
    np.testing.assert_array_equal(image_sums(fired, target, None, "columns"), turned)


def test_stored_sums_come_back_and_follow_another_order():
    sums = CurveSums("rows", ("a", "b"), ("natural",), np.arange(2.0 * len(SUMS)).reshape(2, 1, 1, -1))
    back = CurveSums.from_arrays(sums.to_arrays())
    np.testing.assert_array_equal(back.sums, sums.sums)
    assert (back.axis, back.image_ids, back.points) == ("rows", ("a", "b"), ("natural",))
    np.testing.assert_array_equal(back.in_order(("b", "a")).sums, sums.sums[::-1])
    with pytest.raises(ValueError, match="images: expected 2 of the run's scores"):
        back.in_order(("a", "c"))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"scale": 0.0}, "scale: expected a finite number of units per pixel above 0, got 0"),
        ({"scale": float("nan")}, "scale: expected a finite number"),
        ({"axis": "depth"}, "axis: expected rows or columns, got 'depth'"),
        ({"predicted": np.zeros((2, 3))}, r"predicted: expected the size of truth, \(2, 4\), got \(2, 3\)"),
        ({"truth": np.full((2, 4), 255)}, "truth: expected an image .* of 0 and 1, got values from 255 to 255"),
        ({"truth": np.zeros(4)}, r"truth: expected an image .* got shape \(4,\)"),
    ],
)
def test_wrong_arguments_are_named(wrong, message):
    with pytest.raises(ValueError, match=message):
        curve_errors(**{"predicted": np.zeros((2, 4)), "truth": np.zeros((2, 4)), **wrong})
