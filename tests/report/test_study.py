"""The report agrees with its numbers: tables, prose and figure against the comparison."""

import re
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from experiments.comparison.compared_study import theories
from experiments.config import ConfigError
from experiments.evaluation.histogram_builder import ScoreHistogramBuilder
from experiments.report.figures.frontier import FrontierDisplay
from experiments.report.study import compare, report_study
from experiments.report.summary.study import summary_text
from experiments.report.text.markdown import details_markdown
from experiments.report.text.tables import markdown_table, text_table
from experiments.report.text.verdicts import verdict_rows
from experiments.report.text.wording import number
from experiments.runs import store
from experiments.runs.study import load_study

REPORT = OmegaConf.create(
    {
        "margin": 0.01,
        "point_margin": 0.05,
        "level": 0.05,
        "headline": "ap",
        "beta": 1.0,
        "recall_band": [0, 1],
    }
)
LOSSES = {
    "loss=bce": {"_target_": "losses.WeightedBCELoss", "pos_weight": 1.0},
    "loss=weighted_bce": {"_target_": "losses.WeightedBCELoss", "pos_weight": 20.0},
    "loss=custom": {"_target_": "my.Loss"},
}
SHIFTS = {"loss=bce": 0.0, "loss=weighted_bce": float(np.log(20)), "loss=custom": 0.0}
GAINS = {"loss=bce": 0.0, "loss=weighted_bce": 0.0, "loss=custom": 2.0}


def scores(seed, shift, gain, *, split):
    """Scores of a model of which the weighted one is an exact slide and the custom one a true improvement."""
    builder = ScoreHistogramBuilder(("thin",))
    for index in range(30):
        world = np.random.default_rng([split, index])
        target = world.random((1, 40, 40)) < 0.05
        noise = world.normal(0, 1, target.shape) + np.random.default_rng([split, index, seed]).normal(0, 0.05)
        builder.add(f"i{index}", f"i{index}", (2.5 + gain) * target - 3 + noise + shift, target)
    return builder.build()


@pytest.fixture(scope="module")
def study_dir(tmp_path_factory):
    root = tmp_path_factory.mktemp("study")
    for arm, loss in LOSSES.items():
        for seed in range(4):
            folder = root / arm / f"seed={seed}"
            store.write_config(folder, {"seed": seed, "loss": loss})
            val, test = (scores(seed, SHIFTS[arm], GAINS[arm], split=split) for split in (0, 1))
            store.write_scores(folder, {"val": val, "test": test})
            store.write_table(folder / store.METRICS_FILE, pd.DataFrame({"split": ["test"], "mask": ["thin"]}))
            info = {
                "status": "complete",
                "axes": ["loss"],
                "baseline": "loss=bce",
                "data_fingerprint": {"train": "R", "val": "V", "test": "T"},
                "prevalence": {"thin": 0.05},
            }
            store.write_json(folder / store.RUN_FILE, info)
    store.write_json(
        root / "loss=custom" / "seed=3" / store.RUN_FILE,
        {"status": "diverged", "axes": ["loss"], "baseline": "loss=bce", "reason": "not finite"},
    )
    return root


@pytest.fixture(scope="module")
def study(study_dir):
    return load_study(study_dir)


@pytest.fixture(scope="module")
def comparison(study):
    return compare(study, REPORT)


def test_a_slide_slides_and_a_gain_moves(study, comparison):
    headers, rows = verdict_rows(study, comparison)
    cells = {row[1]: dict(zip(headers, row, strict=True)) for row in rows}
    assert cells["weighted_bce"]["verdict"] == "slides"
    assert cells["custom"]["verdict"] == "moves out"
    assert cells["bce"]["verdict"] == "(baseline)"
    # The slide is the shift that was put in, up to the resolution of the scores, and theory's control stands there too.
    assert "logits +3.0" in cells["weighted_bce"]["baseline threshold"]
    assert cells["bce at 0.048 (theory: weighted_bce)"]["recall"] == cells["weighted_bce"]["recall"]
    assert cells["bce at its tuned threshold"]["verdict"] == "(no training)"
    assert cells["bce by RankSEG, image by image"]["verdict"] == "(no training)"
    oracle = cells["bce at each image's best threshold (oracle)"]
    assert oracle["verdict"] == "(sees test labels)"
    row = comparison.controls[comparison.controls["sees_test_labels"]].iloc[0]
    assert [oracle[name] for name in ("recall", "precision", "F1")] == [
        number(row[name]) for name in ("recall", "precision", "f1")
    ]
    details = details_markdown(study, comparison)
    assert "(sees test labels)" in details and oracle["arm"] in details


def test_the_margin_of_auprg_is_told_as_precision(study):
    """0.50 becomes p where the gain 1 - pi (1 - p) / ((1 - pi) p) falls by the margin."""
    found = compare(study, OmegaConf.merge(REPORT, {"headline": "prg", "margin": 0.02}))
    text = details_markdown(study, found)
    pi = min(found.prevalence.values())
    low = float(re.search(r"as precision (0\.\d\d) instead of 0\.50", text)[1])
    falls = [1 - pi * (1 - p) / ((1 - pi) * p) for p in (0.5, low)]
    assert falls[0] - falls[1] == pytest.approx(0.02, abs=0.006 * pi / (1 - pi) / low**2)
    assert "AUPRG gain" in text and "AUPRG has" not in details_markdown(study, compare(study, REPORT))


def test_holes_and_left_out_seeds_are_told(study, comparison):
    text = summary_text(study, comparison)
    assert "hole: loss=custom seed 3 is diverged. not finite" in text
    assert "3 to 4 seeds, 30 test images" in text
    assert "seed 3 has no run of loss=custom" in details_markdown(study, comparison)


def test_a_narrow_terminal_loses_the_right_hand_columns(study, comparison):
    wide, narrow = (summary_text(study, comparison, width=width).splitlines()[1] for width in (300, 60))
    assert "F1 tuned" in wide
    assert "F1 tuned" not in narrow
    assert "verdict" in narrow


def test_the_prose_carries_the_numbers(study, comparison):
    text = details_markdown(study, comparison)
    row = comparison.decomposition.set_index("arm").loc["loss=weighted_bce"]
    change = f"{'falls' if row['f1_natural_change'] < 0 else 'rises'} by {abs(row['f1_natural_change']):.3f}"
    parts = f"{row['threshold_part']:+.3f} comes from the threshold, {row['frontier_part']:+.3f} remains after tuning"
    assert f"F1 there {change}: {parts}" in text
    assert row["f1_natural_change"] == pytest.approx(row["frontier_part"] + row["threshold_part"])
    assert "theory predicts +3.00" in text
    assert "**thin: slides.**" in text


def test_theory_is_read_from_the_configuration(study):
    assert theories(study) == {"loss=weighted_bce": 20.0}
    # The baseline counts too, unless it is plain BCE; where theory does not know it, that is said.
    assert theories(replace(study, baseline="loss=weighted_bce")) == {"loss=weighted_bce": 20.0, "loss=bce": 1.0}
    assert theories(replace(study, baseline="loss=custom")) == {
        "loss=weighted_bce": 20.0,
        "loss=bce": 1.0,
        "loss=custom": None,
    }


def test_the_figure_draws_every_arm_and_both_points(study, comparison):
    display = FrontierDisplay.of(study, comparison)
    figure, ax = plt.subplots()
    assert display.plot([ax]) is figure
    drawn = {tuple(np.round(line.get_ydata(), 9)) for line in ax.lines}
    points = comparison.points[comparison.points["mask"] == "thin"]
    for arm in LOSSES:
        curve = comparison.curves[comparison.curves["arm"] == arm].sort_values("recall")
        assert tuple(np.round(curve["precision"], 9)) in drawn
        for point in ("natural", "tuned"):
            rows = points[(points["arm"] == arm) & (points["operating_point"] == point)]
            assert (round(rows["precision"].mean(), 9),) in drawn
    for line in ax.lines:
        if line.get_color() == "#d9d9d9":
            recall, precision = line.get_xdata(), line.get_ydata()
            f1 = 2 * recall * precision / (recall + precision)
            assert f1 == pytest.approx(f1[0])
    with pytest.raises(ValueError, match="axes: expected 1, one per mask, got 2"):
        display.plot([ax, ax])
    plt.close("all")


def test_everything_is_written(study_dir, tmp_path, capsys):
    report_study(study_dir, tmp_path / "report", REPORT)
    assert "moves out" in capsys.readouterr().out
    names = {path.name for path in (tmp_path / "report").rglob("*") if path.is_file()}
    assert {
        "verdicts.csv",
        "metrics.csv",
        "report.md",
        "details.md",
        "frontier.png",
        "frontier.svg",
        "holes.csv",
    } <= names
    assert len(pd.read_csv(tmp_path / "report" / "holes.csv")) == 1


def test_settings_out_of_range_are_named(study):
    with pytest.raises(ConfigError, match=r"headline: expected ap, f1, fbeta, .* or curve_accuracy, got 'auc'"):
        compare(study, OmegaConf.merge(REPORT, {"headline": "auc"}))
    with pytest.raises(ConfigError, match="margin: expected a number in"):
        compare(study, OmegaConf.merge(REPORT, {"margin": 2}))


def test_text_tables_align_and_markdown_escapes():
    assert text_table(["a", "bb"], [["1", "2"], [], ["333", "4"]]).splitlines() == [
        "a    bb",
        "---  --",
        "1    2",
        "",
        "333  4",
    ]
    assert markdown_table(["a"], [["x|y"], []]) == "| a |\n| --- |\n| x\\|y |"


@pytest.mark.parametrize(("chosen", "is_told"), [(0, True), (1, False), (2, True)])
def test_a_choice_at_the_edge_of_what_was_tried_is_told(study, comparison, chosen, is_told):
    tuning = pd.DataFrame(
        {
            "arm": "loss=bce",
            "setting": ["optimizer.lr=0.001", "optimizer.lr=0.01", "optimizer.lr=0.1"],
            "val_ap": [0.5, 0.6, 0.7],
            "chosen": [place == chosen for place in range(3)],
        }
    )
    text = summary_text(replace(study, tuning=tuning), comparison)
    assert ("the edge of what was tried" in text) == is_told
