"""Which subgroup each test image belongs to: by a column of the split file, or by a bracket of the image's name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from experiments.process.error_text import listed
from experiments.runs import store
from experiments.runs.store import CHECKPOINT_FILE, PREDICTIONS, Run
from experiments.runs.study import StudyRuns

FEWEST_GROUPS = 5
"""Test groups that a subgroup needs for an interval: with fewer the variance over groups is hardly known."""

MOST_SUBGROUPS = 50

_BY_NAME = "a part of the image's name can be taken instead, as report.by='^([^_]*)_'"


@dataclass(frozen=True)
class Subgroups:
    """The subgroup of each test image.

    Args:
        by: Column or pattern.
        of_image: Image -> subgroup.
        in_training: Subgroup -> training images of that value; None where it is not known.
    """

    by: str
    of_image: Mapping[str, str]
    in_training: Mapping[str, int] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The subgroups in ascending order; those that training has not seen come last."""
        return tuple(sorted(set(self.of_image.values()), key=lambda name: (self.unseen(name), name)))

    def unseen(self, name: str) -> bool:
        """Whether no training image is known to have this value: the subgroup is out of distribution."""
        return self.in_training is not None and not self.in_training.get(name, 0)


def is_pattern(by: str) -> bool:
    """Whether subgroups are taken from the images' names; a column's name has no bracket.

    >>> is_pattern("scanner"), is_pattern("^(.*?)_")
    (False, True)
    """
    return "(" in by


def by_problem(by: object) -> str:
    """Say what is wrong with the setting by itself; empty if nothing is.

    >>> by_problem("(a"), by_problem("scanner")
    ("expected a regular expression, got '(a': missing ), unterminated subpattern at position 0", '')
    """
    if by is None:
        return ""
    if not isinstance(by, str) or not by.strip():
        return f"expected a column of the split file, or a pattern of image names with a bracket, got {by!r}"
    if not is_pattern(by):
        return ""
    try:
        pattern = re.compile(by)
    except re.error as error:
        return f"expected a regular expression, got {by!r}: {error}"
    return "" if pattern.groups else f"expected a pattern with a bracket that captures the subgroup, got {by!r}"


def image_problems(
    by: str, image_ids: Sequence[str], columns: Mapping[str, Sequence[str]], *, of_fold: bool = False
) -> list[str]:
    """List why test images cannot be put into subgroups, before anything is trained.

    Args:
        by: Column or pattern, of which `by_problem` is empty.
        image_ids: Of the test split.
        columns: Those of its split file.
        of_fold: Whether other folds test other images, so that these may be of one subgroup.
    """
    if not is_pattern(by) and by not in columns:
        return [f"{_unknown(by, columns)}; {_BY_NAME}"]
    of_image = _by_pattern(by, image_ids) if is_pattern(by) else dict(zip(image_ids, columns[by], strict=True))
    return _value_problems(of_image, by, fewest=1 if of_fold else 2)


def subgroups_of_images(by: str | Sequence[object], image_ids: Sequence[str]) -> Subgroups:
    """Put images into subgroups by a pattern of their names, or by a value for each of them.

    Raises:
        ValueError: The message names every image without a subgroup.
    """
    if isinstance(by, str):
        problem = by_problem(by)
        if problem or not is_pattern(by):
            raise ValueError(f"by: {problem or f'expected a value per image, or a pattern with a bracket, got {by!r}'}")
        return _checked(Subgroups(by, _by_pattern(by, image_ids)))
    values = ["" if value is None else str(value) for value in by]
    if len(values) != len(image_ids):
        raise ValueError(f"by: expected {len(image_ids)} values, one per image, got {len(values)}")
    return _checked(Subgroups("by", dict(zip(image_ids, values, strict=True))))


def find_subgroups(study: StudyRuns, by: str) -> Subgroups:
    """Put the test images of a study on disk into subgroups.

    Raises:
        ValueError: There is no such column, runs did not record it or disagree, or images have no value. The message
            names all that is wrong, and what to do.
    """
    problem = by_problem(by)
    if problem:
        raise ValueError(f"report.by: {problem}")
    reference = study.reference
    image_ids = reference.scores["test"].image_ids
    if is_pattern(by):
        return _checked(Subgroups(by, _by_pattern(by, image_ids)))
    runs = [run for seeds in study.complete.values() for run in seeds.values()]
    problems = _unrecorded(runs, by)
    have = [run for run in runs if by in run.columns.get("test", {})]
    if not have:
        raise ValueError("\n".join(problems))
    first = have[0].columns["test"][by]
    for run in have[1:]:
        differ = [image for image in image_ids if run.columns["test"][by].get(image) != first.get(image)]
        if differ:
            problems.append(
                f"report.by={by}: expected one value of an image in all runs; {run.folder} differs from "
                f"{have[0].folder} in [{listed(differ)}]"
            )
    train = have[0].columns.get("train", {}).get(by)
    found = Subgroups(
        by, {image: first.get(image, "") for image in image_ids}, None if train is None else Counter(train.values())
    )
    problems += _value_problems(found.of_image, by)
    if problems:
        raise ValueError("\n".join(problems))
    return found


def _unrecorded(runs: Sequence[Run], by: str) -> list[str]:
    """Name the runs that did not record a column, with what to do about it."""
    lacking = [run for run in runs if by not in run.columns.get("test", {})]
    if not lacking:
        return []
    known = {column: () for run in runs for column in run.columns.get("test", {})}
    here = [str(run.folder) for run in lacking if PREDICTIONS not in run.info]
    elsewhere = [str(run.folder) for run in lacking if PREDICTIONS in run.info]
    told = [f"{_unknown(by, known)}; {_BY_NAME}"] if by not in known else [f"report.by={by}: not recorded in some runs"]
    if here:
        told.append(
            f"{listed(here)}: add the column {by} to the file of data.splits and give the run's command again: the "
            f"weights are in {CHECKPOINT_FILE}, nothing is trained again"
        )
    if elsewhere:
        told.append(f"{listed(elsewhere)}: score the maps again with a data.splits=FILE.csv that has the column {by}")
    return told


def _unknown(by: str, columns: Mapping[str, object]) -> str:
    known = ", ".join(columns) or "none: data.splits=FILE.csv may have some beside image, split and group"
    return f"report.by: expected a column that the split file has ({known}), got {by!r}"


def _by_pattern(by: str, image_ids: Sequence[str]) -> dict[str, str]:
    matches = {image: re.search(by, image) for image in image_ids}
    return {image: "" if match is None else match[1] or "" for image, match in matches.items()}


def _value_problems(of_image: Mapping[str, str], by: str, fewest: int = 2) -> list[str]:
    without = [image for image, value in of_image.items() if not value]
    names = sorted(set(of_image.values()) - {""})
    problems = []
    if without:
        what = "a pattern that matches every test image" if is_pattern(by) else "a value for every test image"
        problems.append(f"report.by={by}: expected {what}, got none for [{listed(without)}]")
    if 0 < len(names) < fewest and not without:
        problems.append(f"report.by={by}: expected at least two subgroups, got one: {names[0]}")
    if len(names) > MOST_SUBGROUPS:
        problems.append(f"report.by={by}: expected at most {MOST_SUBGROUPS} subgroups, got {len(names)}")
    return problems


def _checked(found: Subgroups) -> Subgroups:
    problems = _value_problems(found.of_image, found.by)
    if problems:
        raise ValueError("\n".join(problems))
    return found


def group_problems(found: Subgroups, scores: store.ScoreHistograms) -> list[str]:
    """List why no subgroup can have an interval; empty if one can."""
    groups: dict[str, set[str]] = {}
    for image, group in zip(scores.image_ids, scores.group_ids, strict=True):
        groups.setdefault(found.of_image[image], set()).add(group)
    if any(len(members) >= FEWEST_GROUPS for members in groups.values()):
        return []
    counts = listed([f"{name}: {len(members)}" for name, members in sorted(groups.items())])
    return [f"report.by={found.by}: expected a subgroup of at least {FEWEST_GROUPS} test groups, got {counts}"]
