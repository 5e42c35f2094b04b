"""Comparable runs are loaded, others are refused by name, and holes stay holes."""

import json

import numpy as np
import pytest

from experiments.config import ConfigError
from experiments.evaluation.histogram_builder import ScoreHistogramBuilder
from experiments.runs import store
from experiments.runs.study import find_arm, load_study, short_names

MASKS = ("a",)


def scores(seed, shift=0.0, images=3):
    rng = np.random.default_rng(seed)
    builder = ScoreHistogramBuilder(MASKS)
    for index in range(images):
        target = np.random.default_rng(index).random((1, 8, 8)) < 0.2
        builder.add(f"t{index}", f"t{index}", 2 * target + rng.normal(shift, 1, (1, 8, 8)), target)
    return builder.build()


def write_run(study, arm, seed, *, status="complete", test="T", config=None, **info):
    folder = study / arm / f"seed={seed}"
    config = {"seed": seed, "loss": {"_target_": arm}, "trainer": {"max_steps": 5}} if config is None else config
    store.write_config(folder, config)
    store.write_scores(folder, {"val": scores(seed + 10), "test": scores(seed)})
    content = {
        "status": status,
        "axes": ["loss"],
        "baseline": "loss=bce",
        "data_fingerprint": {"train": "R", "val": "V", "test": test},
        "initial_weights": f"w{seed}",
        "updates": 5,
        **info,
    }
    store.write_json(folder / store.RUN_FILE, content)
    return folder


@pytest.fixture
def study(tmp_path):
    for arm in ("loss=dice", "loss=bce", "loss=focal"):
        for seed in (0, 1):
            write_run(tmp_path, arm, seed)
    return tmp_path


def test_the_baseline_comes_first_and_nothing_is_missing(study):
    runs = load_study(study)
    assert list(runs.complete) == ["loss=bce", "loss=dice", "loss=focal"]
    assert runs.axes == ("loss",)
    assert runs.holes.empty
    assert runs.differences.empty
    assert sorted(runs.complete["loss=dice"]) == [0, 1]


@pytest.mark.parametrize("name", ["dice", "loss=dice"])
def test_another_baseline_by_either_name(study, name):
    assert load_study(study, name).baseline == "loss=dice"


def test_an_unknown_baseline_lists_the_arms(study):
    with pytest.raises(ConfigError, match=r"loss=bce, loss=dice, loss=focal; got bse"):
        load_study(study, "bse")


def test_failed_diverged_missing_and_broken_runs_are_holes(study):
    write_run(study, "loss=dice", 0, status="failed", reason="out of memory")
    write_run(study, "loss=focal", 0, status="diverged", reason="the loss was not finite")
    write_run(study, "loss=bce", 2)
    (study / "loss=focal" / "seed=1" / store.SCORES_FILE).write_bytes(b"not an archive")
    holes = load_study(study).holes.set_index(["arm", "seed"])
    assert holes.loc[("loss=dice", 0), ["status", "reason"]].tolist() == ["failed", "out of memory"]
    assert holes.loc[("loss=focal", 0), "status"] == "diverged"
    assert holes.loc[("loss=focal", 1), "status"] == "damaged"
    assert "scores.npz" in holes.loc[("loss=focal", 1), "reason"]
    assert holes.loc[("loss=dice", 2), "status"] == "missing"
    assert len(holes) == 5


def test_a_constant_output_is_an_outcome_and_no_hole(study):
    """Leaving it out would judge the arm by the seeds that survived."""
    write_run(study, "loss=focal", 0, status="diverged", reason=store.CONSTANT_OUTPUT)
    runs = load_study(study)
    assert runs.holes.empty
    assert sorted(runs.complete["loss=focal"]) == [0, 1]
    assert runs.complete["loss=focal"][0].status == "diverged"
    (study / "loss=focal" / "seed=0" / store.SCORES_FILE).unlink()
    holes = load_study(study).holes
    assert holes[["arm", "seed", "status"]].to_numpy().tolist() == [["loss=focal", 0, "damaged"]]


def test_other_test_images_are_refused_by_name(study):
    write_run(study, "loss=dice", 1, test="another")
    with pytest.raises(ConfigError, match=r"other test images or labels.*loss=dice/seed=1 \(another\)"):
        load_study(study)


def test_a_study_without_a_complete_baseline_is_refused(study):
    for seed in (0, 1):
        write_run(study, "loss=bce", seed, status="diverged", reason="not finite")
    with pytest.raises(ConfigError, match=r"baseline loss=bce.*diverged: not finite"):
        load_study(study)


def test_no_folder_and_no_runs_are_named(tmp_path):
    with pytest.raises(ConfigError, match="nowhere, which is not there"):
        load_study(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="found none"):
        load_study(tmp_path)


def test_whatever_else_differs_between_arms_is_listed(study):
    config = {"seed": 0, "loss": {"_target_": "loss=dice"}, "trainer": {"max_steps": 9, "workers": 4}}
    write_run(study, "loss=dice", 0, config=config, updates=9, initial_weights="other")
    differences = load_study(study).differences
    assert set(differences["arm"]) == {"loss=dice"}
    assert differences.set_index("key")["arm_value"].to_dict() == {
        "initial weights": "other",
        "trainer.max_steps": "9",
        "updates": "9",
    }


def test_short_names_drop_what_all_share():
    assert short_names(["loss=bce", "loss=dice"]) == {"loss=bce": "bce", "loss=dice": "dice"}
    assert short_names(["loss=bce", "lr=1"]) == {"loss=bce": "loss=bce", "lr=1": "lr=1"}
    assert short_names(["default", "loss=bce"])["loss=bce"] == "loss=bce"


@pytest.mark.parametrize(
    ("arms", "wanted", "found"),
    [
        (["loss=bce,data.val_logs=2", "loss=dice,data.val_logs=2"], "loss=bce", 0),
        (["loss=bce,data.width=[6,4]", "loss=dice,data.width=[6,4]"], "loss=dice", 1),
        (["loss=bce,data.val_logs=2", "loss=dice,data.val_logs=3"], "loss=bce", None),  # val_logs makes the arms
        (["loss=dice,data.val_logs=2", "loss=focal,data.val_logs=2"], "loss=bce", None),
        (["loss=bce,optimizer.lr=1,data.x=2", "loss=bce,optimizer.lr=2,data.x=2"], "loss=bce", None),
        (["loss=bce,optimizer.lr=1,data.x=2", "loss=bce,optimizer.lr=2,data.x=2"], "loss=bce,optimizer.lr=2", 1),
        (["loss=bce", "loss=dice,loss.mode=a"], "loss=bce", 0),
        (["loss=bce", "loss=dice", "theirs"], "dice", 1),  # predictions made elsewhere have no key
        (["loss=bce", "loss=dice", "theirs"], "theirs", 2),
        (["loss=bce", "head=bce", "theirs"], "bce", None),
    ],
)
def test_an_arm_is_found_without_what_all_share(arms, wanted, found):
    assert find_arm(arms, wanted) == (None if found is None else arms[found])


def test_scores_come_back_as_they_were(tmp_path):
    folder = write_run(tmp_path, "loss=bce", 0)
    read, expected = store.read_scores(folder)["test"], scores(0)
    assert read.image_ids == expected.image_ids
    assert np.array_equal(read.bins, expected.bins)
    assert np.array_equal(read.positives, expected.positives)


def write_predictions(study, arm, seed, **info):
    """Write a run as `score_folder` does: no training, no validation."""
    folder = study / arm / f"seed={seed}"
    store.write_config(folder, {"predictions": {"kind": "logits"}})
    store.write_scores(folder, {"test": scores(seed)})
    content = {"status": "complete", store.PREDICTIONS: "P", "data_fingerprint": {"test": "T"}, **info}
    store.write_json(folder / store.RUN_FILE, content)


def test_predictions_made_elsewhere_stand_beside_trained_runs(study):
    write_predictions(study, "theirs", 0)
    write_predictions(study, "theirs", 1)
    runs = load_study(study)
    assert list(runs.complete) == ["loss=bce", "loss=dice", "loss=focal", "theirs"]
    assert list(runs.complete["theirs"][0].scores) == ["test"]
    assert runs.holes.empty
    assert runs.differences.to_numpy().tolist() == [["theirs", "training", "here", "not known"]]
    other = load_study(study, "theirs").differences
    assert set(other["arm"]) == {"loss=bce", "loss=dice", "loss=focal"}
    assert set(other["key"]) == {"training"}


def test_predictions_on_other_test_images_are_refused(study):
    write_predictions(study, "theirs", 0, data_fingerprint={"test": "other"})
    with pytest.raises(ConfigError, match=r"other test images or labels.*theirs/seed=0"):
        load_study(study)


def test_hard_masks_are_kept_apart(study):
    write_predictions(study, "drawn", 0, **{store.HARD_MASKS: True})
    runs = load_study(study)
    assert "drawn" not in runs.complete
    assert list(runs.hard) == ["drawn"]
    assert runs.holes.empty
    with pytest.raises(ConfigError, match="expected an arm with scores, got drawn"):
        load_study(study, "drawn")
    write_predictions(study, "drawn", 1, **{store.HARD_MASKS: True, "data_fingerprint": {"test": "other"}})
    with pytest.raises(ConfigError, match=r"other test images or labels.*drawn/seed=1"):
        load_study(study)


def test_an_interrupted_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "table.json"
    store.write_json(path, {"old": 1})

    def fail(file):
        file.write(b"half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        store.write_atomically(path, fail)
    assert json.loads(path.read_text()) == {"old": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["table.json"]
