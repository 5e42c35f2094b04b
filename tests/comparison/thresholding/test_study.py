"""One arm under every treatment: values, changes and verdicts against their known results."""

from dataclasses import replace

import numpy as np
import pytest

from experiments.comparison.checked_runs import RunScores
from experiments.comparison.settings import CompareSettings
from experiments.comparison.thresholding.study import treat_arm
from experiments.comparison.thresholding.treated_scores import VALUES, Treatment, treated_values
from experiments.comparison.thresholding.treatments import TREATMENTS, UNTREATED, fit_treatments
from experiments.frontier.arithmetic import from_pixels
from experiments.frontier.calibration import calibration
from experiments.frontier.codes import N_CODES
from experiments.frontier.operating_point import natural_point, operating_point, tuned_codes
from experiments.frontier.theory import ScoreMap

WEIGHT = 20.0
IMAGES = 24


def split(seed, kind, *, shift=0.0, masks=("thin", "thick"), empty=()):
    """Scores that are true log odds plus a shift: 24 images of 2000 pixels, two images per group."""
    world = np.random.default_rng([kind, 0])
    true = world.normal(-3.5, 1.8, (IMAGES, len(masks), 2000))
    labels = world.random(true.shape) < 1.0 / (1.0 + np.exp(-true))
    for mask in empty:
        labels[:, mask] = False
    noise = np.random.default_rng([kind, 1, seed]).normal(0, 0.1, true.shape)
    names = [f"i{k}" for k in range(IMAGES)]
    return from_pixels(masks, names, [f"g{k // 2}" for k in range(IMAGES)], true + noise + shift, labels)


def runs(shift=0.0, empty_in_val=(), seeds=4):
    return {
        seed: RunScores(split(seed, 0, shift=shift, empty=empty_in_val), split(seed, 1, shift=shift))
        for seed in range(seeds)
    }


@pytest.fixture(scope="module")
def weighted():
    """An arm that is the calibrated one with the weight's exact shift."""
    return treat_arm(runs(np.log(WEIGHT)), [ScoreMap(weight=WEIGHT)] * 2, CompareSettings())


def test_every_treatment_slides_or_stays_with_a_gain_of_exactly_0(weighted):
    verdicts = weighted.verdicts
    assert set(verdicts["arm"]) == set(TREATMENTS)
    assert set(verdicts["baseline"]) == {UNTREATED}
    for column in ("ap_gain", "ap_gain_low", "ap_gain_high", "f1_gain", "f1_gain_low", "f1_gain_high"):
        assert (verdicts[column] == 0.0).all()
    assert set(verdicts["verdict"]) == {"slides"}
    assert set(verdicts["verdict_f1"]) == {"slides"}
    assert (verdicts["natural_recall_gain"] < -0.2).all()


def test_treatments_that_leave_a_calibrated_arm_where_it_is_stay():
    found = treat_arm(runs(), [ScoreMap(gamma=2.0)] * 2, CompareSettings()).verdicts
    words = found.groupby("arm")["verdict"].agg(set)
    assert words["prior_theory"] == {"stays"}  # focal's map keeps probability 0.5
    assert words["prior_frequency"] == {"stays"}
    assert words["tuned_threshold"] == {"slides"}
    assert (found["ap_gain"] == 0.0).all()


def test_theory_restores_calibration_and_the_frequency_finds_the_same_shift(weighted):
    table = weighted.changes.set_index(["mask", "treatment"])
    for mask in ("thin", "thick"):
        assert table.loc[(mask, UNTREATED), "mass_ratio"] > 2.5
        for name in ("prior_theory", "prior_frequency", "platt", "isotonic"):
            # 2 x 24 x 2000 pixels with about 4 000 positives each: 4 standard errors of their ratio.
            assert table.loc[(mask, name), "mass_ratio"] == pytest.approx(1.0, abs=4 * np.sqrt(2 / 4000))
            assert table.loc[(mask, name), "calibration_error_change_high"] < 0
    shifts = weighted.runs[weighted.runs["treatment"].isin(["prior_theory", "prior_frequency"])]
    assert shifts.groupby("treatment")["threshold"].mean().to_dict() == pytest.approx(
        {"prior_theory": np.log(WEIGHT), "prior_frequency": np.log(WEIGHT)}, abs=0.1
    )


def test_rows_of_runs_agree_with_operating_points_and_calibration(weighted):
    scores = runs(np.log(WEIGHT))
    rows = weighted.runs.set_index(["seed", "mask", "treatment"])
    for seed, mask in ((0, 0), (3, 1)):
        run, name = scores[seed], ("thin", "thick")[mask]
        row = rows.loc[(seed, name, UNTREATED)]
        point = natural_point(run.test, mask)
        assert (row["recall"], row["precision"], row["f1"]) == (point.recall, point.precision, point.f_beta())
        tuned = operating_point(run.test, mask, tuned_codes(run.val)[mask], name="tuned")
        row = rows.loc[(seed, name, "tuned_threshold")]
        assert (row["threshold"], row["f1"]) == (tuned.threshold, tuned.f_beta())
        assert row["mass_ratio"] == rows.loc[(seed, name, UNTREATED), "mass_ratio"]
        platt = fit_treatments(*run.val.pooled(mask), None).fitted["platt"]
        expected = calibration(*run.test.pooled(mask), platt.probabilities)
        row = rows.loc[(seed, name, "platt")]
        assert row["calibration_error"] == pytest.approx(expected.expected_error, rel=1e-12)
        assert row["mass_ratio"] == pytest.approx(expected.mass_ratio, rel=1e-12)
    assert (weighted.runs["ap_after"] == weighted.runs["ap_before"]).all()
    isotonic = weighted.runs["treatment"] == "isotonic"
    assert (weighted.runs["ap_ties_kept"] == weighted.runs["ap_before"])[~isotonic].all()
    assert (weighted.runs["ap_ties_kept"] < weighted.runs["ap_before"])[isotonic].all()


def test_left_out_groups_are_the_values_of_the_other_images():
    test = split(0, 1)
    names, group_of = test.groups()
    treatment = Treatment.of_map(ScoreMap(weight=0.3, gamma=1.0), "")
    found = treated_values(test, 1, {"x": treatment}, group_of, len(names))["x"]
    assert found.shape == (1 + len(names), len(VALUES))
    for group in (0, 7):
        positives, negatives = np.zeros(65_536, np.int64), np.zeros(65_536, np.int64)
        for image in np.flatnonzero(group_of != group):
            bins, p, n = test.row(int(image), 1)
            positives[bins] += p
            negatives[bins] += n
        tp, fp = (int(counts[treatment.natural_code :].sum()) for counts in (positives, negatives))
        stated = calibration(positives, negatives, treatment.probabilities)
        recall, precision = tp / positives.sum(), tp / (tp + fp)
        f1 = 2 * recall * precision / (recall + precision)
        expected = [recall, precision, f1, stated.expected_error, stated.mass_ratio]
        np.testing.assert_allclose(found[1 + group], expected, rtol=1e-12)


def test_changes_are_paired_over_seeds(weighted):
    per_run = weighted.runs.pivot_table(index=["mask", "seed"], columns="treatment", values="f1")
    change = (per_run["platt"] - per_run[UNTREATED]).groupby("mask").mean()
    table = weighted.changes.set_index(["mask", "treatment"])
    for mask in ("thin", "thick"):
        row = table.loc[(mask, "platt")]
        assert row["f1_change"] == pytest.approx(change[mask])
        assert row["f1_change_low"] < row["f1_change"] < row["f1_change_high"]
        assert (row["n_seeds"], row["n_groups"]) == (4, IMAGES // 2)
        assert (table.loc[(mask, UNTREATED), ["f1_change", "f1_change_low", "f1_change_high"]] == 0).all()


def test_a_theory_that_changes_nothing_is_missing_with_its_reason():
    counts = np.zeros((2, N_CODES), np.int64)
    counts[0, [100, 50_000]], counts[1, [90, 60_000]] = 3, 2
    treatments = fit_treatments(*counts, ScoreMap())
    assert "prior_theory" not in treatments.fitted
    assert treatments.missing["prior_theory"] == "theory says that this objective leaves the scores as they are"


def test_what_cannot_be_fitted_is_missing_with_its_reason_and_not_compared():
    found = treat_arm(runs(empty_in_val=(1,)), None, CompareSettings())
    rows = found.runs.set_index(["mask", "treatment"])
    assert set(rows.loc[("thick", "platt"), "missing"]) == {"no positive pixel in validation"}
    assert rows.loc[("thick", "platt"), "f1"].isna().all()
    assert set(rows.loc[("thin", "prior_theory"), "missing"]) == {"theory gives no map for this objective"}
    assert set(rows.loc[("thin", "platt"), "missing"]) == {""}
    assert set(found.verdicts["mask"]) == {"thin"}
    assert "prior_theory" not in set(found.verdicts["arm"])
    nothing = treat_arm(runs(empty_in_val=(0, 1)), [ScoreMap(weight=2.0)] * 2, CompareSettings())
    assert not len(nothing.verdicts)
    assert set(nothing.changes["treatment"]) == {UNTREATED, "prior_theory"}


def test_a_run_whose_platt_cannot_be_fitted_is_left_out_of_that_comparison_alone():
    scores = runs()
    positives, negatives = (counts.ravel().astype(np.uint32) for counts in scores[2].val.pixel_counts())
    constant = replace(
        scores[2].val,  # the same labels, every pixel in one score
        row_start=np.arange(len(positives) + 1),
        bins=np.full(len(positives), 0x7000, np.uint16),
        positives=positives,
        negatives=negatives,
    )
    scores[2] = RunScores(constant, scores[2].test)
    found = treat_arm(scores, None, CompareSettings())
    verdicts = found.verdicts.set_index(["arm", "mask"])
    assert verdicts.loc[("platt", "thin"), "n_seeds"] == 3
    assert "seed 2 has no run of platt" in verdicts.loc[("platt", "thin"), "seeds_left_out"]
    assert verdicts.loc[("isotonic", "thin"), "n_seeds"] == 4
    assert set(found.runs[found.runs["missing"].str.contains("same score")]["seed"]) == {2}


def test_one_seed_gives_values_and_no_verdict():
    found = treat_arm(runs(seeds=1), None, CompareSettings())
    assert found.changes["f1"].notna().all()
    changed = found.changes[found.changes["treatment"] != UNTREATED]
    assert changed["f1_change_low"].isna().all()
    assert set(found.verdicts["verdict"]) == {"undecided"}
    assert (found.verdicts["ap_gain"] == 0).all()


def test_runs_without_validation_are_refused():
    with pytest.raises(ValueError, match="expected a validation split"):
        treat_arm({0: RunScores(None, split(0, 1))}, None, CompareSettings())
