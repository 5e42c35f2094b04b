"""What is printed after a single run: precision and recall per mask at both operating points."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from experiments.report.text_table import text_table
from experiments.run_store import METRICS_FILE, read_info


def print_run(folder: Path) -> None:
    """Print a run's test metrics, or why there are none."""
    info = read_info(folder) or {}
    if info.get("status") != "complete":
        print(f"{folder}: {info.get('status')}: {info.get('reason', '')}")
        if info.get("command"):
            print(f"run it again: {info['command']}")
        return
    table = pd.read_csv(folder / METRICS_FILE)
    test = table[table["split"] == "test"]
    headers = ["mask", "operating point", "threshold (prob.)", "precision", "recall", "F1", "AP"]
    rows = [
        [str(row["mask"]), str(row["operating_point"]), *(_number(row[c]) for c in _COLUMNS)]
        for _, row in test.iterrows()
    ]
    print(text_table(headers, rows))
    print(
        f"{info['images']['test']} test images, seed {info['seed']}, {info['updates']} updates, "
        f"{info['wall_seconds']:.0f} s on {info['device']}; everything in {folder}"
    )


_COLUMNS = ("probability", "precision", "recall", "f1", "ap")


def _number(value: float) -> str:
    return "-" if pd.isna(value) else f"{value:.3f}"
