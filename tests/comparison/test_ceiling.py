"""No ranking beats the true probabilities: no arm lies above the ceiling beyond its interval."""

import numpy as np
import pandas as pd
import pytest

from experiments.comparison.ceiling import ceiling_tables, without_holes
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


def test_ties_are_broken_at_random_between_the_thresholds():
    nan = float("nan")
    curve = pd.DataFrame({"recall": [0.1, 0.2, 0.4, 0.6, 0.8, 0.9], "precision": [nan, 1.0, nan, nan, 0.5, nan]})
    drawn = without_holes(curve)
    # False alarms per positive: 0 at recall .2 and .8 at recall .8, so 4/15 at .4 and 8/15 at .6.
    assert list(drawn["recall"]) == [0.2, 0.4, 0.6, 0.8]
    np.testing.assert_allclose(drawn["precision"], [1.0, 0.4 / (0.4 + 4 / 15), 0.6 / (0.6 + 8 / 15), 0.5])


def test_random_ties_do_on_average_what_is_drawn():
    rng = np.random.default_rng(0)
    probability = np.repeat([0.9, 0.3], [400, 2000])
    target = rng.random(len(probability)) < probability
    found = []
    for _ in range(300):
        order = np.lexsort((rng.random(len(probability)), -probability))
        hits = np.cumsum(target[order])
        at = np.searchsorted(hits, 0.7 * target.sum())
        found.append(hits[at] / (at + 1))
    first = target[:400].sum() / target.sum()
    ends = pd.DataFrame({"recall": [first, 0.7, 1.0], "precision": [target[:400].mean(), np.nan, target.mean()]})
    straight = np.interp(0.7, [first, 1.0], [target[:400].mean(), target.mean()])
    assert without_holes(ends)["precision"][1] == pytest.approx(np.mean(found), abs=0.005)
    assert abs(straight - np.mean(found)) > 0.01
