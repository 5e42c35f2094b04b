"""Chooses which of the kept test images to show: the baseline's best, median and worst, by a stated rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.frontier.codes import N_CODES
from experiments.frontier.curve import f_beta
from experiments.frontier.histogram import ScoreHistograms
from experiments.frontier.operating_point import tuned_codes
from experiments.frontier.per_image import ImageCounts
from experiments.runs import store
from experiments.runs.example_scores import ExampleScores
from experiments.runs.study import StudyRuns


@dataclass(frozen=True)
class ExampleChoice:
    """The shown images with every arm's scores, of one seed.

    Args:
        roles: "best", "median", "worst", one per shown image.
        places: Each shown image's place in `scores`.
        baseline_f1: Each shown image's F1 by the baseline at its tuned threshold, mean over masks and seeds.
        seed: The first seed that all arms have.
        scores: Arm -> its example scores; images and labels are the same for all, the baseline is the first.
        tuned: Arm -> the code of the tuned threshold of each mask; None where there is none.
        masks: Names of the masks.
        n_kept: Number of kept images, among which these are the best, median and worst.
    """

    roles: tuple[str, ...]
    places: tuple[int, ...]
    baseline_f1: tuple[float, ...]
    seed: int
    scores: Mapping[str, ExampleScores]
    tuned: Mapping[str, tuple[int | None, ...]]
    masks: tuple[str, ...]
    n_kept: int

    def predicted(self, arm: str, place: int) -> NDArray[np.bool_]:
        """Return an arm's predictions in an image at its tuned thresholds, bool (C, H, W)."""
        limits = [N_CODES if code is None else code for code in self.tuned[arm]]
        return self.scores[arm].codes[place] >= np.array(limits)[:, None, None]


def choose_examples(study: StudyRuns) -> ExampleChoice | None:
    """Choose among the images that all arms kept.

    They are ranked by the baseline's F1 on the whole image at its tuned threshold: the mean over the baseline's seeds
    and over the masks with a positive there. Images without positives are not ranked.

    Returns:
        The choice; arms whose runs kept no examples are left out. None if the baseline kept none, if the arms that did
        have no seed in common, or if no image can be ranked.
    """
    kept = {
        arm: [seed for seed, run in sorted(seeds.items()) if (run.folder / store.EXAMPLES_FILE).exists()]
        for arm, seeds in study.complete.items()
    }
    arms = [arm for arm, seeds in kept.items() if seeds]
    common = sorted(set.intersection(*(set(kept[arm]) for arm in arms))) if arms else []
    if study.baseline not in arms or not common:
        return None
    runs = {arm: study.complete[arm][common[0]] for arm in [study.baseline, *(a for a in arms if a != study.baseline)]}
    scores = _same_images({arm: store.read_examples(run.folder) for arm, run in runs.items()})
    ids = scores[study.baseline].image_ids
    f1 = _baseline_f1([run.scores for run in study.complete[study.baseline].values() if "val" in run.scores], ids)
    ranked = [int(place) for place in np.argsort(-f1, kind="stable") if not np.isnan(f1[place])]
    if not ranked:
        return None
    shown = {0: "best", len(ranked) - 1: "worst", len(ranked) // 2: "median"}
    if len(ranked) < 3:
        shown = dict(zip(range(len(ranked)), ("best", "worst"), strict=False))
    order = sorted(shown)
    return ExampleChoice(
        roles=tuple(shown[rank] for rank in order),
        places=tuple(ranked[rank] for rank in order),
        baseline_f1=tuple(float(f1[ranked[rank]]) for rank in order),
        seed=common[0],
        scores=scores,
        tuned={arm: tuned_codes(run.scores["val"]) for arm, run in runs.items()},
        masks=runs[study.baseline].scores["test"].masks,
        n_kept=len(ids),
    )


def _same_images(found: Mapping[str, ExampleScores | None]) -> dict[str, ExampleScores]:
    """Keep the windows that every arm has, in the first arm's order."""
    scores = {arm: item for arm, item in found.items() if item is not None}
    windows = [set(zip(item.image_ids, item.windows, strict=True)) for item in scores.values()]
    shared = set.intersection(*windows)
    first = next(iter(scores.values()))
    names = [name for name, box in zip(first.image_ids, first.windows, strict=True) if (name, box) in shared]
    return {arm: _subset(item, names) for arm, item in scores.items()}


def _subset(scores: ExampleScores, names: list[str]) -> ExampleScores:
    if list(scores.image_ids) == names:
        return scores
    places = [scores.image_ids.index(name) for name in names]
    return ExampleScores(
        *(tuple(getattr(scores, field)[place] for place in places) for field in ExampleScores.__dataclass_fields__)
    )


def _baseline_f1(runs: list[Mapping[str, ScoreHistograms]], image_ids: tuple[str, ...]) -> NDArray[np.float64]:
    """F1 of each image, mean over masks with positives, then over runs; NaN without a positive."""
    values = []
    for scores in runs:
        test = scores["test"]
        counts = ImageCounts(test)
        tp, fp = counts.above([N_CODES if code is None else code for code in tuned_codes(scores["val"])])
        n_positive = counts.totals[0]
        f1 = np.where(n_positive > 0, f_beta(tp, fp, n_positive - tp), np.nan)
        place = {name: index for index, name in enumerate(test.image_ids)}
        values.append(f1[[place[name] for name in image_ids]])
    stacked = np.concatenate(values, axis=1)  # every run has the same masks with positives in an image
    defined = ~np.isnan(stacked)
    sums = np.where(defined, stacked, 0.0).sum(axis=1)
    return np.divide(sums, defined.sum(axis=1), out=np.full(len(sums), np.nan), where=defined.any(axis=1))
