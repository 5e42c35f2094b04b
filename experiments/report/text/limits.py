"""One line on what a study rests on, and so on what it cannot say."""

from __future__ import annotations

from collections.abc import Iterable

from experiments.comparison.compare_arms import Comparison
from experiments.inference.paired_difference import MIN_SEEDS
from experiments.report.facts import StudySize, counted
from experiments.report.text.wording import listed
from experiments.runs.fingerprint import flatten
from experiments.runs.study import StudyRuns, is_from_elsewhere, short_names

_MOST_NAMED = 3


def limits_line(study: StudyRuns, comparison: Comparison) -> str:
    """Say in one line the seeds, images, updates, learning rates, collapses, holes, and arms of fewer than three seeds.

    >>> from experiments.comparison import compare_scores
    >>> maps = {0: [[[1.0, -1.0]]], 1: [[[2.0, -1.0]]]}
    >>> study = compare_scores({"bce": maps, "mine": maps}, [[[1, 0]]])
    >>> limits_line(study.runs, study.comparison).split(". ")[0]
    'Rests on 2 seeds, 1 test image, one training set'
    """
    names = short_names(list(study.complete))
    parts = [StudySize.of(study, comparison).text, *_training(study), _training_sets(study.folds)]
    told = [f"Rests on {', '.join(parts)}."]
    collapsed = _collapsed(comparison)
    told += [collapsed] if collapsed else []
    if len(study.holes):
        told.append(f"{counted([len(study.holes)], 'run')} missing or unfinished.")
    table = comparison.arm_verdicts
    few = [names[str(arm)] for arm in table["arm"][table["n_seeds"] < MIN_SEEDS]] if len(table) else []
    if few:
        whom = listed(few) if len(few) <= _MOST_NAMED else f"{len(few)} of {len(table)} arms"
        told.append(f"Too few seeds for an interval ({MIN_SEEDS}): {whom}.")
    return " ".join(told)


def _training_sets(folds: int | None) -> str:
    return "one training set" if folds is None else f"the overlapping training sets of {folds} folds"


def _training(study: StudyRuns) -> list[str]:
    """Say how long runs were trained and at which learning rate, as far as that is known."""
    runs = [run for seeds in study.complete.values() for run in seeds.values()]
    here = [run for run in runs if not is_from_elsewhere(run)]
    told = []
    updates = [run.info["updates"] for run in here if isinstance(run.info.get("updates"), int)]
    if updates:
        told.append(counted(updates, "update"))
    rates = _values(flatten(run.config).get("optimizer.lr") for run in here)
    if rates:
        told.append(f"one learning rate ({rates[0]:g})" if len(rates) == 1 else f"{len(rates)} learning rates")
    if runs and not here:
        told.append("training made elsewhere")
    return told


def _values(found: Iterable[object]) -> list[float]:
    return sorted({float(value) for value in found if isinstance(value, int | float)})


def _collapsed(comparison: Comparison) -> str:
    """Count the runs that are not shown to be better than random scores on some mask."""
    scores = comparison.scores
    if not len(scores):
        return ""
    trained = scores.groupby(["arm", "seed"])["trained"].all()
    lost = int((~trained).sum())
    if lost:
        return f"{lost} of {len(trained)} runs collapsed or are not trained."
    return f"None of {len(trained)} runs collapsed." if len(trained) > 1 else ""
