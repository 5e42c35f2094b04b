"""The weight-sweep figure draws the runs' numbers, and exists only for weight sweeps."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex

from experiments.comparison.weight_sweep import arm_weights
from experiments.report.figures.seesaw import SeesawDisplay
from experiments.report.figures.style import COLUMN, F1_COLOUR
from experiments.report.published import PublishedPoint

NOTE = (
    PublishedPoint("note, curve 1", 0.96, 0.37, weight=42.0),
    PublishedPoint("note, curve 2", 0.97, 0.26, weight=42.0),
    PublishedPoint("no weight", 0.9, 0.5),
    PublishedPoint("of dots", 0.8, 0.4, weight=100.0, mask="dots"),
)


@pytest.fixture(scope="module")
def display(sweep):
    return SeesawDisplay.of(sweep.study, sweep.comparison)


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def lines_of(ax):
    return [(np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)) for line in ax.lines]


def drawn(ax, x, y):
    return any(
        len(xs) == len(x) and np.allclose(xs, x) and np.allclose(ys, y, equal_nan=True) for xs, ys in lines_of(ax)
    )


def test_it_draws_the_means_of_both_points(display, sweep):
    points = sweep.comparison.points
    figure, axes = plt.subplots(1, 2)
    assert display.plot(list(axes)) is figure
    for ax, mask in zip(axes, ("thin", "dots"), strict=True):
        for point, column in (("natural", "recall"), ("natural", "precision"), ("natural", "f1"), ("tuned", "f1")):
            rows = points[(points["mask"] == mask) & (points["operating_point"] == point)]
            means = [rows.loc[rows["arm"] == f"loss.pos_weight={w}", column].mean() for w in (1, 3, 9, 27)]
            assert drawn(ax, [1, 3, 9, 27], means), (mask, point, column)
        assert ax.get_xscale() == "log"


def test_the_hump_is_there_and_theory_foretells_an_exact_slide(display):
    table = display.table
    for mask in ("thin", "dots"):
        own = table[table["mask"] == mask].set_index(["kind", "weight"])
        measured, foretold = (own.loc[kind].loc[[1.0, 3.0, 9.0, 27.0]] for kind in ("natural", "predicted"))
        for column in ("recall", "precision", "f1"):
            # Scores are float16 codes: a shifted logit rounds elsewhere.
            assert measured[column].to_numpy() == pytest.approx(foretold[column].to_numpy(), abs=2e-3)
        f1 = measured["f1"].to_numpy()
        assert f1[-1] < f1.max()
        assert (np.diff(measured["recall"]) > 0).all()
        assert (np.diff(measured["precision"]) < 0).all()
        tuned = own.loc["tuned"]["f1"]
        assert float(np.ptp(tuned)) < 0.01


def test_the_range_is_that_of_the_seeds(display, sweep):
    points = sweep.comparison.points
    rows = points[
        (points["mask"] == "thin") & (points["arm"] == "loss.pos_weight=9") & (points["operating_point"] == "natural")
    ]
    row = display.table.set_index(["kind", "mask", "weight"]).loc[("natural", "thin", 9.0)]
    assert (row["f1_low"], row["f1_high"]) == (rows["f1"].min(), rows["f1"].max())
    assert row["n_seeds"] == 3


def test_the_marks_stand_at_theorys_weight_and_at_the_inverse_frequency(display, sweep):
    points = sweep.comparison.points
    base = (
        points[(points["arm"] == "loss.pos_weight=1") & (points["operating_point"] == "tuned")]
        .groupby("mask")["f1"]
        .mean()
    )
    figure = display.plot()
    for ax, mask in zip(figure.axes, ("thin", "dots"), strict=True):
        upright = [xs[0] for xs, ys in lines_of(ax) if len(xs) == 2 and xs[0] == xs[1] and list(ys) == [0, 1]]
        assert sorted(upright) == pytest.approx(sorted([2 / base[mask] - 1, 0.95 / 0.05]))
    assert f"thin {2 / base['thin'] - 1:.1f} (F1* {base['thin']:.2f}) and 19" in display.caption


def test_f1_at_the_natural_point_is_the_one_accent(display):
    ax = display.plot().axes[0]
    accents = [line for line in ax.lines if to_hex(line.get_color()) == F1_COLOUR.lower()]
    others = {to_hex(line.get_color()) for line in ax.lines} - {F1_COLOUR.lower()}
    assert [line.get_linestyle() for line in accents] == ["-", "--"]  # measured, and theory's
    assert all(len({colour[i : i + 2] for i in (1, 3, 5)}) == 1 for colour in others)  # greys


def test_the_caption_says_what_it_rests_on(display):
    assert "3 seeds, 16 test images" in display.caption
    assert "no confidence interval" in display.caption
    assert "another system" not in display.caption


def test_published_points_stand_apart(sweep):
    display = SeesawDisplay.of(sweep.study, sweep.comparison, NOTE)
    first, second = display.plot().axes[:2]
    letters = [(t.get_text(), t.get_position()) for t in first.texts if t.get_text() in "RFP"]
    # Two systems at one weight stand side by side around it; one without a weight has no place.
    places = sorted({position[0] for _, position in letters})
    assert len(letters) == 6
    assert places[0] * places[1] == pytest.approx(42.0**2)
    assert {round(y, 2) for letter, (_, y) in letters if letter == "P"} == {0.23, 0.15}
    assert len([t for t in second.texts if t.get_text() in "RFP"]) == 9
    assert "systems, on other images" in display.caption
    assert "note, curve 1: weight 42, recall 0.96 and F1 0.37, hence precision 0.23" in display.caption
    table = display.table
    assert table.loc[table["kind"] == "published", "arm"].tolist() == [point.label for point in NOTE]
    ours = SeesawDisplay.of(sweep.study, sweep.comparison).table
    assert table[table["kind"] != "published"].reset_index(drop=True).equals(ours)


def test_the_steps_are_both_families(display):
    assert display.steps["compared_with"].value_counts().to_dict() == {"next": 6, "heaviest": 6}


def test_axes_of_another_number_are_refused(display):
    with pytest.raises(ValueError, match="axes: expected 2, one per mask, got 1"):
        display.plot([plt.subplots()[1]])


def test_other_studies_have_no_seesaw(losses, make):
    assert SeesawDisplay.of(losses.study, losses.comparison) is None
    bce = {"_target_": "losses.WeightedBCELoss", "pos_weight": 1.0}
    arms = {
        "a": (bce, {}, {}),
        "b": ({**bce, "pos_weight": 2.0}, {}, {}),
        "c": ({**bce, "pos_weight": [2.0, 4.0]}, {}, {}),
        "d": ({**bce, "pos_weight": "balanced"}, {}, {}),
        "e": ({**bce, "pos_weight": 4.0, "other": 1}, {}, {}),
        "f": ({**bce, "pos_weight": 2}, {}, {}),
    }
    mixed = make("mixed", arms, seeds=1)
    assert arm_weights(mixed.study) is None
    whole = make("whole", {**arms, "g": ({**bce, "pos_weight": 8}, {}, {})}, seeds=1)
    # A list, a word, another key and a weight that is there already are left out.
    assert arm_weights(whole.study) == {"a": 1.0, "b": 2.0, "g": 8.0}
    single = SeesawDisplay.of(whole.study, whole.comparison)
    assert "1 seed, 16 test images" in single.caption


def test_text_is_large_enough_and_stays_on_the_page(sweep):
    figure = SeesawDisplay.of(sweep.study, sweep.comparison, NOTE).plot()
    figure.draw_without_rendering()
    sizes = [text.get_fontsize() for text in figure.findobj(plt.Text) if text.get_text().strip()]
    assert min(sizes) >= 7
    box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert min(box.x0, box.y0) >= -0.01
    assert box.x1 <= width + 0.01
    assert box.y1 <= height + 0.01


def test_in_a_column_panels_stand_below_each_other(sweep):
    wide = SeesawDisplay.of(sweep.study, sweep.comparison, NOTE)
    figure = wide.in_column().plot()
    figure.draw_without_rendering()
    assert figure.get_size_inches()[0] == COLUMN
    places = np.array([ax.get_position().bounds for ax in figure.axes])
    assert len(places) == len(wide.sweep.masks) > 1
    np.testing.assert_allclose(places[:, 0], places[0, 0], atol=1e-6)
    assert (np.diff(places[:, 1]) < 0).all()
    assert min(text.get_fontsize() for text in figure.findobj(plt.Text) if text.get_text().strip()) >= 7
    assert figure.get_tightbbox().x1 <= COLUMN + 0.01
    assert wide.in_column().table.equals(wide.table)


def test_one_mask_takes_a_column(make):
    bce = {"_target_": "losses.WeightedBCELoss"}
    arms = {f"w={w}": ({**bce, "pos_weight": w}, {"shift": float(np.log(w))}, {}) for w in (1, 2, 4)}
    single = make("column", arms, masks=("thin",), seeds=2)
    figure = SeesawDisplay.of(single.study, single.comparison, NOTE[:2]).plot()
    assert figure.get_size_inches()[0] == COLUMN
    assert len(figure.axes) == 1
