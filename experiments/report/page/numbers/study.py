"""Every number that the page's script needs, computed from score histograms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.comparison.checked_runs import CheckedRuns, RunScores, check_runs
from experiments.comparison.settings import CompareSettings
from experiments.process.on_demand import Mapped
from experiments.process.parallel import in_parallel
from experiments.report.page.numbers.recall_curve import (
    RECALLS,
    RecallCurve,
    RunAtRecalls,
    recall_curve,
    run_at_recalls,
)
from experiments.report.page.numbers.threshold_curve import STEP, ThresholdCurve, threshold_curve
from experiments.runs.study import StudyRuns

Key = tuple[int, str]
"""Mask and arm."""


_FINE = 700
"""Up to this number of runs x masks the page has every stop and level; above it has fewer, to stay below 10 MB."""


@dataclass(frozen=True)
class PageNumbers:
    """Counts and intervals of every arm and mask.

    Args:
        checked: The runs, images in one order.
        seeds: arm -> its seeds, ascending, in the order of the counts; arms without a run are left out.
        n_positive: Positive test pixels of each mask.
        n_pixels: Test pixels of each mask.
        recalls: (L,), levels of recall of the drawn frontiers and the lock.
        by_threshold: For the sliders.
        by_recall: For the drawn frontiers and the recall lock.
    """

    checked: CheckedRuns
    seeds: Mapping[str, list[int]]
    n_positive: tuple[int, ...]
    n_pixels: tuple[int, ...]
    recalls: NDArray[np.float64]
    by_threshold: Mapping[Key, ThresholdCurve]
    by_recall: Mapping[Key, RecallCurve]

    @property
    def n_groups(self) -> int:
        """Number of test groups."""
        return len(self.checked.group_names)


def page_numbers(study: StudyRuns, settings: CompareSettings) -> PageNumbers:
    """Compute the numbers of all arms and masks.

    Args:
        study: The runs.
        settings: Of the comparison: level, tolerance, workers.
    """
    runs = {
        arm: Mapped(dict(sorted(seeds.items())), lambda run: RunScores.of(run.scores))
        for arm, seeds in study.complete.items()
        if seeds
    }
    checked = _aligned(runs, study.baseline)
    step, recalls = fineness(sum(len(seeds) for seeds in runs.values()) * len(checked.masks))
    keys = [(mask, arm) for mask in range(len(checked.masks)) for arm in checked.runs]

    def numbers_of(key: Key) -> tuple[ThresholdCurve, dict[int, RunAtRecalls]]:
        (mask, arm), group_of = key, checked.group_of
        seeds = checked.runs[arm]
        pooled = [run.test.pooled(mask) for run in seeds.values()]
        curve = threshold_curve(seeds.values(), mask, group_of, level=settings.level, step=step, pooled=pooled)
        pairs = zip(seeds.items(), pooled, strict=True)
        tolerance = settings.recall_tolerance
        at_recalls = {
            seed: run_at_recalls(run, mask, group_of, tolerance, counts, recalls) for (seed, run), counts in pairs
        }
        return curve, at_recalls

    found = dict(zip(keys, in_parallel(numbers_of, keys, checked.worth_workers(settings.workers)), strict=True))

    def by_recall(key: Key) -> RecallCurve:
        mask, arm = key
        base = None if arm == study.baseline else found[mask, study.baseline][1]
        return recall_curve(found[key][1], base, level=settings.level)

    positives, negatives = next(iter(checked.runs[study.baseline].values())).test.pixel_counts()
    return PageNumbers(
        checked=checked,
        seeds={arm: list(each) for arm, each in checked.runs.items()},
        n_positive=tuple(int(count) for count in positives.sum(axis=0)),
        n_pixels=tuple(int(count) for count in (positives + negatives).sum(axis=0)),
        recalls=recalls,
        by_threshold={key: curve for key, (curve, _) in found.items()},
        by_recall={key: by_recall(key) for key in keys},
    )


def fineness(run_masks: int) -> tuple[float, NDArray[np.float64]]:
    """Return the step of the sliders' stops and the levels of recall for a number of runs x masks."""
    coarser = max(1.0, run_masks / _FINE)
    every = next((n for n in (1, 2, 5) if n >= coarser), 10)  # includes the levels of the matched-recall table
    return STEP * coarser, RECALLS[every - 1 :: every]


def _aligned(runs: Mapping[str, Mapping[int, RunScores]], baseline: str) -> CheckedRuns:
    """Put the images of all runs into one order; the comparison has checked that their data are the same."""
    first = runs[baseline][min(runs[baseline])].test
    same = all(run.test.image_ids == first.image_ids for seeds in runs.values() for run in seeds.values())
    if not same:
        return check_runs(runs, baseline)
    group_names, group_of = first.groups()
    return CheckedRuns(runs, baseline, first.masks, first.image_ids, group_names, group_of)
