"""Coverage: how often the interval contains the true gain, by number of seeds, number of groups and source of variance.

It also searches for the lowest coverage: few seeds, and a seed part somewhat larger than the group part.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from experiments.audit.observed_share import ObservedShare
from experiments.audit.simulation.gaussian import Spread, gaussian_studies
from experiments.audit.simulation.histograms import ScoreModel, histogram_study
from experiments.audit.task import Note, Row, Task
from experiments.inference.paired_difference import PairedDifference, difference_of

GAUSSIAN_SPREADS = (
    Spread("seeds", 0.03, 0.02, 0.02),
    Spread("mostly seeds", 0.03, 0.09, 0.0),
    Spread("groups", 0.002, 0.10, 0.02),
    Spread("both", 0.02, 0.063, 0.02),
    Spread("all three", 0.006, 0.03, 0.06),
    Spread("interaction", 0.0, 0.0, 0.06),
)
"""In AP. With 5 seeds and 50 groups, "both" has equal variances from seeds and groups."""

HISTOGRAM_SPREADS = (
    Spread("seeds", 0.30, 0.1, 0.1),
    Spread("groups", 0.03, 0.6, 0.2),
    Spread("both", 0.12, 0.5, 0.3),
    Spread("interaction", 0.0, 0.0, 0.6),
)
"""In logits of separation between the classes; .3 are worth .035 AP."""

HISTOGRAM_SEPARATION = 0.3
"""True effect of the arm in the cases where it has one, in logits."""

_NOTE_EVERY = 20


def coverage_tasks(
    *, seeds: Sequence[int], groups: Sequence[int], n_gaussian: int, n_histogram: int, level: float
) -> list[Task]:
    """Return tasks that make the rows of `coverage_row`: one row per model, spread, true gain, S and G.

    Histogram studies are drawn once with the most seeds and groups; smaller sizes use their first seeds and groups. So
    every row is a fair sample, but rows of one spread share draws.

    Args:
        seeds: numbers of seeds.
        groups: numbers of groups.
        n_gaussian: studies per row with Gaussian effects. Their gain is 0 without loss of generality, because the
            interval shifts with the gain.
        n_histogram: studies per row with histograms, each with gain 0 and with a gain.
        level: the interval covers 1 - level.
    """
    tasks = [
        Task(n_histogram, partial(_histogram_rows, spread, separation, seeds, groups, n_histogram, level))
        for spread in HISTOGRAM_SPREADS
        for separation in (0.0, HISTOGRAM_SEPARATION)
    ]
    for spread in GAUSSIAN_SPREADS:
        for n_seeds in seeds:
            for n_groups in groups:
                tasks.append(Task(n_gaussian, partial(_gaussian_rows, spread, n_seeds, n_groups, n_gaussian, level)))
    return tasks


def _gaussian_rows(
    spread: Spread, n_seeds: int, n_groups: int, n: int, level: float, rng: np.random.Generator, note: Note
) -> list[Row]:
    studies = gaussian_studies(spread, gain=0.0, n_seeds=n_seeds, n_groups=n_groups, n_studies=n, rng=rng)
    note(n)
    return [coverage_row("Gaussian", spread.name, studies, truth=0.0, level=level)]


def _histogram_rows(
    spread: Spread,
    separation: float,
    seeds: Sequence[int],
    groups: Sequence[int],
    n: int,
    level: float,
    rng: np.random.Generator,
    note: Note,
) -> list[Row]:
    model = ScoreModel()
    truth = model.true_average_precision(separation, spread) - model.true_average_precision(0.0, spread)
    sizes = [(n_seeds, n_groups) for n_seeds in seeds for n_groups in groups]
    studies = histogram_differences(model, spread, separation, sizes, n, rng, note)
    return [coverage_row("histograms", spread.name, item, truth=truth, level=level) for item in studies.values()]


def histogram_differences(
    model: ScoreModel,
    spread: Spread,
    separation: float,
    sizes: Sequence[tuple[int, int]],
    n: int,
    rng: np.random.Generator,
    note: Note,
) -> dict[tuple[int, int], PairedDifference]:
    """Draw n studies of the largest size and evaluate them at every size (S, G); study k is difference k."""
    most_seeds, most_groups = max(s for s, _ in sizes), max(g for _, g in sizes)
    drawn: dict[tuple[int, int], list[tuple[NDArray[np.float64], NDArray[np.float64]]]] = {size: [] for size in sizes}
    for index in range(n):
        study = histogram_study(model, spread, separation=separation, n_seeds=most_seeds, n_groups=most_groups, rng=rng)
        for size, items in drawn.items():
            items.append(study.differences(*size))
        if (index + 1) % _NOTE_EVERY == 0:
            note(_NOTE_EVERY)
    note(n % _NOTE_EVERY)
    return {
        size: difference_of(
            np.stack([full for full, _ in items], axis=1), np.stack([part for _, part in items], axis=2)
        )
        for size, items in drawn.items()
    }


def coverage_row(model: str, spread: str, studies: PairedDifference, *, truth: float, level: float) -> Row:
    """Make a row of the table: how often the interval contains the truth, next to simpler intervals.

    Columns: model; spread, which effects dominate; true_gain; n_seeds; n_groups; n, studies; coverage;
    coverage_error, its Monte Carlo standard error; below_92, whether coverage below .92 is shown; images_only,
    coverage of an interval from the variance over groups alone; seeds_only, the same over seeds; claims, share of
    studies whose p value of "no difference" is below the level (a false claim where true_gain is 0); claims_error;
    claims_above_level, whether more false claims than the level are shown.
    """
    low, high = studies.interval(level)
    covered = ObservedShare.of((low <= truth) & (truth <= high))
    claims = ObservedShare.of(studies.p_difference() < level)
    return {
        "model": model,
        "spread": spread,
        "true_gain": truth,
        "n_seeds": studies.n_seeds,
        "n_groups": studies.n_groups,
        "n": covered.n,
        "coverage": covered.value,
        "coverage_error": covered.error,
        "below_92": covered.is_below(0.92),
        "images_only": one_way_coverage(studies, truth, level, of="groups").value,
        "seeds_only": one_way_coverage(studies, truth, level, of="seeds").value,
        "claims": claims.value,
        "claims_error": claims.error,
        "claims_above_level": truth == 0.0 and claims.is_above(level),
    }


def one_way_coverage(studies: PairedDifference, truth: float, level: float, *, of: str) -> ObservedShare:
    """Return the coverage of a t interval with only one source of variance, "groups" or "seeds": a negative control.

    Raises:
        ValueError: another source.
    """
    if of not in ("groups", "seeds"):
        raise ValueError(f"of: expected 'groups' or 'seeds', got {of!r}")
    variance, count = (studies.v_group, studies.n_groups) if of == "groups" else (studies.v_seed, studies.n_seeds)
    half = stats.t.ppf(1.0 - level / 2.0, count - 1) * np.sqrt(variance)
    return ObservedShare.of(np.abs(studies.estimate - truth) <= half)


RATIOS = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 10.0)
"""Standard error from seeds over standard error from groups."""


def floor_tasks(*, seeds: Sequence[int], n_groups: int, n_studies: int, level: float) -> list[Task]:
    """Return tasks that make rows of n_seeds, n_groups, ratio, n, coverage, coverage_error and claims (false ones).

    Args:
        seeds: numbers of seeds; 2 seeds, for which the report warns, are added.
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
    """Draw studies without a gain or an interaction, through their sufficient statistics.

    Args:
        ratio: standard error from seeds, in units of that from groups.
        n_seeds: S.
        n_groups: G; the variance over groups is drawn from a chi-square with G - 1 degrees of freedom.
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
