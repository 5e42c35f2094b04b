"""The Python interface: score maps in memory give the same verdicts as runs on disk, and figures accept both."""

import dataclasses

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from experiments.comparison import CompareSettings, compare_scores, load_study
from experiments.report.gallery import draw_all
from experiments.runs import store

MASKS = ("thin", "dots")
ARMS = {"bce": (2.0, 0.0), "better": (3.5, 0.0), "shifted": (2.0, 3.0)}
SEEDS = (0, 1, 2, 3)


def images(split, count=10):
    rng = np.random.default_rng(split)
    return [rng.random((2, 40 + index, 40)) < 0.08 for index in range(count)]


def maps(split, arm, seed):
    """Score maps of a model that is the baseline's but for a signal and a shift."""
    signal, shift = ARMS[arm]
    found = []
    for index, target in enumerate(images(split)):
        noise = np.random.default_rng([split, index]).normal(size=target.shape)
        noise += np.random.default_rng([split, index, seed]).normal(0, 0.05, target.shape)
        found.append(signal * target - 3 + noise + shift)
    return found


def arms(split):
    return {arm: {seed: maps(split, arm, seed) for seed in SEEDS} for arm in ARMS}


@pytest.fixture(scope="module")
def compared():
    return compare_scores(arms(1), images(1), masks=MASKS, validation=(arms(0), images(0)))


def test_a_gain_moves_and_a_shift_slides(compared):
    words = compared.verdicts.set_index(["arm", "mask"])["verdict"]
    assert all(words["better"] == "moves out")
    assert all(words["shifted"] == "slides")


def test_runs_on_disk_give_the_same(compared, tmp_path):
    for arm, seeds in compared.runs.complete.items():
        for seed, run in seeds.items():
            folder = tmp_path / arm / f"seed={seed}"
            store.write_config(folder, {"seed": seed, "loss": {"_target_": "my.Loss"}})
            store.write_scores(folder, run.scores)
            info = {"status": "complete", "axes": ["loss"], "baseline": "bce", "data_fingerprint": {"test": "T"}}
            store.write_json(folder / store.RUN_FILE, info)
    read = load_study(tmp_path, settings=CompareSettings(theory={"bce": 1.0}))
    for name in ("verdicts", "metrics", "curves"):
        pd.testing.assert_frame_equal(getattr(read, name), getattr(compared, name))


def test_probabilities_give_the_same_verdicts(compared):
    def of(split):
        return {
            arm: {seed: [1 / (1 + np.exp(-m)) for m in seeds[seed]] for seed in seeds}
            for arm, seeds in arms(split).items()
        }

    found = compare_scores(of(1), images(1), masks=MASKS, kind="probabilities", validation=(of(0), images(0)))
    assert list(found.verdicts["verdict"]) == list(compared.verdicts["verdict"])
    np.testing.assert_allclose(found.verdicts["ap_gain"], compared.verdicts["ap_gain"], atol=1e-4)


def test_without_validation_there_is_no_tuned_point():
    found = compare_scores(arms(1), images(1), masks=MASKS)
    assert set(found.metrics["operating_point"]) == {"natural"}
    assert found.verdicts["f1_gain"].isna().all()
    assert set(found.verdicts["verdict"]) == {"moves out", "slides"}


def test_metrics_are_those_of_the_pixels(compared):
    rows = compared.metrics.set_index(["arm", "seed", "split", "mask", "operating_point"])
    row = rows.loc["better", 2, "test", "dots", "natural"]
    fired = np.concatenate([m[1].ravel() >= 0 for m in maps(1, "better", 2)])
    truth = np.concatenate([target[1].ravel() for target in images(1)])
    assert (row["tp"], row["fp"]) == ((fired & truth).sum(), (fired & ~truth).sum())


def test_every_figure_takes_it(compared, tmp_path):
    drawn = draw_all(tmp_path, compared.runs, compared.comparison)
    assert {path.stem for path in drawn} >= {
        "frontier",
        "slide",
        "gains",
        "band",
        "decomposition",
        "roc",
        "calibration",
    }
    plt.close("all")


def test_groups_are_counted():
    found = compare_scores(arms(1), images(1), masks=MASKS, groups=[index // 2 for index in range(10)])
    assert set(found.verdicts["n_groups"]) == {5}


BROKEN = [
    (
        {},
        {"baseline": "dice"},
        ["baseline: expected an arm of scores, one of ['bce', ", "got 'dice'"],
    ),
    ({"extra": {}}, {}, ["scores: expected at least one seed of every arm, got none of extra"]),
    ({"extra": [1]}, {}, ["scores: expected arm -> seed -> one array per image"]),
    ({"extra": {7: [np.zeros((2, 1, 1))]}}, {}, ["extra seed 7: targets: expected 1, one per image, got 10"]),
    ({}, {"groups": ["a"]}, ["bce seed 0: groups: expected 10, one per image, got 1"]),
    ({}, {"masks": ["one"]}, ["bce seed 0: masks: expected 2 names"]),
    ({}, {"validation": ({"bce": {0: maps(0, "bce", 0)}}, images(0))}, ["missing bce seed 1", "shifted seed 3"]),
]


@pytest.mark.parametrize(("more", "options", "words"), BROKEN)
def test_what_cannot_be_compared_is_named(more, options, words):
    with pytest.raises((TypeError, ValueError)) as error:
        compare_scores(arms(1) | more, images(1), **options)
    for word in words:
        assert word in str(error.value)


def test_all_bad_images_are_named_together():
    wrong = arms(1)
    wrong["better"][1][4] = np.full_like(wrong["better"][1][4], np.nan)
    wrong["shifted"][3][0] = wrong["shifted"][3][0][:, :5]
    with pytest.raises(ValueError) as error:
        compare_scores(wrong, images(1))
    assert "better seed 1: image '4': logits: expected numbers" in str(error.value)
    assert "shifted seed 3: image '0': target: expected the shape of its scores (2, 5, 40)" in str(error.value)


def test_a_folder_without_runs_is_named(tmp_path):
    with pytest.raises(ValueError, match="expected"):
        load_study(tmp_path)


def test_a_study_cannot_be_changed(compared):
    with pytest.raises(dataclasses.FrozenInstanceError):
        compared.runs = None
