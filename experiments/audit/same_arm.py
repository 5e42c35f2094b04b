"""A/A on real trainings: the runs of one arm, split into two halves that are compared like two arms."""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import combinations
from math import comb
from pathlib import Path

import numpy as np

from experiments.audit.simulation.run_pool import RunPool
from experiments.audit.task import Note, Row, Task
from experiments.comparison.checked_runs import RunScores
from experiments.comparison.settings import CompareSettings
from experiments.config import ConfigError
from experiments.runs.study import load_study

_ARM = "runs"

_BLOCK = 10

Split = tuple[tuple[int, ...], tuple[int, ...]]
"""Seeds of the arm and of the baseline; the k-th seeds of both form a pair."""


def complete_runs(study_dir: Path) -> dict[int, RunScores]:
    """Read the complete runs of a study's baseline arm, by seed.

    Raises:
        ConfigError: the folder has no runs, or fewer than 4 complete ones.
    """
    study = load_study(study_dir)
    runs = study.complete[study.baseline]
    if len(runs) < 4:
        raise ConfigError(f"same_arm.study_dir: expected at least 4 complete runs in {study_dir}, got {len(runs)}")
    return {seed: RunScores.of(run.scores) for seed, run in runs.items()}


def halves(seeds: Sequence[int], most: int, rng: np.random.Generator) -> list[Split]:
    """Split seeds into two halves in every way, or in `most` random ways if there are more.

    If the number is odd, a random seed is left out. The second half is shuffled, so that pairs are not always
    neighbours.
    """
    size = len(seeds) // 2
    if len(seeds) % 2 or comb(2 * size, size) // 2 > most:
        return [random_split(seeds, rng) for _ in range(most)]
    first = [half for half in combinations(sorted(seeds), size) if min(seeds) in half]
    return [(half, tuple(rng.permutation(sorted(set(seeds) - set(half))).tolist())) for half in first]


def random_split(seeds: Sequence[int], rng: np.random.Generator) -> Split:
    """Return two random halves of the seeds."""
    size, order = len(seeds) // 2, rng.permutation(np.asarray(seeds)).tolist()
    return tuple(order[:size]), tuple(order[size : 2 * size])


def slide_splits(runs: Mapping[int, RunScores], n_splits: int) -> list[Split]:
    """Draw random splits of the runs, the same ones at each call."""
    rng = np.random.default_rng(1)
    return [random_split(sorted(runs), rng) for _ in range(n_splits)]


def same_arm_tasks(runs: Mapping[int, RunScores], *, n_splits: int, settings: CompareSettings) -> list[Task]:
    """Return one task per block of splits; the splits are the same at each call.

    Rows: a row per split and mask. Columns: split; arm_seeds; baseline_seeds; mask; verdict; verdict_f1; ap_gain,
    ap_gain_low, ap_gain_high; p_difference (headline, one at a time).
    """
    pool = RunPool.of({_ARM: runs}, settings)
    splits = list(enumerate(halves(sorted(runs), n_splits, np.random.default_rng(0))))
    blocks = [splits[start : start + _BLOCK] for start in range(0, len(splits), _BLOCK)]
    return [Task(len(block), partial(_rows, pool, block)) for block in blocks]


def _rows(
    pool: RunPool,
    block: Sequence[tuple[int, Split]],
    rng: np.random.Generator,
    note: Note,
) -> list[Row]:
    rows = []
    for index, (first, second) in block:
        table = pool.verdicts((_ARM, first), (_ARM, second), seed=int(rng.integers(2**31)))
        columns = ["mask", "verdict", "verdict_f1", "ap_gain", "ap_gain_low", "ap_gain_high", "p_difference"]
        seeds = {"arm_seeds": " ".join(map(str, first)), "baseline_seeds": " ".join(map(str, second))}
        rows += [{"split": index, **seeds, **row} for row in table[columns].to_dict("records")]
        note(1)
    return rows
