"""Verdicts of arms over their masks, masks behind them, and intervals that say what the words say."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from experiments.audit.simulation.runs import ArmModel, Effects, TestSet, simulate_runs
from experiments.comparison.compare_arms import compare_arms
from experiments.comparison.settings import CompareSettings
from experiments.frontier.arithmetic import from_rows
from experiments.inference.paired_difference import FEW_GROUPS, covariance_over_groups, difference_of, group_df

FAST = CompareSettings(n_draws=100, workers=1)
ARMS = {
    "bce": ArmModel(),
    "better": ArmModel(separation=3.7),
    "shifted": ArmModel(shift=-3.0),
    "worse": ArmModel(separation=2.6),
}


@pytest.fixture(scope="module")
def runs():
    test = TestSet(n_groups=30, pixels=1500)
    return simulate_runs(
        ARMS, range(4), test=test, effects=Effects(), rng=np.random.default_rng(5), masks=("a", "b", "c")
    )


@pytest.fixture(scope="module")
def comparison(runs):
    return compare_arms(runs, baseline="bce", settings=FAST)


def test_an_arm_is_the_mean_over_its_masks_run_by_run(comparison) -> None:
    by_arm = comparison.verdicts.groupby("arm", sort=False)
    for column in ("ap_gain", "f1_gain", "natural_recall_gain"):
        np.testing.assert_allclose(comparison.arm_verdicts.set_index("arm")[column], by_arm[column].mean(), atol=1e-12)
    assert comparison.arm_verdicts["mask"].unique().tolist() == ["mean of a, b and c"]
    assert (set(comparison.arm_verdicts["n_masks"]), set(comparison.verdicts["n_masks"])) == ({3}, {1})
    words = comparison.arm_verdicts.set_index("arm")["verdict"]
    assert (words["better"], words["worse"]) == ("moves out", "moves in")


def test_variances_of_an_arm_hold_the_covariances_between_masks(runs) -> None:
    """The same mask three times varies as much as once: covariances are not assumed to be 0."""
    once = {arm: {seed: _masks(run, [0]) for seed, run in seeds.items()} for arm, seeds in runs.items()}
    thrice = {arm: {seed: _masks(run, [0, 0, 0]) for seed, run in seeds.items()} for arm, seeds in runs.items()}
    alone, repeated = (compare_arms(each, baseline="bce", settings=FAST).arm_verdicts for each in (once, thrice))
    for column in ("ap_gain", "v_seed", "v_group", "df", "p_difference", "ap_gain_low"):
        np.testing.assert_allclose(repeated[column], alone[column], rtol=1e-7)


def test_an_arm_calmer_than_the_median_is_raised_and_a_mask_is_drawn_to_the_mean(comparison) -> None:
    arms, masks = comparison.arm_verdicts, comparison.verdicts
    calm = arms["v_seed"] < arms["v_seed"].median()
    assert calm.sum() == 1
    assert (arms["v_seed_steadied"] > arms["v_seed"])[calm].all()
    np.testing.assert_array_equal(arms["v_seed_steadied"][~calm], arms["v_seed"][~calm])
    assert arms["seed_df"].tolist() == [3.5 if raised else 3.0 for raised in calm]
    assert (masks["seed_df"] > 3).all()


def test_one_mask_has_one_verdict(runs) -> None:
    one = {arm: {seed: _masks(run, [1]) for seed, run in seeds.items()} for arm, seeds in runs.items()}
    found = compare_arms(one, baseline="bce", settings=FAST)
    pd.testing.assert_frame_equal(found.arm_verdicts, found.verdicts)


@pytest.mark.parametrize("table", ["arm_verdicts", "verdicts"])
@pytest.mark.parametrize(("word", "low", "high"), [("verdict", "", ""), ("verdict_f1", "f1_", "f1_")])
def test_a_row_is_decided_if_and_only_if_its_interval_says_so(comparison, table, word, low, high) -> None:
    margin, seen = comparison.settings.margin, set()
    for _, row in getattr(comparison, table).iterrows():
        start, end = row[f"{low}verdict_low"], row[f"{high}verdict_high"]
        inside = start > -margin and end < margin
        said = row[word]
        seen.add(said)
        if said in ("moves out", "moves in"):
            assert (start > 0) == (said == "moves out")
            assert (end < 0) == (said == "moves in")
        elif said in ("slides", "stays"):
            assert inside
        elif said == "undecided" and row[f"{low}rests_on"] == "gain":
            assert start <= 0 <= end
            assert not inside
    assert "moves out" in seen


def test_the_least_margin_is_what_a_gain_of_nothing_needs(runs) -> None:
    two = {arm: {seed: _masks(run, [0]) for seed, run in runs[arm].items()} for arm in ("bce", "shifted")}
    row = compare_arms(two, baseline="bce", settings=FAST).arm_verdicts.iloc[0]
    nothing = difference_of(np.zeros((2, 1)), np.zeros((2, 3, 1)))
    spread = type(nothing)(
        np.zeros(1),
        np.array([row["v_seed"]]),
        np.array([row["v_group"]]),
        int(row["n_seeds"]),
        int(row["n_groups"]),
        np.array([row["effective_groups"] - 1]),
    )
    assert spread.p_equivalence(row["smallest_margin"])[0] == pytest.approx(0.05, rel=1e-6)


def test_standard_error_is_obuchowski_and_rockettes() -> None:
    """MRMCaov's: Var(difference) = 2 / r (MS(T*R) + r max(Cov2 - Cov3, 0)), with jackknife covariances over cases."""
    rng = np.random.default_rng(3)
    readers, cases = 5, 40
    ratings = rng.standard_normal((2, readers, cases)) + rng.standard_normal(cases)
    ratings[0] += 0.8 * rng.standard_normal((1, cases)) + 0.3
    theta = ratings.mean(axis=2)
    left_out = (ratings.sum(axis=2, keepdims=True) - ratings) / (cases - 1)
    flat = left_out.reshape(2 * readers, cases)
    covariance = (cases - 1) ** 2 / cases * np.cov(flat)
    places = [(i, j) for i in range(readers) for j in range(readers) if i != j]
    same_test = [covariance[t * readers + i, t * readers + j] for t in (0, 1) for i, j in places]
    apart = [covariance[i, readers + j] for i, j in places]
    cov2, cov3 = np.mean(same_test), np.mean(apart)
    interaction = theta - theta.mean(axis=0) - theta.mean(axis=1, keepdims=True) + theta.mean()
    ms_tr = (interaction**2).sum() / (readers - 1)
    variance = 2 / readers * (ms_tr + readers * max(cov2 - cov3, 0.0))
    found = difference_of((theta[0] - theta[1])[:, None], (left_out[0] - left_out[1])[:, :, None])
    assert cov2 - cov3 > 0
    assert float(found.standard_error[0]) ** 2 == pytest.approx(variance, rel=1e-12)
    # Hillis' degrees of freedom are what is left of ours with endless groups.
    hillis = (ms_tr + readers * (cov2 - cov3)) ** 2 / (ms_tr**2 / (readers - 1))
    endless = difference_of((theta[0] - theta[1])[:, None], (left_out[0] - left_out[1])[:, :, None], 1e12)
    assert float(endless.df[0]) == pytest.approx(hillis, rel=1e-9)


def test_few_groups_keep_the_jackknife_of_the_mean() -> None:
    rng = np.random.default_rng(4)
    left_out = rng.standard_normal((3, 40, 1))
    per_seed = rng.standard_normal((3, 1))
    jackknife = 39 * left_out.mean(axis=0).var(axis=0)
    assert difference_of(per_seed, left_out, FEW_GROUPS - 0.1).v_group == pytest.approx(jackknife)
    shared = max(float(covariance_over_groups(left_out)[0]), 0.0)
    assert float(difference_of(per_seed, left_out, FEW_GROUPS).v_group[0]) == pytest.approx(shared)
    assert shared < jackknife


@pytest.mark.parametrize(
    ("weights", "df"),
    [([1.0] * 7, 6.0), ([5.0, 0.0, 0.0], 0.0), ([3.0, 3.0, 0.0], 1.0), ([50.0] * 3 + [1.0] * 61, 3.05)],
)
def test_degrees_of_freedom_of_groups(weights, df) -> None:
    assert group_df(weights) == pytest.approx(df, abs=0.01)
    assert group_df(np.array(weights) * 7.0) == pytest.approx(group_df(weights))


def test_a_few_large_groups_do_not_make_false_claims() -> None:
    """3 of 64 images 50 times as large: with G - 1 degrees of freedom coverage was .87, false claims .11 to .13."""
    rng = np.random.default_rng(6)
    weights = np.array([50.0] * 3 + [1.0] * 61)[None, :, None]
    effects = 0.1 * rng.standard_normal((1, 64, 4000)) + 0.02 * rng.standard_normal((5, 64, 4000))
    effects = effects + 0.002 * rng.standard_normal((5, 1, 4000))
    total, own = weights.sum(), weights * effects
    means = own.sum(axis=1) / total
    studies = difference_of(means, (own.sum(axis=1)[:, None] - own) / (total - weights), group_df(weights.ravel()))
    low, high = studies.interval()
    covered = ((low <= 0) & (high >= 0)).mean()
    assert covered > 0.93
    naive = stats.t.ppf(0.975, 63) * studies.standard_error
    assert (np.abs(studies.estimate) <= naive).mean() < 0.9


def test_an_arm_that_fails_in_one_mask_is_not_trained_and_its_other_masks_stay_open(runs) -> None:
    broken = {arm: dict(seeds) for arm, seeds in runs.items()}
    for seed, run in broken["better"].items():
        broken["better"][seed] = _constant(run, 2)
    found = compare_arms(broken, baseline="bce", settings=FAST)
    arms = found.arm_verdicts.set_index("arm")
    assert arms.loc["better", "verdict"] == "not trained"
    assert arms.loc["better", "mask"] == "mean of a and b"
    assert "c: better is not trained" in arms.loc["better", "reason"]
    masks = found.verdicts.set_index(["arm", "mask"])["verdict"]
    assert masks["better", "c"] == "not trained"
    assert "moves out" in (masks["better", "a"], masks["better", "b"])


def test_one_collapsed_seed_is_named_and_what_the_others_show_is_conditional(runs) -> None:
    broken = {arm: dict(seeds) for arm, seeds in runs.items()}
    broken["worse"][2] = _constant(broken["worse"][2], 0)
    found = compare_arms(broken, baseline="bce", settings=FAST)
    row = found.verdicts.set_index(["arm", "mask"]).loc[("worse", "a")]
    assert row["verdict"] == "not trained"
    assert "1 of 4 seeds of worse collapsed (seed 2" in row["reason"]
    assert "the 3 seeds that did train: AP -" in row["reason"]
    assert np.isnan(row["ap_gain_low"])
    assert row["n_trained_seeds"] == 3
    assert row["trained_seeds_gain_low"] < row["trained_seeds_gain"] < 0
    assert row["n_collapsed"] == 1
    clean = found.verdicts.set_index(["arm", "mask"]).loc[("better", "a")]
    assert clean["collapse_excluded"] == pytest.approx(1 - 0.05 ** (1 / 4))


def _masks(run, chosen):
    """Keep some masks of a run, under names of their own."""
    return _rebuilt(run, "xyz"[: len(chosen)], lambda part, image: [part.row(image, mask) for mask in chosen])


def _constant(run, lost):
    """Give every pixel of one mask the same score."""

    def rows(part, image):
        every = [part.row(image, mask) for mask in range(part.n_masks)]
        sums = (counts.sum(keepdims=True).astype(np.uint32) for counts in every[lost][1:])
        every[lost] = (np.array([40_000], np.uint16), *sums)
        return every

    return _rebuilt(run, run.test.masks, rows)


def _rebuilt(run, masks, rows):
    return type(run)(
        *(
            from_rows(
                tuple(masks),
                part.image_ids,
                part.group_ids,
                [row for image in range(part.n_images) for row in rows(part, image)],
            )
            for part in (run.val, run.test)
        )
    )
