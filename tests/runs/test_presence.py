"""Imbalance per example and by count, on images counted by hand."""

import json

import numpy as np
import pytest

from experiments.runs.presence import Presence


def test_every_image_holds_a_sliver():
    found = Presence.of([1, 3, 5], [100, 100, 100])
    assert (found.n_images, found.n_present) == (3, 3)
    assert (found.prevalence, found.within, found.median) == pytest.approx((0.03, 0.03, 0.03))
    assert found.per_example == 1.0
    assert found.kind == "per example"


def test_one_image_of_ten_is_full_of_it():
    found = Presence.of([100] + [0] * 9, [100] * 10)
    assert (found.n_present, found.prevalence, found.within, found.median) == (1, 0.1, 1.0, 1.0)
    assert found.per_example == 0.0
    assert found.kind == "by count"


def test_a_third_of_it_in_one_image_of_ten_is_both():
    found = Presence.of([30] + [0] * 9, [100] * 10)
    assert found.prevalence == pytest.approx(0.03)
    assert found.within == pytest.approx(0.3)
    assert found.per_example == pytest.approx(np.log(0.3) / np.log(0.03))  # .34
    assert found.kind == "both"


def test_a_common_mask_is_not_imbalanced():
    assert Presence.of([30, 10], [100, 100]).kind == "none"
    assert Presence.of([30, 9], [100, 100]).kind == "per example"


def test_the_two_parts_add_up_for_images_of_any_size():
    rng = np.random.default_rng(0)
    pixels = rng.integers(50, 5000, 200)
    positives = np.where(rng.random(200) < 0.4, rng.integers(1, 20, 200), 0)
    found = Presence.of(positives, pixels)
    held = pixels[positives > 0].sum() / pixels.sum()
    assert -np.log(found.prevalence) == pytest.approx(-np.log(held) - np.log(found.within))
    assert found.per_example == pytest.approx(np.log(found.within) / (np.log(held) + np.log(found.within)))


def test_the_median_is_over_images_that_hold_it_and_ignored_images_count_nowhere():
    found = Presence.of([0, 10, 30, 20, 0], [100, 100, 100, 100, 0])
    assert (found.n_images, found.n_present) == (4, 3)
    assert found.median == pytest.approx(0.2)


@pytest.mark.parametrize(("positives", "pixels"), [([0, 0], [10, 10]), ([], []), ([0], [0])])
def test_no_positive_pixel_has_no_kind(positives, pixels):
    found = Presence.of(positives, pixels)
    assert found.kind is None
    assert np.isnan([found.per_example, found.within, found.median]).all()


@pytest.mark.parametrize("positives", [[0, 4, 8], [0, 0, 0]])
def test_it_survives_json(positives):
    found = Presence.of(positives, [100, 100, 100])
    again = Presence.from_json(json.loads(json.dumps(found.to_json(), allow_nan=False)))
    assert again.to_json() == found.to_json()
    assert again.kind == found.kind


def test_bad_counts_are_named():
    with pytest.raises(ValueError, match=r"positives, pixels: expected \(N,\) both, got \(1,\) and \(2,\)"):
        Presence.of([1], [1, 2])
    with pytest.raises(ValueError, match="positives: expected 0 to the image's pixels"):
        Presence.of([3], [2])
    with pytest.raises(ValueError, match="missing 'n_present'"):
        Presence.from_json({"n_images": 3})
