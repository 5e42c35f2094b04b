"""Random scores of every kind do not count as trained; weakly trained models do."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score

from experiments.audit.untrained import NULLS, WEAK, Setting, average_precisions, pass_rates
from experiments.inference.above_chance import AboveChance, above_chance, chance_average_precision
from experiments.inference.words import level_text, why_untrained


@pytest.mark.parametrize(("positives", "pixels"), [(1, 4), (2, 5), (3, 6), (6, 6), (1, 1)])
def test_chance_is_the_mean_over_all_orders(positives, pixels):
    labels = set(permutations([1] * positives + [0] * (pixels - positives)))
    scores = -np.arange(pixels)
    expected = np.mean([average_precision_score(order, scores) for order in labels])
    assert chance_average_precision(positives, pixels) == pytest.approx(expected, abs=1e-12)


def test_chance_nears_the_prevalence_where_positives_are_many():
    assert chance_average_precision(30_000, 1_000_000) == pytest.approx(0.03, abs=2e-5)
    assert np.isnan(chance_average_precision(0, 10))


def _reference_low(ap, positives, negatives, level):
    """The documented formula, term by term."""

    def logit(x):
        return np.log(x / (1 - x))

    chance = chance_average_precision(positives, positives + negatives)
    ap = np.minimum(ap, (1 + chance) / 2)
    lead = logit(ap) - logit(chance)
    per_group = positives[0] - positives[1:]
    n = per_group.sum() ** 2 / (per_group**2).sum()
    g = len(per_group)
    v = (g - 1) / g * sum((x - lead[0]) ** 2 for x in lead[1:])
    error = np.sqrt((2 * np.log(2) ** 2 / n + (n - 1) * v) / (n + 1))
    odds = np.exp(logit(ap[0]) - stats.t.ppf(1 - level, n + 1) * error)
    return odds / (1 + odds)


@pytest.mark.parametrize("level", [0.05, 0.2])
def test_the_bound_is_the_documented_one(level):
    ap = np.array([0.5, 0.57, 0.4, 0.45, 0.42])  # one of them is capped
    positives, negatives = np.array([100, 80, 70, 75, 75]), np.array([2000, 1500, 1400, 1600, 1500])
    found = above_chance(ap, positives, negatives, level=level)
    assert found.low == pytest.approx(_reference_low(ap, positives, negatives, level), rel=1e-10)
    assert found.prevalence == pytest.approx(100 / 2100)
    assert not found.untrained


def _level(ap, positives, negatives):
    return above_chance(np.asarray(ap, float), np.asarray(positives), np.asarray(negatives))


def test_what_has_no_jackknife():
    # One group: the prior spread alone, a factor of two in the odds with two degrees of freedom.
    strong, weak = (_level([ap, np.nan], [300, 0], [9700, 0]) for ap in (0.6, 0.06))
    assert not strong.untrained
    assert weak.untrained
    # All positives in one of three groups: it is the only one that counts.
    assert _level([0.6, np.nan, 0.6, 0.6], [300, 0, 300, 300], [9700, 6000, 6700, 6700]).low == pytest.approx(
        strong.low
    )
    # Perfect scores have no odds, and are trained; a mask without a positive is neither.
    assert not _level([1.0, 1.0, 1.0, 1.0], [30, 20, 20, 20], [970, 650, 650, 650]).untrained
    nothing = _level([np.nan] * 3, [0, 0, 0], [100, 50, 50])
    assert np.isnan(nothing.low)
    assert not nothing.untrained
    # One score for every pixel has the prevalence as its AP.
    assert _level([0.03] * 4, [30, 20, 20, 20], [970, 646, 647, 647]).untrained


def test_an_average_precision_at_chance_is_not_above_it():
    assert AboveChance(0.02, 0.01, 0.015, 0.015).untrained
    assert not AboveChance(0.02, 0.01, 0.015, np.nextafter(0.015, 1)).untrained


def test_the_level_is_five_percent_and_scores_are_not_taken_for_constant():
    ap, positives, negatives = np.array([0.2, 0.21, 0.18]), np.array([100, 55, 45]), np.array([2000, 1000, 1000])
    plain = above_chance(ap, positives, negatives)
    assert plain == above_chance(ap, positives, negatives, level=0.05, constant=False)
    assert level_text([plain]) == "AP 0.2 at a prevalence of 0.0476"
    assert AboveChance(0.2, 0.1, 0.1, 0.15) == AboveChance(0.2, 0.1, 0.1, 0.15, constant=False)


def test_an_ap_counts_as_halfway_from_chance_to_1_at_most():
    positives, negatives = np.array([30, 20, 20, 20]), np.array([970, 650, 650, 650])
    chance = chance_average_precision(positives, positives + negatives)
    got, half = above_chance(np.ones(4), positives, negatives), above_chance((1 + chance) / 2, positives, negatives)
    assert got.low == pytest.approx(half.low, rel=1e-12)
    assert got.average_precision == 1.0


def test_one_pixel_alone_tells_nothing():
    """A single positive among two pixels is first by chance every second time."""
    assert _level([1.0, np.nan], [1, 0], [1, 0]).untrained


@pytest.mark.parametrize("n_groups", [4, 8, 20, 60])
@pytest.mark.parametrize("prevalence", [0.005, 0.1, 0.4])
def test_a_strong_model_that_fails_on_one_image_is_trained(n_groups, prevalence):
    """Without that image its AP is nearly 1, so that the odds change by orders of magnitude."""
    per_group = 1_000
    positives = np.full(1 + n_groups, round(per_group * prevalence) * (n_groups - 1))
    positives[0] = round(per_group * prevalence) * n_groups
    negatives = np.full(1 + n_groups, per_group * (n_groups - 1)) - positives
    negatives[0] = per_group * n_groups - positives[0]
    found = above_chance(np.array([0.9, 0.9999, *[0.89] * (n_groups - 1)]), positives, negatives)
    assert not found.untrained


def test_a_strong_model_on_two_unlike_groups_is_trained():
    """AP .9 on one and .4 on the other: one degree of freedom alone would not tell that from chance."""
    assert not _level([0.65, 0.4, 0.9], [600, 300, 300], [20_000, 14_000, 6_000]).untrained


def test_the_words_name_arms_and_seeds():
    good, bad = AboveChance(0.5, 0.011, 0.011, 0.4), AboveChance(0.012, 0.011, 0.011, 0.009)
    flat = replace(bad, average_precision=0.011, constant=True)
    assert why_untrained([("bce", (1, 2), (good, good))]) == ""
    assert why_untrained([("bce", (1, 2), (good, good)), ("dice", (1, 2), (good, bad))]) == (
        "1 of 2 seeds of dice collapsed (seed 2: AP 0.012 at a prevalence of 0.011)"
    )
    assert why_untrained([("bce", (1, 2), (bad, flat))]) == (
        "bce is not trained: AP 0.0115 (0.011 to 0.012 over 2 seeds) at a prevalence of 0.011"
    )
    # One score in all runs, in a single run, and in some of the runs.
    assert why_untrained([("bce", (1, 2), (flat, flat))]) == (
        "bce is not trained: one score for all pixels, AP 0.011 at a prevalence of 0.011"
    )
    assert why_untrained([("bce", (4,), (bad,)), ("dice", (1, 2), (good, good)), ("focal", (1,), (flat,))]) == (
        "bce is not trained: AP 0.012 at a prevalence of 0.011; "
        "focal is not trained: one score for all pixels, AP 0.011 at a prevalence of 0.011"
    )
    assert "seed 2: one score for all pixels, AP 0.011" in why_untrained([("dice", (1, 2), (good, flat))])


def test_the_simulation_counts_as_scikit_learn_does():
    rng = np.random.default_rng(0)
    positives, negatives = rng.integers(0, 4, (3, 20)), rng.integers(0, 9, (3, 20))
    for row, kept in enumerate([[0, 1, 2], [1, 2], [0, 2], [0, 1]]):
        hits, others = positives[kept].sum(axis=0), negatives[kept].sum(axis=0)
        labels = np.concatenate([np.ones(hits.sum()), np.zeros(others.sum())])
        scores = -np.concatenate([np.repeat(np.arange(20), hits), np.repeat(np.arange(20), others)])
        assert average_precisions(positives, negatives)[row] == pytest.approx(average_precision_score(labels, scores))


@pytest.mark.parametrize("setting", [NULLS[0], NULLS[4], NULLS[8], NULLS[11], Setting(pixels=300, prevalence=0.004)])
def test_untrained_runs_do_not_pass(setting):
    """Expected .00 to .04 of runs; 108 to 270 runs a setting, and rows need six runs to pass."""
    rates = pass_rates(setting, 3, np.random.default_rng(3))
    assert rates["runs"] < 0.12
    assert rates["rows"] < 0.05


def test_weakly_trained_runs_pass():
    """AP twice the prevalence, on 30 images."""
    rates = pass_rates(WEAK[4], 2, np.random.default_rng(4))
    assert 1.8 < rates["ap_over_prevalence"] < 2.4
    assert rates["rows"] > 0.95
