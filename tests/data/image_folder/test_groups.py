import re

import numpy as np
import pytest

from experiments.data.data_error import DataError
from experiments.data.image_folder import groups
from experiments.data.image_folder.groups import compile_pattern, cut_by_group, group_names
from experiments.data.image_folder.problems import MOST_NAMED, ProblemList


def test_group_is_the_first_capture_group_or_the_match():
    names = ["w1_y003.png", "w2_y010.png", "w1_y999.jpg"]
    problems = ProblemList("here")
    assert group_names(names, re.compile("^(.*)_y"), problems) == ["w1", "w2", "w1"]
    assert group_names(names, re.compile("y..."), problems) == ["y003", "y010", "y999"]
    assert group_names(names, re.compile(r"(\d+)$"), problems) == ["003", "010", "999"]  # the stem's end
    assert group_names(names, re.compile(r"(.*)_y\d+\.(?:png|jpg)"), problems) == ["w1", "w2", "w1"]
    assert group_names(names, None, problems) == ["w1_y003", "w2_y010", "w1_y999"]
    assert not problems


def test_every_file_without_a_match_is_a_problem():
    problems = ProblemList("here")
    group_names(["w1_y.png", "b.png", "_y.png"], re.compile("^(.*)_y"), problems, folder="train/images/")
    assert problems.message().splitlines()[1:] == [
        "data.group_pattern '^(.*)_y' does not match the file name, or gives an empty group (2):",
        "  train/images/b.png",
        "  train/images/_y.png",
    ]


def test_no_regular_expression_is_a_problem():
    problems = ProblemList("here")
    assert compile_pattern("(", problems) is None
    assert "'('" in problems.message()
    assert compile_pattern(None, ProblemList("here")) is None


def test_a_search_without_end_is_stopped_and_its_file_named(monkeypatch):
    monkeypatch.setattr(groups, "SECONDS", 0.3)
    problems = ProblemList("here")
    names = ["aaa.png", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!.png", "b.png"]
    assert group_names(names, re.compile(r"^(a+)+$"), problems, folder="train/images/") == [n[:-4] for n in names]
    _, kind, entry = problems.message().splitlines()
    assert "repeats inside repeats" in kind
    assert entry == f"  train/images/{names[1]}: not found out in that time"


@pytest.mark.parametrize("pattern", ["(", "", "a{99999999999999}", "(" * 3000, 7, True, ["a"], "(?P<g>x)(?P<g>y)"])
def test_what_is_no_pattern_is_named(pattern):
    problems = ProblemList("here")
    assert compile_pattern(pattern, problems) is None
    assert "data.group_pattern: expected a regular expression" in problems.message()


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.5])
def test_a_cut_takes_about_its_fraction_and_tears_no_group(fraction):
    for seed in range(20):
        sizes = np.random.default_rng(seed).integers(1, 6, size=30)
        groups = [f"g{i}" for i, size in enumerate(sizes) for _ in range(size)]
        chosen = cut_by_group(groups, fraction, seed)
        assert abs(sum(chosen) - fraction * len(groups)) <= 3
        inside = {group for group, move in zip(groups, chosen, strict=True) if move}
        outside = {group for group, move in zip(groups, chosen, strict=True) if not move}
        assert not inside & outside


def test_a_cut_depends_on_the_seed_and_not_on_the_order_of_images():
    groups = [f"g{i}" for i in range(20)]
    cuts = [cut_by_group(groups, 0.3, seed) for seed in range(5)]
    assert len({tuple(cut) for cut in cuts}) > 1
    assert cut_by_group(groups, 0.3, 0) == cuts[0]
    assert cut_by_group(groups[::-1], 0.3, 0)[::-1] == cuts[0]


@pytest.mark.parametrize("fraction", [0.001, 0.999])
def test_neither_side_is_empty(fraction):
    chosen = cut_by_group(["a", "a", "b", "c"], fraction, 0)
    assert 0 < sum(chosen) < 4


def test_both_sides_get_positives_of_a_rare_mask():
    groups = [f"g{i}" for i in range(20)]
    positives = np.ones((20, 2), np.int64)
    positives[:, 1] = 0
    positives[[4, 11], 1] = 7
    plain = [np.array(cut_by_group(groups, 0.2, seed)) for seed in range(10)]
    assert any(not positives[cut, 1].any() for cut in plain)  # chance alone would miss it
    for seed in range(10):
        cut = np.array(cut_by_group(groups, 0.2, seed, positives))
        assert cut.sum() == 4
        assert positives[cut, 1].any()
        assert positives[~cut, 1].any()


def test_a_mask_in_one_group_alone_does_not_stop_the_cut():
    positives = np.array([[1, 5], [1, 0], [1, 0], [1, 0]])
    assert sum(cut_by_group(["a", "b", "c", "d"], 0.25, 0, positives)) == 1


def test_one_group_cannot_be_cut():
    with pytest.raises(ValueError, match="groups: expected at least 2 to cut one off, got 1"):
        cut_by_group(["a", "a"], 0.5, 0)


def test_problems_are_listed_by_kind_and_counted_beyond_the_limit():
    problems = ProblemList("data.root=x")
    assert not problems
    problems.raise_if_any()
    problems.add("first kind", "a: 1", "b: 2")
    problems.add("second kind", *[f"file {i}" for i in range(MOST_NAMED + 3)])
    problems.add("first kind", "c: 3")
    problems.add("no such kind")
    with pytest.raises(DataError) as caught:
        problems.raise_if_any()
    lines = str(caught.value).splitlines()
    assert lines[:5] == [
        "data.root=x: the data cannot be used",
        "first kind (3):",
        "  a: 1",
        "  b: 2",
        "  c: 3",
    ]
    assert lines[5] == f"second kind ({MOST_NAMED + 3}):"
    assert lines[-1] == "  ... and 3 more"
    assert len(lines) == 5 + 1 + MOST_NAMED + 1
