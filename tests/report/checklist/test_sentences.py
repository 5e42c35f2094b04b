"""The checklist: every sentence with its numbers, none without its evidence."""

import re
from dataclasses import replace

import pandas as pd
import pytest

from experiments.config import ConfigError
from experiments.inference.looks import Looks
from experiments.report.checklist.evidence import TRAIN_PRESENCE
from experiments.report.checklist.next_steps import next_sentences
from experiments.report.checklist.report import checklist_markdown, report_checklist
from experiments.report.checklist.sentences import checklist, imbalance_sentences, weight_sentences
from experiments.report.text.wording import with_interval
from experiments.runs import store
from experiments.runs.presence import Presence

BCE = {"_target_": "losses.WeightedBCELoss", "pos_weight": 1.0}


def starting(sentences, lead):
    return [text for text in sentences if text.startswith(f"**{lead}")]


def test_every_sentence_has_numbers(losses, sweep):
    sentences = checklist([losses, sweep])
    assert len(sentences) > 4
    assert all(re.search(r"\d", text) for text in sentences)


def test_per_example_imbalance_is_measured_from_the_test_images(losses):
    (text,) = imbalance_sentences(losses)
    assert text.startswith(
        "**Imbalance: per example, not by count, for thin and dots.** Thin is in 16 of 16 test images"
    )
    positives, negatives = losses.study.reference.scores["test"].pixel_counts()
    share = positives[:, 0].sum() / (positives + negatives)[:, 0].sum()
    assert f"{100 * share:.2g} % of all pixels" in text
    assert "thin 100%, dots 100%" in text


def test_imbalance_by_count_and_a_training_split_that_decides(make):
    few = make("few", {"loss=bce": (BCE, {}, {})}, masks=("thin",), bare=14, seeds=1)
    found = few.presence("thin")["test"]
    assert (found.n_present, found.n_images) == (2, 16)
    # 5 % in 2 of 16 images: ln(1 / .05) of ln(1 / (.05 / 8)) lies within.
    assert found.per_example == pytest.approx(0.59, abs=0.01)
    assert imbalance_sentences(few)[0].startswith("**Imbalance: both per example and by count, for thin.**")
    train = {"thin": Presence.of([100] + [0] * 9, [100] * 10).to_json()}
    known = make("known", {"loss=bce": (BCE, {}, {})}, masks=("thin",), bare=14, seeds=1, info={TRAIN_PRESENCE: train})
    (text,) = imbalance_sentences(known)
    assert text.startswith(
        "**Imbalance: by count, not per example, for thin.** Thin is in 1 of 10 training images and fills 100 % of"
    )
    assert "is in 2 of 16 test images" in text


def test_a_mask_without_a_positive_pixel_has_no_sentence(make):
    none = make("none", {"loss=bce": (BCE, {}, {})}, masks=("thin",), bare=16, seeds=1)
    assert checklist([none]) == []


def test_the_weight_sentence_cites_the_steps(sweep):
    thin = weight_sentences(sweep)[0]
    steps = sweep.sweep.steps.query("mask == 'thin'")
    assert steps["step"].tolist() == ["rises", "falls", "falls"]
    assert thin.startswith("**Weight, thin: F1 has stopped rising.** Natural F1 is highest at weight 3")
    for row, words in ((steps.iloc[0], "the last that rises is 1 -> 3"), (steps.iloc[1], "that falls is 3 -> 9")):
        assert f"{words} ({with_interval(row, 'f1_change')})" in thin
    mark = sweep.sweep.marks.iloc[0]
    assert f"Theory's weight for F1 is {mark['right_weight']:.2g}" in thin
    assert "the inverse class frequency 19." in thin
    assert "verdict slides, tuned F1" in thin
    assert "More weight is not the tool to try next." in thin


def test_f1_that_still_rises_is_not_told_to_stop(make):
    arms = {
        f"loss.pos_weight={w}": ({**BCE, "pos_weight": w}, {"shift": s}, {}) for w, s in ((1, -4), (2, -2.5), (4, -1))
    }
    rising = make("rising", arms, axes=("loss.pos_weight",), masks=("thin",))
    (text,) = weight_sentences(rising)
    assert text.startswith("**Weight, thin: F1 still rises.** Natural F1 is highest at weight 4")
    assert "the last that rises is 2 -> 4" in text
    assert "not the tool" not in text
    one_seed = make("one", arms, axes=("loss.pos_weight",), masks=("thin",), seeds=1)
    (text,) = weight_sentences(one_seed)
    assert text.startswith("**Weight, thin: F1 is not shown to rise or to fall.**")
    assert "none is shown to rise or to fall; the last is 2 -> 4" in text


def test_without_a_sweep_there_is_no_weight_sentence(losses):
    assert starting(checklist([losses]), "Weight") == []


def test_what_only_slides_is_met_by_a_threshold(sweep):
    text = next_sentences([sweep], name_studies=False)[0]
    assert text.startswith("**Next: tune the threshold, which needs no training.** thin: pos_weight=1 has F1 ")
    points = sweep.comparison.points.query("arm == 'loss.pos_weight=1' and mask == 'thin'").set_index(
        ["operating_point", "seed"]
    )
    change = points.loc["tuned", "f1"] - points.loc["natural", "f1"]
    assert f"({change.mean():+.3f}, {change.min():+.3f} to {change.max():+.3f} over 3 seeds)" in text
    assert "What only slides (gain inside ±0.01) differs from that, at its own tuned threshold: pos_weight=3 by" in text


def test_a_mask_that_something_moved_out_needs_no_threshold_first(losses):
    assert starting(next_sentences([losses], name_studies=False), "Next: tune") == []
    assert starting(next_sentences([losses], name_studies=False), "Next: another lever") == []


def undecided(item, *, words, **columns):
    """A study whose arms have other verdicts, over all masks."""
    arms = pd.concat([item.comparison.arm_verdicts] * 2, ignore_index=True).assign(verdict=words, **columns)
    return replace(item, comparison=replace(item.comparison, arm_verdicts=arms))


def test_undecided_arms_ask_once_for_the_seeds_that_may_decide_half_of_them(losses):
    words = ["undecided"] * 5 + ["slides"]
    item = undecided(losses, words=words, needed_seeds=[9.0, float("inf"), 5.0, 21.0, 6.0, float("nan")])
    (text,) = starting(next_sentences([item], name_studies=False), "Next: more seeds, once")
    masks = (losses.comparison.verdicts["verdict"] == "undecided").sum()
    assert f"5 of 6 arms are undecided over all masks ({masks} of 6 arms x masks) with 3 seeds" in text
    first = losses.comparison.arm_verdicts["arm"].iloc[0].partition("=")[2]
    assert f"{first} 9" in text
    assert "For 1 more, seeds alone would not do." in text
    assert "would give an even chance of deciding" in text
    # 6 is the second of 5, 6, 9, 21
    assert "The same command with `seed=0,1,2,3,4,5` gives that chance to 2 of these 4" in text
    assert "Fix the number before you look" in text
    assert "declares both looks before it starts, such as `study.stages=[3,6]`." in text
    item = undecided(losses, words=words, needed_seeds=float("inf"), needed_groups=[300.0, 200.0, *[float("inf")] * 4])
    (text,) = starting(next_sentences([item], name_studies=False), "Next: more test images")
    nearest = losses.comparison.arm_verdicts["arm"].iloc[1].partition("=")[2]
    assert "5 of 6 arms are undecided over all masks" in text
    assert (
        f"About 200 test groups in all, in place of 16, would give an even chance of deciding the nearest, {nearest}."
        in text
    )


def test_a_study_in_stages_is_finished_and_not_looked_at_again(losses):
    settings = replace(losses.comparison.settings, looks=Looks.of([2, 3], [0, 1, 2]))
    words, texts = ["undecided", "undecided", "slides"], []
    for look in (1, 2):
        arms = losses.comparison.arm_verdicts.assign(verdict=words, look=look, needed_seeds=7.0)
        item = replace(losses, comparison=replace(losses.comparison, settings=settings, arm_verdicts=arms))
        texts.append(" ".join(next_sentences([item], name_studies=False)))
    first, second = (losses.arm_names[arm] for arm in losses.comparison.arm_verdicts["arm"][:2])
    assert f"Next: finish the 2 looks that this study declared.** Undecided so far: {first}, {second}." in texts[0]
    assert "Next: no more seeds for this study.** 2 of 3 arms are undecided over all masks" in texts[1]
    assert not any("Next: more seeds" in text for text in texts)


def test_a_mask_alone_that_is_undecided_asks_for_nothing(losses):
    verdicts = losses.comparison.verdicts.assign(verdict="undecided", needed_seeds=9.0)
    arms = losses.comparison.arm_verdicts.assign(verdict="slides")
    item = replace(losses, comparison=replace(losses.comparison, verdicts=verdicts, arm_verdicts=arms))
    assert starting(next_sentences([item], name_studies=False), "Next: more") == []


def test_one_seed_asks_for_more(make):
    arms = {"loss=bce": (BCE, {}, {}), "loss=other": ({"_target_": "my.Other"}, {"gain": 0.5}, {})}
    sentences = next_sentences([make("single", arms, seeds=1)], name_studies=False)
    assert any("One seed decides nothing; finish the study with `seed=0,1,2`" in text for text in sentences)


def test_levers_that_were_not_pulled_are_proposed(sweep, make):
    (text,) = starting(next_sentences([sweep], name_studies=False), "Next: another lever")
    assert "changed: loss.pos_weight. Not tried on these data: `python -m experiments.train study=sampling` or" in text
    arms = {"sampling=uniform": (BCE, {}, {}), "sampling=rich": (BCE, {"shift": 1.0}, {})}
    sampling = make("sampling", arms, axes=("sampling",))
    (text,) = starting(next_sentences([sweep, sampling], name_studies=True), "Next: another lever")
    assert "changed: loss.pos_weight, sampling." in text
    assert "`python -m experiments.train study=losses`, with" in text
    assert "study=sampling" not in text


def test_a_crossing_is_a_choice(losses):
    verdicts = losses.comparison.verdicts.copy()
    verdicts.loc[0, ["verdict", "reason"]] = ["crosses", "better at recall 0.40-0.60, worse at recall 0.90; AP +0.001"]
    item = replace(losses, comparison=replace(losses.comparison, verdicts=verdicts))
    (text,) = starting(next_sentences([item], name_studies=False), "Next: choose")
    assert text.startswith("**Next: choose better or bce on thin by the recall you need.** Their frontiers cross: ")
    assert "better is better at recall 0.40-0.60" in text
    verdict = verdicts.loc[0]
    assert ("Its tuned F1 is" in text) == (verdict["verdict_f1"] in ("moves out", "moves in"))


def test_an_arm_that_crosses_over_all_masks_is_told_before_its_masks(losses):
    reason = "better at recall 0.40-0.60, worse at recall 0.90; AP +0.001"
    arms, masks = losses.comparison.arm_verdicts.copy(), losses.comparison.verdicts.copy()
    for table in (arms, masks):
        table.loc[0, ["verdict", "reason"]] = ["crosses", reason]
    item = replace(losses, comparison=replace(losses.comparison, verdicts=masks, arm_verdicts=arms))
    texts = starting(next_sentences([item], name_studies=False), "Next: choose")
    assert [text.split(" by the recall")[0].split(" or bce ")[1] for text in texts] == ["over all masks", "on thin"]


def test_several_studies_are_told_together_on_the_same_data_and_apart_on_others(losses, sweep, make):
    other = make("elsewhere", {"loss=bce": (BCE, {}, {})}, masks=("crack",), train="R2", test="T2", seeds=2)
    together = checklist([losses, sweep])
    assert len(starting(together, "Imbalance")) == 1
    assert starting(together, "Weight (weights), thin")
    assert "better (losses)" in starting(together, "Lever")[0]
    apart = checklist([losses, sweep, other])
    assert [text.split(":")[0] for text in starting(apart, "Imbalance")] == [
        "**Imbalance (losses and weights)",
        "**Imbalance (elsewhere)",
    ]


def test_studies_of_one_name_are_told_apart(losses):
    text = checklist_markdown([losses, losses])
    assert re.search(r"losses \(1\): 4 arms, 3 seeds, 16 test images in 16 groups, baseline bce", text)
    assert "losses (2):" in text


def test_the_page_is_written(losses, sweep, report, tmp_path, capsys):
    folders = [item.study.reference.folder.parents[1] for item in (losses, sweep)]
    report_checklist(folders, tmp_path, report)
    text = (tmp_path / "checklist.md").read_text()
    assert text.startswith("# Checklist\n\n- **Imbalance: per example")
    assert "- weights: 4 arms, 3 seeds, 16 test images in 16 groups, baseline pos_weight=1" in text
    assert text in capsys.readouterr().out
    with pytest.raises(ConfigError, match="study_dir: expected a folder of runs"):
        report_checklist([tmp_path / "nowhere"], tmp_path, report)


def test_missing_runs_are_counted(make):
    item = make("holes", {"loss=bce": (BCE, {}, {}), "loss=other": ({"_target_": "my.Other"}, {}, {})}, seeds=2)
    hole = item.study.complete["loss=other"][1].folder
    store.write_json(hole / store.RUN_FILE, {"status": "failed", "axes": ["loss"], "baseline": "loss=bce"})
    from experiments.runs.study import load_study

    study = load_study(hole.parents[1])
    assert "1 missing or failed" in checklist_markdown([replace(item, study=study)])
