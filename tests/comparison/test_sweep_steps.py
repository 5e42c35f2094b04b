"""Steps of natural F1 over the weight: by hand, and their error rate if nothing changes."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from experiments.comparison.weight_sweep import hump_table, natural_f1, step_table
from experiments.frontier.arithmetic import from_pixels

WEIGHTS = {"w8": 8.0, "w1": 1.0, "w2": 2.0}
GROUPS = 12


def scores(levels, *, seeds=5, spread=0.0, rng=None, groups=GROUPS):
    """Natural F1 of one mask: a level per arm, noise per run that all groups share, and per group."""
    rng = rng or np.random.default_rng(0)
    found = {}
    for arm, level in levels.items():
        found[arm] = {}
        for seed in range(seeds):
            run = level + spread * rng.standard_normal()
            # Leaving one group out moves the pooled value by about 1 / groups of that group's own difference.
            left_out = run + spread * rng.standard_normal(groups) / groups
            found[arm][seed] = np.concatenate([[run], left_out])[:, None]
    return found


def test_natural_f1_with_and_without_each_group():
    # Image a: logits 1, -1 on positives, 2, -2 on negatives; image b: 3 on a positive, -1 on three negatives.
    logits = np.array([[[1.0, -1.0, 2.0, -2.0]], [[3.0, -1.0, -1.0, -1.0]]])
    labels = np.array([[[1, 1, 0, 0]], [[1, 0, 0, 0]]], bool)
    test = from_pixels(("thin",), ["a", "b"], ["A", "B"], logits, labels)
    # All: tp 2, fp 1, fn 1. Without A: b alone, perfect. Without B: tp 1, fp 1, fn 1.
    assert natural_f1(test)[:, 0] == pytest.approx([4 / 6, 1.0, 2 / 4])


def test_steps_go_from_each_weight_to_the_next_and_pair_seeds():
    runs = scores({"w1": 0.5, "w2": 0.7, "w8": 0.4}, seeds=3)
    runs["w2"][1] += 0.03
    runs["w8"][9] = runs["w8"][1] + 1.0  # a seed that no other weight has
    table = step_table(runs, WEIGHTS, ("thin",))
    assert table[["weight", "to_weight"]].to_numpy().tolist() == [[1, 2], [2, 8]]
    assert table["f1_change"].tolist() == pytest.approx([0.21, -0.31])
    assert table["n_seeds"].tolist() == [3, 3]
    assert table["n_groups"].tolist() == [GROUPS, GROUPS]
    # Only the seeds vary: differences .2, .23 and .2, so half the width is t(2) * sd / sqrt(3).
    half = stats.t.ppf(0.975, 2) * np.std([0.2, 0.23, 0.2], ddof=1) / np.sqrt(3)
    assert table.loc[0, ["f1_change_low", "f1_change_high"]].tolist() == pytest.approx([0.21 - half, 0.21 + half])


def test_the_heaviest_is_compared_with_every_other():
    table = step_table(scores({"w1": 0.5, "w2": 0.7, "w8": 0.4}), WEIGHTS, ("thin",), to="heaviest")
    assert table[["weight", "to_weight"]].to_numpy().tolist() == [[1, 8], [2, 8]]
    assert table["f1_change"].tolist() == pytest.approx([-0.1, -0.3])


def test_words_follow_the_adjusted_tests():
    rng = np.random.default_rng(1)
    levels = {"w1": 0.50, "w2": 0.60, "w4": 0.6001, "w8": 0.45}
    weights = {arm: float(arm[1:]) for arm in levels}
    table = step_table(scores(levels, spread=0.001, rng=rng), weights, ("thin",))
    assert table["step"].tolist() == ["rises", "flat", "falls"]
    noisy = step_table(scores(levels, spread=0.2, rng=rng), weights, ("thin",))
    assert noisy["step"].tolist() == ["open"] * 3
    one_seed = step_table(scores(levels, seeds=1, spread=0.001, rng=rng), weights, ("thin",))
    assert one_seed["step"].tolist() == ["open"] * 3
    assert one_seed["f1_change_low"].isna().all()


def test_p_values_are_adjusted_over_steps_and_masks():
    rng = np.random.default_rng(2)
    levels = {"w1": 0.5, "w2": 0.52}
    single = [scores(levels, spread=0.01, rng=rng) for _ in range(2)]
    both = {arm: {s: np.hstack([part[arm][s] for part in single]) for s in range(5)} for arm in levels}
    together = step_table(both, WEIGHTS, ("a", "b"))
    again = step_table(both, WEIGHTS, ("a", "b"), level=0.2)
    assert together["mask"].tolist() == ["a", "b"]
    assert (together["p_difference_holm"] <= 1).all()
    # Holm: the smaller of two p values is doubled; alone it is not. The steadied variance is that of both masks.
    smallest = together["p_equivalence_holm"].min()
    alone = [step_table(part, WEIGHTS, ("a",))["p_equivalence_holm"].iloc[0] for part in single]
    assert smallest == pytest.approx(min(1.0, 2 * min(alone)))
    assert (again["f1_change_high"] < together["f1_change_high"]).all()


def test_steps_that_change_nothing_are_rarely_called_a_change():
    rng = np.random.default_rng(3)
    weights = {f"w{w}": float(w) for w in (1, 2, 4, 8, 16)}
    wrong = 0
    for _ in range(200):
        table = step_table(scores(dict.fromkeys(weights, 0.5), seeds=3, spread=0.05, rng=rng), weights, ("thin",))
        wrong += bool(table["step"].isin(["rises", "falls"]).any())
    # 200 studies of four steps at a family-wise 5 %: more than 21 would happen once in a thousand times.
    assert wrong <= 21


def test_no_seed_in_common_and_no_second_weight():
    runs = scores({"w1": 0.5, "w2": 0.6}, seeds=1)
    runs["w2"] = {5: runs["w2"][0]}
    row = step_table(runs, WEIGHTS, ("thin",)).iloc[0]
    assert row["n_seeds"] == 0
    assert row["step"] == "open"
    assert np.isnan(row["f1_change"])
    assert len(step_table({"w1": runs["w1"]}, WEIGHTS, ("thin",))) == 0
    with pytest.raises(ValueError, match="to: expected next or heaviest, got 'last'"):
        step_table(runs, WEIGHTS, ("thin",), to="last")


def table_of(f1, words):
    rows = [
        {"mask": "thin", "weight": 2.0**i, "to_weight": 2.0 ** (i + 1), "f1": f1[i], "to_f1": f1[i + 1], "step": word}
        for i, word in enumerate(words)
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("words", "to_heaviest", "state", "last_rise", "first_end"),
    [
        (["rises", "open", "falls"], ["open", "open", "falls"], "stopped", 0, 2),
        (["rises", "flat", "open"], ["open", "open", "open"], "stopped", 0, 1),
        (["rises", "open", "open"], ["open", "falls", "open"], "stopped", 0, -1),
        (["rises", "open", "open"], ["falls", "open", "open"], "open", 0, -1),  # weight 1 lies before the rise
        (["open", "open", "rises"], ["rises", "open", "rises"], "rising", 2, -1),
        (["falls", "open", "rises"], ["open", "open", "rises"], "rising", 2, -1),
        (["open", "falls", "open"], ["open", "open", "open"], "stopped", -1, 1),
        (["open", "open", "open"], ["open", "open", "open"], "open", -1, -1),
    ],
)
def test_whether_f1_has_stopped_rising(words, to_heaviest, state, last_rise, first_end):
    f1 = [0.5, 0.7, 0.6, 0.4]
    row = hump_table(table_of(f1, words), table_of(f1, to_heaviest)).iloc[0]
    assert (row["state"], row["last_rise"], row["first_end"]) == (state, last_rise, first_end)
    assert (row["peak_weight"], row["peak_f1"], row["last_weight"], row["last_f1"]) == (2.0, 0.7, 8.0, 0.4)
