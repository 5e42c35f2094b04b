"""What a report says of a study whose images were cut into folds."""

from __future__ import annotations

from experiments.runs.study import StudyRuns


def fold_notes(study: StudyRuns) -> list[str]:
    """Say how test images of folds are pooled and what the intervals speak of; empty without folds."""
    if study.folds is None:
        return []
    return [
        f"{study.folds} folds by group: each image is tested once per seed, by a network that saw none of its group. "
        "Training sets of the folds overlap, and an interval speaks of networks trained on this set of images, not of "
        "another training set. One threshold per seed is tuned on the validation images of all folds, some of which "
        "other folds test; AP uses none."
    ]
