"""How long a command takes to say anything, from the shell."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from benchmarks.result import Goal, Row, Settings, Spread, Table

ROOT = Path(__file__).resolve().parents[1]

COMMANDS = {
    "`train --help`": ("experiments.train", "--help"),
    "`train --cfg job`": ("experiments.train", "--cfg", "job"),
    "`train loss=nothing` (an error)": ("experiments.train", "loss=nothing"),
    "`compare --help`": ("experiments.compare", "--help"),
    "`compare` of a folder that is not there (an error)": ("experiments.compare", "study_dir=/nowhere"),
}


def seconds_of(arguments: tuple[str, ...]) -> float:
    """Run a command and return its wall time."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, check=False)
    return time.perf_counter() - started


def measure(settings: Settings) -> Table:
    """Measure every command."""
    chosen = dict(list(COMMANDS.items())[:1]) if settings.quick else COMMANDS
    rows = []
    for name, arguments in chosen.items():
        seconds_of(arguments)  # the first start reads the disk
        measured = Spread.of([seconds_of(arguments) for _ in range(settings.rounds(5))])
        rows.append(Row(name, "", "", "", measured, unit="s", goal=Goal(1.0, at_most=True)))
    return Table(
        "start_up", "Start-up", "From the shell, Python included; the second start and later ones.", tuple(rows)
    )
