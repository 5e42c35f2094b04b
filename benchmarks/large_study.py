"""Write a study of a thousand runs, to measure their comparison: a trained study's runs, changed run by run.

    python -m benchmarks.large_study outputs/losses /tmp/large --arms 20 --seeds 50
    /usr/bin/time -v python -m experiments.compare study_dir=/tmp/large

In every run each image's scores are shifted by a few float16 steps, so that runs differ like networks do, while every
count stays the same. A thousand runs of demo size take 9 GB of disk.
"""

from __future__ import annotations

import argparse
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from experiments.frontier.codes import N_CODES
from experiments.frontier.histogram import ScoreHistograms
from experiments.runs import store

_COPIED = (store.CONFIG_FILE, store.HISTORY_FILE, store.METRICS_FILE, store.EXAMPLES_FILE, store.CHECKPOINT_FILE)


def write_large_study(source: Path, folder: Path, *, arms: int, seeds: int) -> None:
    """Write `arms` x `seeds` runs, made in turn from the complete runs of a study.

    Args:
        source: A finished study.
        folder: Where the runs go; must not exist.
        arms: Arms, the baseline `loss=bce` among them.
        seeds: Runs of each arm.
    """
    runs = [run for run in map(store.load_run, store.find_run_folders(source)) if run.status == "complete"]
    scores = [dict(run.scores) for run in runs]
    folder.mkdir(parents=True)
    for arm in range(arms):
        name = "loss=bce" if arm == 0 else f"loss=arm{arm}"
        for seed in range(seeds):
            place = (2 * arm + seed) % len(runs)
            rng = np.random.default_rng([arm, seed])
            run = folder / name / f"seed={seed}"
            store.write_scores(run, {split: shifted(rows, rng, 30 + 5 * arm) for split, rows in scores[place].items()})
            for file in _COPIED:
                if (runs[place].folder / file).exists():
                    shutil.copy(runs[place].folder / file, run / file)
            info = {**runs[place].info, "seed": seed, "arm": name, "axes": ["loss"], "baseline": "loss=bce"}
            store.write_json(run / store.RUN_FILE, {**info, "artifacts": store.note_artifacts(run)})


def shifted(rows: ScoreHistograms, rng: np.random.Generator, spread: float) -> ScoreHistograms:
    """Shift the scores of each image and mask by a normal number of codes, as far as the codes go."""
    lengths = np.diff(rows.row_start)
    held = np.flatnonzero(lengths)
    first, last = rows.row_start[:-1][held], rows.row_start[1:][held] - 1
    shift = np.zeros(len(lengths), np.int64)
    wanted = np.rint(rng.normal(0, spread, len(held))).astype(np.int64)
    lowest, highest = -rows.bins[first].astype(np.int64), N_CODES - 1 - rows.bins[last].astype(np.int64)
    shift[held] = np.clip(wanted, lowest, highest)
    return replace(rows, bins=(rows.bins + np.repeat(shift, lengths)).astype(np.uint16))


def main() -> None:
    """Read the arguments and write the study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--arms", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=50)
    given = parser.parse_args()
    write_large_study(given.source, given.folder, arms=given.arms, seeds=given.seeds)


if __name__ == "__main__":
    main()
