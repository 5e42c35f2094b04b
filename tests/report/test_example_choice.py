"""Best, median and worst image of the baseline, by the stated rule."""

import shutil

import numpy as np
import pytest

from experiments.frontier.operating_point import tuned_codes
from experiments.report.example_choice import choose_examples
from experiments.runs import store
from experiments.runs.study import load_study


@pytest.fixture
def own_study(drawn_study, tmp_path):
    """A copy of the study's folder that a test may change."""
    study, _ = drawn_study
    root = next(iter(study.complete["loss=bce"].values())).folder.parents[1]
    shutil.copytree(root, tmp_path / "study")
    return tmp_path / "study"


def _reference_f1(study, names):
    """F1 of each kept image, straight from its pixels, mean over masks with positives and over seeds."""
    per_run = []
    for run in study.complete["loss=bce"].values():
        examples, codes = store.read_examples(run.folder), tuned_codes(run.scores["val"])
        values = []
        for name in names:
            place = examples.image_ids.index(name)
            own = []
            for mask, code in enumerate(codes):
                predicted, target = examples.codes[place][mask] >= code, examples.targets[place][mask]
                if target.any():
                    own.append(2 * (predicted & target).sum() / (predicted.sum() + target.sum()))
            values.append(np.mean(own))
        per_run.append(values)
    return np.mean(per_run, axis=0)


def test_best_median_and_worst_are_those_of_the_pixels(drawn_study):
    study, _ = drawn_study
    choice = choose_examples(study)
    names = choice.scores["loss=bce"].image_ids
    f1 = _reference_f1(study, names)
    order = np.argsort(-f1)
    assert choice.roles == ("best", "median", "worst")
    assert choice.places == (order[0], order[len(order) // 2], order[-1])
    assert choice.baseline_f1 == pytest.approx(f1[list(choice.places)])
    assert (choice.seed, choice.n_kept) == (0, 6)
    assert next(iter(choice.scores)) == "loss=bce"
    assert set(choice.scores) == set(study.complete)


def test_predictions_are_at_the_arms_own_tuned_threshold(drawn_study):
    study, _ = drawn_study
    choice = choose_examples(study)
    run = study.complete["loss=weighted_bce"][0]
    code = tuned_codes(run.scores["val"])[1]
    kept = store.read_examples(run.folder)
    np.testing.assert_array_equal(choice.predicted("loss=weighted_bce", 3)[1], kept.codes[3][1] >= code)


def test_the_first_seed_that_all_arms_have_is_taken(own_study):
    (own_study / "loss=worse" / "seed=0" / store.EXAMPLES_FILE).unlink()
    assert choose_examples(load_study(own_study)).seed == 1


def test_arms_without_examples_are_left_out_but_not_the_baseline(own_study):
    for folder in (own_study / "loss=worse").iterdir():
        (folder / store.EXAMPLES_FILE).unlink()
    assert set(choose_examples(load_study(own_study)).scores) == {"loss=bce", "loss=weighted_bce"}
    for folder in (own_study / "loss=bce").iterdir():
        (folder / store.EXAMPLES_FILE).unlink()
    assert choose_examples(load_study(own_study)) is None


def test_only_images_that_all_arms_kept_are_shown(own_study):
    folder = own_study / "loss=worse" / "seed=0"
    kept = store.read_examples(folder)
    fewer = type(kept)(*(getattr(kept, field)[3:] for field in kept.__dataclass_fields__))
    store.write_examples(folder, fewer)
    choice = choose_examples(load_study(own_study))
    assert choice.n_kept == 3
    assert {scores.image_ids for scores in choice.scores.values()} == {("i3", "i4", "i5")}
