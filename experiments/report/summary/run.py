"""The summary after a single run: precision and recall per mask, and untrained masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from experiments.comparison.checked_runs import RunScores
from experiments.comparison.measure import run_points
from experiments.frontier.leave_one_out import SweepGrid, group_sweep
from experiments.inference.above_chance import above_chance
from experiments.inference.words import level_text
from experiments.report.text.tables import text_table
from experiments.runs.foreign_files import read_csv
from experiments.runs.store import METRICS_FILE, read_info, read_scores


def print_run(folder: Path) -> None:
    """Print a run's test metrics, or why there are none."""
    info = read_info(folder) or {}
    if info.get("status") != "complete":
        print(f"{folder}: {info.get('status')}: {info.get('reason', '')}")
        if info.get("command"):
            print(f"run it again: {info['command']}")
        return
    table = read_csv(folder / METRICS_FILE)
    test = table[table["split"] == "test"]
    headers = ["mask", "operating point", "threshold (prob.)", "precision", "recall", "F1", "AP"]
    rows = [
        [str(row["mask"]), str(row["operating_point"]), *(_number(row[c]) for c in _COLUMNS)]
        for _, row in test.iterrows()
    ]
    print(text_table(headers, rows))
    for line in _not_trained(folder):
        print(line)
    print(
        f"{info['images']['test']} test images, seed {info['seed']}, {info['updates']} updates, "
        f"{info['wall_seconds']:.0f} s on {info['device']}; everything in {folder}"
    )


def _not_trained(folder: Path) -> list[str]:
    """Name the masks whose AP is not shown to be above that of random scores."""
    test = read_scores(folder)["test"]
    names, group_of = test.groups()
    points = run_points(RunScores(None, test), group_of, len(names), beta=1.0, extra={}).points["natural"]
    lines = []
    for mask, name in enumerate(test.masks):
        sweep = group_sweep(test, mask, group_of, SweepGrid(np.zeros(0), np.zeros(0)))
        counts = points.n_positive[:, mask], points.n_negative[:, mask]
        level = above_chance(sweep.average_precision, *counts)
        if level.untrained:
            lines.append(
                f"not trained: {name} is not shown to be better than random scores, {level_text([level])} (test)"
            )
    return lines


_COLUMNS = ("probability", "precision", "recall", "f1", "ap")


def _number(value: float) -> str:
    return "-" if pd.isna(value) else f"{value:.3f}"
