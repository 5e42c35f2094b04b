"""Coverage where data are ugly: groups 50 times as large as others, heavy tails, empty groups, AP from .05 to .95."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from experiments.audit.observed_share import ObservedShare
from experiments.audit.simulation.gaussian import Spread
from experiments.audit.simulation.histograms import ScoreModel, histogram_study
from experiments.audit.task import Note, Row, Task
from experiments.inference.paired_difference import MIN_SEEDS, PairedDifference, difference_of, group_df

SIZES = ("equal", "log-normal", "three 50 x")
"""Sizes of the groups: all alike, with a standard deviation of 1 in their logs, or three of them 50 times as large."""

TAILS = ("Gaussian", "t with 3 df")
"""Of the effect of a group."""

SPREADS = (
    Spread("groups", 0.002, 0.10, 0.02),
    Spread("both", 0.02, 0.063, 0.02),
    Spread("all three", 0.006, 0.03, 0.06),
)
"""In AP."""


@dataclass(frozen=True)
class HistogramCase:
    """Histogram studies of one kind.

    Args:
        name: in tables.
        model: shape of the scores.
    """

    name: str
    model: ScoreModel


HISTOGRAM_CASES = (
    HistogramCase("low AP", ScoreModel(positive=(-6.0, 2.0))),
    HistogramCase("high AP", ScoreModel(positive=(1.8, 2.0), clutter_share=0.01)),
    HistogramCase("sizes 50 x apart", ScoreModel(amount_spread=1.2)),
    HistogramCase("half of the groups empty", ScoreModel(empty_share=0.5)),
)
"""Sizes of 1.2 in the logs: the 5 % largest groups are 50 times as large as the 5 % smallest."""

HISTOGRAM_SPREAD = Spread("both", 0.12, 0.5, 0.3)
"""In logits of separation between the classes."""

_FLAGGED_AT = 1e-3
"""Chance of a flag at a coverage of .92; with 5,000 studies a coverage of .90 is flagged 19 times in 20."""

_CHUNK = 1 << 21


def ugly_tasks(
    *, seeds: Sequence[int], groups: Sequence[int], n_gaussian: int, n_histogram: int, level: float
) -> list[Task]:
    """Tasks whose rows are those of `ugly_row`.

    Args:
        seeds: numbers of seeds.
        groups: numbers of groups.
        n_gaussian: studies per row of a weighted mean of group effects.
        n_histogram: studies per row of average precision of pooled histograms.
        level: the interval covers 1 - level.
    """
    tasks = [
        Task(n_gaussian, partial(_mean_rows, spread, sizes, tails, n_seeds, n_groups, n_gaussian, level))
        for spread in SPREADS
        for sizes in SIZES
        for tails in TAILS
        for n_seeds in seeds
        for n_groups in groups
    ]
    tasks += [
        Task(n_histogram, partial(_histogram_rows, case, seeds, n_groups, n_histogram, level))
        for case in HISTOGRAM_CASES
        for n_groups in (20, 64)
    ]
    return tasks


def group_sizes(kind: str, n_groups: int) -> NDArray[np.float64]:
    """Return the sizes (G,) of a kind of `SIZES`; the same in every study."""
    if kind == "equal":
        return np.ones(n_groups)
    if kind == "three 50 x":
        return np.where(np.arange(n_groups) < 3, 50.0, 1.0)
    return np.exp(np.random.default_rng(0).standard_normal(n_groups))


def weighted_studies(
    spread: Spread,
    sizes: NDArray[np.float64],
    *,
    heavy: bool,
    n_seeds: int,
    n_studies: int,
    rng: np.random.Generator,
) -> PairedDifference:
    """Draw studies whose statistic is the mean of group effects, weighted by the groups' sizes; the true gain is 0.

    Args:
        spread: of the difference, in AP.
        sizes: (G,), what each group weighs.
        heavy: whether the groups' effects are t with 3 degrees of freedom, at the same standard deviation.
        n_seeds: S.
        n_studies: K.
        rng: generator.
    """
    n_groups, weights = len(sizes), sizes[None, :, None]
    parts = []
    chunk = max(1, _CHUNK // (n_seeds * n_groups))
    for start in range(0, n_studies, chunk):
        n = min(chunk, n_studies - start)
        shape = (1, n_groups, n)
        drawn = rng.standard_t(3, shape) / np.sqrt(3.0) if heavy else rng.standard_normal(shape)
        effects = spread.group * drawn + spread.interaction * rng.standard_normal((n_seeds, n_groups, n))
        effects = effects + spread.seed * rng.standard_normal((n_seeds, 1, n))
        sums = (weights * effects).sum(axis=1)
        left_out = (sums[:, None] - weights * effects) / (sizes.sum() - weights)
        parts.append((sums / sizes.sum(), left_out))
    per_seed, left = (np.concatenate([part[i] for part in parts], axis=-1) for i in (0, 1))
    return difference_of(per_seed, left, group_df(sizes))


def _mean_rows(
    spread: Spread,
    sizes: str,
    tails: str,
    n_seeds: int,
    n_groups: int,
    n: int,
    level: float,
    rng: np.random.Generator,
    note: Note,
) -> list[Row]:
    weights = group_sizes(sizes, n_groups)
    studies = weighted_studies(spread, weights, heavy=tails != TAILS[0], n_seeds=n_seeds, n_studies=n, rng=rng)
    note(n)
    return [ugly_row("weighted mean", f"{sizes}, {tails}, {spread.name}", studies, level=level)]


def _histogram_rows(
    case: HistogramCase,
    seeds: Sequence[int],
    n_groups: int,
    n: int,
    level: float,
    rng: np.random.Generator,
    note: Note,
) -> list[Row]:
    drawn: dict[int, list[tuple[NDArray[np.float64], NDArray[np.float64], float]]] = {size: [] for size in seeds}
    levels = []
    for _ in range(n):
        study = histogram_study(
            case.model, HISTOGRAM_SPREAD, separation=0.0, n_seeds=max(seeds), n_groups=n_groups, rng=rng
        )
        df = group_df(study.positives[1, 0].sum(axis=-1))
        levels.append(study.baseline_average_precision())
        for size, items in drawn.items():
            items.append((*study.differences(size, n_groups), df))
        note(1)
    rows = []
    for items in drawn.values():
        per_seed, left = (np.stack([item[i] for item in items], axis=-1) for i in (0, 1))
        studies = difference_of(per_seed, left, np.array([item[2] for item in items]))
        rows.append(ugly_row("histograms", f"{case.name}, AP {np.mean(levels):.2f}", studies, level=level))
    return rows


def ugly_row(model: str, case: str, studies: PairedDifference, *, level: float) -> Row:
    """One row of the table, of studies without a gain.

    Columns: model; case; n_seeds; n_groups; effective_groups, their mean; n, studies; coverage of the shown interval,
    NaN with fewer than three seeds, which show none; coverage_error; below_92, whether coverage below .92 is shown;
    claims, share of studies with a p value below the level, all false; claims_error; claims_above_level, whether more
    than the level are shown.
    """
    low, high = studies.interval(level)
    covered = ObservedShare.of((low <= 0) & (high >= 0))
    claims = ObservedShare.of(studies.p_difference() < level)
    shown = studies.n_seeds >= MIN_SEEDS
    return {
        "model": model,
        "case": case,
        "n_seeds": studies.n_seeds,
        "n_groups": studies.n_groups,
        "effective_groups": float(np.nanmean(studies.effective_groups)),
        "n": covered.n,
        "coverage": covered.value if shown else float("nan"),
        "coverage_error": covered.error if shown else float("nan"),
        "below_92": shown and covered.is_below(0.92, _FLAGGED_AT),
        "claims": claims.value,
        "claims_error": claims.error,
        "claims_above_level": claims.is_above(level, _FLAGGED_AT),
    }
