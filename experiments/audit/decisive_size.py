"""The advice of "undecided": the advised size, compared with the size at which half of all studies decide."""

from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from experiments.audit.observed_share import ObservedShare
from experiments.audit.simulation.gaussian import Spread, gaussian_studies
from experiments.audit.task import Note, Row, Task
from experiments.inference.advice import advise
from experiments.inference.paired_difference import PairedDifference

Resource = Literal["seeds", "groups"]

N_SEEDS, N_GROUPS = 4, 40
"""Size of the study that asks for advice."""


@dataclass(frozen=True)
class AdviceCase:
    """A truth that most studies of 4 seeds and 40 groups leave undecided.

    Args:
        gain: true gain.
        spread: of the difference.
        resource: what to add, seeds or groups.
    """

    gain: float
    spread: Spread
    resource: Resource


CASES: tuple[AdviceCase, ...] = (
    AdviceCase(0.02, Spread("seeds", 0.03, 0.02, 0.02), "seeds"),
    AdviceCase(0.04, Spread("seeds", 0.06, 0.02, 0.02), "seeds"),
    AdviceCase(0.0, Spread("seeds", 0.012, 0.005, 0.02), "seeds"),
    AdviceCase(0.02, Spread("groups", 0.005, 0.12, 0.02), "groups"),
    AdviceCase(0.0, Spread("groups", 0.001, 0.05, 0.02), "groups"),
)


def advice_tasks(*, n_studies: int, n_per_size: int, level: float, margin: float) -> list[Task]:
    """Return tasks that make the rows of `advice_row`.

    Args:
        n_studies: studies that ask for advice, per case.
        n_per_size: new studies of each size that is tried.
        level: of both tests.
        margin: of the equivalence test.
    """
    return [Task(n_studies, partial(_rows, case, n_studies, n_per_size, level, margin)) for case in CASES]


def _rows(
    case: AdviceCase, n: int, n_per_size: int, level: float, margin: float, rng: np.random.Generator, note: Note
) -> list[Row]:
    studies = _studies(case, N_SEEDS, N_GROUPS, n, rng)
    undecided = np.flatnonzero(~decided(studies, level, margin))
    advised = np.array([_advised(case.resource, studies, int(index), level, margin) for index in undecided])
    needed = decisive_size(case, n_per_size, level, margin, rng)
    note(n)
    return [advice_row(case, n, advised, needed)]


def advice_row(case: AdviceCase, n: int, advised: NDArray[np.float64], needed: int) -> Row:
    """Make a row of the table.

    Columns: true_gain; spread; resource, what is added; n, studies; undecided, their share; advised_low,
    advised_median, advised_high, quartiles of the size that undecided studies were advised; needed, the size at
    which half of new studies decide; ratio, advised_median / needed.
    """
    # "linear" would interpolate between a number and infinity, which gives NaN.
    low, median, high = np.quantile(advised, [0.25, 0.5, 0.75], method="inverted_cdf")
    return {
        "true_gain": case.gain,
        "spread": case.spread.name,
        "resource": case.resource,
        "n": n,
        "undecided": ObservedShare(len(advised), n).value,
        "advised_low": float(low),
        "advised_median": float(median),
        "advised_high": float(high),
        "needed": needed,
        "ratio": float(median) / needed,
    }


def decisive_size(case: AdviceCase, n: int, level: float, margin: float, rng: np.random.Generator) -> int:
    """Find the smallest number of seeds (or groups) at which half of new studies decide, by bisection."""
    low = high = N_SEEDS if case.resource == "seeds" else N_GROUPS

    def decides(size: int) -> bool:
        sizes = (size, N_GROUPS) if case.resource == "seeds" else (N_SEEDS, size)
        return bool(decided(_studies(case, *sizes, n, rng), level, margin).mean() >= 0.5)

    while not decides(high):
        low, high = high, 2 * high
        if high > 10_000:
            raise ValueError(f"case: expected a truth that {case.resource} decide, got {case}")
    while high - low > max(1, low // 50):
        middle = (low + high) // 2
        low, high = (low, middle) if decides(middle) else (middle, high)
    return high


def decided(studies: PairedDifference, level: float, margin: float) -> NDArray[np.bool_]:
    """Return whether either test of the gain passes."""
    passed: NDArray[np.bool_] = (studies.p_difference() < level) | (studies.p_equivalence(margin) < level)
    return passed


def _studies(case: AdviceCase, n_seeds: int, n_groups: int, n: int, rng: np.random.Generator) -> PairedDifference:
    return gaussian_studies(case.spread, gain=case.gain, n_seeds=n_seeds, n_groups=n_groups, n_studies=n, rng=rng)


def _advised(resource: Resource, studies: PairedDifference, index: int, level: float, margin: float) -> float:
    advice = advise(
        estimate=float(studies.estimate[index]),
        v_seed=float(studies.v_seed[index]),
        v_group=float(studies.v_group[index]),
        n_seeds=studies.n_seeds,
        n_groups=studies.n_groups,
        margin=margin,
        level_difference=level,
        level_equivalence=level,
    )
    return advice.seeds if resource == "seeds" else advice.groups
