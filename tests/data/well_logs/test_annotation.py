"""The probability of annotation against hand-made cases, full enumeration, and repeated annotations."""

from itertools import product

import numpy as np
import pytest

from experiments.data.well_logs.annotation import (
    LabelNoise,
    annotate,
    annotation_probability,
    jitter_probabilities,
    jitter_reach,
)
from experiments.data.well_logs.curve import CurveInk
from experiments.data.well_logs.drawing import draw_log
from experiments.data.well_logs.style import LogStyle


def style(**changes):
    values = {
        "height": (48, 64),
        "width": (48, 64),
        "prevalence": (0.03, 0.03, 0.03),
        "curves": 3,
        "line_width": (1.0, 3.0),
        "clutter": 1.0,
        "fading": 0.5,
        "blur": 0.7,
        "noise": 6.0,
        "skew": 1.0,
        "annotation_jitter": 1.0,
        "label_jitter": 0.0,
        "dropped_strokes": 0.0,
        "channels": 1,
    }
    return LogStyle(**{**values, **changes})


def random_curve(seed, pen, *, margin, size, share=0.2):
    shape = size[0] + 2 * margin, size[1] + 2 * margin
    return CurveInk(pen, (np.random.default_rng(seed).random(shape) < share).astype(np.float32), margin)


def _reference_probability(curves, jitter, size):
    """Sum over every displacement of every curve, one after the other, with loops and np.roll."""
    weights = jitter_probabilities(jitter)
    reach = len(weights) // 2
    states = [
        (down, right, weights[down + reach] * weights[right + reach])
        for down, right in product(range(-reach, reach + 1), repeat=2)
    ]
    total = np.zeros((3, *size))
    for choice in product(states, repeat=len(curves)):
        marked = np.zeros((3, *size), bool)
        for curve, (down, right, _) in zip(curves, choice, strict=True):
            moved = np.roll(curve.coverage >= 0.5, (down, right), axis=(0, 1))
            marked[curve.pen] |= moved[curve.margin : curve.margin + size[0], curve.margin : curve.margin + size[1]]
        total += np.prod([weight for _, _, weight in choice]) * marked
    return total


@pytest.mark.parametrize("jitter", [0.5, 1.0, 2.3])
def test_displacements_are_a_centred_distribution_of_about_the_given_deviation(jitter):
    weights = jitter_probabilities(jitter)
    reach = jitter_reach(jitter)
    offsets = np.arange(-reach, reach + 1)
    assert len(weights) == 2 * reach + 1
    assert weights.sum() == pytest.approx(1.0)
    assert np.array_equal(weights, weights[::-1])
    assert weights @ offsets**2 == pytest.approx(jitter**2, rel=0.3)


def test_no_jitter_annotates_the_ink():
    curves = [random_curve(seed, pen, margin=0, size=(9, 7)) for seed, pen in enumerate((0, 1, 1))]
    target = annotate(np.random.default_rng(0), curves, 0.0, (9, 7))
    ink = [curve.coverage >= 0.5 for curve in curves]
    assert np.array_equal(target, np.stack([ink[0], ink[1] | ink[2], np.zeros((9, 7), bool)]))
    assert np.array_equal(annotation_probability(curves, 0.0, (9, 7)), target.astype(np.float32))


def test_one_pixel_spreads_as_the_displacement():
    coverage = np.zeros((9 + 4, 9 + 4), np.float32)
    coverage[2 + 4, 2 + 4] = 1
    weights = jitter_probabilities(1.0)
    eta = annotation_probability([CurveInk(2, coverage, 2)], 1.0, (9, 9))
    np.testing.assert_allclose(eta[2, 2:7, 2:7], np.outer(weights, weights), rtol=1e-6)
    assert eta[2].sum() == pytest.approx(1.0)
    assert not eta[:2].any()


def test_two_curves_of_one_pen_are_marked_unless_neither_is():
    coverage = np.zeros((9 + 2, 9 + 2), np.float32)
    coverage[5, 5] = 1
    curves = [CurveInk(0, coverage, 1), CurveInk(0, coverage, 1), CurveInk(1, coverage, 1)]
    eta = annotation_probability(curves, 0.5, (9, 9))
    p = jitter_probabilities(0.5)[1] ** 2
    assert eta[0, 4, 4] == pytest.approx(1 - (1 - p) ** 2, rel=1e-6)
    assert eta[1, 4, 4] == pytest.approx(p, rel=1e-6)


def test_equals_the_sum_over_all_displacements():
    size = (8, 6)
    curves = [random_curve(seed, pen, margin=1, size=size) for seed, pen in enumerate((0, 0, 2))]
    expected = _reference_probability(curves, 0.5, size)
    np.testing.assert_allclose(annotation_probability(curves, 0.5, size), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("jitter", [0.5, 1.0, 2.0])
def test_frequency_of_simulated_annotations_is_the_probability(jitter):
    drawing = draw_log(np.random.default_rng(5), style(annotation_jitter=jitter))
    assert {curve.pen for curve in drawing.curves} == {0, 1, 2}
    assert len(drawing.curves) > 3
    eta = annotation_probability(drawing.curves, jitter, drawing.size).astype(np.float64)
    n = 3000
    rng = np.random.default_rng(11)
    frequency = sum(annotate(rng, drawing.curves, jitter, drawing.size).astype(float) for _ in range(n)) / n
    assert not frequency[eta == 0].any()
    assert (frequency[eta == 1] == 1).all()
    # The normal approximation holds where both outcomes are expected often enough.
    common = (n * eta > 10) & (n * (1 - eta) > 10)
    deviation = np.sqrt(eta[common] * (1 - eta[common]) / n)
    z = (frequency[common] - eta[common]) / deviation
    assert common.sum() > 500
    assert np.abs(z).max() < 5.0  # about 1,000 pixels, P(|z| > 5) = 6e-7 each
    # Displacements are independent, pixels are not: 2 for each of about 6 curves.
    assert 0.4 < np.mean(z**2) < 1.8


def test_the_image_does_not_show_the_jitter():
    images = [draw_log(np.random.default_rng(3), style(annotation_jitter=jitter)).image for jitter in (0.0, 1.0, 8.0)]
    assert np.array_equal(images[0], images[1])
    assert np.array_equal(images[0], images[2])


def test_noise_moves_and_drops_curves_and_more_noise_drops_the_same_ones():
    drawing = draw_log(np.random.default_rng(5), style(label_jitter=2.0, annotation_jitter=0.0))
    n, ink = len(drawing.curves), annotate(np.random.default_rng(0), drawing.curves, 0.0, drawing.size)

    def labels(dropped, jitter=0.0):
        noise = LabelNoise(jitter, dropped)
        return annotate(
            np.random.default_rng(0), drawing.curves, 0.0, drawing.size, noise=noise, noise_rng=np.random.default_rng(1)
        )

    assert n > 3
    assert np.array_equal(labels(0.0), ink)
    assert not labels(1.0).any()
    some, more = labels(0.3), labels(0.6)
    assert (some <= ink).all()
    assert (more <= some).all()
    assert ink.sum() > some.sum() > more.sum()
    moved = labels(0.0, 2.0)
    assert not np.array_equal(moved, ink)
    assert moved.sum() == pytest.approx(ink.sum(), rel=0.2)


def test_dropped_curves_have_the_given_share():
    curves = [random_curve(seed, 0, margin=0, size=(4, 4), share=1.0) for seed in range(1)]
    noise, rng = LabelNoise(0.0, 0.25), np.random.default_rng(0)
    labelled = [annotate(rng, curves, 0.0, (4, 4), noise=noise, noise_rng=rng).any() for _ in range(2000)]
    assert 1 - np.mean(labelled) == pytest.approx(0.25, abs=4 * np.sqrt(0.25 * 0.75 / 2000))
