"""Natural and tuned points, the background row, and means over images, by hand and by brute force."""

import numpy as np
import pytest
import torch

from experiments.evaluation.histogram_builder import ScoreHistogramBuilder
from experiments.frontier.arithmetic import from_pixels, from_rows
from experiments.frontier.codes import N_CODES, NATURAL_CODE, code_to_logit, logit_to_code
from experiments.frontier.curve import average_precision, f_beta, pr_curve
from experiments.frontier.operating_point import (
    OperatingPoint,
    background_point,
    frame_accuracy,
    image_means,
    natural_point,
    operating_point,
    recall_code,
    tuned_code,
    tuned_codes,
    tuned_thresholds,
)
from experiments.frontier.per_image import ImageCounts


def _histograms(seed: int = 0, n_images: int = 6, pixels: int = 300):
    rng = np.random.default_rng(seed)
    labels = rng.random((n_images, 2, pixels)) < 0.1
    labels[0, 0] = False
    logits = np.round(rng.standard_normal(labels.shape) - 1.0 + 1.5 * labels, 2).astype(np.float16)
    ids = [f"i{index}" for index in range(n_images)]
    return from_pixels(["a", "b"], ids, ids, logits.astype(np.float64), labels), logits.astype(float), labels


def test_natural_point_counts_zero_as_positive() -> None:
    logits = np.array([[[-1.0, -0.0, 0.0, 2.0, -1e-12]]])
    labels = np.array([[[True, True, False, False, True]]])
    point = natural_point(from_pixels(["a"], ["x"], ["x"], logits, labels), 0)
    assert (point.tp, point.fp, point.fn, point.tn) == (1, 2, 2, 0)
    assert point.precision == pytest.approx(1 / 3)
    assert point.recall == pytest.approx(1 / 3)
    assert point.f_beta() == pytest.approx(1 / 3)
    assert point.accuracy == pytest.approx(0.2)
    assert (point.threshold, point.probability) == (0.0, 0.5)


def test_a_threshold_as_a_probability() -> None:
    for probability in (0.001, 0.25, 0.75, 0.999):
        threshold = float(np.log(probability / (1 - probability)))
        point = OperatingPoint("x", threshold, 1, 2, 3, 4)
        assert point.probability == pytest.approx(probability, rel=1e-12)
    assert np.isnan(OperatingPoint("x", np.nan, 0, 0, 3, 4).probability)


def test_tuned_point_is_the_best_threshold_of_validation() -> None:
    val, logits, labels = _histograms()
    for beta in (0.5, 1.0, 2.0):
        codes = tuned_codes(val, beta=beta)
        for mask in range(2):
            candidates = np.unique(logits[:, mask])
            scores = []
            for threshold in candidates:
                fired, truth = logits[:, mask] >= threshold, labels[:, mask]
                hits = (fired & truth).sum()
                scores.append(float(f_beta(hits, (fired & ~truth).sum(), (~fired & truth).sum(), beta=beta)))
            best = np.flatnonzero(np.isclose(scores, max(scores), rtol=0, atol=1e-12))[-1]
            assert codes[mask] == int(logit_to_code(candidates[best]))
    assert tuned_thresholds(val).tolist() == [float(code_to_logit(code)) for code in tuned_codes(val)]


def test_a_tie_goes_to_the_highest_threshold() -> None:
    # At 3: TP 1 of 2, F1 = 2/3. At 1: TP 2, FP 2, F1 = 4/6 = 2/3.
    logits = np.array([[[3.0, 2.0, 2.0, 1.0]]])
    labels = np.array([[[True, False, False, True]]])
    histograms = from_pixels(["a"], ["x"], ["x"], logits, labels)
    assert tuned_codes(histograms) == (int(logit_to_code(3.0)),)


def test_no_positive_in_validation_leaves_no_threshold() -> None:
    histograms = from_pixels(["a"], ["x"], ["x"], np.zeros((1, 1, 4)), np.zeros((1, 1, 4), bool))
    assert tuned_code(pr_curve(*histograms.pooled(0))) is None
    assert tuned_thresholds(histograms).tolist() == [np.inf]
    point = operating_point(histograms, 0, None, name="tuned")
    assert (point.tp, point.fp, point.tn) == (0, 0, 4)
    assert np.isnan(point.threshold) and np.isnan(point.precision) and np.isnan(point.recall)


def test_undefined_is_nan_and_an_unfound_mask_scores_zero() -> None:
    nothing_there = OperatingPoint("natural", 0.0, 0, 0, 0, 9)
    assert np.isnan([nothing_there.precision, nothing_there.recall, nothing_there.f_beta()]).all()
    nothing_found = OperatingPoint("natural", 0.0, 0, 0, 5, 9)
    assert np.isnan(nothing_found.precision)
    assert (nothing_found.recall, nothing_found.f_beta()) == (0.0, 0.0)


def test_background_and_frame_accuracy_by_hand() -> None:
    builder = ScoreHistogramBuilder(["a", "b"])
    # Pixels:            both right   b missed   a fires wrongly   background right
    logits = torch.tensor([[[1.0, -1.0, 1.0, -1.0]], [[-1.0, -1.0, -1.0, -1.0]]])
    target = torch.tensor([[[1, 0, 0, 0]], [[0, 1, 0, 0]]])
    builder.add("x", "x", logits, target)
    builder.add("y", "y", logits[:, :, 3:], target[:, :, 3:])
    histograms = builder.build()
    point = background_point(histograms)
    assert (point.tp, point.fp, point.fn, point.tn) == (2, 1, 1, 1)
    assert frame_accuracy(histograms) == pytest.approx((0.5 + 1.0) / 2)
    with pytest.raises(ValueError, match="name: expected one of \\('natural',\\), got 'tuned'"):
        background_point(histograms, "tuned")


def test_each_image_by_itself() -> None:
    histograms, logits, labels = _histograms()
    counts = ImageCounts(histograms)
    codes = [int(logit_to_code(-0.5)), NATURAL_CODE]
    tp, fp = counts.above(codes)
    own = counts.average_precision()
    for image in range(6):
        for mask, limit in enumerate((-0.5, 0.0)):
            fired, truth = logits[image, mask] >= limit, labels[image, mask]
            assert tp[image, mask] == (fired & truth).sum()
            assert fp[image, mask] == (fired & ~truth).sum()
            alone = from_pixels(["a"], ["x"], ["x"], logits[image, mask][None, None], labels[image, mask][None, None])
            expected = average_precision(pr_curve(*alone.pooled(0)))
            np.testing.assert_allclose(own[image, mask], expected, atol=1e-12)
    assert np.isnan(own[0, 0])
    assert counts.above([N_CODES, N_CODES])[0].sum() == 0


def test_means_over_images_leave_out_what_is_undefined_and_count_it() -> None:
    # x: 1 hit of 1. y: nothing there, nothing found. z: 1 positive, not found.
    logits = np.array([[[1.0, -1.0]], [[-1.0, -1.0]], [[-1.0, -1.0]]])
    labels = np.array([[[True, False]], [[False, False]], [[True, False]]])
    means = image_means(ImageCounts(from_pixels(["a"], list("xyz"), list("xyz"), logits, labels)), [NATURAL_CODE])
    assert (means.precision[0], means.recall[0], means.f_beta[0]) == (1.0, 0.5, 0.5)
    assert means.undefined.tolist() == [[2, 1, 1]]


def test_means_over_images_by_hand() -> None:
    # x: 2 hits, 1 false, 1 missed. y: 1 false alone. z: 1 hit, 3 false.
    logits = np.array([[[1.0, 1.0, 1.0, -1.0]], [[1.0, -1.0, -1.0, -1.0]], [[1.0, 1.0, 1.0, 1.0]]])
    labels = np.array([[[True, True, False, True]], [[False] * 4], [[True, False, False, False]]])
    counts = ImageCounts(from_pixels(["a"], list("xyz"), list("xyz"), logits, labels))
    means = image_means(counts, [NATURAL_CODE])
    assert means.precision[0] == pytest.approx((2 / 3 + 0 + 1 / 4) / 3)
    assert means.recall[0] == pytest.approx((2 / 3 + 1) / 2)
    assert means.f_beta[0] == pytest.approx((4 / 6 + 0 + 2 / 5) / 3)
    assert means.undefined.tolist() == [[0, 1, 0]]
    # F2 = 5 TP / (5 TP + 4 FN + FP).
    assert image_means(counts, [NATURAL_CODE], beta=2.0).f_beta[0] == pytest.approx((10 / 15 + 0 + 5 / 8) / 3)


def test_an_empty_test_set_is_nan() -> None:
    assert np.isnan(frame_accuracy(from_rows(["a"], [], [], [])))


@pytest.mark.parametrize("recall", [0.05, 0.5, 0.9, 0.97])
def test_recall_floor_is_the_highest_threshold_that_reaches_it(recall) -> None:
    histograms, logits, labels = _histograms()
    for mask in range(2):
        scores = logits[:, mask].ravel()
        positive = scores[labels[:, mask].ravel()]
        reached = [value for value in np.unique(scores) if (positive >= value).mean() >= recall]
        assert code_to_logit(recall_code(pr_curve(*histograms.pooled(mask)), recall)) == max(reached)


def test_recall_floor_that_only_predicting_everything_reaches_is_none() -> None:
    for logits, labels in (([[[1.0, 1.0]]], [[[True, False]]]), ([[[1.0, 2.0]]], [[[False, False]]])):
        curve = pr_curve(*from_pixels(["a"], ["x"], ["x"], np.array(logits), np.array(labels)).pooled(0))
        assert recall_code(curve, 0.9) is None
    with pytest.raises(ValueError, match=r"recall: expected a number in \(0, 1\], got 0"):
        recall_code(curve, 0)
