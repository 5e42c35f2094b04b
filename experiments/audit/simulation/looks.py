"""Studies in stages, simulated: how often any claim is false when undecided arms go on, and what that saves.

    python -m experiments.audit.simulation.looks 2000      studies per row, then a seed

Gains are sums of Gaussian effects over seeds, test groups and both. All arms share the baseline's effects, the masks of
an arm half of their variance. The tests, their correction and the rule of stopping are those of the comparison.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.audit.observed_share import ObservedShare
from experiments.audit.simulation.gaussian import Spread
from experiments.audit.task import Note, Row, Task, run_tasks
from experiments.inference.claims import Evidence, PValues, arm_and_mask_p_values
from experiments.inference.paired_difference import PairedDifference, difference_of
from experiments.inference.rule import Rule

Split = Literal["level / K", "whole level"]
"""What each look gets: its share of the level, or all of it (looking until something is decided)."""

_STILL = PairedDifference(np.zeros(2), np.full(2, 1e-12), np.full(2, 1e-12), 3, 10)
"""An operating point that stayed, so that a gain inside its margin is "stays"."""


@dataclass(frozen=True)
class Gains:
    """True gains of a study's arms over the baseline.

    Args:
        name: in tables.
        gains: (A, M), of A arms in M masks.
        spread: of each arm's own effects; the difference to the baseline has twice the variances.
    """

    name: str
    gains: tuple[tuple[float, ...], ...]
    spread: Spread


_WIDE, _NARROW = Spread("both", 0.014, 0.045, 0.014), Spread("small", 0.003, 0.009, 0.003)
CASES = (
    Gains("no gain", ((0.0,) * 3,) * 5, _WIDE),
    Gains("two of five gain", (*((0.06,) * 3,) * 2, *((0.0,) * 3,) * 3), _WIDE),
    Gains("one mask gains", (*((0.12, 0.0, 0.0),) * 2, *((0.0,) * 3,) * 3), _WIDE),
    Gains("at the margin", ((0.01,) * 3, (-0.01,) * 3, *((0.0,) * 3,) * 3), _NARROW),
)


def look_tasks(
    *,
    stages: Sequence[int] = (3, 7),
    n_groups: int = 50,
    n_studies: int = 2000,
    level: float = 0.05,
    margin: float = 0.01,
    cases: Sequence[Gains] = CASES,
) -> list[Task]:
    """Return tasks that make the rows of `look_rows`, a task per case.

    Args:
        stages: seeds at each look.
        n_groups: G.
        n_studies: per case.
        level: of each family of claims, over all looks.
        margin: of the equivalence test.
        cases: true gains.
    """
    return [
        Task(n_studies, partial(look_rows, case, tuple(stages), n_groups, n_studies, level, margin)) for case in cases
    ]


def look_rows(
    case: Gains,
    stages: Sequence[int],
    n_groups: int,
    n: int,
    level: float,
    margin: float,
    rng: np.random.Generator,
    note: Note,
) -> list[Row]:
    """Make three rows: looks that share the level, looks that each take all of it, and one look at the most seeds.

    Columns: case; looks; split; n, studies; false_moves, share of studies with any false claim that a gain differs
    from 0, of an arm or a mask; false_stays, the same that a gain lies inside the margin; error, the larger of their
    Monte Carlo errors; above_level, whether either is shown to be above the level; decided, share of the arms that end
    decided; runs, mean number of runs of a study, the baseline's included.
    """
    plans: list[tuple[tuple[int, ...], Split]] = [
        (tuple(stages), "level / K"),
        (tuple(stages), "whole level"),
        ((max(stages),), "whole level"),
    ]
    ended: list[list[_End]] = [[] for _ in plans]
    gains = np.asarray(case.gains)
    for _ in range(n):
        values = _draw(gains, case.spread, max(stages), n_groups, rng)
        at = {size: _evidence(values[:, :, :size]) for size in sorted(set(stages))}
        tests: _Tests = {}
        for (sizes, split), ends in zip(plans, ended, strict=True):
            each = level / len(sizes) if split == "level / K" else level
            ends.append(_study(at, sizes, gains, Rule(margin=margin, level=each), tests))
        note(1)
    rows = []
    for (sizes, split), ends in zip(plans, ended, strict=True):
        moves, stays = (ObservedShare.of(np.array([getattr(e, name) for e in ends])) for name in ("moves", "stays"))
        rows.append(
            {
                "case": case.name,
                "looks": " and ".join(map(str, sizes)),
                "split": split,
                "n": n,
                "false_moves": moves.value,
                "false_stays": stays.value,
                "error": max(moves.error, stays.error),
                "above_level": moves.is_above(level) or stays.is_above(level),
                "decided": float(np.mean([end.decided for end in ends])),
                "runs": float(np.mean([end.runs for end in ends])),
            }
        )
    return rows


@dataclass(frozen=True)
class _End:
    """How a study ended: any false claim of each kind, the share of decided arms, the number of runs."""

    moves: bool
    stays: bool
    decided: float
    runs: int


Arm = tuple[Evidence, list[Evidence]]
"""The evidence for an arm, and for each of its masks."""

_Tests = dict[tuple[int, ...], tuple[list[PValues], list[list[PValues]]]]
"""Seeds of each arm -> p values of the arms and of their masks, which do not depend on the level."""


def _draw(
    gains: NDArray[np.float64], spread: Spread, n_seeds: int, n_groups: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw the gains of every seed and group, (A, M, S, G)."""
    shape = (len(gains) + 1, gains.shape[1], n_seeds, n_groups)

    def effects(size: float, over: tuple[int, ...]) -> NDArray[np.float64]:
        own = tuple(length if axis in (0, 1, *over) else 1 for axis, length in enumerate(shape))
        shared = (own[0], 1, *own[2:])
        return size * np.sqrt(0.5) * (rng.standard_normal(own) + rng.standard_normal(shared))

    of_arms = effects(spread.seed, (2,)) + effects(spread.group, (3,)) + effects(spread.interaction, (2, 3))
    return gains[:, :, None, None] + of_arms[1:] - of_arms[0]


def _evidence(values: NDArray[np.float64]) -> list[Arm]:
    """Return the evidence from gains (A, M, S, G)."""
    n_arms, n_masks, n_seeds, n_groups = values.shape
    columns = np.concatenate([values.mean(axis=1), values.reshape(-1, n_seeds, n_groups)])
    means = columns.mean(axis=2)
    left_out = (n_groups * means[:, :, None] - columns) / (n_groups - 1)
    found = difference_of(means.T, left_out.transpose(1, 2, 0))
    items = [Evidence(found.single(k), _STILL) for k in range(len(columns))]
    masks = items[n_arms:]
    return [(items[arm], masks[arm * n_masks : (arm + 1) * n_masks]) for arm in range(n_arms)]


def _study(
    at: Mapping[int, Sequence[Arm]], sizes: Sequence[int], gains: NDArray[np.float64], rule: Rule, tests: _Tests
) -> _End:
    """Make the looks; an arm that is decided keeps its evidence and its claims, the others go on.

    Args:
        at: number of seeds -> the evidence for every arm.
        sizes: number of seeds at each look.
        gains: (A, M), the truth.
        rule: margin, and level of each look.
        tests: made so far in this study; new ones are added.
    """
    n_arms, n_masks = gains.shape
    claims = [(False, False)] * n_arms
    size = [sizes[0]] * n_arms
    left = list(range(n_arms))
    for n_seeds in sizes:
        for arm in left:
            size[arm] = n_seeds
        key = tuple(size)
        if key not in tests:
            used = [at[seeds][arm] for arm, seeds in enumerate(size)]
            tests[key] = arm_and_mask_p_values([a for a, _ in used], [masks for _, masks in used], range(n_masks), rule)
        of_arms, of_masks = tests[key]
        for arm in left:
            rows = [(float(gains[arm].mean()), of_arms[arm]), *zip(gains[arm], of_masks[arm], strict=True)]
            claims[arm] = (
                any(_moves(p, rule) and not gain for gain, p in rows),
                any(_stays(p, rule) and abs(gain) >= rule.margin - 1e-12 for gain, p in rows),
            )
        left = [arm for arm in left if not (_moves(of_arms[arm], rule) or _stays(of_arms[arm], rule))]
        if not left:
            break
    return _End(
        moves=any(moves for moves, _ in claims),
        stays=any(stays for _, stays in claims),
        decided=1.0 - len(left) / n_arms,
        runs=sum(size) + max(size),
    )


def _stays(p: PValues, rule: Rule) -> bool:
    return p.equivalence_holm < rule.level


def _moves(p: PValues, rule: Rule) -> bool:
    return p.difference_holm < rule.level and not _stays(p, rule)


def look_table(n_studies: int, seed: int, threads: int = 2) -> pd.DataFrame:
    """Return the rows of every case (`look_rows`)."""
    return run_tasks(look_tasks(n_studies=n_studies), seed=(seed,), threads=threads, description="looks")


def main() -> None:
    """Print the table; the arguments are the number of studies and the seed."""
    n_studies, seed = (int(given) for given in (*sys.argv[1:3], *("2000", "0")[len(sys.argv) - 1 :]))
    print(look_table(n_studies, seed).to_string(index=False, float_format="%.3g"))


if __name__ == "__main__":
    main()
