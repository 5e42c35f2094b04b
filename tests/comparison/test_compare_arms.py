"""The whole comparison: against plain pooling and jackknifing, with holes, refusals and invariances."""

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import expit
from sklearn.metrics import average_precision_score

from experiments.audit.simulation.runs import ArmModel, Effects, TestSet, mapped_run, simulate_runs
from experiments.comparison.checked_runs import RunScores
from experiments.comparison.compare_arms import Comparison, compare_arms
from experiments.comparison.settings import CompareSettings
from experiments.comparison.slide import AT_BEST, AT_TUNED, BY_RANKSEG
from experiments.comparison.verdict_table import interval_columns
from experiments.frontier.arithmetic import merge, reorder_images
from experiments.frontier.codes import NATURAL_CODE, code_to_logit
from experiments.frontier.curve import pr_curve, recall_gain_area
from experiments.frontier.histogram import ScoreHistograms
from experiments.frontier.operating_point import operating_point, tuned_codes
from experiments.frontier.theory import ScoreMap
from experiments.inference.paired_difference import PairedDifference

FAST = CompareSettings(n_draws=200, workers=1)


@pytest.fixture(scope="module")
def runs() -> dict[str, dict[int, RunScores]]:
    return simulate_runs(
        {"bce": ArmModel(), "dice": ArmModel(separation=3.4), "focal": ArmModel(shift=-4.0)},
        [0, 1, 2],
        test=TestSet(n_groups=12, images_per_group=2, pixels=400, prevalence=0.05),
        val=TestSet(n_groups=5, pixels=400, prevalence=0.05),
        effects=Effects(),
        rng=np.random.default_rng(0),
        masks=("solid", "dashed"),
    )


@pytest.fixture(scope="module")
def comparison(runs) -> Comparison:
    return compare_arms(runs, baseline="bce", settings=replace(FAST, theory={"focal": np.exp(2.0)}))


def _pixels(histograms: ScoreHistograms, mask: int, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scores and labels again, pixel by pixel."""
    scores, labels = [], []
    for image in images:
        bins, positives, negatives = histograms.row(int(image), mask)
        values = code_to_logit(bins)
        scores += [np.repeat(values, positives), np.repeat(values, negatives)]
        labels += [np.ones(positives.sum(), bool), np.zeros(negatives.sum(), bool)]
    return np.concatenate(scores), np.concatenate(labels)


def _reference_ap_difference(runs: dict[str, dict[int, RunScores]], arm: str, mask: int) -> tuple[float, float, float]:
    """Estimate, v_seed and v_group of the AP gain, from scikit-learn on the pixels of every delete-one set."""
    _, group_of = runs["bce"][0].test.groups()
    everything = np.arange(len(group_of))

    def gain(seed: int, images: np.ndarray) -> float:
        scores = [_pixels(runs[name][seed].test, mask, images) for name in (arm, "bce")]
        mine, theirs = (average_precision_score(labels, values) for values, labels in scores)
        return mine - theirs

    per_seed = np.array([gain(seed, everything) for seed in (0, 1, 2)])
    left_out = np.array(
        [[gain(seed, everything[group_of != g]) for g in range(group_of.max() + 1)] for seed in (0, 1, 2)]
    ).mean(axis=0)
    n_groups = len(left_out)
    v_group = (n_groups - 1) / n_groups * ((left_out - left_out.mean()) ** 2).sum()
    return per_seed.mean(), per_seed.var(ddof=1) / 3, v_group


def test_ap_gain_against_scikit_learn_and_a_plain_jackknife(runs, comparison) -> None:
    row = comparison.verdicts.set_index(["arm", "mask"]).loc[("dice", "dashed")]
    estimate, v_seed, v_group = _reference_ap_difference(runs, "dice", 1)
    assert row.ap_gain == pytest.approx(estimate, abs=1e-12)
    assert row.v_seed == pytest.approx(v_seed, rel=1e-9)
    assert row.v_group == pytest.approx(v_group, rel=1e-9)
    df = (v_seed + v_group) ** 2 / (v_seed**2 / 2 + v_group**2 / _groups_df(runs, 1))
    half = stats.t.ppf(0.975, df) * np.sqrt(v_seed + v_group)
    assert (row.ap_gain_low, row.ap_gain_high) == pytest.approx((estimate - half, estimate + half))
    assert (row.n_seeds, row.n_groups, row.n_images) == (3, 12, 24)


def _groups_df(runs, mask: int) -> float:
    """(sum n)^2 / sum n^2 - 1 or (sum n^2)^2 / sum n^4, the smaller, over the positives n of each test group."""
    names, group_of = runs["bce"][0].test.groups()
    n = np.zeros(len(names))
    for image, group in enumerate(group_of):
        n[group] += reorder_images(runs["bce"][0].test, np.array([image])).pooled(mask)[0].sum()
    return min(n.sum() ** 2 / (n**2).sum() - 1, (n**2).sum() ** 2 / (n**4).sum())


def test_tuned_f1_is_frozen_on_validation(runs, comparison) -> None:
    row = comparison.verdicts.set_index(["arm", "mask"]).loc[("dice", "solid")]
    _, group_of = runs["bce"][0].test.groups()
    gains, left_out = [], []
    for seed in (0, 1, 2):
        f1 = {}
        for arm in ("dice", "bce"):
            code = tuned_codes(runs[arm][seed].val)[0]
            kept = [np.arange(24), *(np.flatnonzero(group_of != g) for g in range(12))]
            f1[arm] = [
                operating_point(reorder_images(runs[arm][seed].test, images), 0, code, name="t").f_beta()
                for images in kept
            ]
        difference = np.array(f1["dice"]) - np.array(f1["bce"])
        gains.append(difference[0])
        left_out.append(difference[1:])
    replicates = np.mean(left_out, axis=0)
    assert row.f1_gain == pytest.approx(np.mean(gains), abs=1e-12)
    assert row.f1_v_seed == pytest.approx(np.var(gains, ddof=1) / 3, rel=1e-9)
    assert row.f1_v_group == pytest.approx(11 * np.var(replicates), rel=1e-9)


def test_decomposition_adds_up(comparison) -> None:
    table = comparison.decomposition
    assert len(table) == 4
    np.testing.assert_allclose(table.f1_natural_change, table.frontier_part + table.threshold_part, rtol=0, atol=1e-15)
    merged = table.merge(comparison.verdicts, on=["arm", "mask"])
    np.testing.assert_array_equal(merged.frontier_part, merged.f1_gain)


def test_points_and_background_rows(runs, comparison) -> None:
    points = comparison.points
    row = points.query("arm == 'dice' and seed == 1 and mask == 'dashed' and operating_point == 'natural'").iloc[0]
    point = operating_point(runs["dice"][1].test, 1, NATURAL_CODE, name="natural")
    assert (row.tp, row.fp, row.fn, row.tn) == (point.tp, point.fp, point.fn, point.tn)
    assert (row.precision, row.recall, row.f1) == (point.precision, point.recall, point.f_beta())
    # 3 arms, 3 seeds, 2 masks, 2 points; the simulator takes no joint counts, so there is no background row.
    assert len(points) == 36
    counted = {
        arm: {
            seed: RunScores(run.val, replace(run.test, joint=np.tile([8, 1, 1, 0, 8], (24, 1, 1))))
            for seed, run in seeds.items()
        }
        for arm, seeds in runs.items()
    }
    background = compare_arms(counted, baseline="bce", settings=FAST).points.query("mask == 'background'")
    assert len(background) == 9
    np.testing.assert_allclose(background.precision, 8 / 9)
    np.testing.assert_allclose(background.frame_accuracy, 0.8)


def test_slide_and_theory(comparison) -> None:
    slides = comparison.slides.set_index(["arm", "mask"])
    focal = slides.loc[("focal", "solid")]
    # The arm's logits are the baseline's model shifted by 2, with noise of its own.
    assert focal.predicted_shift == pytest.approx(2.0)
    assert focal.shift_low < 2.0 < focal.shift_high
    assert focal["shift"] == -focal.baseline_threshold
    assert focal.status == "reached"
    assert np.isnan(slides.loc[("dice", "solid")].predicted_shift)
    controls = comparison.controls
    assert set(controls.training) == {"none"}
    theory = controls.query('control == "baseline at theory\'s threshold"')
    assert set(theory.arm) == {"focal"}
    np.testing.assert_allclose(theory.threshold, -2.0, atol=1e-3)
    assert (theory.f1_gain_low < 0).all() and (theory.f1_gain_high > 0).all()
    tuned = controls.query("control == 'baseline at its tuned threshold'")
    merged = tuned.merge(comparison.verdicts, on=["arm", "mask"], suffixes=("", "_verdict"))
    np.testing.assert_allclose(merged.f1_gain, merged.f1_gain_verdict)


@pytest.mark.parametrize("weight", [None, 8.0])
def test_controls_with_a_threshold_per_image_are_recounted_image_by_image(runs, weight) -> None:
    """Thresholds by brute force, pixel by pixel, for the baseline as it is and for one whose loss is undone first."""
    settings = FAST if weight is None else replace(FAST, theory={"bce": weight})
    controls = compare_arms(runs, baseline="bce", settings=settings).controls
    assert set(controls[controls.sees_test_labels].control) == {AT_BEST}
    assert set(controls.control) == {AT_TUNED, BY_RANKSEG, AT_BEST}
    counts = {BY_RANKSEG: [], AT_BEST: []}
    for run in runs["bce"].values():
        histograms = run.test
        sums = {name: np.zeros(2) for name in counts}
        for image in range(histograms.n_images):
            scores, labels = _pixels(histograms, 0, np.array([image]))
            order = np.argsort(-scores, kind="stable")
            scores, hits = scores[order], np.cumsum(labels[order])
            edge = np.append(np.diff(scores) != 0, True)
            n = np.arange(1, len(scores) + 1)
            p = expit(scores - (0.0 if weight is None else np.log(weight)))
            expected = np.where(edge, np.cumsum(p) / (n + 1 + p.sum()), -1.0)
            f1 = np.where(edge, 2 * hits / (n + labels.sum()), -1.0)
            for name, value in ((BY_RANKSEG, expected), (AT_BEST, f1)):
                if name == BY_RANKSEG or labels.any():
                    cut = int(np.argmax(value))
                    sums[name] += [hits[cut], n[cut]]
        positives = histograms.pooled(0)[0].sum()
        for name, (tp, predicted) in sums.items():
            counts[name].append([tp / positives, tp / predicted, 2 * tp / (predicted + positives)])
    for name, values in counts.items():
        chosen = (controls.control == name) & (controls["mask"] == "solid") & (controls.arm == "dice")
        row = controls[chosen].iloc[0]
        np.testing.assert_allclose([row.recall, row.precision, row.f1], np.mean(values, axis=0), rtol=1e-12)
        assert np.isnan(row.threshold) and row.arm_point == "tuned"
        assert row.f1_gain == pytest.approx(row.arm_f1 - row.f1) and row.f1_gain_low < row.f1_gain < row.f1_gain_high


def test_prior_correction_is_shown_beside_the_raw_calibration(runs) -> None:
    weighted = {seed: mapped_run(run, lambda x: x + np.log(42.0)) for seed, run in runs["bce"].items()}
    settings = replace(FAST, theory={"weighted": 42.0})
    scores = compare_arms({"bce": runs["bce"], "weighted": weighted}, baseline="bce", settings=settings).scores
    plain, shifted = (scores[scores.arm == arm].reset_index() for arm in ("bce", "weighted"))
    assert (shifted.mass_ratio > 2 * plain.mass_ratio).all()
    np.testing.assert_allclose(shifted.corrected_mass_ratio, plain.mass_ratio, rtol=0.01)
    assert plain.corrected_mass_ratio.isna().all()


def test_nothing_changes_under_an_increasing_map_of_all_runs(runs) -> None:
    # By 2: exact in float16, so that no two bins meet.
    doubled = {
        arm: {seed: mapped_run(run, lambda x: 2.0 * x) for seed, run in seeds.items()} for arm, seeds in runs.items()
    }
    before, after = (compare_arms(which, baseline="bce", settings=FAST) for which in (runs, doubled))
    pd.testing.assert_frame_equal(before.verdicts, after.verdicts)
    pd.testing.assert_frame_equal(before.matched, after.matched)
    pd.testing.assert_frame_equal(before.curves, after.curves)
    pd.testing.assert_frame_equal(before.decomposition, after.decomposition)
    np.testing.assert_allclose(after.slides["shift"], 2 * before.slides["shift"], rtol=1e-6)


def test_order_of_images_and_merging_of_parts_change_nothing(runs) -> None:
    order = np.random.default_rng(1).permutation(24)
    mixed = {arm: dict(seeds) for arm, seeds in runs.items()}
    mixed["dice"][1] = replace(runs["dice"][1], test=reorder_images(runs["dice"][1].test, order))
    parts = [reorder_images(runs["bce"][2].test, part) for part in np.array_split(np.arange(24), 5)]
    mixed["bce"][2] = replace(runs["bce"][2], test=merge(parts))
    before, after = (compare_arms(which, baseline="bce", settings=FAST) for which in (runs, mixed))
    pd.testing.assert_frame_equal(before.verdicts, after.verdicts)
    pd.testing.assert_frame_equal(before.points, after.points)


def test_workers_change_nothing(runs, monkeypatch) -> None:
    monkeypatch.setattr("experiments.comparison.checked_runs._ENTRIES_WORTH_PROCESSES", 0)
    one, three = (compare_arms(runs, baseline="bce", settings=replace(FAST, workers=n)) for n in (1, 3))
    pd.testing.assert_frame_equal(one.verdicts, three.verdicts)
    pd.testing.assert_frame_equal(one.curves, three.curves)


def test_missing_seeds_are_left_out_and_said(runs) -> None:
    holes = {"bce": {0: runs["bce"][0], 1: runs["bce"][1]}, "dice": {1: runs["dice"][1], 2: runs["dice"][2]}}
    holes["focal"] = dict(runs["focal"])
    table = compare_arms(holes, baseline="bce", settings=FAST).verdicts.set_index(["arm", "mask"])
    dice, focal = table.loc[("dice", "solid")], table.loc[("focal", "solid")]
    assert dice.seeds_left_out == "seed 0 has no run of dice; seed 2 has no run of bce"
    assert focal.seeds_left_out == "seed 2 has no run of bce"
    assert (dice.n_seeds, focal.n_seeds) == (1, 2)
    assert dice.verdict == dice.verdict_f1 == "undecided"
    assert dice.reason.startswith("one seed: how much the seed matters is unknown")
    assert np.isfinite(dice.ap_gain) and np.isnan(dice.ap_gain_low) and np.isnan(dice.p_difference)
    assert "2 seeds" in focal.warning
    assert np.isnan(focal.ap_gain_low) and np.isfinite(focal.p_difference)


def test_an_arm_without_any_run_keeps_its_row(runs) -> None:
    result = compare_arms({"bce": runs["bce"], "dice": {}}, baseline="bce", settings=FAST)
    assert set(result.verdicts.verdict) == {"undecided"}
    assert set(result.verdicts.reason) == {"no seed was run for both dice and bce"}
    assert result.verdicts.ap_gain.isna().all()
    assert set(result.slides.status) == set(result.matched.status) == {"no paired seed"}
    alone = compare_arms({"bce": runs["bce"]}, baseline="bce", settings=FAST)
    assert len(alone.verdicts) == 0
    assert len(alone.curves) == 200


def _without_positives(histograms: ScoreHistograms, mask: int) -> ScoreHistograms:
    rows = np.repeat(np.arange(len(histograms.row_start) - 1), np.diff(histograms.row_start))
    mine = rows % histograms.n_masks == mask
    positives = np.where(mine, 0, histograms.positives).astype(np.uint32)
    negatives = np.where(mine, histograms.negatives + histograms.positives, histograms.negatives)
    return replace(histograms, positives=positives, negatives=negatives.astype(np.uint32))


def _map_runs(runs, change):
    return {arm: {seed: change(run) for seed, run in seeds.items()} for arm, seeds in runs.items()}


def test_a_mask_without_positives_in_test_is_nan_with_its_reason(runs) -> None:
    empty = _map_runs(runs, lambda run: replace(run, test=_without_positives(run.test, 1)))
    result = compare_arms(empty, baseline="bce", settings=FAST)
    dashed = result.verdicts[result.verdicts["mask"] == "dashed"]
    assert set(dashed.verdict) == {"undecided"}
    assert set(dashed.reason) == {"no positive pixel of this mask in the test set"}
    assert dashed[["ap_gain", "f1_gain", "p_difference"]].isna().all(axis=None)
    # The other mask is judged as if it were alone: the empty one made no test.
    alone = compare_arms(runs, baseline="bce", settings=FAST).verdicts
    solid = result.verdicts[result.verdicts["mask"] == "solid"]
    np.testing.assert_array_equal(solid.p_equivalence, alone[alone["mask"] == "solid"].p_equivalence)


def test_no_positive_in_validation_leaves_f1_undecided_and_ap_decided(runs) -> None:
    for change in (lambda run: replace(run, val=_without_positives(run.val, 1)), lambda run: replace(run, val=None)):
        result = compare_arms(_map_runs(runs, change), baseline="bce", settings=FAST).verdicts
        dashed = result[result["mask"] == "dashed"]
        assert dashed.reason_f1.str.startswith("no threshold could be tuned").all()
        assert dashed.f1_gain.isna().all()
        assert dashed.p_difference.notna().all()


def test_all_positives_in_one_group_and_a_single_group(runs) -> None:
    def only_first(run: RunScores) -> RunScores:
        test = run.test
        rows = np.repeat(np.arange(len(test.row_start) - 1), np.diff(test.row_start))
        keep = rows // test.n_masks < 2
        return replace(run, test=replace(test, positives=np.where(keep, test.positives, 0).astype(np.uint32)))

    result = compare_arms(_map_runs(runs, only_first), baseline="bce", settings=FAST).verdicts
    assert result.reason.str.endswith("lie in one test group, test-group-00000").all()
    one = _map_runs(runs, lambda run: replace(run, test=replace(run.test, group_ids=("road",) * 24)))
    result = compare_arms(one, baseline="bce", settings=FAST).verdicts
    assert result.reason.str.startswith("one test group").all()
    assert set(result.verdict) == {"undecided"}


def test_a_constant_output_is_flagged_and_its_recalls_are_unreachable(runs) -> None:
    constant = {seed: mapped_run(run, lambda x: np.zeros_like(x)) for seed, run in runs["bce"].items()}
    result = compare_arms({"bce": runs["bce"], "flat": constant}, baseline="bce", settings=FAST)
    assert result.verdicts.warning.str.contains("flat seed 0 gives every pixel the same score").all()
    at_half = result.matched.query("kind == 'precision at recall' and level == 0.5")
    assert (at_half.status == "unreachable for flat in 3 of 3 seeds").all()
    assert at_half[["difference", "low", "band_low"]].isna().all(axis=None)
    assert set(result.verdicts.verdict) == {"not trained"}
    assert result.verdicts.reason.str.startswith("flat is not trained: one score for all pixels, AP 0.0").all()


def test_an_arm_that_predicts_nothing(runs) -> None:
    silent = {seed: mapped_run(run, lambda x: x - 100.0) for seed, run in runs["bce"].items()}
    result = compare_arms({"bce": runs["bce"], "silent": silent}, baseline="bce", settings=FAST)
    row = result.slides.iloc[0]
    assert row.natural_recall == 0.0
    assert np.isnan(row.natural_precision)
    assert row.status == "natural recall of silent is 0 in 3 of 3 seeds: nothing to match"
    natural = result.points.query("arm == 'silent' and operating_point == 'natural'")
    assert natural.precision.isna().all() and (natural.f1 == 0).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda test: replace(test, masks=("solid", "dotted")), "dice seed 1, test: expected masks"),
        (
            lambda test: replace(test, image_ids=("other", *test.image_ids[1:])),
            r"missing \[test-00000\], unexpected \[other\]",
        ),
        (
            lambda test: replace(test, group_ids=("other", *test.group_ids[1:])),
            r"other groups for \[test-00000 \(other, not test-group-00000\)\]",
        ),
        (lambda test: _without_positives(test, 0), "expected the labels of bce seed 0"),
    ],
)
def test_other_data_is_refused_and_named(runs, change, message: str) -> None:
    other = {arm: dict(seeds) for arm, seeds in runs.items()}
    other["dice"][1] = replace(other["dice"][1], test=change(other["dice"][1].test))
    with pytest.raises(ValueError, match=message):
        compare_arms(other, baseline="bce", settings=FAST)


def test_a_missing_baseline_is_refused_and_named(runs) -> None:
    for chosen in ({"dice": runs["dice"]}, {"dice": runs["dice"], "bce": {}}):
        with pytest.raises(ValueError, match=r"baseline: expected an arm that has runs, one of \['dice'\], got 'bce'"):
            compare_arms(chosen, baseline="bce", settings=FAST)


@pytest.mark.parametrize("without", ["bce", "dice"])
def test_an_arm_without_validation_has_its_frontier_and_no_tuned_point(runs, without) -> None:
    whole = compare_arms(runs, baseline="bce", settings=FAST).verdicts
    lacking = {seed: replace(run, val=None) for seed, run in runs[without].items()}
    found = compare_arms({**runs, without: lacking}, baseline="bce", settings=FAST).verdicts
    for column in ("verdict", "ap_gain", "ap_gain_low", "reason"):
        assert found[column].equals(whole[column])
    rows = found[(found.arm == without) | (without == "bce")]
    assert rows.f1_gain.isna().all()
    assert set(rows.verdict_f1) == {"undecided"}
    assert rows.reason_f1.str.contains(f"no threshold could be tuned: no validation scores of {without}").all()
    others = found.index.difference(rows.index)
    assert found.loc[others, "f1_gain"].equals(whole.loc[others, "f1_gain"])


def test_other_validation_images_are_refused(runs) -> None:
    first = next(iter(runs["dice"]))
    other = {**runs["dice"], first: replace(runs["dice"][first], val=runs["dice"][first].test)}
    with pytest.raises(ValueError, match=rf"dice seed {first}, val: expected"):
        compare_arms({**runs, "dice": other}, baseline="bce", settings=FAST)


def test_other_headlines(runs) -> None:
    for headline, column in (("f1", "f1_gain"), ("fbeta", "fbeta_gain"), ("ap", "ap_gain")):
        settings = replace(FAST, headline=headline, beta=2.0)
        table = compare_arms(runs, baseline="bce", settings=settings).verdicts
        np.testing.assert_array_equal(table.headline_gain, table[column])
        assert (table.headline == headline).all()
        assert table.p_crosses_holm.isna().all() == (headline != "ap")
    band = replace(FAST, headline="mean_precision", recall_band=(0.6, 0.9))
    table = compare_arms(runs, baseline="bce", settings=band).verdicts
    assert (table.headline_gain != table.ap_gain).all()
    assert table.reason.str.contains("mean precision over recall 0.6 to 0.9").all()


def test_the_area_of_gains_as_headline(runs) -> None:
    """The gain is the mean over seeds of the difference of pooled areas, with the jackknife's variance over groups."""
    table = compare_arms(runs, baseline="bce", settings=replace(FAST, headline="prg")).verdicts
    row = table[(table.arm == "dice") & (table["mask"] == "solid")].iloc[0]
    _, group_of = runs["bce"][0].test.groups()
    kept = [np.flatnonzero(group_of != group) for group in range(-1, group_of.max() + 1)]
    areas = np.zeros((3, len(kept)))
    for sign, arm in ((1, "dice"), (-1, "bce")):
        for seed in range(3):
            for place, images in enumerate(kept):
                curve = pr_curve(*reorder_images(runs[arm][seed].test, images).pooled(0))
                tied = np.diff(curve.fp, prepend=0)
                areas[seed, place] += sign * recall_gain_area(curve.tp, curve.fp, tied, curve.n_negative)
    n, left = len(kept) - 1, areas.mean(axis=0)[1:]
    assert row.headline_gain == pytest.approx(areas[:, 0].mean(), abs=1e-13)
    assert row.v_group == pytest.approx((n - 1) / n * ((left - left.mean()) ** 2).sum(), rel=1e-9)
    assert "AUPRG" in row.reason and not np.isnan(row.p_crosses_holm)
    assert 0 < row.headline_gain < row.ap_gain  # near its upper end the scale of gains is narrower


@pytest.mark.parametrize(
    "options",
    [
        {"headline": "auc"},
        {"beta": 0.0},
        {"recall_band": (0.9, 0.6)},
        {"recalls": (0.5, 0.4)},
        {"precisions": (0.0,)},
        {"margin": -1.0},
        {"level": 1.0},
        {"n_draws": 1},
        {"workers": 0},
        {"recall_tolerance": 1.0},
    ],
)
def test_bad_settings_are_named(options: dict) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(options))}: expected"):
        CompareSettings(**options)


def test_theory_predicts_from_the_baselines_own_weight() -> None:
    predicted = partial(CompareSettings.predicted_thresholds, n_masks=1)
    weights = {"w": 12.0, "focal": ScoreMap(gamma=2.0), "same": 4.0}
    plain = CompareSettings(theory=weights)
    assert predicted(plain, "w", "bce") == pytest.approx((-np.log(12.0),))
    weighted = CompareSettings(theory={**weights, "base": 4.0})
    assert predicted(weighted, "w", "base") == pytest.approx((np.log(4.0 / 12.0),))
    assert predicted(weighted, "same", "base") is None  # theory sees no difference
    bent = CompareSettings(theory={**weights, "base": ScoreMap(gamma=2.0)})
    # A focal baseline states the logit l(eta) where plain BCE would state -ln 12.
    (threshold,) = predicted(bent, "w", "base")
    assert ScoreMap(gamma=2.0).to_true_logit(threshold) == pytest.approx(-np.log(12.0))
    unknown = CompareSettings(theory={**weights, "base": None})
    assert predicted(unknown, "w", "base") is None


def test_no_interval_leaves_what_is_possible() -> None:
    wide = PairedDifference(np.array([0.1]), np.array([0.5]), np.array([0.0]), 3, 10)
    assert min(wide.interval(0.05)[0]) < -1
    assert interval_columns("gain", wide, 0.05) == {"gain": 0.1, "gain_low": -1.0, "gain_high": 1.0}
    assert interval_columns("shift", wide, 0.05, limit=np.inf)["shift_high"] > 1
    assert np.isnan(interval_columns("gain", replace(wide, n_seeds=2), 0.05)["gain_low"])


def test_theory_of_an_arm() -> None:
    settings = CompareSettings(theory={"w": 4.0, "per_mask": [2.0, ScoreMap(gamma=2.0)]})
    assert settings.score_maps("w", 2) == (ScoreMap(weight=4.0),) * 2
    assert settings.score_maps("per_mask", 2) == (ScoreMap(weight=2.0), ScoreMap(gamma=2.0))
    assert settings.score_maps("other", 2) is None
    with pytest.raises(ValueError, match="theory: expected one value or 3 for 'per_mask', got 2"):
        settings.score_maps("per_mask", 3)
