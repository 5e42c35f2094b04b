"""What a report tells its reader to do rests on the verdicts and on the points of the same comparison."""

import shlex
from dataclasses import replace

import numpy as np
import pytest

from experiments.inference.looks import Looks
from experiments.report.text.recommendation import recommendations

BCE, WORSE, WEIGHTED = "loss=bce", "loss=worse", "loss=weighted_bce"
RECORDED = (
    "python -m experiments.train loss=bce study=losses 'model.decoder_channels=[8,4]' seed=0 study_dir=/elsewhere "
    "'study.seeds=[0,1,2]'"
)


@pytest.fixture
def drawn(drawn_study):
    """The shared study, whose runs have recorded the command that made them."""
    study, comparison = drawn_study
    complete = {
        arm: {
            seed: replace(run, info={**run.info, "command": RECORDED.replace(BCE, arm)}) for seed, run in runs.items()
        }
        for arm, runs in study.complete.items()
    }
    return replace(study, complete=complete), comparison


def judged(comparison, **columns):
    """The comparison with other verdicts of its two arms."""
    table = comparison.arm_verdicts.assign(**columns)
    return replace(comparison, arm_verdicts=table)


UNDECIDED = {"verdict": "undecided", "verdict_f1": "undecided", "headline_gain": 0.01}


def test_the_baseline_is_kept_at_its_tuned_thresholds(drawn):
    study, comparison = drawn
    decided = judged(comparison, verdict=["moves in", "slides"], verdict_f1=["moves in", "slides"])
    (keep,) = recommendations(study, decided)
    points = comparison.points[(comparison.points["arm"] == BCE) & comparison.points["mask"].isin(comparison.masks)]
    tuned = points[points["operating_point"] == "tuned"]
    for mask, rows in tuned.groupby("mask"):
        assert f"{1 / (1 + np.exp(-rows['threshold'].mean())):.2f} ({mask})" in keep.text
    f1 = [points.loc[points["operating_point"] == point, "f1"].mean() for point in ("natural", "tuned")]
    assert f"F1 {f1[0]:.2f} -> {f1[1]:.2f}, no retraining" in keep.text
    assert keep.text.startswith("Keep **bce** and ")
    folder = study.reference.folder.parent.parent
    assert shlex.split(keep.command) == ["python", "-m", "experiments.thresholding", f"study.source={folder}"]


@pytest.mark.parametrize(("better", "told"), [(0.0, "leaves F1 at 0.70"), (-0.1, "takes F1 from 0.70 to 0.60")])
def test_a_tuned_threshold_that_helps_nothing_is_not_recommended(drawn, better, told):
    study, comparison = drawn
    points = comparison.points.assign(f1=np.where(comparison.points["operating_point"] == "natural", 0.7, 0.7 + better))
    decided = replace(judged(comparison, verdict="moves in", verdict_f1="moves in"), points=points)
    (keep,) = recommendations(study, decided)
    assert keep.text == f"Keep **bce** at threshold 0.50; the one tuned on validation {told}."


def test_without_validation_there_is_no_tuned_threshold(drawn):
    study, comparison = drawn
    points = comparison.points.assign(f1=comparison.points["f1"].where(comparison.points["operating_point"] != "tuned"))
    decided = replace(judged(comparison, verdict="moves in", verdict_f1="moves in"), points=points)
    assert recommendations(study, decided)[0].text == "Keep **bce** at threshold 0.50."


def test_what_moves_out_is_used_the_largest_gain_first(drawn):
    study, comparison = drawn
    ends = {"verdict_low": 0.01, "verdict_high": 0.05}
    better = judged(comparison, verdict="moves out", headline_gain=[0.02, 0.04], worse_at_recall="0.90, 0.95", **ends)
    (use,) = recommendations(study, better)
    arm = str(comparison.arm_verdicts["arm"].iloc[1])
    assert use.text.startswith(f"Use **{arm.removeprefix('loss=')}**: AP +0.04 [+0.01, +0.05] against **bce**. ")
    assert use.text.endswith(" At recall 0.90 and 0.95 its precision is lower.")
    assert "no retraining" not in use.text
    assert use.command == (
        f"python -m experiments.train {arm} study=losses 'model.decoder_channels=[8,4]' seed=0 study_dir=outputs/chosen"
    )


def test_weights_on_disk_are_used_as_they_are(drawn):
    study, comparison = drawn
    run = study.complete[WORSE][0]
    there = replace(run, info={**run.info, "artifacts": {"checkpoint.pt": {}}})
    study = replace(study, complete={**study.complete, WORSE: {0: there}})
    better = judged(comparison, verdict="moves out", headline_gain=[0.1, 0.5])
    assert str(comparison.arm_verdicts["arm"].iloc[1]) == WORSE
    (use,) = recommendations(study, better)
    words = shlex.split(use.command)
    assert words[:3] == ["python", "-m", "experiments.predict"]
    assert f"run={run.folder}" in words
    assert ("threshold=natural" in words) == ("Keep its threshold" in use.text)


def test_what_moves_tuned_f1_alone_is_for_one_threshold(drawn):
    study, comparison = drawn
    better = judged(comparison, verdict="slides", verdict_f1=["slides", "moves out"])
    use, keep = recommendations(study, better)
    assert use.text.startswith("For one operating point, use **")
    assert "tuned F1 " in use.text
    assert keep.text.startswith("Else keep **bce**")


def test_what_crosses_is_chosen_by_recall(drawn):
    study, comparison = drawn
    crossing = judged(
        comparison, verdict="crosses", verdict_f1="undecided", reason="better at recall 0.90, worse at 0.10"
    )
    choose, keep = recommendations(study, crossing)
    assert choose.text.endswith("is better at recall 0.90, worse at 0.10.")
    assert keep.text.startswith("Else keep **bce**")


def test_more_seeds_are_those_for_an_even_chance(drawn):
    study, comparison = drawn
    open_ = judged(comparison, **UNDECIDED, needed_seeds=[20.0, 5.0])
    near, far = reversed(list(comparison.arm_verdicts["arm"]))
    _, more = recommendations(study, open_)
    first, second = near.removeprefix("loss="), far.removeprefix("loss=")
    assert more.text.endswith(f"5 (**{first}**), 20 (**{second}**). The command is for **{first}**.")
    assert shlex.split(more.command)[3:] == [
        "study=losses",
        "model.decoder_channels=[8,4]",
        f"loss=bce,{near.removeprefix('loss=')}",
        "seed=0,1,2,3,4",
        f"study_dir={study.reference.folder.parent.parent}",
    ]
    many = judged(comparison, **UNDECIDED, needed_seeds=40.0)
    assert " 'seed=range(0,40)' " in recommendations(study, many)[1].command
    nothing = judged(comparison, **UNDECIDED, needed_seeds=np.inf, needed_groups=np.inf)
    assert len(recommendations(study, nothing)) == 1
    images = judged(comparison, **UNDECIDED, needed_seeds=np.inf, needed_groups=[np.inf, 90.0])
    assert "About 90 test groups instead of 12" in recommendations(study, images)[1].text


def test_arms_that_chose_their_learning_rate_are_named_without_it(drawn):
    study, comparison = drawn
    first = study.complete[BCE][0]
    tuned = replace(first, info={**first.info, "nuisance": ["optimizer.lr"]})
    complete = {**study.complete, BCE: {**study.complete[BCE], 0: tuned}}
    study = replace(study, axes=("loss", "optimizer.lr"), complete=complete)
    open_ = judged(comparison, **UNDECIDED, needed_seeds=[20.0, 5.0])
    near = str(comparison.arm_verdicts["arm"].iloc[1])
    more = recommendations(study, open_)[1]
    assert f" loss=bce,{near.removeprefix('loss=')} " in more.command
    assert more.text.endswith(f"The command is for **{near.removeprefix('loss=')}**.")


def test_a_command_that_cannot_name_its_arms_is_not_said_to_be_for_some(drawn):
    study, comparison = drawn
    study = replace(study, axes=("loss", "sampling"))
    more = recommendations(study, judged(comparison, **UNDECIDED, needed_seeds=[20.0, 5.0]))[1]
    assert " loss=" not in more.command
    assert "The command is for" not in more.text


@pytest.mark.parametrize(
    ("gains", "named", "of"),
    [
        ([0.01, -0.39], [0], " of what gains so far"),
        ([-0.39, 0.01], [1], " of what gains so far"),
        ([-0.02, -0.01], [1, 0], ""),
        ([0.02, 0.01], [1, 0], ""),
    ],
)
def test_seeds_are_for_what_gains_so_far(drawn, gains, named, of):
    study, comparison = drawn
    open_ = judged(comparison, **{**UNDECIDED, "headline_gain": gains}, needed_seeds=[20.0, 5.0])
    more = recommendations(study, open_)[1].text
    arms = [
        f"{(20, 5)[each]} (**{comparison.arm_verdicts['arm'].iloc[each].removeprefix('loss=')}**)" for each in named
    ]
    assert more.startswith(
        f"To decide more{of}, train more seeds, once. Seeds in all for an even chance of a verdict: {', '.join(arms)}."
    )


def test_images_are_for_what_gains_so_far_even_if_seeds_would_decide_the_rest(drawn):
    study, comparison = drawn
    open_ = judged(
        comparison,
        **{**UNDECIDED, "headline_gain": [0.01, -0.39]},
        needed_seeds=[np.inf, 5.0],
        needed_groups=[90.0, np.inf],
    )
    assert "About 90 test groups instead of 12" in recommendations(study, open_)[1].text


def test_stages_are_finished_and_then_left_alone(drawn):
    study, comparison = drawn
    looks = Looks.of([2, 3], [0, 1, 2])
    staged = replace(comparison, settings=replace(comparison.settings, looks=looks))
    waiting = judged(staged, **UNDECIDED, look=[1, 2], needed_seeds=9.0)
    assert "Run the study's command again" in recommendations(study, waiting)[1].text
    done = judged(staged, **UNDECIDED, look=2, needed_seeds=4.0)
    fresh = recommendations(study, done)[1]
    assert "start a new study" in fresh.text
    assert "seed=3,4,5,6 study_dir=outputs/more_seeds" in fresh.command


def test_one_seed_is_not_enough(make_study):
    study, comparison = make_study(seeds=(4,), examples=False, history=False)
    keep, more = recommendations(study, comparison)
    assert keep.text.startswith("Keep **bce**")
    assert more.text == "Train 3 seeds of every loss: fewer have no interval."
    assert more.command == ""  # its runs recorded none


def test_what_is_not_trained_comes_before_everything(drawn):
    study, comparison = drawn
    scores = comparison.scores
    flat = (scores["arm"] == BCE) & (scores["mask"] == "dots")
    untrained = replace(comparison, scores=scores.assign(trained=~flat))
    (only,) = recommendations(study, untrained)
    assert only.text.startswith("Train **bce** before comparing: on dots it is not")


def test_a_baseline_alone_is_still_tuned(make_study):
    study, comparison = make_study(arms={BCE: ({"_target_": "losses.WeightedBCELoss", "pos_weight": 1.0}, 0.0, 0.0)})
    (keep,) = recommendations(study, comparison)
    assert keep.text.startswith("Keep **bce** ")


def test_scores_in_memory_have_no_command():
    from experiments.comparison import compare_scores

    rng = np.random.default_rng(0)
    targets = [rng.random((30, 30)) < 0.1 for _ in range(4)]
    maps = {seed: [2 * target + rng.normal(size=target.shape) for target in targets] for seed in range(2)}
    compared = compare_scores({"bce": maps, "same": maps}, targets)
    assert {item.command for item in recommendations(compared.runs, compared.comparison)} == {""}
