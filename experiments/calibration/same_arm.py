"""A/A on real trainings: the runs of one arm, split into two halves that are compared as if they were two arms."""

from collections.abc import Sequence
from functools import partial
from itertools import combinations
from math import comb
from pathlib import Path

import numpy as np

from experiments.calibration.run_pool import RunPool
from experiments.calibration.task import Note, Row, Task
from experiments.comparable import load_study
from experiments.config import ConfigError
from experiments.frontier.compare_settings import CompareSettings
from experiments.frontier.run_scores import RunScores

_ARM = "runs"


def same_arm_pool(study_dir: Path, settings: CompareSettings) -> RunPool:
    """Measure the complete runs of a study's baseline arm.

    Raises:
        ConfigError: a folder without runs, or fewer than 4 complete ones.
    """
    study = load_study(study_dir)
    runs = study.complete[study.baseline]
    if len(runs) < 4:
        raise ConfigError(f"same_arm.study_dir: expected at least 4 complete runs in {study_dir}, got {len(runs)}")
    return RunPool.of(
        {_ARM: {seed: RunScores(run.scores["val"], run.scores["test"]) for seed, run in runs.items()}}, settings
    )


def halves(seeds: Sequence[int], most: int, rng: np.random.Generator) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Split seeds into two halves: every way, or `most` random ones where there are more.

    An odd seed out is left out at random. Within a split the second half is in random order, so that pairs are not
    always of neighbours.
    """
    size = len(seeds) // 2
    if len(seeds) % 2 == 0 and comb(2 * size, size) // 2 <= most:
        first = [half for half in combinations(sorted(seeds), size) if min(seeds) in half]
        return [(half, tuple(rng.permutation(sorted(set(seeds) - set(half))).tolist())) for half in first]
    splits = [rng.permutation(np.asarray(seeds)).tolist() for _ in range(most)]
    return [(tuple(order[:size]), tuple(order[size : 2 * size])) for order in splits]


def same_arm_tasks(pool: RunPool, *, n_splits: int) -> list[Task]:
    """One task per block of splits; the splits themselves are always the same ones.

    Rows: a row per split and mask. Columns: split; arm_seeds; baseline_seeds; mask; verdict; verdict_f1; ap_gain,
    ap_gain_low, ap_gain_high; p_difference (headline, one at a time).
    """
    seeds = sorted(pool.study.checked.runs[_ARM])
    splits = list(enumerate(halves(seeds, n_splits, np.random.default_rng(0))))
    return [Task(len(block), partial(_rows, pool, block)) for block in (splits[k : k + 20] for k in range(0, len(splits), 20))]


def _rows(
    pool: RunPool,
    block: Sequence[tuple[int, tuple[tuple[int, ...], tuple[int, ...]]]],
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
