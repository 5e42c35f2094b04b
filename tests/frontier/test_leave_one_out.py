"""Delete-one-group statistics against pooling the remaining groups, for each group."""

import numpy as np
import pytest

from experiments.frontier.arithmetic import from_pixels, reorder_images
from experiments.frontier.codes import code_to_logit
from experiments.frontier.curve import (
    average_precision,
    index_at_recall,
    mean_precision,
    pr_curve,
    precision_at_recall,
    recall_at_precision,
)
from experiments.frontier.histogram import ScoreHistograms
from experiments.frontier.leave_one_out import SweepGrid, group_sweep

GRID = SweepGrid(
    recalls=np.array([0.1, 0.5, 0.9, 1.0]),
    precisions=np.array([0.2, 0.5, 0.99]),
    recall_band=(0.4, 0.8),
    curve_recalls=np.linspace(0.1, 1.0, 10),
)


def _histograms(decimals: int = 1, n_images: int = 9) -> ScoreHistograms:
    rng = np.random.default_rng(2)
    labels = rng.random((n_images, 2, 250)) < rng.random((n_images, 2, 1)) * 0.2
    logits = np.round(1.5 * rng.standard_normal(labels.shape) + 2.0 * labels, decimals)
    groups = [f"g{index}" for index in (0, 1, 0, 2, 1, 3, 3, 3, 2)]
    return from_pixels(["a", "b"], [f"i{k}" for k in range(n_images)], groups, logits, labels)


def _reference_rows(histograms: ScoreHistograms, mask: int) -> list[ScoreHistograms]:
    _, group_of = histograms.groups()
    kept = [np.arange(histograms.n_images)]
    kept += [np.flatnonzero(group_of != group) for group in range(group_of.max() + 1)]
    return [reorder_images(histograms, images) for images in kept]


@pytest.mark.parametrize("mask", [0, 1])
@pytest.mark.parametrize("decimals", [0, 1, 6])
def test_every_row_is_the_pooled_statistic_of_what_is_left(
    mask: int, decimals: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Small blocks, so that the groups fall into several.
    monkeypatch.setattr("experiments.frontier.leave_one_out._BLOCK_ELEMENTS", 150)
    histograms = _histograms(decimals)
    _, group_of = histograms.groups()
    levels = np.random.default_rng(0).uniform(0.1, 1.0, (5, 2))
    sweep = group_sweep(histograms, mask, group_of, GRID, levels)
    for row, rest in enumerate(_reference_rows(histograms, mask)):
        curve = pr_curve(*rest.pooled(mask))
        assert sweep.average_precision[row] == pytest.approx(average_precision(curve), abs=1e-13)
        assert sweep.mean_precision[row] == pytest.approx(mean_precision(curve, low=0.4, high=0.8), abs=1e-13)
        at = curve.precision[index_at_recall(curve, GRID.recalls)]
        np.testing.assert_allclose(sweep.precision_at_recall[row], at, atol=1e-13)
        np.testing.assert_allclose(
            sweep.recall_at_precision[row], recall_at_precision(curve, GRID.precisions), atol=1e-13
        )
        place = index_at_recall(curve, levels[row])
        np.testing.assert_allclose(sweep.precision_at_level[row], curve.precision[place], atol=1e-13)
        np.testing.assert_array_equal(sweep.threshold_at_level[row], code_to_logit(curve.codes[place]))
    whole = pr_curve(*histograms.pooled(mask))
    np.testing.assert_array_equal(sweep.reached, ~np.isnan(precision_at_recall(whole, GRID.recalls)))
    np.testing.assert_allclose(sweep.curve, precision_at_recall(whole, GRID.curve_recalls), atol=1e-13)


def test_band_over_all_recalls_is_average_precision() -> None:
    histograms = _histograms()
    _, group_of = histograms.groups()
    grid = SweepGrid(GRID.recalls, GRID.precisions)
    sweep = group_sweep(histograms, 0, group_of, grid)
    np.testing.assert_array_equal(sweep.mean_precision, sweep.average_precision)


def test_without_precisions_the_rest_is_the_same() -> None:
    histograms = _histograms()
    _, group_of = histograms.groups()
    levels = np.full((5, 1), 0.3)
    full, less = (
        group_sweep(histograms, 0, group_of, SweepGrid(GRID.recalls, precisions, GRID.recall_band), levels)
        for precisions in (GRID.precisions, np.zeros(0))
    )
    assert less.recall_at_precision.shape == (5, 0)
    for name in ("average_precision", "mean_precision", "precision_at_recall", "precision_at_level", "reached"):
        np.testing.assert_array_equal(getattr(less, name), getattr(full, name))


def test_a_group_with_all_positives_leaves_nan() -> None:
    labels = np.zeros((3, 1, 50), bool)
    labels[1, 0, :5] = True
    logits = np.random.default_rng(0).standard_normal(labels.shape)
    histograms = from_pixels(["a"], list("xyz"), list("xyz"), logits, labels)
    sweep = group_sweep(histograms, 0, np.arange(3), GRID)
    assert np.isnan(sweep.average_precision).tolist() == [False, False, True, False]
    assert np.isnan(sweep.precision_at_recall[2]).all()
    assert np.isnan(sweep.recall_at_precision[2]).all()


def test_no_positive_at_all_is_nan_throughout() -> None:
    logits = np.random.default_rng(0).standard_normal((2, 1, 20))
    histograms = from_pixels(["a"], list("xy"), list("xy"), logits, np.zeros(logits.shape, bool))
    sweep = group_sweep(histograms, 0, np.arange(2), GRID, np.full((3, 1), 0.5))
    assert np.isnan(sweep.average_precision).all()
    assert np.isnan(sweep.threshold_at_level).all()
    assert not sweep.reached.any() and not sweep.level_reached.any()


def test_a_level_of_nan_or_zero_is_nan() -> None:
    histograms = _histograms()
    _, group_of = histograms.groups()
    levels = np.tile([np.nan, 0.0, 0.5], (5, 1))
    sweep = group_sweep(histograms, 0, group_of, GRID, levels)
    assert np.isnan(sweep.threshold_at_level).all(axis=0).tolist() == [True, True, False]
    assert sweep.level_reached[:2].tolist() == [False, False]
