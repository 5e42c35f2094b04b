"""A planted subgroup effect is found, arms that are the same stay quiet, and what cannot be judged says so."""

from dataclasses import replace

import numpy as np
import pytest

from experiments.audit.simulation.runs import ArmModel, Effects, TestSet, simulate_runs
from experiments.comparison import CompareSettings, compare_scores
from experiments.comparison.checked_runs import RunScores, check_runs
from experiments.comparison.compare_arms import compare_arms
from experiments.comparison.subgroups.compare import compare_subgroups, contrast_with_others, images_of
from experiments.comparison.subgroups.values import Subgroups
from experiments.frontier.arithmetic import reorder_images, side_by_side
from experiments.inference.multiplicity import holm, raised_seed_variances

FAST = CompareSettings(n_draws=200, workers=1)
EFFECTS = Effects(seed=0.05, group=0.3, arm_group=0.05, interaction=0.05, shared_noise=0.8)


def simulated(seed, *, n_groups=24, masks=("a", "b"), better=3.0, per_group=1):
    return simulate_runs(
        {"bce": ArmModel(), "same": ArmModel(), "better": ArmModel(separation=better)},
        range(5),
        test=TestSet(n_groups=n_groups, images_per_group=per_group, pixels=400, prevalence=0.06),
        val=TestSet(n_groups=6, pixels=400, prevalence=0.06),
        effects=EFFECTS,
        rng=np.random.default_rng(seed),
        masks=masks,
    )


def halves(runs, parts=2):
    ids = next(iter(runs["bce"].values())).test.image_ids
    return Subgroups("scanner", {image: "ABCDEFGH"[place * parts // len(ids)] for place, image in enumerate(ids)})


def planted(runs, subgroups, where):
    """An arm that scores as `better` in one subgroup and as `same` in the others."""
    out = {}
    for seed, run in runs["same"].items():
        ids = run.test.image_ids
        inside = np.array([k for k, image in enumerate(ids) if subgroups.of_image[image] == where], np.intp)
        outside = np.setdiff1d(np.arange(len(ids)), inside)
        parts = [reorder_images(runs["better"][seed].test, inside), reorder_images(run.test, outside)]
        out[seed] = RunScores(run.val, side_by_side(parts, ["natural"]))
    return out


def only_natural(seeds):
    def one(split):
        return split if split is None else side_by_side([split], ["natural"])

    return {seed: RunScores(one(run.val), one(run.test)) for seed, run in seeds.items()}


@pytest.fixture(scope="module")
def found():
    runs = simulated(0, better=4.0)
    subgroups = halves(runs)
    arms = {
        "bce": only_natural(runs["bce"]),
        "same": only_natural(runs["same"]),
        "mixed": planted(runs, subgroups, "B"),
    }
    return compare_subgroups(arms, subgroups, baseline="bce", settings=FAST)


def test_a_planted_effect_is_found_in_its_subgroup_alone(found):
    rows = found.table.set_index(["arm", "subgroup"])
    assert rows.loc[("mixed", "B"), "verdict"] == "moves out"
    assert rows.loc[("mixed", "A"), "verdict"] != "moves out"
    assert rows.loc["mixed", "differs"].all()
    assert not rows.loc["same", "differs"].any()
    assert set(rows.loc["same", "verdict"]) <= {"undecided", "stays", "slides"}


def test_of_two_subgroups_the_contrast_is_one_test(found):
    rows = found.table.set_index(["arm", "subgroup"])
    for arm in ("same", "mixed"):
        a, b = rows.loc[(arm, "A")], rows.loc[(arm, "B")]
        assert a["contrast"] == pytest.approx(-b["contrast"])
        assert a["contrast"] == pytest.approx(a["headline_gain"] - b["headline_gain"])
        assert a["p_contrast_holm"] == b["p_contrast_holm"]
        assert a["contrast_low"] == pytest.approx(-b["contrast_high"])


def test_a_subgroup_is_compared_as_a_test_set_of_its_own():
    runs = simulated(1, better=3.6)
    subgroups = halves(runs)
    table = compare_subgroups(runs, subgroups, baseline="bce", settings=FAST).table.set_index(["arm", "subgroup"])
    inside = np.arange(12)
    alone = {
        arm: {seed: RunScores(run.val, reorder_images(run.test, inside)) for seed, run in seeds.items()}
        for arm, seeds in runs.items()
    }
    arms = compare_arms(alone, baseline="bce", settings=FAST).arm_verdicts.set_index("arm")
    for arm in ("same", "better"):
        for name in ("headline_gain", "headline_gain_low", "headline_gain_high", "f1_gain", "f1_gain_low"):
            assert table.loc[(arm, "A"), name] == pytest.approx(arms.loc[arm, name]), name
        assert table.loc[(arm, "A"), "p_difference_holm"] >= arms.loc[arm, "p_difference"] - 1e-12


def test_groups_stay_together_and_those_in_two_subgroups_are_counted_once():
    runs = simulated(2, n_groups=12, per_group=2)
    ids = next(iter(runs["bce"].values())).test.image_ids
    crossed = Subgroups("scanner", {image: "AB"[place % 2] for place, image in enumerate(ids)})  # each group in both
    apart = Subgroups("scanner", {image: "AB"[place // 12] for place, image in enumerate(ids)})
    tables = [compare_subgroups(runs, each, baseline="bce", settings=FAST).table for each in (crossed, apart)]
    assert [set(table["n_groups"]) for table in tables] == [{12}, {6}]
    assert [set(table["n_images"]) for table in tables] == [{12}, {12}]
    checked = check_runs(runs, "bce")
    part = images_of(checked, np.array([0, 1, 5], np.intp))
    assert (part.group_names, part.group_of.tolist()) == (("test-group-00000", "test-group-00002"), [0, 0, 1])


def _reference_contrast(rows, own, n_groups):
    others = np.mean([each for k, each in enumerate(rows) if k != own], axis=0)
    difference = rows[own] - others
    return difference[:, 0].mean(), (n_groups - 1) * difference[:, 1:].mean(axis=0).var()


def test_the_contrast_is_the_gain_less_the_mean_of_the_others():
    rng = np.random.default_rng(0)
    rows = [rng.normal(size=(4, 9, 1)) for _ in range(3)]
    for own in range(3):
        found = contrast_with_others(rows, own, [3.0, 3.0, 3.0])  # few: the jackknife of the mean stands for C
        estimate, jackknife = _reference_contrast(rows, own, 8)
        assert found.estimate[0] == pytest.approx(estimate)
        assert found.v_group[0] == pytest.approx(jackknife)
        assert found.groups_df[0] == pytest.approx(3.0)


def test_degrees_of_freedom_are_those_of_the_subgroup_that_varies():
    still, moving = np.zeros((3, 9, 1)), np.random.default_rng(0).normal(size=(3, 9, 1))
    assert contrast_with_others([moving, still], 0, [4.0, 20.0]).groups_df[0] == pytest.approx(4.0)
    assert contrast_with_others([moving, still], 1, [4.0, 20.0]).groups_df[0] == pytest.approx(4.0)


def test_too_few_groups_have_an_estimate_and_no_interval():
    runs = simulated(3, n_groups=14, better=4.0)
    ids = next(iter(runs["bce"].values())).test.image_ids
    three = Subgroups("scanner", {image: "C" if k < 3 else "AB"[k % 2] for k, image in enumerate(ids)})
    table = compare_subgroups(runs, three, baseline="bce", settings=FAST).table.set_index(["arm", "subgroup"])
    row = table.loc[("better", "C")]
    assert row["reason"] == "too few groups: 3, where 5 are needed"
    assert row["verdict"] == "undecided"
    assert np.isfinite(row["headline_gain"])
    assert row[["headline_gain_low", "f1_gain_high", "verdict_low", "contrast", "p_contrast_holm"]].isna().all()
    assert table.loc[("better", "A"), "contrast"] == pytest.approx(
        table.loc[("better", "A"), "headline_gain"] - table.loc[("better", "B"), "headline_gain"]
    )


def test_a_subgroup_without_a_mask_is_judged_by_the_others():
    rng = np.random.default_rng(0)
    targets = [rng.random((2, 20, 20)) < 0.1 for _ in range(12)]
    for target in targets[:6]:
        target[1] = False

    def maps(signal, seed):
        draw = np.random.default_rng([seed, int(10 * signal)])
        return [signal * target + draw.normal(size=target.shape) for target in targets]

    arms = {"bce": {s: maps(2.0, s) for s in range(4)}, "mine": {s: maps(3.5, s) for s in range(4)}}
    by = ["old"] * 6 + ["new"] * 6
    study = compare_scores(arms, targets, masks=["a", "b"], by=by, settings=replace(FAST))
    masks = study.subgroups.set_index("subgroup")["mask"]
    assert (masks["old"], masks["new"]) == ("a", "mean of a and b")
    assert set(study.subgroups["verdict"]) == {"moves out"}
    assert study.subgroups["p_contrast_holm"].notna().all()  # over mask a, which both have


def _gaussian_contrasts(rng, n_seeds, sizes, effect=0.0):
    """One arm's contrasts of a mean over groups with effects of seed, group and both; the first subgroup differs."""
    part = np.repeat(np.arange(len(sizes)), sizes)
    draws = [rng.normal(size=shape) for shape in ((n_seeds, 1), (1, len(part)), (n_seeds, len(part)))]
    gains = 0.3 * draws[0] + draws[1] + 0.3 * draws[2] + effect * (part == 0)
    rows = []
    for place, size in enumerate(sizes):
        own = gains[:, part == place]
        mean = own.mean(axis=1, keepdims=True)
        each = np.repeat(mean, len(part) + 1, axis=1)
        each[:, 1 + np.flatnonzero(part == place)] = (size * mean - own) / (size - 1)
        rows.append(each[:, :, None])
    return [contrast_with_others(rows, own, [size - 1.0 for size in sizes]) for own in range(len(sizes))]


def test_intervals_cover_and_claims_are_rare_where_nothing_differs():
    rng, n = np.random.default_rng(0), 150
    claims, covered = 0, []
    for _ in range(n):
        found = [item for _ in range(3) for item in _gaussian_contrasts(rng, 4, (10, 12))[:1]]
        steady = raised_seed_variances(found)
        p = holm([float(item.p_difference(seeds)[0]) for item, seeds in zip(found, steady, strict=True)])
        claims += bool((p < 0.05).any())
        covered += [low[0] <= 0 <= high[0] for low, high in (item.interval() for item in found)]
    assert claims / n <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / n)
    assert np.mean(covered) >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / len(covered))
    planted = [_gaussian_contrasts(rng, 4, (10, 12), effect=2.0)[0] for _ in range(30)]
    assert np.mean([item.p_difference()[0] < 0.05 for item in planted]) > 0.8
