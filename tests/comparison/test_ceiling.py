"""Ranking by the true probabilities is the best there is: no arm lies above it beyond its interval."""

import numpy as np
import pytest

from experiments.comparison.ceiling import ceiling_tables
from experiments.evaluation.histogram_builder import ScoreHistogramBuilder


def simulated(noise, *, seed=0, images=40):
    """Scores logit(eta) + noise for labels drawn from eta; the same eta and labels for every noise and seed."""
    builder = ScoreHistogramBuilder(("a",))
    world, rng = np.random.default_rng(7), np.random.default_rng(seed)
    for index in range(images):
        logits = world.normal(-4, 2, (1, 60, 60))
        target = world.random(logits.shape) < 1 / (1 + np.exp(-logits))
        builder.add(f"i{index}", f"i{index}", logits + rng.normal(0, 1, logits.shape) * noise, target)
    return builder.build()


@pytest.fixture(scope="module")
def tables():
    runs = {
        "perfect": {seed: simulated(0.0) for seed in range(3)},
        "noisy": {seed: simulated(1.0, seed=seed) for seed in range(3)},
    }
    return ceiling_tables(runs, simulated(0.0))


def test_a_perfect_ranking_reaches_the_ceiling(tables):
    row = tables[0].set_index("arm").loc["perfect"]
    assert row["share"] == pytest.approx(1.0, abs=1e-12)
    assert row["gap"] == pytest.approx(0.0, abs=1e-12)


def test_a_noisy_ranking_lies_below_it_with_its_interval(tables):
    row = tables[0].set_index("arm").loc["noisy"]
    assert row["gap_high"] < 0
    assert row["share"] == pytest.approx(row["ap"] / row["ceiling_ap"])
    assert (row["n_seeds"], row["n_groups"]) == (3, 40)


def test_the_ceiling_has_a_curve_for_the_figure(tables):
    curve = tables[1]
    assert curve["recall"].is_monotonic_increasing
    assert curve["precision"].between(0, 1).all()
