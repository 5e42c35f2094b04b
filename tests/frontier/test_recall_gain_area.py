"""Area under the precision-recall-gain curve, against its definition on pixels."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.frontier.arithmetic import from_pixels, reorder_images
from experiments.frontier.curve import PrCurve, pr_curve, recall_gain_area
from experiments.frontier.leave_one_out import SweepGrid, group_sweep


def _area(curve: PrCurve) -> float:
    tied = np.diff(curve.fp, prepend=0)
    return float(recall_gain_area(curve.tp, curve.fp, tied, curve.n_negative))


def _points(scores: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """TP and FP at every distinct score from the highest down, after (0, 0)."""
    fired = [scores >= cut for cut in np.unique(scores)[::-1]]
    return tuple(np.array([0, *((kind & at).sum() for at in fired)], float) for kind in (labels, ~labels))


def _reference_area(scores: np.ndarray, labels: np.ndarray) -> float:
    """Sum of trapezoids between (recall gain, precision gain) of neighbouring points, from recall gain 0.

    Gains by their first definition, (p - pi) / ((1 - pi) p) and (r - pi) / ((1 - pi) r). Where a segment crosses recall
    pi, its counts are interpolated, as in the package `prg` of Flach and Kull.
    """
    pi, total = labels.mean(), labels.sum()

    def gains(tp: float, fp: float) -> tuple[float, float]:
        p, r = tp / (tp + fp), tp / total
        return (r - pi) / ((1 - pi) * r), (p - pi) / ((1 - pi) * p)

    area, start = 0.0, pi * total
    tp, fp = _points(scores, labels)
    for (tp0, tp1), (fp0, fp1) in zip(pairwise(tp), pairwise(fp), strict=True):
        if tp1 <= start or tp1 == tp0:
            continue
        if tp0 < start:
            fp0 += (start - tp0) / (tp1 - tp0) * (fp1 - fp0)
            tp0 = start
        (x0, y0), (x1, y1) = gains(tp0, fp0), gains(tp1, fp1)
        area += (x1 - x0) * (y0 + y1) / 2
    return area


def _integral(scores: np.ndarray, labels: np.ndarray, n: int = 20_000) -> float:
    """Mean of the precision gain at n recall gains in (0, 1); at a recall inside a tie, its pixels in random order."""
    pi, total = labels.mean(), labels.sum()
    tp, fp = _points(scores, labels)
    hits = pi / (1 - (1 - pi) * (np.arange(n) + 0.5) / n) * total  # true positives at each recall gain
    after = np.searchsorted(tp, hits)
    share = (hits - tp[after - 1]) / (tp[after] - tp[after - 1])
    p = hits / (hits + fp[after - 1] + share * (fp[after] - fp[after - 1]))
    return float(((p - pi) / ((1 - pi) * p)).mean())


@given(seed=st.integers(0, 10_000), decimals=st.integers(0, 3), signal=st.sampled_from([-1.0, 0.0, 1.0, 3.0]))
@pytest.mark.hypothesis
def test_it_is_the_area_of_the_definition(seed: int, decimals: int, signal: float) -> None:
    rng = np.random.default_rng(seed)
    labels = np.append(rng.random(120) < rng.uniform(0.02, 0.6), [True, False])
    # Quarters and the like: float16 holds them, so that no two scores meet in a code.
    scores = np.round((rng.standard_normal(len(labels)) + signal * labels) * 4**decimals) / 4**decimals
    histograms = from_pixels(["a"], ["i"], ["i"], scores[None, None], labels[None, None])
    curve = pr_curve(*histograms.pooled(0))
    assert _area(curve) == pytest.approx(_reference_area(scores, labels), rel=1e-11, abs=1e-11)


@pytest.mark.parametrize("decimals", [0, 2])
def test_the_reference_is_the_mean_precision_gain_over_recall_gain(decimals: int) -> None:
    rng = np.random.default_rng(4)
    labels = rng.random(400) < 0.1
    scores = np.round(rng.standard_normal(400) + 1.5 * labels, decimals)
    assert _reference_area(scores, labels) == pytest.approx(_integral(scores, labels), abs=2e-4)


def test_known_areas() -> None:
    labels = np.array([1, 1, 0, 0, 0, 0, 1, 0], bool)
    for scores, want in ((labels * 2.0, 1.0), (np.zeros(8), 0.0)):
        assert _reference_area(scores, labels) == pytest.approx(want, abs=1e-15)
        assert float(recall_gain_area(*_counts(scores, labels))) == pytest.approx(want, abs=1e-15)
    # By hand: pi 1/2, P = N = 2. Order + - + -: recall gain 0 at one hit with precision gain 1; then down to precision
    # 1/2, gain 0, at the same recall; then to recall 1 with precision 2/3, gain 1/2. Area (0 + 1/2) / 2.
    scores, labels = np.array([4.0, 3.0, 2.0, 1.0]), np.array([1, 0, 1, 0], bool)
    assert float(recall_gain_area(*_counts(scores, labels))) == pytest.approx(0.25, abs=1e-15)


def _counts(scores: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    tp, fp = _points(scores, labels)
    return tp[1:], fp[1:], np.diff(fp), int((~labels).sum())


def test_without_positives_or_negatives_there_is_none() -> None:
    assert np.isnan(recall_gain_area(np.array([0, 0]), np.array([1, 3]), np.array([1, 2]), 3))
    assert np.isnan(recall_gain_area(np.array([1, 3]), np.array([0, 0]), np.array([0, 0]), 0))


@pytest.mark.parametrize("decimals", [0, 1, 6])
def test_every_row_of_the_sweep_is_that_of_what_is_left(decimals: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.frontier.leave_one_out._BLOCK_ELEMENTS", 150)
    rng = np.random.default_rng(2)
    labels = rng.random((9, 1, 250)) < rng.random((9, 1, 1)) * 0.2
    labels[2] = False
    logits = np.round(1.5 * rng.standard_normal(labels.shape) + 2.0 * labels, decimals)
    groups = [f"g{index}" for index in (0, 1, 0, 2, 1, 3, 3, 3, 4)]
    histograms = from_pixels(["a"], [f"i{k}" for k in range(9)], groups, logits, labels)
    _, group_of = histograms.groups()
    grid = SweepGrid(np.zeros(0), np.zeros(0), gain_area=True)
    sweep = group_sweep(histograms, 0, group_of, grid)
    rest = [reorder_images(histograms, np.flatnonzero(group_of != row - 1)) for row in range(6)]
    np.testing.assert_allclose(sweep.gain_area, [_area(pr_curve(*each.pooled(0))) for each in rest], rtol=1e-12)
    assert np.isnan(group_sweep(histograms, 0, group_of, SweepGrid(np.zeros(0), np.zeros(0))).gain_area).all()
