"""The search resumes as if it had not stopped, keeps to its ranges, and no test score reaches it."""

from pathlib import Path

import pytest

from experiments.config import ConfigError
from experiments.launch.search import Range, search
from experiments.launch.tuned_study import judged
from experiments.runs.store import Run

SPACE = {"loss.fp_weight": Range(0.05, 0.95), "optimizer.lr": Range(1e-3, 1e-1, log=True)}


def judge(number, setting):
    return 1 - (setting["loss.fp_weight"] - 0.3) ** 2 - setting["optimizer.lr"]


class Stopped(BaseException):
    pass


def test_a_search_that_is_stopped_goes_on_as_if_it_had_not(tmp_path):
    seen = {"whole": [], "parts": []}

    def watched(name, stops=()):
        def judged(number, setting):
            if number in stops and (number, setting) not in seen[name]:
                seen[name].append((number, setting))
                raise Stopped
            seen[name].append((number, setting))
            return judge(number, setting)

        return judged

    whole = search(tmp_path / "whole", SPACE, 14, watched("whole"))
    for _ in range(2):
        with pytest.raises(Stopped):
            search(tmp_path / "parts", SPACE, 14, watched("parts", stops=(0, 12)))
    parts = search(tmp_path / "parts", SPACE, 14, watched("parts"))
    assert parts == whole
    assert list(dict.fromkeys(map(str, seen["parts"]))) == list(map(str, seen["whole"]))
    assert whole.validation_ap == max(judge(*each) for each in seen["whole"])
    assert all(one.low <= setting[key] <= one.high for _, setting in seen["whole"] for key, one in SPACE.items())


def test_a_finished_search_judges_nothing_again_and_a_longer_one_only_what_is_new(tmp_path):
    first = search(tmp_path, SPACE, 3, judge)
    numbers = []
    assert search(tmp_path, SPACE, 3, lambda number, setting: numbers.append(number) or 0.0) == first
    search(tmp_path, SPACE, 5, lambda number, setting: numbers.append(number) or 0.0)
    assert numbers == [3, 4]
    assert search(tmp_path, SPACE, 3, judge).trials == 5  # as many were tried, though the first 3 are asked for


def test_failed_trials_are_counted_and_not_chosen(tmp_path):
    best = search(tmp_path, SPACE, 4, lambda number, setting: 0.5 if number == 2 else float("nan"))
    assert (best.validation_ap, best.trials) == (0.5, 4)
    with pytest.raises(ConfigError, match="none of 2 trials"):
        search(tmp_path / "all", SPACE, 2, lambda number, setting: float("nan"))


def test_trials_of_another_space_are_refused(tmp_path):
    search(tmp_path, SPACE, 1, judge)
    with pytest.raises(ConfigError, match=r"tune\.space: .* holds trials of"):
        search(tmp_path, {"optimizer.lr": Range(1e-3, 1e-1)}, 1, judge)


@pytest.mark.parametrize("value", [[1], [2, 1], [0, 1, "log"], ["a", 1], 3, [1, 2, 3], [1, float("inf")]])
def test_a_range_that_is_none_is_named(value):
    with pytest.raises(ConfigError, match=r"tune\.space\.loss\.gamma: expected"):
        Range.of("loss.gamma", value)


class Sealed(dict):
    """Scores of a run whose test split may not be opened."""

    def __getitem__(self, split):
        assert split == "val", f"{split} was read"
        return super().__getitem__(split)

    def values(self):
        raise AssertionError("all splits were read")

    items = values


def test_test_scores_cannot_influence_the_choice():
    import numpy as np

    from experiments.evaluation.histogram_builder import ScoreHistogramBuilder

    rng = np.random.default_rng(0)
    target = rng.random((1, 40, 40)) < 0.1
    builder = ScoreHistogramBuilder(("a",))
    builder.add("i", "i", 2.0 * target + rng.normal(0, 1, target.shape), target)
    scores = Sealed(val=builder.build(), test=None)

    def run(seed, status, scores):
        return Run(Path("a"), "a", seed, status, {}, {}, scores)

    whole = judged({1000: run(1000, "complete", scores), 1001: run(1001, "complete", scores)})
    assert 0 < whole < 1
    # Its status is that of a run whose output is constant on test images, which the choice may not know.
    assert judged({1000: run(1000, "complete", scores), 1001: run(1001, "diverged", scores)}) == whole
    assert np.isnan(judged({1000: run(1000, "complete", scores), 1001: run(1001, "diverged", {})}))
