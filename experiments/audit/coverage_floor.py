"""The lowest coverage of the interval: few seeds, and a seed part somewhat larger than the group part."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from experiments.audit.observed_share import ObservedShare
from experiments.audit.task import Note, Row, Task
from experiments.inference.paired_difference import PairedDifference

RATIOS = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 10.0)
"""Standard error from seeds over standard error from groups."""


def floor_tasks(*, seeds: Sequence[int], n_groups: int, n_studies: int, level: float) -> list[Task]:
    """Tasks whose rows are: n_seeds, n_groups, ratio, n, coverage, coverage_error, claims (false, p below level).

    Args:
        seeds: numbers of seeds; 2 seeds, which the report warns of, are added.
        n_groups: G.
        n_studies: per row.
        level: the interval covers 1 - level.
    """
    return [
        Task(n_studies, partial(_rows, n_seeds, n_groups, ratio, n_studies, level))
        for n_seeds in sorted({2, *seeds})
        for ratio in RATIOS
    ]


def _rows(
    n_seeds: int, n_groups: int, ratio: float, n: int, level: float, rng: np.random.Generator, note: Note
) -> list[Row]:
    studies = two_part_studies(ratio, n_seeds=n_seeds, n_groups=n_groups, n_studies=n, rng=rng)
    low, high = studies.interval(level)
    covered = ObservedShare.of((low <= 0) & (high >= 0))
    some = min(n, 20_000)
    claims = ObservedShare.of(_first(studies, some).p_difference() < level)
    note(n)
    return [
        {
            "n_seeds": n_seeds,
            "n_groups": n_groups,
            "ratio": ratio,
            "n": n,
            "coverage": covered.value,
            "coverage_error": covered.error,
            "claims": claims.value,
        }
    ]


def two_part_studies(
    ratio: float, *, n_seeds: int, n_groups: int, n_studies: int, rng: np.random.Generator
) -> PairedDifference:
    """Draw studies without a gain and without an interaction, through their sufficient statistics.

    Args:
        ratio: standard error from seeds, in units of that from groups.
        n_seeds: S.
        n_groups: G; the variance over groups is drawn as a chi-square of G - 1 degrees of freedom.
        n_studies: K.
        rng: generator.
    """
    seed_part = ratio * np.sqrt(n_seeds) * rng.standard_normal((n_seeds, n_studies))
    return PairedDifference(
        seed_part.mean(axis=0) + rng.standard_normal(n_studies),
        seed_part.var(axis=0, ddof=1) / n_seeds,
        rng.chisquare(n_groups - 1, n_studies) / (n_groups - 1),
        n_seeds,
        n_groups,
    )


def _first(studies: PairedDifference, n: int) -> PairedDifference:
    return PairedDifference(
        studies.estimate[:n], studies.v_seed[:n], studies.v_group[:n], studies.n_seeds, studies.n_groups
    )
