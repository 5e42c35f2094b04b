"""The numbers behind the page, against the comparison's own tables and against counting pixels again."""

import numpy as np
import pytest
from scipy import stats

from experiments.comparison.checked_runs import RunScores
from experiments.frontier.arithmetic import from_pixels
from experiments.frontier.codes import N_CODES, NATURAL_CODE, code_to_logit
from experiments.frontier.leave_one_out import group_counts
from experiments.inference.paired_difference import level_interval
from experiments.report.page.numbers.recall_curve import RECALLS, recall_curve, run_at_recalls
from experiments.report.page.numbers.study import fineness, page_numbers
from experiments.report.page.numbers.threshold_curve import threshold_curve, threshold_grid
from experiments.report.text.wording import why_none


@pytest.fixture(scope="module")
def numbers(losses):
    return page_numbers(losses.study, losses.comparison.settings)


def pixels(seed, *, images=6, count=300, scale=1.0):
    rng = np.random.default_rng(seed)
    labels = rng.random((images, 1, count)) < 0.1
    logits = np.asarray(scale * (rng.normal(0, 1, labels.shape) + 1.5 * labels), np.float16).astype(np.float64)
    names = [f"i{k}" for k in range(images)]
    groups = np.array([0, 0, 1, 1, 2, 2])[:images]
    return from_pixels(["m"], names, [f"g{g}" for g in groups], logits, labels), groups, logits[:, 0], labels[:, 0]


def _reference_ratios(logits, labels, threshold):
    fired = logits >= threshold
    tp, fp, fn = (fired & labels).sum(), (fired & ~labels).sum(), (~fired & labels).sum()
    nan = float("nan")
    return tp / (tp + fn), tp / (tp + fp) if tp + fp else nan, 2 * tp / (2 * tp + fp + fn)


def test_counts_of_all_groups_and_without_each_are_those_of_the_pixels():
    histograms, groups, logits, labels = pixels(0)
    codes = np.unique([NATURAL_CODE - 9000, NATURAL_CODE, NATURAL_CODE + 15000, 65_000])
    counts = group_counts(histograms, 0, groups, codes)
    for row in range(4):
        keep = np.ones(len(groups), bool) if row == 0 else groups != row - 1
        for column, code in enumerate(codes):
            threshold = code_to_logit(int(code))
            expected = _reference_ratios(logits[keep], labels[keep], threshold)
            got = (counts.recall[row, column], counts.precision[row, column], counts.f1[row, column])
            assert got == pytest.approx(expected, nan_ok=True)


def test_neighbouring_stops_are_close_and_the_kept_codes_are_there():
    runs = [pixels(seed, count=20_000)[0].pooled(0) for seed in range(3)]
    keep = [NATURAL_CODE, 40_123]
    codes = threshold_grid(runs, keep)
    assert set(keep) <= set(codes.tolist())
    assert (np.diff(codes.astype(int)) > 0).all()
    values = np.array(
        [
            np.mean([(p[c:].sum() / p.sum(), p[c:].sum() / max(p[c:].sum() + n[c:].sum(), 1)) for p, n in runs], axis=0)
            for c in codes.astype(int)
        ]
    )
    steps = np.abs(np.diff(values, axis=0))
    assert steps[:, 0].max() <= 0.005 + 1e-12
    # A few pixels decide about the precision of the highest thresholds only.
    assert steps[values[1:, 0] > 0.05].max() <= 0.005 + 1e-12
    assert len(codes) < 600
    assert values[0, 0] == 1.0
    assert values[-1, 0] < 0.01


def test_a_tie_that_is_wider_than_a_step_is_one_step():
    positives, negatives = np.zeros(N_CODES, np.int64), np.zeros(N_CODES, np.int64)
    positives[[100, 60_000]], negatives[[100, 60_000]] = (40, 60), (900, 30)
    assert threshold_grid([(positives, negatives)], [NATURAL_CODE]).tolist() == [100, NATURAL_CODE, 60_000]


def test_natural_and_tuned_stops_are_the_comparisons_points(losses, numbers):
    points = losses.comparison.points
    for mask, name in enumerate(losses.masks):
        for arm, seeds in numbers.seeds.items():
            curve = numbers.by_threshold[mask, arm]
            rows = points[(points["arm"] == arm) & (points["mask"] == name)].sort_values("seed")
            assert seeds == rows[rows["operating_point"] == "natural"]["seed"].tolist()
            natural = rows[rows["operating_point"] == "natural"]
            assert curve.tp[:, curve.natural].tolist() == natural["tp"].tolist()
            assert curve.fp[:, curve.natural].tolist() == natural["fp"].tolist()
            tuned = rows[rows["operating_point"] == "tuned"]
            assert code_to_logit(curve.tuned_codes) == pytest.approx(tuned["threshold"].to_numpy())
            assert curve.tuned_tp.tolist() == tuned["tp"].tolist()
            assert curve.tuned_fp.tolist() == tuned["fp"].tolist()
    assert numbers.seeds["loss=slid"] == [0, 1]  # the hole stays a hole


def test_the_lock_is_the_matched_table(losses, numbers):
    matched = losses.comparison.matched
    matched = matched[matched["kind"] == "precision at recall"]
    checked = 0
    for _, row in matched.iterrows():
        mask = losses.masks.index(row["mask"])
        curve = numbers.by_recall[mask, row["arm"]]
        level = int(np.argmin(np.abs(RECALLS - row["level"])))
        assert RECALLS[level] == row["level"]
        # matched.csv speaks of the seeds that arm and baseline share; here all of the arm's are among them.
        assert (curve.n_reached[level] == len(curve.tp)) == (f"for {row['arm']}" not in row["status"])
        if row["status"] != "reached":
            assert np.isnan(curve.gain[level]).all()
            continue
        tp, fp = curve.tp[:, level], curve.fp[:, level]
        assert np.mean(tp / (tp + fp)) == pytest.approx(row["arm_value"], abs=1e-12)
        assert curve.gain[level] == pytest.approx([row["difference"], row["low"], row["high"]], abs=1e-6, nan_ok=True)
        checked += 1
    assert checked > 60
    assert (matched["status"] != "reached").any()


def test_the_interval_of_a_level_by_hand():
    # Three seeds, three groups: values .6, .65 and .7; without a group, means over seeds of .64, .65 and .69.
    rows = np.array(
        [[[0.6], [0.60], [0.61], [0.63]], [[0.65], [0.64], [0.65], [0.69]], [[0.7], [0.68], [0.69], [0.75]]]
    )
    v_seed = (0.05**2 * 2) / 2 / 3
    left = np.array([0.64, 0.65, 0.69])
    v_group = 2 / 3 * ((left - left.mean()) ** 2).sum()
    df = (v_seed + v_group) ** 2 / (v_seed**2 / 2 + v_group**2 / 2)
    half = stats.t.ppf(0.975, df) * np.sqrt(v_seed + v_group)
    low, high = max(0.65 - half, 0), min(0.65 + half, 1)
    assert level_interval(rows, 0.05)[0] == pytest.approx([low, high], abs=1e-6)
    # Narrow enough not to be cut: the same at a tenth.
    tenth = level_interval(0.65 + (rows - 0.65) / 100, 0.05)[0]
    assert tenth == pytest.approx([0.65 - half / 100, 0.65 + half / 100], abs=1e-6)


def test_few_seeds_or_one_group_have_no_interval_and_say_why():
    for n_seeds in (1, 2):
        rows = np.random.default_rng(0).random((n_seeds, 4, 2))
        assert np.isnan(level_interval(rows, 0.05)).all()
        assert why_none(n_seeds, 10) == f"too few seeds for an interval: {n_seeds}, where 3 are needed"
    assert "one test group" in why_none(3, 1)
    assert why_none(3, 2) == ""


def test_intervals_cover_what_new_seeds_and_images_would_give():
    # The truth from many images; 30 studies of 4 seeds and 8 groups each, precision at the natural threshold.
    def precision_rows(rng):
        groups = rng.normal(0, 0.05, 8)
        seeds = rng.normal(0, 0.03, 4)
        values = 0.6 + groups[None] + seeds[:, None]
        rows = np.empty((4, 9, 1))
        rows[:, 0, 0] = values.mean(axis=1)
        for g in range(8):
            rows[:, 1 + g, 0] = np.delete(values, g, axis=1).mean(axis=1)
        return rows

    rng = np.random.default_rng(1)
    bounds = [level_interval(precision_rows(rng), 0.05)[0] for _ in range(600)]
    covered = np.mean([low <= 0.6 <= high for low, high in bounds])
    assert 0.92 <= covered <= 0.99


def test_precision_at_recall_without_a_group_finds_its_threshold_anew():
    histograms, groups, logits, labels = pixels(3)
    found = run_at_recalls(RunScores(None, histograms), 0, groups, tolerance=0.02)
    for row in range(4):
        keep = np.ones(len(groups), bool) if row == 0 else groups != row - 1
        scores, truth = logits[keep].ravel(), labels[keep].ravel()
        for level in (20, 99, 180):
            thresholds = np.unique(scores)[::-1]
            recalls = np.array([truth[scores >= t].sum() / truth.sum() for t in thresholds])
            threshold = thresholds[np.argmax(recalls >= RECALLS[level] - 1e-9)]
            expected = truth[scores >= threshold].mean()
            assert found.precision[row, level] == pytest.approx(expected)
    assert found.f1[0] == pytest.approx(2 * found.tp / (found.tp + found.fp + labels.sum()))


def test_a_mask_without_positives_is_undefined_and_breaks_nothing():
    histograms, groups, _, _ = pixels(4)
    nothing = from_pixels(
        ["m"], histograms.image_ids, histograms.group_ids, np.ones((6, 1, 9)), np.zeros((6, 1, 9), bool)
    )
    run = RunScores(nothing, nothing)
    curve = threshold_curve([run, run], 0, groups, level=0.05)
    assert (curve.tp == 0).all()
    assert np.isnan(curve.bounds[:, :2]).all()
    assert (curve.tuned_codes == N_CODES).all()
    assert np.isnan(curve.tuned_bounds).all()
    line = recall_curve({0: run_at_recalls(run, 0, groups, 0.02)}, None, level=0.05)
    assert (line.n_reached == 0).all()


def test_a_page_of_many_runs_has_fewer_stops_and_levels_and_those_of_the_table() -> None:
    table = np.round(np.arange(1, 20) * 0.05, 2)
    sizes = []
    for run_masks in (18, 700, 1400, 3000, 30_000):
        step, recalls = fineness(run_masks)
        assert np.isin(table, recalls).all()
        sizes.append((step, len(recalls)))
    assert sizes[0] == sizes[1] == (0.005, 199)
    assert [step for step, _ in sizes] == sorted(step for step, _ in sizes)
    assert [levels for _, levels in sizes] == [199, 199, 99, 39, 19]
