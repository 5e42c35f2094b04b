"""Properties of score codes, histograms, curves and operating points over generated pixels with many ties."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from experiments.evaluation.histogram_builder import ScoreHistogramBuilder
from experiments.frontier.arithmetic import from_pixels, merge, recode, reorder_images
from experiments.frontier.calibration import calibration, code_probabilities, saturation
from experiments.frontier.codes import (
    HIGHEST_CODE,
    LOWEST_CODE,
    N_CODES,
    NATURAL_CODE,
    code_to_logit,
    logit_to_code,
    ordered_logits,
)
from experiments.frontier.curve import (
    PrCurve,
    average_precision,
    f_beta,
    index_at_recall,
    mean_precision,
    pr_curve,
    precision_at_recall,
    recall_at_precision,
)
from experiments.frontier.histogram import ScoreHistograms
from experiments.frontier.leave_one_out import SweepGrid, group_sweep
from experiments.frontier.operating_point import natural_point, operating_point, tuned_code
from experiments.frontier.per_image import ImageCounts
from experiments.frontier.roc import achievable_average_precision, achievable_precision, roc_auc, roc_hull

LARGEST = 65_504.0
wide_logits = st.floats(-1e6, 1e6) | st.floats(-1, 1) | st.floats(-1e-7, 1e-7) | st.just(np.inf) | st.just(-np.inf)
rows_of_logits = hnp.arrays(np.float64, st.integers(1, 30), elements=wide_logits)


@dataclass(frozen=True)
class Pixels:
    """Rounded logits and labels of N images and C masks, (N, C, P), in groups; positives may be missing."""

    logits: np.ndarray
    labels: np.ndarray
    groups: tuple[str, ...]

    @property
    def histograms(self) -> ScoreHistograms:
        n_images, n_masks = self.logits.shape[:2]
        names = [f"m{c}" for c in range(n_masks)], [f"i{k}" for k in range(n_images)]
        return from_pixels(*names, self.groups, self.logits, self.labels)

    def curve(self, mask: int = 0) -> PrCurve:
        return pr_curve(*self.histograms.pooled(mask))


@st.composite
def pixels(draw: st.DrawFn, *, positives: bool = False) -> Pixels:
    shape = (draw(st.integers(1, 5)), draw(st.integers(1, 2)), draw(st.integers(1, 12)))
    levels = draw(st.lists(st.floats(-20, 20) | st.just(0.0), min_size=1, max_size=8))
    logits = np.array(levels)[draw(hnp.arrays(np.int8, shape, elements=st.integers(0, len(levels) - 1)))]
    labels = draw(hnp.arrays(bool, shape))
    groups = draw(st.lists(st.sampled_from("abc"), min_size=shape[0], max_size=shape[0]))
    if positives:
        assume(labels[:, 0].any())
    return Pixels(logits, labels, tuple(groups))


def _flat(data: Pixels) -> tuple[np.ndarray, np.ndarray]:
    """Labels and float16 scores of the first mask, all images together; what rounds to -0 stays below 0."""
    scores = data.logits[:, 0].astype(np.float16).astype(np.float64).ravel()
    return data.labels[:, 0].ravel(), np.where((scores == 0) & (data.logits[:, 0].ravel() < 0), -1e-9, scores)


@given(logits=rows_of_logits)
def test_codes_keep_the_order_and_are_the_nearest_float16(logits: np.ndarray) -> None:
    codes = logit_to_code(logits)
    order = np.argsort(logits, kind="stable")
    assert (np.diff(codes[order].astype(np.int64)) >= 0).all()
    assert ((codes >= LOWEST_CODE) & (codes <= HIGHEST_CODE)).all()
    back = code_to_logit(codes)
    np.testing.assert_array_equal(logit_to_code(back)[back != 0], codes[back != 0])
    clamped = np.clip(logits, -LARGEST, LARGEST)
    # Half a step of float16: 2^-11 of the value, or half of 2^-24 near 0.
    assert (np.abs(back - clamped) <= np.maximum(np.abs(clamped) * 2.0**-11, 2.0**-25)).all()
    assert ((codes >= NATURAL_CODE) == (logits >= 0)).all()


@given(logits=rows_of_logits)
def test_turning_the_sign_turns_the_codes_around(logits: np.ndarray) -> None:
    codes, turned = (logit_to_code(values).astype(np.int64) for values in (logits, -logits))
    np.testing.assert_array_equal((codes + turned)[logits != 0], N_CODES - 1)
    np.testing.assert_array_equal(codes[logits == 0], NATURAL_CODE)


@given(logits=rows_of_logits, dtype=st.sampled_from([torch.float16, torch.bfloat16, torch.float32, torch.float64]))
def test_streamed_tensors_get_the_same_codes_as_arrays(logits: np.ndarray, dtype: torch.dtype) -> None:
    tensor = torch.from_numpy(logits).to(dtype)
    builder = ScoreHistogramBuilder(["m"])
    builder.add("i", "g", tensor[None, None], torch.zeros(1, 1, len(logits)))
    wide = tensor.double().numpy()
    expected = from_pixels(["m"], ["i"], ["g"], wide[None, None], np.zeros((1, 1, len(logits)), bool))
    got = builder.build()
    np.testing.assert_array_equal(got.bins, expected.bins)
    np.testing.assert_array_equal(got.negatives, expected.negatives)


def _assert_equal(got: ScoreHistograms, expected: ScoreHistograms) -> None:
    ours, theirs = got.to_arrays(), expected.to_arrays()
    for name, array in theirs.items():
        np.testing.assert_array_equal(ours[name], array, err_msg=name)
        assert ours[name].dtype.kind == array.dtype.kind, name


@given(data=pixels(), cut=st.integers(0, 12), images=st.integers(0, 5))
def test_histograms_split_in_any_way_add_up(data: Pixels, cut: int, images: int) -> None:
    whole = data.histograms
    by_pixels = [
        replace(data, logits=data.logits[..., part], labels=data.labels[..., part]).histograms
        for part in (slice(None, cut), slice(cut, None))
    ]
    _assert_equal(merge(by_pixels), whole)
    _assert_equal(merge(by_pixels[::-1]), whole)
    first, second = (np.arange(whole.n_images)[part] for part in (slice(None, images), slice(images, None)))
    _assert_equal(merge([reorder_images(whole, first), reorder_images(whole, second)]), whole)
    _assert_equal(ScoreHistograms.from_arrays(whole.to_arrays("x."), "x."), whole)


@given(data=pixels(), cut=st.integers(0, 12))
def test_streaming_tiles_is_counting_the_image(data: Pixels, cut: int) -> None:
    whole, masks = data.histograms, data.logits.shape[1]
    builder = ScoreHistogramBuilder(whole.masks)
    for part in (slice(None, cut), slice(cut, None)):
        tiles = (torch.from_numpy(array[:, :, None, part].copy()) for array in (data.logits, data.labels))
        if data.logits[..., part].size:
            builder.add_batch(whole.image_ids, whole.group_ids, *tiles)
    got = builder.build()
    for name in ("row_start", "bins", "positives", "negatives"):
        np.testing.assert_array_equal(getattr(got, name), getattr(whole, name))
    fired, truth = (data.logits >= 0), data.labels
    any_fired, any_truth = fired.any(axis=1), truth.any(axis=1)
    tn, fp = (any_fired & any_truth).sum(axis=1), (~any_fired & any_truth).sum(axis=1)
    right = (fired == truth).all(axis=1).sum(axis=1)
    np.testing.assert_array_equal(got.point("natural")[:, [1, 3, 4]], np.stack([fp, tn, right], axis=1))
    assert masks == got.n_masks


@given(data=pixels(positives=True))
def test_a_curve_is_that_of_the_sorted_pixels(data: Pixels) -> None:
    labels, scores = _flat(data)
    curve = data.curve()
    assert average_precision(curve) == pytest.approx(average_precision_score(labels, scores), abs=1e-12)
    precision, recall, thresholds = precision_recall_curve(labels, scores, drop_intermediate=False)
    np.testing.assert_allclose(curve.precision[::-1], precision[:-1], rtol=0, atol=1e-15)
    np.testing.assert_allclose(curve.recall[::-1], recall[:-1], rtol=0, atol=1e-15)
    np.testing.assert_allclose(code_to_logit(curve.codes)[::-1], thresholds, rtol=0, atol=1e-9)
    if not labels.all():
        assert roc_auc(curve) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


@given(data=pixels(positives=True), seed=st.integers(0, 2**32 - 1))
def test_no_number_of_a_frontier_depends_on_the_scale_of_the_scores(data: Pixels, seed: int) -> None:
    """A strictly increasing map of the scores changes the thresholds and nothing else."""
    curve = data.curve()
    codes = np.sort(np.random.default_rng(seed).choice(N_CODES, len(curve.codes), replace=False))
    table = codes[np.clip(np.searchsorted(curve.codes[::-1], np.arange(N_CODES)), 0, len(codes) - 1)]
    moved = recode(data.histograms, table)
    after = pr_curve(*moved.pooled(0))
    np.testing.assert_array_equal(after.tp, curve.tp)
    np.testing.assert_array_equal(after.fp, curve.fp)
    assert average_precision(after) == average_precision(curve)
    best = [operating_point(h, 0, tuned_code(c), name="tuned") for h, c in ((data.histograms, curve), (moved, after))]
    assert replace(best[0], threshold=0.0) == replace(best[1], threshold=0.0)


@given(data=pixels(positives=True))
def test_average_precision_is_bounded_and_below_the_hulls(data: Pixels) -> None:
    curve = data.curve()
    ap, hull = average_precision(curve), roc_hull(curve)
    assert curve.prevalence * curve.recall[0] - 1e-12 <= ap <= 1 + 1e-12
    assert ap <= achievable_average_precision(hull) + 1e-12 <= 1 + 1e-10
    levels = curve.recall[curve.tp > 0]
    assert (achievable_precision(hull, levels) >= curve.precision[curve.tp > 0] - 1e-12).all()
    if curve.n_negative:
        assert roc_auc(curve) <= roc_auc(hull) + 1e-12
        turned = pr_curve(*(counts[::-1] for counts in data.histograms.pooled(0)))
        assert roc_auc(turned) == pytest.approx(1 - roc_auc(curve), abs=1e-12)
        ties = saturation(*data.histograms.pooled(0))
        labels, scores = _flat(data)
        pairs = scores[labels][:, None] == scores[~labels][None]
        assert ties.tied_pairs == pytest.approx(pairs.mean(), abs=1e-12)


shares = st.floats(1e-6, 1.0) | st.sampled_from([0.25, 1 / 3, 0.5, 1.0])


@given(data=pixels(positives=True), level=shares, low=st.floats(0, 0.99), width=st.floats(0.005, 1))
def test_matched_values_are_those_of_a_search_over_thresholds(
    data: Pixels, level: float, low: float, width: float
) -> None:
    curve = data.curve()
    labels, scores = _flat(data)
    points = []
    for threshold in np.unique(scores)[::-1]:
        fired = scores >= threshold
        points.append(((fired & labels).sum() / labels.sum(), (fired & labels).sum() / fired.sum()))
    # As the code does, a recall or precision that misses the level by rounding reaches it.
    first = next(p for p in points if p[0] >= level - 1e-9)
    assert curve.precision[index_at_recall(curve, [level])[0]] == pytest.approx(first[1], abs=1e-15)
    got = precision_at_recall(curve, [level])[0]
    near = first[0] - level <= max(0.02, 1 / labels.sum()) + 1e-9  # again as the code does
    assert got == pytest.approx(first[1]) if near else np.isnan(got)
    reached = [p[0] for p in points if p[1] >= level - 1e-12]
    best = recall_at_precision(curve, [level])[0]
    assert best == pytest.approx(max(reached)) if reached else np.isnan(best)
    high = min(1.0, low + width)
    assume(high > low)
    fine = low + (np.arange(2000) + 0.5) / 2000 * (high - low)
    mean = curve.precision[np.searchsorted(curve.recall, fine, side="left")].mean()
    assert mean_precision(curve, low=low, high=high) == pytest.approx(mean, abs=2e-3 * len(points))


@given(data=pixels(positives=True), beta=st.just(1.0) | st.floats(0.1, 10))
def test_the_tuned_threshold_is_the_best_and_predicts_fewest(data: Pixels, beta: float) -> None:
    labels, scores = _flat(data)
    histograms, curve = data.histograms, data.curve()
    code = tuned_code(curve, beta=beta)
    point = operating_point(histograms, 0, code, name="tuned")
    fired = logit_to_code(scores) >= code
    assert (point.tp, point.fp) == ((fired & labels).sum(), (fired & ~labels).sum())
    assert (point.tp + point.fn, point.fp + point.tn) == (labels.sum(), (~labels).sum())
    all_scores = {t: float(_reference_f(labels, scores >= t, beta)) for t in np.unique(scores)}
    assert point.f_beta(beta) == pytest.approx(max(all_scores.values()), abs=1e-14)
    best = [t for t, value in all_scores.items() if value > max(all_scores.values()) - 1e-13]
    assert any(point.threshold == pytest.approx(t, abs=2e-9) for t in best)
    if beta == 1:  # equal ratios of integers are equal numbers, so the tie is seen
        assert point.threshold == pytest.approx(max(best), abs=2e-9)
    natural = natural_point(histograms, 0)
    assert (natural.tp, natural.fp) == ((labels & (scores >= 0)).sum(), (~labels & (scores >= 0)).sum())


def _reference_f(labels: np.ndarray, fired: np.ndarray, beta: float) -> float:
    precision = (labels & fired).sum() / fired.sum() if fired.any() else 0.0
    recall = (labels & fired).sum() / labels.sum()
    bottom = beta**2 * precision + recall
    return (1 + beta**2) * precision * recall / bottom if bottom else 0.0


@given(tp=st.integers(0, 10**11), fp=st.integers(0, 10**11), fn=st.integers(0, 10**11), beta=st.floats(0.05, 20))
def test_f_beta_lies_between_precision_and_recall(tp: int, fp: int, fn: int, beta: float) -> None:
    score = float(f_beta(tp, fp, fn, beta=beta))
    if tp + fp + fn == 0:
        assert np.isnan(score)
        return
    precision, recall = (tp / (tp + other) if tp + other else 0.0 for other in (fp, fn))
    assert min(precision, recall) - 1e-12 <= score <= max(precision, recall) + 1e-12
    assert float(f_beta(tp, fn, fp, beta=1 / beta)) == pytest.approx(score, rel=1e-12, abs=1e-300)
    assert float(f_beta(tp + 1, fp, fn, beta=beta)) >= score - 1e-15


@given(data=pixels())
def test_leaving_a_group_out_is_measuring_the_rest(data: Pixels) -> None:
    histograms = data.histograms
    _, group_of = histograms.groups()
    grid = SweepGrid(np.array([0.1, 0.5, 1.0]), np.array([0.3, 0.9]), (0.25, 0.75))
    sweep = group_sweep(histograms, 0, group_of, grid)
    for row in range(group_of.max() + 2):
        rest = pr_curve(*reorder_images(histograms, np.flatnonzero(group_of != row - 1)).pooled(0))
        assert sweep.average_precision[row] == pytest.approx(average_precision(rest), abs=1e-13, nan_ok=True)
        assert sweep.mean_precision[row] == pytest.approx(
            mean_precision(rest, low=0.25, high=0.75), abs=1e-13, nan_ok=True
        )
        np.testing.assert_allclose(sweep.recall_at_precision[row], recall_at_precision(rest, grid.precisions))
        if rest.n_positive:
            at = rest.precision[index_at_recall(rest, grid.recalls)]
            np.testing.assert_allclose(sweep.precision_at_recall[row], at, atol=1e-13)


@given(data=pixels(), code=st.integers(0, N_CODES))
def test_counts_of_single_images(data: Pixels, code: int) -> None:
    histograms = data.histograms
    counts = ImageCounts(histograms)
    tp, fp = counts.above([code] * histograms.n_masks)
    fired = logit_to_code(data.logits) >= code
    np.testing.assert_array_equal(tp, (fired & data.labels).sum(axis=-1))
    np.testing.assert_array_equal(fp, (fired & ~data.labels).sum(axis=-1))
    for total, pixel_counts in zip(counts.totals, histograms.pixel_counts(), strict=True):
        np.testing.assert_array_equal(total, pixel_counts)
    own = counts.average_precision()
    for image in range(histograms.n_images):
        alone = pr_curve(*reorder_images(histograms, np.array([image])).pooled(0))
        assert own[image, 0] == pytest.approx(average_precision(alone), abs=1e-13, nan_ok=True)


@given(data=pixels())
def test_calibration_against_the_pixels(data: Pixels) -> None:
    labels, scores = _flat(data)
    stated = 1 / (1 + np.exp(-scores))
    bins = np.minimum((stated * 15).astype(int), 14)
    gaps = [abs((labels[bins == k] - stated[bins == k]).sum()) for k in range(15)]
    got = calibration(*data.histograms.pooled(0), code_probabilities())
    assert got.expected_error == pytest.approx(sum(gaps) / len(labels), abs=2e-9)
    assert 0 <= got.expected_error <= 1
    if labels.any():
        assert got.mass_ratio == pytest.approx(stated.sum() / labels.sum(), rel=2e-9)


@given(table=st.integers(1, 60_000))
def test_merging_bins_never_raises_average_precision_above_the_hull(table: int) -> None:
    """Coarser bins tie pixels: the achievable frontier of the ties lies below that of the scores."""
    rng = np.random.default_rng(table)
    logits = rng.normal(0, 3, (1, 1, 60))
    labels = rng.random((1, 1, 60)) < 1 / (1 + np.exp(-logits))
    assume(labels.any())
    data = Pixels(logits, labels, ("g",))
    coarse = recode(data.histograms, np.arange(N_CODES) // table * table)
    fine_hull, coarse_hull = (roc_hull(pr_curve(*h.pooled(0))) for h in (data.histograms, coarse))
    assert achievable_average_precision(coarse_hull) <= achievable_average_precision(fine_hull) + 1e-12
    assert (np.diff(ordered_logits()) >= 0).all()
