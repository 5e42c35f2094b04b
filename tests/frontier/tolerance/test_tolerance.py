"""Tolerant precision and recall equal a count over pixels, whatever the sizes, masks and ignored pixels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt, grey_dilation
from sklearn.metrics import average_precision_score, precision_recall_curve

from experiments.frontier.codes import code_to_logit, logit_to_code
from experiments.frontier.from_images import from_images
from experiments.frontier.leave_one_out import SweepGrid, group_counts, group_sweep
from experiments.frontier.tolerance import histograms as tolerant_histograms
from experiments.frontier.tolerance.histograms import TolerantHistograms, tolerant_from_images
from experiments.frontier.tolerance.neighbourhood import disk_maximum
from experiments.frontier.tolerance.scores import (
    TolerantCurve,
    f_measure,
    scale_scores,
    tolerant_average_precision,
    tuned_tolerant_codes,
)

SIZES = [(13, 21), (30, 8), (1, 17), (16, 16), (5, 5)]
GROUPS = ["a", "b", "a", "c", "b"]
NEVER = 1e9  # farther than any pixel


def images(seed, n_masks, ignored, step=0.25):
    """Scores on a grid of `step`, so that there are ties and float16 holds them; one image has no positive."""
    rng = np.random.default_rng(seed)
    scores = [np.round(rng.normal(size=(n_masks, *size)) * 2 / step) * step for size in SIZES]
    targets = [rng.random((n_masks, *size)) < 0.06 for size in SIZES]
    targets[4][:] = False
    valid = [rng.random(size) < 0.7 for size in SIZES] if ignored else None
    return scores, targets, valid


def _reference_disk(values, radius):
    """SciPy's dilation with a drawn disk."""
    axis = np.arange(-radius, radius + 1)
    disk = axis[:, None] ** 2 + axis[None] ** 2 <= radius**2
    return grey_dilation(values.astype(np.int64), footprint=disk, mode="constant", cval=0)


@given(
    st.integers(0, 8), st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32 - 1), st.sampled_from([0.02, 0.5])
)
def test_a_disk_is_that_of_scipy(radius, height, width, seed, share):
    rng = np.random.default_rng(seed)
    values = np.where(rng.random((height, width)) < share, rng.integers(1, 65_536, (height, width)), 0).astype(
        np.uint16
    )
    assert disk_maximum(values, radius).tolist() == _reference_disk(values, radius).tolist()
    flags = values > 0
    assert disk_maximum(flags, radius).tolist() == (_reference_disk(flags, radius) > 0).tolist()


def test_a_disk_wider_than_the_image_takes_all_of_it():
    values = np.zeros((3, 2), np.uint16)
    values[2, 1] = 9
    assert (disk_maximum(values, 32) == 9).all()


def _distance_to(flags):
    """Distance from every pixel to the nearest flagged one, by SciPy."""
    return distance_transform_edt(~flags) if flags.any() else np.full(flags.shape, NEVER)


def _reference_counts(scores, targets, valid, mask, radius, threshold, chosen):
    """Right, predicted, found and true pixels of some images at one threshold, from distances between pixels."""
    sums = np.zeros(4, np.int64)
    for index in chosen:
        keep = np.ones(SIZES[index], bool) if valid is None else valid[index]
        truth, fired = targets[index][mask] & keep, (scores[index][mask] >= threshold) & keep
        right = fired & (_distance_to(truth) <= radius)
        found = truth & (_distance_to(fired) <= radius)
        sums += [right.sum(), fired.sum(), found.sum(), truth.sum()]
    return sums


def counted(seed, n_masks, ignored, radius):
    scores, targets, valid = images(seed, n_masks, ignored)
    exact = from_images(scores, targets, groups=GROUPS, valid=valid)
    return (scores, targets, valid), exact, tolerant_from_images(scores, targets, radius, exact=exact, valid=valid)


@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize("radius", [0, 1, 2, 5, 32])
@pytest.mark.parametrize("n_masks", [1, 3])
def test_counts_are_those_of_the_pixels_at_every_threshold(n_masks, radius, ignored):
    pixels, _, tolerant = counted(radius, n_masks, ignored, radius)
    for mask in range(n_masks):
        curve = TolerantCurve.of(tolerant, mask)
        for place, threshold in enumerate(code_to_logit(curve.codes)):
            wanted = _reference_counts(*pixels, mask, radius, threshold, range(len(SIZES)))
            have = [curve.right[place], curve.predicted[place], curve.found[place], curve.n_true]
            assert have == wanted.tolist()


@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize("radius", [0, 1, 3])
def test_strips_count_as_the_whole_image_does(monkeypatch, radius, ignored):
    whole = counted(4, 2, ignored, radius)[2].to_arrays()
    monkeypatch.setattr(tolerant_histograms, "STRIP_PIXELS", 1)
    strips = counted(4, 2, ignored, radius)[2].to_arrays()
    assert max(height for height, _ in SIZES) > 2 * max(4 * radius, 1)  # three strips at least
    for name, array in whole.items():
        assert np.array_equal(strips[name], array), name


@pytest.mark.parametrize("ignored", [False, True])
def test_leaving_a_group_out_is_counting_the_others(ignored):
    radius, recalls = 2, np.array([0.2, 0.5, 0.8])
    pixels, _, tolerant = counted(7, 2, ignored, radius)
    names, group_of = tolerant.near.groups()
    for mask in range(2):
        sweep = group_sweep(tolerant.found, mask, group_of, SweepGrid(recalls, np.zeros(0)), near=tolerant.near)
        thresholds = code_to_logit(TolerantCurve.of(tolerant, mask).codes)
        for row, left_out in enumerate([None, *names]):
            chosen = [index for index, name in enumerate(GROUPS) if name != left_out]
            counts = np.array([_reference_counts(*pixels, mask, radius, t, chosen) for t in thresholds])
            recall = counts[:, 2] / counts[:, 3]
            precision = counts[:, 0] / np.maximum(counts[:, 1], 1)
            assert sweep.average_precision[row] == pytest.approx((np.diff(recall, prepend=0) * precision).sum())
            for level, found in zip(recalls, sweep.precision_at_recall[row], strict=True):
                assert found == pytest.approx(precision[np.argmax(recall >= level - 1e-9)])
            at = np.array([int(logit_to_code(0.5))])
            near, hit = (group_counts(part, mask, group_of, at) for part in (tolerant.near, tolerant.found))
            right, predicted, found, true = _reference_counts(*pixels, mask, radius, 0.5, chosen)
            assert near.precision[row, 0] == right / predicted
            assert hit.recall[row, 0] == found / true


def test_no_tolerance_is_the_exact_frontier():
    (scores, targets, _), exact, tolerant = counted(3, 1, False, 0)
    labels, flat = (np.concatenate([image.ravel() for image in part]) for part in (targets, scores))
    for histograms in (tolerant, TolerantHistograms.exact(exact)):
        curve = TolerantCurve.of(histograms, 0)
        assert tolerant_average_precision(curve) == pytest.approx(average_precision_score(labels, flat))
        for name in ("bins", "positives", "negatives", "row_start"):
            assert np.array_equal(getattr(histograms.near, name), getattr(exact, name))
            assert np.array_equal(getattr(histograms.found, name), getattr(tolerant.found, name))
    _, group_of = exact.groups()
    grid = SweepGrid(np.array([0.3, 0.6]), np.array([0.1]))
    plain = group_sweep(exact, 0, group_of, grid)
    both = group_sweep(tolerant.found, 0, group_of, grid, near=tolerant.near)
    assert np.allclose(plain.average_precision, both.average_precision)
    assert np.allclose(plain.precision_at_recall, both.precision_at_recall)
    assert np.allclose(plain.recall_at_precision, both.recall_at_precision, equal_nan=True)


def _sklearn_f1(labels, scores):
    """F at every threshold, by scikit-learn."""
    precision, recall, thresholds = precision_recall_curve(labels, scores)
    f1 = f_measure(precision, recall)[:-1]
    return f1, thresholds


def test_scales_without_tolerance_are_those_of_scikit_learn():
    (scores, targets, _), exact, _ = counted(5, 1, False, 0)
    found = scale_scores(TolerantHistograms.exact(exact), 0)
    labels, flat = (np.concatenate([image.ravel() for image in part]) for part in (targets, scores))
    f1, thresholds = _sklearn_f1(labels, flat)
    assert found.ods == pytest.approx(f1.max())
    assert found.ods_threshold in thresholds[np.isclose(f1, f1.max())]
    own = [
        _sklearn_f1(target.ravel(), score.ravel())[0].max()
        for target, score in zip(targets, scores, strict=True)
        if target.any()
    ]
    assert found.ois == pytest.approx(np.mean(own))
    assert found.ois_undefined == len(SIZES) - len(own)


@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize("radius", [1, 3])
def test_scales_are_the_best_of_all_thresholds(radius, ignored):
    pixels, _, tolerant = counted(11, 2, ignored, radius)
    for mask in range(2):
        thresholds = np.unique(np.concatenate([image[mask].ravel() for image in pixels[0]]))

        def table(chosen, mask=mask, thresholds=thresholds):
            counts = np.array([_reference_counts(*pixels, mask, radius, t, chosen) for t in thresholds])
            precision = counts[:, 0] / np.maximum(counts[:, 1], 1)
            recall = counts[:, 2] / max(counts[0, 3], 1)
            total = precision + recall
            return counts, np.divide(2 * precision * recall, total, out=np.zeros(len(total)), where=total > 0)

        found = scale_scores(tolerant, mask)
        counts, f1 = table(range(len(SIZES)))
        assert found.ods == pytest.approx(f1.max())
        own, sums = [], np.zeros(4)
        for index in range(len(SIZES)):
            of_image, f1_of_image = table([index])
            if of_image[0, 3]:
                own.append(f1_of_image.max())
                # Of equal F the highest threshold.
                sums += of_image[np.flatnonzero(f1_of_image == f1_of_image.max())[-1]]
        assert found.ois == pytest.approx(np.mean(own))
        assert found.ois_undefined == len(SIZES) - len(own)
        precision, recall = sums[0] / sums[1], sums[2] / counts[0, 3]
        assert found.ois_pooled == pytest.approx(2 * precision * recall / (precision + recall))
        best = code_to_logit(tuned_tolerant_codes(tolerant)[mask])
        assert best == found.ods_threshold
        assert best in thresholds[np.isclose(f1, f1.max())]


def test_a_line_one_pixel_aside_is_found_within_one():
    target = np.zeros((9, 9), bool)
    target[4] = True
    scores = [np.where(np.roll(target, 1, 0), 3.0, -3.0)]
    exact = from_images(scores, [target])
    aside = [scale_scores(tolerant_from_images(scores, [target], r, exact=exact), 0).ods for r in (0, 1)]
    assert aside == [pytest.approx(2 * 9 / (81 + 9)), 1.0]


def test_ignored_pixels_neither_help_nor_harm():
    """The only truth near a prediction, and the only prediction near a truth, are ignored."""
    target = np.array([[True, False, False, False, False, False, True]])
    scores = [np.array([[-3.0, 3.0, -3.0, -3.0, -3.0, 3.0, -3.0]])]
    valid = [np.array([[False, True, True, True, True, False, True]])]
    exact = from_images(scores, [target], valid=valid)
    curve = TolerantCurve.of(tolerant_from_images(scores, [target], 1, exact=exact, valid=valid), 0)
    assert (curve.right[0], curve.predicted[0], curve.found[0], curve.n_true) == (0, 1, 0, 1)


def test_histograms_survive_a_file():
    _, _, tolerant = counted(2, 3, True, 2)
    again = TolerantHistograms.from_arrays(2, tolerant.to_arrays("x_"), "x_")
    for side in ("near", "found"):
        first, second = getattr(tolerant, side), getattr(again, side)
        assert (first.masks, first.image_ids, first.group_ids) == (second.masks, second.image_ids, second.group_ids)
        for name in ("row_start", "bins", "positives", "negatives"):
            assert np.array_equal(getattr(first, name), getattr(second, name))
    with pytest.raises(ValueError, match="found: expected true pixels only"):
        TolerantHistograms(2, tolerant.near, tolerant.near)


def test_masks_without_truth_are_undefined():
    scores, target = [np.array([[1.0, 2.0]])], np.zeros((1, 2), bool)
    exact = from_images(scores, [target])
    tolerant = tolerant_from_images(scores, [target], 1, exact=exact)
    found = scale_scores(tolerant, 0)
    assert np.isnan([found.ods, found.ois, found.ois_pooled, found.average_precision]).all()
    assert found.ois_undefined == 1
    assert tuned_tolerant_codes(tolerant) == (None,)
