"""Gain per added minute of training: by hand, from run.json and the verdicts."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from experiments.report.checklist.levers import lever_sentences, lever_table, time_table
from experiments.runs import store
from experiments.runs.store import Run
from experiments.runs.study import StudyRuns

EMPTY = pd.DataFrame()


def runs_of(**arms):
    """A study of times alone: arm -> what run.json says, per seed."""
    complete = {
        arm: {seed: Run(None, arm, seed, "complete", info, {}, {}) for seed, info in enumerate(infos)}
        for arm, infos in arms.items()
    }
    return StudyRuns("base", ("loss",), complete, EMPTY, EMPTY, EMPTY)


def times(*seconds, device="cpu", threads=1):
    return [{"fit_seconds": value, "device": device, "threads": threads} for value in seconds]


def test_added_minutes_are_paired_by_seed():
    study = runs_of(base=times(60, 120, 90), arm=times(90, 180, 90, 999))
    row = time_table(study).set_index("arm").loc["arm"]
    added = np.array([0.5, 1.0, 0.0])
    half = stats.t.ppf(0.975, 2) * added.std(ddof=1) / np.sqrt(3)
    assert row["added"] == pytest.approx(0.5)
    assert (row["added_low"], row["added_high"]) == pytest.approx((0.5 - half, 0.5 + half))
    assert (row["minutes"], row["baseline_minutes"], row["n_seeds"]) == pytest.approx((2.0, 1.5, 3))


def test_times_that_cannot_be_compared_are_left_out():
    study = runs_of(
        base=times(60, 60),
        gpu=times(6, 6, device="gpu"),
        threads=times(30, 30, threads=2),
        untimed=[{"device": "cpu", "threads": 1}] * 2,
        alike=times(60, 61),
        one=times(70),
    )
    table = time_table(study).set_index("arm")
    assert list(table.index) == ["alike", "one"]
    assert np.isnan(table.loc["one", "added_low"])


def test_levers_are_ranked_by_gain_per_added_minute(losses):
    table = lever_table([losses])
    thin = table[table["mask"] == "thin"]
    # 30 s and 4 min more for each seed: both costs are shown, and the cheap one gains more per minute.
    assert thin["arm"].tolist() == ["better", "slow"]
    assert thin["added"].tolist() == pytest.approx([0.5, 4.0])
    assert thin["cost"].tolist() == ["shown", "shown"]
    verdicts = losses.comparison.verdicts.set_index(["arm", "mask"])
    gains = [verdicts.loc[(f"loss={arm}", "thin"), "ap_gain"] for arm in ("better", "slow")]
    assert thin["per_minute"].tolist() == pytest.approx([gains[0] / 0.5, gains[1] / 4.0])
    assert gains[1] > gains[0]


def test_the_sentence_cites_gain_time_and_rate(losses):
    sentences = lever_sentences([losses], name_studies=False)
    table = lever_table([losses])
    assert (table["rank"] == "first").sum() == 2
    row = table.query("mask == 'thin'").iloc[0]
    gain = f"+{row['gain']:.3f} [+{row['gain_low']:.3f}, +{row['gain_high']:.3f}]"
    assert sentences[1].startswith(
        f"**Lever for thin, which is secondary, by AP: better** (most per added minute of training) gains {gain} AP "
        f"over bce (3 seeds) for "
        f"+0.50 min [+0.50, +0.50] on top of 1.02 min of training, {row['per_minute']:.3g} per added minute."
    )
    assert all("Also moved out: slow gains" in text for text in sentences)
    over = losses.comparison.arm_verdicts.set_index("arm").loc["loss=better"]
    ends = [over[f"headline_gain{end}"] for end in ("", "_low", "_high")]
    assert (
        "better** (most per added minute of training) gains {:+.3f} [{:+.3f}, {:+.3f}] AP".format(*ends) in sentences[0]
    )
    # Tuned F1 moves the same arms out: nothing is told twice.
    wheres = [text.split(",")[0] for text in sentences]
    assert wheres == ["**Lever over all 2 masks", "**Lever for thin", "**Lever for dots"]


def test_a_cost_that_is_not_shown_comes_first_and_an_unknown_one_is_not_ranked(make):
    bce = {"_target_": "losses.WeightedBCELoss", "pos_weight": 1.0}
    arms = {
        "loss=bce": (bce, {}, {"fit_seconds": 60.0}),
        "loss=dear": ({"_target_": "my.Dear"}, {"gain": 0.6}, {"fit_seconds": 61.0}),
        "loss=free": ({"_target_": "my.Free"}, {"gain": 0.3}, {"fit_seconds": 60.0}),
        "loss=timeless": ({"_target_": "my.Timeless"}, {"gain": 0.9}, {}),
    }
    item = make("costs", arms, masks=("thin",))
    assert lever_table([item])[["arm", "cost"]].to_numpy().tolist() == [
        ["free", "none shown"],
        ["dear", "shown"],
        ["timeless", "unknown"],
    ]
    (text,) = lever_sentences([item], name_studies=False)
    assert "free** (the largest gain without a shown cost in training time)" in text
    assert "timeless gains" in text
    assert "its training time is not known" in text


def test_none_is_said_with_the_counts(sweep):
    assert lever_sentences([sweep], name_studies=False) == [
        "**Lever: none moved the frontier out, by AP, over all 2 masks.** Of 3 arms 3 slide. Mask by mask, 6 slide."
    ]


def test_a_study_of_the_baseline_alone_says_nothing(make):
    alone = make("alone", {"loss=bce": ({"_target_": "losses.WeightedBCELoss", "pos_weight": 1.0}, {}, {})}, seeds=2)
    assert lever_sentences([alone], name_studies=False) == []


def test_times_are_read_from_disk(losses):
    folder = losses.study.complete["loss=slow"][2].folder
    assert store.read_info(folder)["fit_seconds"] == 302.0
