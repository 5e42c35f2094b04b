"""Masks shifted by a pixel move the exact frontier and not the tolerant one; copies of one arm stay quiet."""

import dataclasses

import numpy as np
import pytest

from experiments.comparison import CompareSettings, compare_scores
from experiments.comparison.settings import TOLERANT

SEEDS = range(4)
RADIUS = 2
MARGIN = 0.03


def lines(split, count=14):
    """Images with a line of one pixel in the first mask, and one of three in the second, away from the edge."""
    rng = np.random.default_rng([split, 99])
    found = []
    for index in range(count):
        target = np.zeros((2, 36 + index, 48), bool)
        target[0, rng.integers(6, 30), 4:44] = True
        column = rng.integers(6, 40)
        target[1, 4:30, column : column + 3] = True
        found.append(target)
    return found


def maps(split, seed, *, down=0, signal=4.0, draw=1):
    """Scores of a model that sees the lines `down` pixels too low, with noise of its own."""
    found = []
    for index, target in enumerate(lines(split)):
        shared = np.random.default_rng([split, index]).normal(size=target.shape)
        own = np.random.default_rng([split, index, seed, draw]).normal(0, 0.3, target.shape)
        found.append(signal * np.roll(target, (down, down), (1, 2)) - 3 + shared + own)
    return found


def arms(split):
    return {
        "bce": {seed: maps(split, seed) for seed in SEEDS},
        "copy": {seed: maps(split, seed, draw=2) for seed in SEEDS},
        "shifted": {seed: maps(split, seed, down=1, draw=3) for seed in SEEDS},
        "worse": {seed: maps(split, seed, signal=2.0, draw=4) for seed in SEEDS},
    }


def compared(settings, **options):
    validation = (arms(0), lines(0))
    return compare_scores(
        arms(1), lines(1), masks=("fine", "broad"), validation=validation, settings=settings, **options
    )


@pytest.fixture(scope="module")
def study():
    return compared(CompareSettings(margin=MARGIN), tolerance=RADIUS)


DECIDED = {"moves in", "moves out", "crosses", "slides"}


def test_a_shift_flips_and_nothing_else_does(study):
    words = study.verdicts.set_index(["arm", "mask"])
    # A line of one pixel that is drawn beside its place is worth no more than chance, without tolerance.
    assert words.loc["shifted", "verdict_exact"].to_dict() == {"fine": "not trained", "broad": "moves in"}
    assert study.arms.set_index("arm").loc["shifted", "verdict_exact"] == "not trained"
    for table in (study.arms, study.verdicts):
        shifted = table[table["arm"] == "shifted"]
        assert set(shifted["verdict_tolerant"]) == {"stays"}
        assert (shifted["exact_gain"] < -0.1).all()
        assert (shifted["tolerant_gain"].abs() < 0.01).all()
        worse = table[table["arm"] == "worse"]
        assert set(worse["verdict_exact"]) == {"moves in"} == set(worse["verdict_tolerant"])
        copies = table[table["arm"] == "copy"]
        assert not DECIDED & {*copies["verdict_exact"], *copies["verdict_tolerant"]}
        assert set(table["tolerance"]) == {RADIUS}
        assert (table["verdict"] == table["verdict_exact"]).all()


def test_without_tolerance_nothing_changes(study):
    plain = compared(CompareSettings(margin=MARGIN))
    assert plain.comparison.thin.empty
    assert plain.comparison.tolerant_curves.empty
    for name in ("arm_verdicts", "verdicts"):
        before, after = getattr(plain.comparison, name), getattr(study.comparison, name)
        assert not [column for column in before.columns if "tolera" in column or "exact" in column]
        assert before.equals(after[before.columns])
    for name in ("points", "image_means", "matched", "slides", "decomposition", "controls", "scores", "curves"):
        assert getattr(plain.comparison, name).equals(getattr(study.comparison, name)), name


@pytest.mark.parametrize("headline", TOLERANT)
def test_a_tolerant_headline_decides_as_the_column_does(study, headline):
    found = compared(CompareSettings(headline=headline, tolerance=RADIUS, margin=MARGIN))
    words = found.verdicts.set_index(["arm", "mask"])
    assert (words["verdict"] == words["verdict_tolerant"]).all()
    assert not {"moves in", "moves out", "slides"} & set(words.loc[["shifted", "copy"], "verdict"])
    assert set(words.loc["worse", "verdict"]) == {"moves in"}
    assert set(words.loc["shifted", "verdict_exact"]) == {"not trained", "moves in"}
    if headline == "tolerant_ap":
        before = study.verdicts.set_index(["arm", "mask"])
        for column in ("verdict_exact", "verdict_tolerant", "exact_gain", "tolerant_gain", "tolerant_verdict_low"):
            assert words[column].equals(before[column]), column
    else:
        gain = found.comparison.thin
        tuned = gain[gain["tolerance"] == RADIUS].groupby(["arm", "mask"])["tuned_f1"].mean()
        for (arm, mask), row in words.iterrows():
            assert row["tolerant_gain"] == pytest.approx(tuned[arm, mask] - tuned["bce", mask])


def test_the_table_has_the_exact_scores_beside(study):
    thin = study.comparison.thin
    exact = thin[thin["tolerance"] == 0].set_index(["arm", "seed", "mask"])
    points = study.comparison.points.set_index(["arm", "seed", "mask", "operating_point"])
    for key, row in exact.iterrows():
        for name in ("natural", "tuned"):
            point = points.loc[(*key, name)]
            for what in ("precision", "recall", "f1"):
                assert row[f"{name}_{what}"] == pytest.approx(point[what])
        assert row["ap"] == pytest.approx(points.loc[(*key, "natural"), "ap"])
        assert row["ods"] >= row["tuned_f1"]
    within = thin[thin["tolerance"] == RADIUS].set_index(["arm", "seed", "mask"])
    assert (within["ap"] >= exact["ap"]).all()
    assert (within["ods"] >= within["tuned_f1"]).all()
    curves = study.comparison.tolerant_curves
    assert set(curves["arm"]) == set(arms(0))
    assert curves["precision"].between(0, 1).any()


def test_settings_that_do_not_fit_together_are_refused():
    with pytest.raises(ValueError, match="tolerance: expected a whole number from 0 to 32"):
        CompareSettings(tolerance=33)
    with pytest.raises(ValueError, match="headline: tolerant_ap needs a tolerance"):
        CompareSettings(headline="tolerant_ap")
    with pytest.raises(ValueError, match="tolerance: expected that of settings, 2, or none, got 3"):
        compared(CompareSettings(tolerance=2), tolerance=3)
    assert dataclasses.replace(CompareSettings(), tolerance=0).exact_and_tolerant == ("ap", "tolerant_ap")
