"""Score maps in memory give the same histograms as the builder that streams."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.evaluation.histogram_builder import ScoreHistogramBuilder
from experiments.frontier.from_images import from_images, to_logits

ARRAYS = ("row_start", "bins", "positives", "negatives", "joint")


def drawn(seed, sizes, *, channels=2, scale=3.0):
    rng = np.random.default_rng(seed)
    shapes = [(channels, height, width) for height, width in sizes]
    scores = [rng.normal(0, scale, shape).astype(np.float32) for shape in shapes]
    targets = [rng.random(shape) < 0.2 for shape in shapes]
    valid = [rng.random(shape[1:]) < 0.9 for shape in shapes]
    return scores, targets, valid


def assert_equal(first, second):
    assert (first.masks, first.image_ids, first.group_ids) == (second.masks, second.image_ids, second.group_ids)
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name), err_msg=name)


@given(
    seed=st.integers(0, 2**32),
    sizes=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=4),
    channels=st.integers(1, 3),
    scale=st.sampled_from([1e-3, 1.0, 1e3, 1e6]),
    ignore=st.booleans(),
)
@pytest.mark.hypothesis
def test_equal_to_the_streaming_builder(seed, sizes, channels, scale, ignore):
    scores, targets, valid = drawn(seed, sizes, channels=channels, scale=scale)
    masks = [f"m{index}" for index in range(channels)]
    names = [f"image{index}" for index in range(len(sizes))]
    builder = ScoreHistogramBuilder(masks)
    for name, logits, target, keep in zip(names, scores, targets, valid, strict=True):
        builder.add(name, name, logits, target, keep if ignore else None)
    found = from_images(scores, targets, masks=masks, image_ids=names, valid=valid if ignore else None)
    assert_equal(found, builder.build())


def test_probabilities_become_logits():
    scores, targets, _ = drawn(0, [(5, 7), (3, 3)])
    odds = [np.exp(logits.astype(np.float64)) for logits in scores]
    found = from_images([o / (1 + o) for o in odds], targets, kind="probabilities")
    expected = from_images([logits.astype(np.float64) for logits in scores], targets)
    assert len(found.bins) == len(expected.bins)
    assert np.abs(found.bins.astype(int) - expected.bins.astype(int)).max() <= 1
    np.testing.assert_allclose(to_logits([0.2, 0.5, 0.9]), [np.log(0.25), 0, np.log(9)], rtol=1e-14)
    assert to_logits([0.0, 1.0]).tolist() == [-np.inf, np.inf]


def test_saturated_probabilities_are_the_largest_logits():
    histograms = from_images([[[0.0, 1.0]]], [[[0, 1]]], kind="probabilities")
    expected = from_images([[[-65504.0, 65504.0]]], [[[0, 1]]])
    assert_equal(histograms, expected)


def test_one_mask_needs_no_axis():
    scores, targets, _ = drawn(1, [(4, 4)], channels=1)
    assert_equal(from_images(scores, targets), from_images([scores[0][0]], [targets[0][0]]))


def test_what_stands_at_ignored_pixels_does_not_matter():
    scores, targets, valid = drawn(2, [(6, 6)])
    dirty = [np.where(valid[0], scores[0], np.nan)]
    labels = [np.where(valid[0], targets[0], 7)]
    assert_equal(from_images(dirty, labels, valid=valid), from_images(scores, targets, valid=valid))


def test_a_group_is_an_image_unless_named():
    scores, targets, _ = drawn(3, [(2, 2)] * 3)
    assert from_images(scores, targets).group_ids == ("0", "1", "2")
    assert from_images(scores, targets, groups=["a", "a", "b"]).group_ids == ("a", "a", "b")


GOOD = np.zeros((2, 3, 3))
LABELS = np.zeros((2, 3, 3), bool)


@pytest.mark.parametrize(
    ("scores", "targets", "options", "words"),
    [
        ([GOOD], [LABELS, LABELS], {}, ["targets: expected 1, one per image, got 2"]),
        ([], [], {}, ["scores: expected at least one image, got none"]),
        ([GOOD], [LABELS], {"masks": ["a"]}, ["masks: expected 2 names", "got 1"]),
        ([GOOD], [LABELS], {"kind": "scores"}, ['kind: expected "logits" or "probabilities", got \'scores\'']),
        ([GOOD], [LABELS[:, :2]], {}, ["image '0': target: expected the shape of its scores (2, 3, 3), got (2, 2, 3)"]),
        ([GOOD], [LABELS + 3], {}, ["image '0': target: expected 0 or 1, got 3"]),
        ([GOOD, GOOD[0]], [LABELS, LABELS[0]], {}, ["image '1': scores: expected (2, H, W), got (3, 3)"]),
        ([GOOD + np.nan], [LABELS], {}, ["image '0': logits: expected numbers, got 18 NaN"]),
        ([GOOD + np.nan], [LABELS], {"kind": "probabilities"}, ["expected probabilities in [0, 1], got nan"]),
        ([GOOD - 4], [LABELS], {"kind": "probabilities"}, ["got -4.0 (18 of 18 pixels)", 'kind="logits"']),
        ([GOOD.astype(str)], [LABELS], {}, ["image '0': scores: expected numbers"]),
        ([GOOD], [LABELS], {"valid": [GOOD]}, ["image '0': valid: expected bool, got float64"]),
        ([GOOD], [LABELS], {"valid": [LABELS[:, 0, :2]]}, ["valid: expected a shape that broadcasts to (2, 3, 3)"]),
        ([GOOD + np.nan, GOOD, GOOD], [LABELS, LABELS, LABELS + 2], {}, ["image '0': logits", "image '2': target"]),
        ([GOOD, GOOD], [LABELS, LABELS], {"image_ids": ["a", "a"]}, ["image_ids: expected unique names"]),
    ],
)
def test_what_cannot_be_counted_is_named(scores, targets, options, words):
    with pytest.raises(ValueError) as error:
        from_images(scores, targets, **options)
    for word in words:
        assert word in str(error.value)


def test_a_long_list_of_problems_is_cut():
    with pytest.raises(ValueError, match=r"\.\.\. and 5 more"):
        from_images([GOOD] * 25, [LABELS + 2] * 25)
