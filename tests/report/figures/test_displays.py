"""Each figure draws the comparison's numbers."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgba

from experiments.frontier.roc import roc_auc, roc_tables
from experiments.report.figures.band import BandDisplay
from experiments.report.figures.examples import OUTCOMES, ExampleDisplay
from experiments.report.figures.frontier import FrontierDisplay
from experiments.report.figures.gains import ForestDisplay
from experiments.report.figures.slide import DecompositionDisplay, SlideDisplay
from experiments.report.figures.slide_step import SlideStepDisplay
from experiments.report.figures.style import arm_handles, arm_styles, typeset_change
from experiments.report.figures.textbook.averages import AveragesDisplay
from experiments.report.figures.textbook.calibration import CalibrationDisplay
from experiments.report.figures.textbook.roc import RocDisplay
from experiments.report.figures.training import TrainingDisplay

PANELS = {
    SlideStepDisplay: 1,
    FrontierDisplay: 2,
    SlideDisplay: 4,
    BandDisplay: 4,
    DecompositionDisplay: 2,
    ForestDisplay: 3,
    RocDisplay: 1,
    AveragesDisplay: 4,
    CalibrationDisplay: 4,
    TrainingDisplay: 3,
    ExampleDisplay: 12,
}


def points(ax):
    """Every vertex of the lines of an axes, rounded."""
    return {tuple(np.round(xy, 9)) for line in ax.lines for xy in np.asarray(line.get_xydata(), dtype=float)}


def texts(ax):
    return [text.get_text() for text in ax.texts]


def row_of(table, arm, mask):
    return table[(table["arm"] == arm) & (table["mask"] == mask)].iloc[0]


@pytest.mark.parametrize("kind", PANELS, ids=lambda kind: kind.__name__)
def test_every_figure_draws_into_given_axes_and_says_what_it_rests_on(drawn_study, axes_of, kind):
    display = kind.of(*drawn_study)
    axes = axes_of(PANELS[kind])
    assert display.plot(axes) is axes[0].figure
    assert "3 seeds" in display.caption or "seed 0" in display.caption
    assert "12 test images" in display.caption or kind in (TrainingDisplay, ExampleDisplay)
    assert len(display.table)
    with pytest.raises(ValueError, match=f"axes: expected {PANELS[kind]}, one per .*, got {PANELS[kind] + 1}"):
        display.plot(axes_of(PANELS[kind] + 1))


def test_slide_goes_to_the_baselines_point_at_the_arms_recall_and_steps_to_the_arm(drawn_study, axes_of):
    study, comparison = drawn_study
    ax = axes_of(4)
    SlideDisplay.of(study, comparison).plot(ax)  # arms in the order of the study, all of the first mask first
    row = row_of(comparison.slides, "loss=weighted_bce", "thin")
    panel = next(a for a in ax if a.get_title() == "weighted_bce, thin")
    start = (row["baseline_natural_recall"], row["baseline_natural_precision"])
    end = (row["natural_recall"], row["natural_precision"])
    foot = (end[0], end[1] - row["precision_gain"])
    assert {tuple(np.round(point, 9)) for point in (start, foot, end)} <= points(panel)
    assert any("slide +1.4 logit" in text for text in texts(panel))  # ln 4, as it was put in


def test_an_unreachable_recall_has_no_slide(drawn_study, axes_of):
    study, comparison = drawn_study
    display = SlideDisplay.of(study, comparison)
    slides = display.slides.assign(status="unreachable for loss=bce in 1 of 3 seeds", precision_gain=np.nan)
    axes = axes_of(4)
    type(display)(slides, display.curves, display.names, display.baseline, display.masks, display.size).plot(axes)
    assert all(texts(ax) == ["no slide:\nunreachable"] for ax in axes)


def test_slide_step_puts_every_arm_and_mask_at_its_slide_and_step(drawn_study, axes_of):
    study, comparison = drawn_study
    display, axes = SlideStepDisplay.of(study, comparison), axes_of(1)
    display.plot(axes)
    places = comparison.slides[["shift", "precision_gain"]].to_numpy()
    assert len(places) == 4
    assert {tuple(np.round(place, 9)) for place in places} <= points(axes[0])
    assert {"weighted_bce", "worse", "ln 4"} == set(texts(axes[0]))
    ends = {tuple(np.round(line[:, 1], 9)) for lines in axes[0].collections for line in _segments(lines)}
    assert {
        tuple(np.round(each, 9)) for each in display.table[["precision_gain_low", "precision_gain_high"]].to_numpy()
    } <= ends


def test_slide_step_names_what_it_cannot_draw(drawn_study):
    study, comparison = drawn_study
    slides = comparison.slides.copy()
    thin = (slides["arm"] == "loss=worse") & (slides["mask"] == "thin")
    slides.loc[thin, ["shift", "precision_gain"]] = np.nan
    display = SlideStepDisplay.of(study, replace(comparison, slides=slides))
    assert "Without a point, because bce does not reach that recall: worse (thin)." in display.caption
    assert SlideStepDisplay.of(study, replace(comparison, slides=slides.assign(shift=np.nan))) is None


def _segments(lines):
    return [np.asarray(line) for line in lines.get_segments()] if hasattr(lines, "get_segments") else []


def test_the_close_up_is_of_the_mask_with_the_widest_spread_and_holds_every_operating_point(drawn_study, axes_of):
    whole = FrontierDisplay.of(*drawn_study)
    display = whole.close_up()
    means = whole.curves.groupby(["mask", "arm"])["precision"].mean().unstack()
    (mask,) = display.prevalence
    assert mask == (means.max(axis=1) - means.min(axis=1)).idxmax()
    rows = whole.table[whole.table["mask"] == mask].reset_index(drop=True)
    assert display.table.equals(rows)
    assert f"The frontiers of {mask}" in display.caption
    (ax,) = axes_of(1)
    display.plot([ax])
    points = display.points[["recall", "precision"]].to_numpy()
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    assert ((points > (left, low)) & (points < (right, high))).all()
    assert (right - left) * (high - low) < 1
    alone = replace(whole, names={whole.baseline: "bce"})
    assert alone.close_up() is None


def test_band_shows_differences_and_marks_where_it_excludes_zero(drawn_study, axes_of):
    study, comparison = drawn_study
    display = BandDisplay.of(study, comparison)
    axes = axes_of(4)
    display.plot(axes)
    panel = next(ax for ax in axes if ax.get_title() == "worse, thin")
    rows = display.table[(display.table["arm"] == "loss=worse") & (display.table["mask"] == "thin")]
    known = rows[rows["difference"].notna()]
    assert {tuple(np.round(xy, 9)) for xy in known[["recall", "difference"]].to_numpy()} <= points(panel)
    dots = next(line for line in panel.lines if line.get_marker() == "o")
    sure = known[(known["band_low"] > 0) | (known["band_high"] < 0)]
    assert len(sure) > 3
    np.testing.assert_allclose(dots.get_xdata(), sure["recall"])
    matched = comparison.matched
    same = matched[(matched["arm"] == "loss=worse") & (matched["mask"] == "thin")]
    same = same[same["kind"] == "precision at recall"]
    np.testing.assert_array_equal(rows["difference"], same["difference"])


def test_decomposition_bars_add_up_to_the_diamond(drawn_study, axes_of):
    axes = axes_of(2)
    DecompositionDisplay.of(*drawn_study).plot(axes)
    for ax in axes:
        widths = np.array([bar.get_width() for bar in ax.patches]).reshape(2, -1)  # frontier parts, threshold parts
        total = next(line for line in ax.lines if line.get_marker() == "D").get_xdata()
        np.testing.assert_allclose(widths.sum(axis=0), total)


def test_forest_has_the_gains_both_intervals_the_margin_and_the_words(drawn_study, axes_of):
    study, comparison = drawn_study
    axes = axes_of(3)
    display = ForestDisplay.of(study, comparison)
    display.plot(axes)
    assert [ax.get_title() for ax in axes] == ["over all 2 masks", "thin (secondary)", "dots (secondary)"]
    tables = [comparison.arm_verdicts, *(comparison.verdicts.query("mask == @mask") for mask in comparison.masks)]
    for ax, rows in zip(axes, tables, strict=True):
        words = {"undecided", "moves in", "slides", "stays", "crosses", "not trained", "moves out"}
        assert [text for text in texts(ax) if text in words] == list(rows["verdict"])
        drawn = {x for x, _ in points(ax)}
        assert set(np.round(rows[["ap_gain", "f1_gain"]].to_numpy().ravel(), 9)) <= drawn
        spans = {tuple(np.round(path.vertices[:, 0], 9)) for group in ax.collections for path in group.get_paths()}
        for name in ("ap_gain", "f1_gain", "verdict", "f1_verdict"):
            for low, high in rows[[f"{name}_low", f"{name}_high"]].to_numpy():
                assert (round(low, 9), round(high, 9)) in spans
        assert any(np.allclose(patch.get_extents().width, _pixels(ax, 0.02)) for patch in ax.patches)


def test_what_lies_beyond_the_axis_is_an_arrow_with_its_value(drawn_study, axes_of):
    study, comparison = drawn_study
    display = ForestDisplay.of(study, comparison)
    table = display.table.copy()
    ends = ["gain", "gain_low", "gain_high", "verdict_low", "verdict_high"]
    near = [0.0, -0.01, 0.01, -0.02, 0.02]
    for name, value in zip(ends, near, strict=True):
        table[name] = table[f"f1_{name}" if name != "gain" else "f1_gain"] = value
    of_thin = table.index[(table["rank"] == "secondary") & (table["mask"] == "thin")]
    table.loc[of_thin[0], ends] = [-0.31, -0.4, -0.2, -0.5, -0.12]  # all of it beyond
    table.loc[of_thin[1], ["verdict_high"]] = 0.2  # one end only
    axes = axes_of(3)
    replace(display, table=table).plot(axes)
    minus = "\N{MINUS SIGN}"
    assert f"{minus}0.31 [{minus}0.50, {minus}0.12]" in texts(axes[1])
    assert "+0.20" in texts(axes[1])
    for ax, arrows in zip(axes, ([], ["<", ">"], []), strict=True):
        assert [line.get_marker() for line in ax.lines if line.get_marker() in ("<", ">")] == arrows
    np.testing.assert_allclose(axes[0].get_xlim(), (-0.03, 0.03))
    np.testing.assert_allclose([ax.get_xlim() for ax in axes[1:]], [(-0.04, 0.04)] * 2)


def test_what_is_not_trained_has_a_word_and_the_seeds_that_collapsed_and_no_gain(drawn_study, axes_of):
    study, comparison = drawn_study
    lost = comparison.arm_verdicts.copy()
    lost.loc[0, ["verdict", "verdict_f1", "n_collapsed"]] = ["not trained", "not trained", 1]
    display = ForestDisplay.of(study, replace(comparison, arm_verdicts=lost))
    assert display.table.loc[0, ["gain", "gain_low", "verdict_high", "f1_gain_low", "f1_verdict_low"]].isna().all()
    axes = axes_of(3)
    display.plot(axes)
    assert texts(axes[0])[:2] == ["not trained", "1 of 3 collapsed"]
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["weighted_bce", "worse"]
    display.table.loc[0, "n_seeds"] = 5  # as in a study in stages
    again = axes_of(3)
    display.plot(again)
    labels = [label.get_text() for label in again[0].get_yticklabels()]
    assert labels == ["weighted_bce\n5 seeds", "worse\n3 seeds"]
    assert not any(name in display.table.columns for name in ("headline_gain", "ap_gain"))


def _pixels(ax, width):
    left, right = ax.transData.transform([(-width / 2, 0), (width / 2, 0)])[:, 0]
    return right - left


def test_roc_areas_are_of_the_runs_and_the_mask_with_the_widest_ap_is_drawn(drawn_study, axes_of):
    study, _ = drawn_study
    display = RocDisplay.of(*drawn_study)
    tables = roc_tables({arm: {k: run.scores["test"] for k, run in s.items()} for arm, s in study.complete.items()})
    assert display.table.equals(tables[0])
    spans = display.table.groupby(["mask", "arm"])["ap"].mean().unstack()
    assert display.shown == (spans.max(axis=1) - spans.min(axis=1)).idxmax()
    (ax,) = axes = axes_of(1)
    display.plot(axes)
    curve = display.curve_table
    for kind in ("roc", "roc hull"):
        rows = curve[(curve["kind"] == kind) & (curve["arm"] == "loss=worse") & (curve["mask"] == display.shown)]
        assert len(rows.dropna()) > 50
        assert {tuple(np.round(xy, 9)) for xy in rows.dropna()[["x", "y"]].to_numpy()} <= points(ax)
    assert set(curve["kind"]) == {"roc", "roc hull", "pr", "achievable pr"}
    assert "ROC AUC spans" in display.caption
    means = display.table[display.table["mask"] == display.shown].groupby("arm")[["roc_auc", "ap"]].mean()
    low, high = means.min(), means.max()
    assert texts(ax) == [
        f"ROC AUC {low['roc_auc']:.3f} to {high['roc_auc']:.3f}\nAP {low['ap']:.3f} to {high['ap']:.3f}"
    ]
    assert roc_auc.__name__ in display.table


def test_averages_draw_every_class_and_every_average_of_every_arm(drawn_study, axes_of):
    display = AveragesDisplay.of(*drawn_study)
    axes = axes_of(4)
    display.plot(axes)
    natural = display.table[display.table["point"] == "natural"]
    for ax, column, kinds in zip(axes, ("value", "precision", "recall", "f1"), (3, 3, 3, 3), strict=True):
        rows = natural[(natural["kind"] == "average") == (column == "value")]
        means = rows.groupby(["what", "arm"])[column].mean()
        assert len(means) == kinds * 3
        assert set(np.round(means, 9)) <= {x for x, _ in points(ax)}
    assert "frame-averaged accuracy spans" in display.caption


def test_calibration_has_corrected_panels_only_for_arms_with_a_theory(drawn_study, axes_of, make_study):
    display = CalibrationDisplay.of(*drawn_study)
    assert display.rows == ["as stated", "corrected"]
    axes = axes_of(4)
    display.plot(axes)
    colours = [{line.get_color() for line in ax.lines} for ax in axes]
    styles = arm_styles(list(display.names), display.baseline)
    assert all(styles["loss=worse"].colour in shown for shown in colours[:2])
    assert not any(styles["loss=worse"].colour in shown for shown in colours[2:])
    assert all(styles["loss=weighted_bce"].colour in shown for shown in colours)
    assert "weighted_bce; for a weight w" in display.caption


def test_training_has_a_panel_per_arm_and_one_per_further_column_that_differs(drawn_study, axes_of):
    alike = TrainingDisplay.of(*drawn_study)
    assert (alike.others, alike.differing) == (["lr"], [])
    assert "all arms have the same: learning rate." in alike.caption
    factor = alike.table["arm"].map({arm: 1.0 + place for place, arm in enumerate(alike.names)})
    display = replace(alike, table=alike.table.assign(lr=alike.table["lr"] * factor))
    assert display.differing == ["lr"] and "all arms have the same" not in display.caption
    axes = axes_of(4)
    display.plot(axes)
    assert [ax.get_title() for ax in axes] == ["bce", "weighted_bce", "worse", "learning rate"]
    assert len(axes[0].lines) == 4  # three seeds and their mean
    np.testing.assert_allclose(axes[0].lines[-1].get_ydata(), 1 / np.arange(10, 60, 10) + 0.01)
    assert len(axes[2].lines) == 8  # and its term
    assert axes[0].get_yscale() == "log"


def test_examples_colour_each_pixel_by_what_became_of_it(drawn_study, axes_of):
    display = ExampleDisplay.of(*drawn_study)
    axes = axes_of(12)
    display.plot(axes)
    choice = display.choice
    place = choice.places[0]
    top, left, height, width = display._crop(place)
    part = (slice(None), slice(top, top + height), slice(left, left + width))
    whole = choice.predicted("loss=bce", place), choice.scores["loss=bce"].targets[place]
    predicted, target = (array[part] for array in whole)
    picture = axes[2].images[0].get_array()
    only_hit = (predicted == target).all(axis=0) & target.any(axis=0)
    false_alarm = predicted.any(axis=0) & ~target.any(axis=0)
    missed = target.any(axis=0) & ~predicted.any(axis=0)
    confused = (target & ~predicted).any(axis=0) & (predicted & ~target).any(axis=0)
    for where, name in zip((only_hit, false_alarm, missed, confused), OUTCOMES, strict=True):
        assert where.any() or name == "wrong mask"
        assert np.allclose(picture[where], to_rgba(OUTCOMES[name])[:3])
    assert np.allclose(picture[~(target | predicted).any(axis=0)], 1)
    predicted, target = whole
    row = display.table.query("role == 'best' and arm == 'loss=bce' and mask == 'thin'").iloc[0]
    assert (row["tp"], row["fp"], row["fn"]) == (
        (predicted & target)[0].sum(),
        (predicted & ~target)[0].sum(),
        (target & ~predicted)[0].sum(),
    )


def test_examples_show_the_arm_with_the_greatest_gain_where_it_differs_most(drawn_study):
    display = ExampleDisplay.of(*drawn_study)
    gains = drawn_study[1].arm_verdicts.set_index("arm")["ap_gain"]
    assert display.shown == ["loss=bce", gains.idxmax()]
    for place in display.choice.places:
        first, second = (display.choice.predicted(arm, place) for arm in display.shown)
        differs = (first != second).any(axis=0) & display._valid(place)
        top, left, side, _ = display._crop(place)
        most = max(
            differs[y : y + side, x : x + side].sum()
            for y in range(differs.shape[0] - side + 1)
            for x in range(differs.shape[1] - side + 1)
        )
        assert differs[top : top + side, left : left + side].sum() == most
    alone = replace(display, other=None)
    assert alone.shown == ["loss=bce"]
    assert "most foreground" in alone.caption


def test_a_difference_is_typeset_with_its_sign_and_zero_without():
    assert [typeset_change(value) for value in (0.01, -0.01, 0.0004, -0.0004)] == [
        "+0.010",
        "\N{MINUS SIGN}0.010",
        "0.000",
        "0.000",
    ]
    assert typeset_change(-3.04, 1) == "\N{MINUS SIGN}3.0"
    assert typeset_change(float("nan")) == "\N{EN DASH}"


def test_the_legend_shows_arms_as_they_are_drawn():
    names = {"loss=a": "a", "loss=_b": "_b", "loss=bce": "bce"}
    handles = {handle.get_label(): handle for handle in arm_handles(names, "loss=bce")}
    assert set(handles) == {"a", " _b", "bce (baseline)"}  # matplotlib leaves out what begins with an underscore
    styles = arm_styles(list(names), "loss=bce")
    figure, ax = plt.subplots()
    drawn = ax.plot([0, 1], [0, 1], **styles["loss=bce"].line)[0]
    assert handles["bce (baseline)"].get_linestyle() == drawn.get_linestyle() != "-"
    assert handles["bce (baseline)"].get_linewidth() == drawn.get_linewidth()
    assert len({(style.colour, style.marker, str(style.dashes)) for style in styles.values()}) == 3
    plt.close(figure)
