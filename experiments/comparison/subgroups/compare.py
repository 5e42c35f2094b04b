"""Verdicts of every arm in every subgroup, and whether its gain differs between subgroups.

Arms are compared in a subgroup as in the whole test set: the same seeds, the same tuned thresholds, the images of the
subgroup alone, in their groups. Verdicts are over masks, adjusted by Holm over arms x subgroups.

A gain that is shown in one subgroup and not in another need not differ between them. So each subgroup's gain g_v is
also compared with the mean of the others,

    contrast_v = g_v - mean_{u != v} g_u,

seed by seed, with the groups left out one at a time from all subgroups at once: a well that was scanned twice counts
once. The contrasts are adjusted by Holm over arms x subgroups, as a family of their own. Of two subgroups there is one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.comparison.checked_runs import CheckedRuns, RunScores, check_runs
from experiments.comparison.pairing import SINGLE_VALUES, MeasuredStudy, PairedRuns, measure, over_masks
from experiments.comparison.settings import OF_CURVE, CompareSettings
from experiments.comparison.subgroups.values import FEWEST_GROUPS, Subgroups
from experiments.comparison.verdict_table import (
    arm_bands,
    counted_masks,
    decided_about,
    interval_columns,
    mask_name,
)
from experiments.frontier.arithmetic import reorder_images
from experiments.inference.claims import Evidence
from experiments.inference.multiplicity import holm, raised_seed_variances
from experiments.inference.paired_difference import PairedDifference, rows_difference
from experiments.inference.verdict import Verdict, decide_arms
from experiments.process.on_demand import Mapped

TOO_FEW = "too few groups"


@dataclass(frozen=True)
class SubgroupVerdicts:
    """What is said of the arms in subgroups.

    Args:
        by: Column or pattern.
        names: The subgroups, in order.
        unseen: Those that no training image is known to belong to.
        table: A row per arm and subgroup (`compare_subgroups`).
    """

    by: str
    names: tuple[str, ...]
    unseen: tuple[str, ...]
    table: pd.DataFrame


@dataclass(frozen=True)
class _Part:
    """One subgroup, measured, with the evidence about each arm."""

    name: str
    study: MeasuredStudy
    by_arm: list[list[PairedRuns]]
    counted: tuple[int, ...]
    pairs: list[PairedRuns]
    evidence: list[Evidence]


def compare_subgroups(
    runs: Mapping[str, Mapping[int, RunScores]], subgroups: Subgroups, *, baseline: str, settings: CompareSettings
) -> SubgroupVerdicts:
    """Compare every arm with the baseline in every subgroup of the test images.

    A subgroup of fewer than `FEWEST_GROUPS` test groups has estimates but no interval, and no test; one without a
    positive pixel of a mask is judged by the other masks, and `mask` says by which.

    Args:
        runs: arm -> seed -> score histograms.
        subgroups: of the test images.
        baseline: arm that all others are compared with.
        settings: margins, level and headline.

    Returns:
        A row per arm and subgroup: `verdict`, `headline_gain` and `f1_gain` with their intervals, `verdict_low` to
        `verdict_high`, the interval that the verdict rests on, and `contrast` with its interval and p values; `differs`
        is True where the gain is shown to differ from that in the other subgroups.

    Raises:
        ValueError: as in `compare_arms`.
    """
    checked = check_runs(runs, baseline, settings.tolerance)
    parts = [_measured(checked, subgroups, name, settings) for name in subgroups.names]
    rows = [item for part in parts for item in part.evidence]
    verdicts, _ = decide_arms(
        rows, [[item] for item in rows], settings.rule(settings.headline_name), counted=(0,), mask_names=("",)
    )
    n_arms = len(checked.arms)
    contrasts = _contrasts(parts, checked, settings)
    table = [
        _row(part, place, verdicts[order * n_arms + place], contrasts.get((order, place), _NONE), subgroups, settings)
        for place in range(n_arms)
        for order, part in enumerate(parts)
    ]
    unseen = tuple(name for name in subgroups.names if subgroups.unseen(name))
    return SubgroupVerdicts(subgroups.by, subgroups.names, unseen, pd.DataFrame(table))


def images_of(checked: CheckedRuns, which: NDArray[np.intp]) -> CheckedRuns:
    """Return the same runs with some of their test images; validation, which tunes thresholds, stays whole."""

    def taken(run: RunScores) -> RunScores:
        tolerant = run.tolerant
        if tolerant is not None:
            near, found = (reorder_images(each, which) for each in (tolerant.test.near, tolerant.test.found))
            tolerant = replace(tolerant, test=replace(tolerant.test, near=near, found=found))
        curves = None if run.curves is None else run.curves.of_images(which)
        return RunScores(run.val, reorder_images(run.test, which), tolerant, curves)

    present, group_of = np.unique(checked.group_of[which], return_inverse=True)
    return replace(
        checked,
        runs={arm: Mapped(seeds, taken) for arm, seeds in checked.runs.items()},
        image_ids=tuple(checked.image_ids[index] for index in which),
        group_names=tuple(checked.group_names[group] for group in present),
        group_of=group_of.astype(np.intp),
    )


def _measured(checked: CheckedRuns, subgroups: Subgroups, name: str, settings: CompareSettings) -> _Part:
    which = np.array([k for k, image in enumerate(checked.image_ids) if subgroups.of_image[image] == name], np.intp)
    study = measure(images_of(checked, which), settings)
    column = settings.headline
    by_arm = [
        [study.judged_by(study.pair(arm, mask), column) for mask in range(len(checked.masks))] for arm in checked.arms
    ]
    flat = [pair for row in by_arm for pair in row]
    decided = decided_about(
        study, by_arm, column, settings.headline_name, arm_bands(study, flat), of_curve=column in OF_CURVE
    )
    evidence = decided.arms
    n_groups = len(study.checked.group_names)
    if n_groups < FEWEST_GROUPS:
        told = f"{TOO_FEW}: {n_groups}, where {FEWEST_GROUPS} are needed"
        evidence = [replace(item, problem=item.problem or told) for item in evidence]
    return _Part(name, study, by_arm, counted_masks(study, column), decided.pairs, evidence)


@dataclass(frozen=True)
class _Contrast:
    """How an arm's gain in a subgroup differs from that in the others; NaN where there is no test."""

    difference: PairedDifference
    p: float = float("nan")
    p_holm: float = float("nan")


_NAN = np.full(1, np.nan)
_NONE = _Contrast(PairedDifference(_NAN, _NAN, _NAN, 0, 0))

_Place = tuple[int, int]
"""Which subgroup, and which arm."""


def _contrasts(parts: Sequence[_Part], checked: CheckedRuns, settings: CompareSettings) -> dict[_Place, _Contrast]:
    """Contrast every subgroup that can be tested with the others, arm by arm, over the masks that all of them have."""
    tested: dict[_Place, PairedDifference] = {}
    mirrored: dict[_Place, _Place] = {}
    column = SINGLE_VALUES.index(settings.headline)
    for arm in range(len(checked.arms)):
        usable = [place for place, part in enumerate(parts) if _is_usable(part.evidence[arm])]
        common = sorted(set.intersection(*(set(parts[place].counted) for place in usable))) if usable else []
        if len(usable) < 2 or not common:
            continue
        pairs = [over_masks([parts[place].by_arm[arm][mask] for mask in common], checked.masks) for place in usable]
        names = [parts[place].study.checked.group_names for place in usable]
        rows = [_with_all_groups(pair, own, checked, column) for pair, own in zip(pairs, names, strict=True)]
        df = [float(pair.df_group[column]) for pair in pairs]
        for at, place in enumerate(usable):
            if len(usable) == 2 and at == 1:
                mirrored[place, arm] = usable[0], arm
            else:
                tested[place, arm] = contrast_with_others(rows, at, df)
    steady = raised_seed_variances(list(tested.values()))
    p = [float(item.p_difference(seeds)[0]) for item, seeds in zip(tested.values(), steady, strict=True)]
    found = {key: _Contrast(tested[key], *both) for key, *both in zip(tested, p, holm(p).tolist(), strict=True)}
    for mine, other in mirrored.items():
        turned = replace(found[other].difference, estimate=-found[other].difference.estimate)
        found[mine] = replace(found[other], difference=turned)
    return found


def _is_usable(item: Evidence) -> bool:
    return not (item.problem or item.untrained or item.failed)


def _with_all_groups(pair: PairedRuns, groups: Sequence[str], checked: CheckedRuns, column: int) -> NDArray[np.float64]:
    """Gains of a subgroup without each test group of the study, (S, 1+G, 1): the same where the group is not in it."""
    gains = pair.gains()[:, :, [column]]
    place = {name: index for index, name in enumerate(checked.group_names)}
    rows = np.repeat(gains[:, :1], len(place) + 1, axis=1)
    rows[:, [1 + place[name] for name in groups]] = gains[:, 1:]
    return rows


def contrast_with_others(rows: Sequence[NDArray[np.float64]], own: int, df_group: Sequence[float]) -> PairedDifference:
    """Difference between a gain in one subgroup and its mean in the others.

    Args:
        rows: V times (S, 1+G, 1), the gain in each subgroup of each seed, with all groups and without each group.
        own: Which subgroup.
        df_group: V, degrees of freedom of the groups of each. Those of the contrast are the harmonic mean, each
            weighted by its share of the variance over groups.
    """
    weights = np.full(len(rows), -1.0 / (len(rows) - 1))
    weights[own] = 1.0
    weighted = [weight * each for weight, each in zip(weights, rows, strict=True)]
    variances = np.array([float(each[:, 1:].mean(axis=0).var()) for each in weighted])
    total = variances.sum()
    shares = variances / total if total > 0 else np.full(len(rows), 1.0 / len(rows))
    with np.errstate(divide="ignore"):
        df = 1.0 / (shares / np.asarray(df_group)).sum()
    return rows_difference(np.sum(weighted, axis=0), df)


def _row(
    part: _Part, arm: int, verdict: Verdict, contrast: _Contrast, subgroups: Subgroups, settings: CompareSettings
) -> dict[str, Any]:
    pair, item, checked = part.pairs[arm], part.evidence[arm], part.study.checked
    known = subgroups.in_training
    intervals = {
        **interval_columns("headline_gain", item.gain, settings.level),
        **interval_columns("f1_gain", pair.difference(["f1"]), settings.level),
    }
    if item.problem:
        intervals |= {name: float("nan") for name in intervals if name.endswith(("_low", "_high"))}
    means = pair.mean("ap")
    return {
        "arm": pair.arm,
        "by": subgroups.by,
        "subgroup": part.name,
        "in_training": None if known is None else known.get(part.name, 0),
        "mask": mask_name(checked.masks, pair.masks),
        "baseline": checked.baseline,
        "headline": settings.headline,
        "verdict": verdict.word,
        **intervals,
        "verdict_low": verdict.low,
        "verdict_high": verdict.high,
        "p_difference": verdict.p.difference,
        "p_difference_holm": verdict.p.difference_holm,
        "p_equivalence_holm": verdict.p.equivalence_holm,
        **interval_columns("contrast", contrast.difference, settings.level, limit=2.0),
        "p_contrast": contrast.p,
        "p_contrast_holm": contrast.p_holm,
        "differs": contrast.p_holm < settings.verdict_level,
        "n_seeds": len(pair.seeds),
        "n_groups": pair.n_groups,
        "effective_groups": float(item.gain.effective_groups[0]),
        "n_images": len(checked.image_ids),
        "arm_ap": means[0],
        "baseline_ap": means[1],
        "prevalence": pair.prevalence,
        "reason": verdict.reason,
        "advice": verdict.advice,
    }
