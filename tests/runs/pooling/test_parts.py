"""Parts of a study are joined as if they had been made in one folder; what does not belong together is refused."""

import json

import numpy as np
import pytest

from experiments.config import ConfigError
from experiments.evaluation.histogram_builder import ScoreHistogramBuilder
from experiments.report.text.commands import seeds_command
from experiments.runs import store
from experiments.runs.study import load_study


def scores(seed):
    rng = np.random.default_rng(seed)
    builder = ScoreHistogramBuilder(("a",))
    for index in range(3):
        target = np.random.default_rng(index).random((1, 8, 8)) < 0.2
        builder.add(f"t{index}", f"t{index}", 2 * target + rng.normal(0, 1, (1, 8, 8)), target)
    return builder.build()


def write_run(part, arm, seed, *, drawn=None, steps=5, train="R", test="T", status="complete", **info):
    folder = part / f"loss={arm}" / f"seed={seed}"
    store.write_config(folder, {"seed": seed, "loss": {"_target_": arm}, "trainer": {"max_steps": steps}})
    store.write_scores(folder, {"val": scores(seed + 10), "test": scores(seed if drawn is None else drawn)})
    content = {
        "status": status,
        "axes": ["loss"],
        "baseline": "loss=bce",
        "data_fingerprint": {"train": train, "val": "V", "test": test},
        "initial_weights": f"w{seed}",
        "updates": steps,
        "command": f"python -m experiments.train study=losses study_dir={part}",
        **info,
    }
    store.write_json(folder / store.RUN_FILE, content)
    return folder


@pytest.fixture
def parts(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    for seed in (0, 1):
        write_run(here, "bce", seed)
        write_run(here, "dice", seed)
        write_run(there, "focal", seed)
    write_run(there, "bce", 1)  # both have it
    return [here, there]


def test_parts_compare_like_one_folder(parts, tmp_path):
    joined = load_study(parts)
    for arm in ("bce", "dice", "focal"):
        for seed in (0, 1):
            write_run(tmp_path / "whole", arm, seed)
    whole = load_study(tmp_path / "whole")
    assert {arm: list(seeds) for arm, seeds in joined.complete.items()} == {
        arm: list(seeds) for arm, seeds in whole.complete.items()
    }
    assert (joined.baseline, joined.axes) == (whole.baseline, whole.axes)
    assert joined.holes.empty
    assert joined.differences.empty
    for arm, seeds in whole.complete.items():
        for seed, run in seeds.items():
            one, other = run.scores["test"].pooled(0), joined.complete[arm][seed].scores["test"].pooled(0)
            assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_the_order_of_parts_does_not_matter(parts):
    assert list(load_study(parts).complete) == list(load_study(parts[::-1]).complete)


def test_a_seed_that_only_one_part_has_is_missing_elsewhere(parts):
    write_run(parts[1], "focal", 2)
    holes = load_study(parts).holes
    assert set(zip(holes["arm"], holes["seed"], strict=True)) == {("loss=bce", 2), ("loss=dice", 2)}


def test_an_unfinished_run_gives_way_to_the_finished_one(parts):
    folder = write_run(parts[1], "dice", 0, status="failed", reason="out of memory")
    assert load_study(parts).complete["loss=dice"][0].folder == parts[0] / folder.relative_to(parts[1])


def test_other_scores_of_one_arm_and_seed_are_refused_by_name(parts):
    write_run(parts[1], "bce", 0, drawn=7)
    write_run(parts[1], "dice", 1, drawn=7)
    with pytest.raises(ConfigError, match=r"every arm and seed once") as error:
        load_study(parts)
    for arm, seed in (("bce", 0), ("dice", 1)):
        assert all(str(part / f"loss={arm}" / f"seed={seed}") in str(error.value) for part in parts)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"steps": 9}, r"trainer\.max_steps 5 in .*here and 9 in .*there"),
        ({"train": "other"}, r"images and labels \(train\) R in .*here and other in .*there"),
        ({"test": "other"}, r"images and labels \(test\) T in .*here and other in .*there"),
    ],
)
def test_parts_made_in_different_ways_are_refused(tmp_path, changed, named):
    here, there = tmp_path / "here", tmp_path / "there"
    write_run(here, "bce", 0)
    write_run(there, "dice", 0, **changed)
    with pytest.raises(ConfigError, match=named):
        load_study([here, there])


def test_all_differences_are_told_together(tmp_path):
    write_run(tmp_path / "here", "bce", 0)
    write_run(tmp_path / "there", "bce", 0, drawn=3, steps=9, train="other")
    with pytest.raises(ConfigError) as error:
        load_study([tmp_path / "here", tmp_path / "there"])
    assert all(text in str(error.value) for text in ("max_steps", "(train)", "every arm and seed once"))


def test_a_key_that_makes_arms_may_differ(tmp_path):
    write_run(tmp_path / "here", "bce", 0, axes=["loss", "trainer.max_steps"])
    write_run(tmp_path / "there", "dice", 0, steps=9, axes=["loss", "trainer.max_steps"])
    assert list(load_study([tmp_path / "here", tmp_path / "there"]).complete) == ["loss=bce", "loss=dice"]


def test_an_empty_part_is_refused_by_name(parts, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"expected runs at .*empty/<arm>/seed=<k>/, found none"):
        load_study([*parts, tmp_path / "empty"])


def test_predictions_made_elsewhere_join_runs_that_were_trained(parts, tmp_path):
    folder = write_run(tmp_path / "theirs", "mine", 0)
    info = json.loads((folder / store.RUN_FILE).read_text())
    store.write_json(folder / store.RUN_FILE, {**info, store.PREDICTIONS: "maps"})
    store.write_config(folder, {"seed": 0})
    assert "loss=mine" in load_study([*parts, tmp_path / "theirs"]).complete


def test_no_command_adds_seeds_to_parts(parts):
    assert seeds_command(load_study(parts), [0, 1, 2]) == ""
    assert f"study_dir={parts[0]}" in seeds_command(load_study(parts[0]), [0, 1, 2])
