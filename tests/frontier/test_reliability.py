"""Reliability: calibrated scores lie on the diagonal, weighted ones are brought back to it by theory."""

import numpy as np
import pytest

from experiments.frontier.arithmetic import from_pixels
from experiments.frontier.calibration import FEWEST_POSITIVES, code_probabilities, reliability_curve, reliability_table
from experiments.frontier.codes import N_CODES, logit_to_code
from experiments.frontier.theory import ScoreMap


def counts(pairs):
    """Counts per code from (logit, positives, negatives)."""
    positives, negatives = np.zeros(N_CODES, np.int64), np.zeros(N_CODES, np.int64)
    for logit, hits, rest in pairs:
        code = int(logit_to_code(np.array(logit)))
        positives[code] += hits
        negatives[code] += rest
    return positives, negatives


def test_bins_are_joined_from_below_until_they_hold_enough_positives():
    # Half a decade of the odds is 1.15 logits: four separate bins, then the first two and the last two are joined.
    pairs = [(-8.0, 4, 996), (-4.0, 6, 94), (0.0, 12, 12), (3.0, 3, 1)]
    curve = reliability_curve(*counts(pairs), code_probabilities())
    assert curve["n_positive"].tolist() == [10, 15]
    assert curve["n_pixels"].tolist() == [1100, 28]
    assert curve["frequency"].tolist() == pytest.approx([10 / 1100, 15 / 28])
    sigmoid = 1 / (1 + np.exp(-np.array([-8.0, -4.0, 0.0, 3.0])))
    stated = [(sigmoid[0] * 1000 + sigmoid[1] * 100) / 1100, (sigmoid[2] * 24 + sigmoid[3] * 4) / 28]
    assert curve["stated"].tolist() == pytest.approx(stated)


def test_few_positives_make_one_bin_and_none_make_none():
    assert reliability_curve(*counts([(-3.0, 2, 50), (2.0, 1, 0)]), code_probabilities())["n_positive"].tolist() == [3]
    assert len(reliability_curve(*counts([(-3.0, 0, 50)]), code_probabilities())) == 0


def simulated(seed, *, weight=1.0, images=4, pixels=100_000):
    """Labels drawn from eta; scores are what a weight makes of logit(eta)."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-5, 2, (images, 1, pixels))
    labels = rng.random(logits.shape) < 1 / (1 + np.exp(-logits))
    names = [f"i{image}" for image in range(images)]
    return from_pixels(("thin",), names, names, logits + np.log(weight), labels)


def off_diagonal(rows):
    """Largest distance from the diagonal in standard errors of the frequency."""
    error = np.sqrt(rows["stated"] * (1 - rows["stated"]) / rows["n_pixels"])
    return float((np.abs(rows["frequency"] - rows["stated"]) / error).max())


def test_calibrated_scores_lie_on_the_diagonal_and_a_weight_is_undone():
    runs = {"plain": {0: simulated(0), 1: simulated(1)}, "heavy": {0: simulated(2, weight=42.0)}, "none": {}}
    table = reliability_table(runs, {"heavy": (ScoreMap(weight=42.0),), "plain": None})
    shown = dict(list(table.groupby(["arm", "scores"])))
    assert set(shown) == {("plain", "as stated"), ("heavy", "as stated"), ("heavy", "corrected")}
    assert off_diagonal(shown["plain", "as stated"]) < 4.5
    assert off_diagonal(shown["heavy", "corrected"]) < 4.5
    assert off_diagonal(shown["heavy", "as stated"]) > 50
    rare = shown["heavy", "as stated"].query("stated < 0.99")
    assert (rare["frequency"] < rare["stated"]).all()
    assert (table["n_positive"] >= FEWEST_POSITIVES).all()
    assert shown["plain", "as stated"]["n_pixels"].sum() == 2 * 4 * 100_000  # all seeds pooled
    assert set(shown["plain", "as stated"]["n_seeds"]) == {2}
