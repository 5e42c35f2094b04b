"""Captions state what their numbers rest on."""

from dataclasses import replace

import matplotlib.pyplot as plt
import pytest

from experiments.report.facts import StudySize, correction, counted
from experiments.report.figures.examples import ExampleDisplay
from experiments.report.figures.gains import ForestDisplay
from experiments.report.figures.panels import draw_on_seesaw, seesaw_handles
from experiments.report.figures.training import TrainingDisplay
from experiments.report.published import PublishedPoint
from experiments.report.summary.paper import latex_table


def test_counts_are_written_with_their_noun():
    assert [counted(each, "seed") for each in ([1], [5, 5], [5, 3], [0], [0, 1])] == [
        "1 seed",
        "5 seeds",
        "3 to 5 seeds",
        "0 seeds",
        "0 to 1 seed",
    ]
    assert correction(1) == "Holm over all arms, and over masks behind them"
    assert correction(3) == "Holm over all arms, and over masks behind them and Bonferroni over 3 conditions"


def test_captions_of_verdicts_name_every_correction(drawn_study):
    study, alone = drawn_study
    beside = replace(alone, settings=replace(alone.settings, n_comparisons=4))
    assert "level 0.05 after Holm over all arms, and over masks behind them" in ForestDisplay.of(study, alone).caption
    assert "Bonferroni" not in ForestDisplay.of(study, alone).caption
    assert "over masks behind them and Bonferroni over 4 conditions" in ForestDisplay.of(study, beside).caption
    assert "Bonferroni over 4 conditions" in latex_table(beside, {arm: arm for arm in study.complete})
    assert StudySize.of(study, beside).text == "3 seeds, 12 test images"


def test_the_gains_are_on_linear_axes_with_zero_labelled(drawn_study, axes_of):
    axes = axes_of(3)
    ForestDisplay.of(*drawn_study).plot(axes)
    assert axes[1].get_xlim() == axes[2].get_xlim()
    for ax in axes:
        assert ax.get_xscale() == "linear"
        low, high = ax.get_xlim()
        shown = [tick for tick in ax.get_xticks() if low <= tick <= high]
        assert 0 in shown
        assert len(shown) > 1
        labels = [float(text.get_text().replace("\N{MINUS SIGN}", "-")) for text in ax.get_xticklabels()]
        assert labels == pytest.approx(list(ax.get_xticks()))


def test_axes_of_training_curves_say_what_they_are(drawn_study, axes_of):
    display = TrainingDisplay.of(*drawn_study)
    apart = display.table["arm"].map({arm: 1.0 + place / 100 for place, arm in enumerate(display.names)})
    table = display.table.assign(lr=display.table["lr"] * apart, foreground_thin=0.02 * apart)
    display = TrainingDisplay(table, display.names, display.baseline, display.size)
    axes = axes_of(5)
    display.plot(axes)
    named = {ax.get_title(): ax.get_ylabel() for ax in axes}
    assert named == {
        "bce": "loss",
        "weighted_bce": "loss",
        "worse": "loss",
        "learning rate": "",
        "seen: thin": "positive pixels, %",
    }
    shown = axes[-1].yaxis.get_major_formatter()(0.02, 0)
    assert shown == "2"
    assert "Seen: the share of positive pixels" in display.caption
    assert "Seen" not in TrainingDisplay.of(*drawn_study).caption


def test_the_f1_of_an_example_says_that_it_is_of_one_image(drawn_study, axes_of):
    display = ExampleDisplay.of(*drawn_study)
    axes = axes_of(12)
    display.plot(axes)
    assert axes[0].get_ylabel() == f"best image\nbce F1 {display.choice.baseline_f1[0]:.2f}"
    own = display.table.query("role == 'best' and arm == 'loss=bce'")["f1"].mean()
    assert axes[2].get_xlabel() == f"image F1 {own:.2f}"
    assert "counts the pixels of all test images together" in display.caption


def test_published_points_of_one_weight_are_numbered_as_in_the_legend():
    points = [PublishedPoint(f"note, curve {i}", 0.96, f1, weight=42) for i, f1 in ((1, 0.37), (2, 0.26))]
    assert [handle.get_label() for handle in seesaw_handles(points)] == [
        "R, F, P 1: note, curve 1 (another system)",
        "R, F, P 2: note, curve 2 (another system)",
    ]
    figure, (both, one) = plt.subplots(1, 2)
    draw_on_seesaw(both, points, "thin")
    draw_on_seesaw(one, points[:1], "thin")
    assert [text.get_text() for text in both.texts if text.get_text().isdigit()] == ["1", "2"]
    assert not any(text.get_text().isdigit() for text in one.texts)
    plt.close(figure)
