"""Power: whether a true improvement of known size is found as often as the formula promises."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from scipy import stats

from experiments.audit.coverage import GAUSSIAN_SPREADS, HISTOGRAM_SPREADS, histogram_differences
from experiments.audit.observed_share import ObservedShare
from experiments.audit.simulation.gaussian import Spread, gaussian_studies
from experiments.audit.simulation.histograms import ScoreModel
from experiments.audit.task import Note, Row, Task
from experiments.inference.behrens_fisher import two_way_isf
from experiments.inference.paired_difference import PairedDifference, satterthwaite

GAINS = (0.01, 0.02, 0.03, 0.05)
"""True gains in AP of the Gaussian studies."""

SEPARATIONS = (0.1, 0.2, 0.3, 0.5)
"""True effects in logits of the histogram studies, .012 to .057 AP."""

_SPREADS = ("seeds", "groups", "both")


def promised_power(gain: float, v_seed: float, v_group: float, n_seeds: int, n_groups: int, level: float) -> float:
    """P(|T| >= t_(1 - level/2, df)) for T noncentral t with noncentrality gain / sqrt(v_seed + v_group).

    Args:
        gain: true gain.
        v_seed: true variance of the estimate from seeds.
        v_group: true variance of the estimate from groups.
        n_seeds: S.
        n_groups: G; df by Satterthwaite from the true variances.
        level: of the two-sided test.
    """
    df = float(satterthwaite(v_seed, v_group, n_seeds, n_groups))
    noncentrality = abs(gain) / np.sqrt(v_seed + v_group)
    critical = stats.t.ppf(1.0 - level / 2.0, df)
    return float(stats.nct.sf(critical, df, noncentrality) + stats.nct.cdf(-critical, df, noncentrality))


def promised_verdict_power(
    gain: float, v_seed: float, v_group: float, n_seeds: int, n_groups: int, level: float
) -> float:
    """Like `promised_power`, with the quantile of the two-way tail, which the verdict's p value comes from."""
    df, error = float(satterthwaite(v_seed, v_group, n_seeds, n_groups)), np.sqrt(v_seed + v_group)
    critical = two_way_isf(level / 2.0, v_seed, v_group, n_seeds, n_groups) / error
    noncentrality = abs(gain) / error
    return float(stats.nct.sf(critical, df, noncentrality))


def power_tasks(
    *, seeds: Sequence[int], n_groups: int, n_gaussian: int, n_histogram: int, level: float, margin: float
) -> list[Task]:
    """Return tasks that make the rows of `power_row`.

    Args:
        seeds: numbers of seeds.
        n_groups: G.
        n_gaussian: studies per row with Gaussian effects.
        n_histogram: studies per row with histograms.
        level: of the test.
        margin: of the equivalence test, which precedes the test for a move.
    """
    tasks = [
        Task(n_histogram, partial(_histogram_rows, spread, separation, seeds, n_groups, n_histogram, level, margin))
        for spread in HISTOGRAM_SPREADS
        if spread.name in _SPREADS
        for separation in SEPARATIONS
    ]
    tasks += [
        Task(n_gaussian, partial(_gaussian_rows, spread, gain, n_seeds, n_groups, n_gaussian, level, margin))
        for spread in GAUSSIAN_SPREADS
        if spread.name in _SPREADS
        for n_seeds in seeds
        for gain in GAINS
    ]
    return tasks


def _gaussian_rows(
    spread: Spread,
    gain: float,
    n_seeds: int,
    n_groups: int,
    n: int,
    level: float,
    margin: float,
    rng: np.random.Generator,
    note: Note,
) -> list[Row]:
    studies = gaussian_studies(spread, gain=gain, n_seeds=n_seeds, n_groups=n_groups, n_studies=n, rng=rng)
    note(n)
    true = spread.expected_v_seed(n_seeds, n_groups), spread.expected_v_group(n_seeds, n_groups)
    return [power_row("Gaussian", spread.name, studies, gain, true, level, margin)]


def _histogram_rows(
    spread: Spread,
    separation: float,
    seeds: Sequence[int],
    n_groups: int,
    n: int,
    level: float,
    margin: float,
    rng: np.random.Generator,
    note: Note,
) -> list[Row]:
    model = ScoreModel()
    gain = model.true_average_precision(separation, spread) - model.true_average_precision(0.0, spread)
    sizes = [(n_seeds, n_groups) for n_seeds in seeds]
    studies = histogram_differences(model, spread, separation, sizes, n, rng, note)
    return [
        power_row(
            "histograms",
            spread.name,
            item,
            gain,
            (float(item.v_seed.mean()), float(item.v_group.mean())),
            level,
            margin,
        )
        for item in studies.values()
    ]


def power_row(
    model: str,
    spread: str,
    studies: PairedDifference,
    gain: float,
    true: tuple[float, float],
    level: float,
    margin: float,
) -> Row:
    """Make a row of the table: how often the true gain is found, next to the promised power.

    Columns: model; spread; true_gain; true_error, the standard error from the true variances (Gaussian: known;
    histograms: the mean of the estimated ones); n_seeds; n_groups; n, studies; promised, `promised_power`; found,
    share of studies whose interval excludes 0 on the right side; found_error, its Monte Carlo standard error;
    promised_verdict, `promised_verdict_power`; moves_out, share with the verdict's test passed and not shown inside
    the margin; moves_in, the same on the wrong side.
    """
    low, _ = studies.interval(level)
    found = ObservedShare.of(low > 0)
    claims = (studies.p_difference() < level) & ~(studies.p_equivalence(margin) < level)
    return {
        "model": model,
        "spread": spread,
        "true_gain": gain,
        "true_error": float(np.sqrt(sum(true))),
        "n_seeds": studies.n_seeds,
        "n_groups": studies.n_groups,
        "n": found.n,
        "promised": promised_power(gain, *true, studies.n_seeds, studies.n_groups, level),
        "found": found.value,
        "found_error": found.error,
        "promised_verdict": promised_verdict_power(gain, *true, studies.n_seeds, studies.n_groups, level),
        "moves_out": ObservedShare.of(claims & (studies.estimate > 0)).value,
        "moves_in": ObservedShare.of(claims & (studies.estimate < 0)).value,
    }
