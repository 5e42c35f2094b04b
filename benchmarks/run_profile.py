"""Where the time of one training run goes, by the functions that it calls."""

from __future__ import annotations

import cProfile
import pstats
import tempfile
import time
from pathlib import Path

from benchmarks.result import Row, Settings, Spread, Table, seconds_text
from benchmarks.trained_run import compose

# Part -> (end of the file's path, function); their times do not overlap.
PARTS = {
    "building the network": ("training/network.py", "build_segmenter"),
    "making batches, augmentation included": ("data/batches.py", "__getitem__"),
    "network forward, training and scoring": ("training/network.py", "forward"),
    "loss and its gradient": ("losses/combined.py", "apply_criterion"),
    "network backward": ("accelerate/accelerator.py", "backward"),
    "optimizer": ("torch/optim/optimizer.py", "wrapper"),
    "histograms of validation and test": ("evaluation/histogram_builder.py", "add_batch"),
    "pixels kept for pictures": ("evaluation/example_collector.py", "add"),
    "tables and scores to disk": ("experiments/runs/store.py", "*"),
}


def measure(settings: Settings) -> Table:
    """Profile the demo's run with plain BCE and with Dice."""
    from experiments.training import run
    from experiments.training.setup import load_data

    small = ("data.train_logs=4", "data.val_logs=2", "data.test_logs=4", "trainer.max_steps=4")
    rows = []
    for loss in ("bce", "dice"):
        first = compose("trainer.accelerator=cpu", f"loss={loss}", *small)
        with tempfile.TemporaryDirectory() as folder:  # loads what a process loads once
            run.execute(first, Path(folder), f"loss={loss}", load_data(first), lambda update: None)
        cfg = compose("trainer.accelerator=cpu", f"loss={loss}", *(small if settings.quick else ()))
        loaded = load_data(cfg)
        shares: dict[str, list[float]] = {}
        totals = []
        for _ in range(settings.rounds(2)):
            profile = cProfile.Profile()
            with tempfile.TemporaryDirectory() as folder:
                started = time.perf_counter()
                profile.runcall(run.execute, cfg, Path(folder), f"loss={loss}", loaded, lambda update: None)
                totals.append(time.perf_counter() - started)
            for part, seconds in part_seconds(profile).items():
                shares.setdefault(part, []).append(100 * seconds / totals[-1])
        total = Spread.of(totals).middle
        rows += [
            Row(f"{loss}: {part}", "", seconds_text(total * Spread.of(values).middle / 100), "", Spread.of(values), "%")
            for part, values in shares.items()
        ]
    return Table(
        "profile",
        "Where a run's time goes",
        "The demo's run in the profiler of Python's standard library, which makes it a few percent slower: share of "
        "the run's wall time. A run of four updates went before.",
        tuple(rows),
    )


def part_seconds(profile: cProfile.Profile) -> dict[str, float]:
    """Sum the cumulative seconds of each part's functions."""
    found = dict.fromkeys(PARTS, 0.0)
    for (path, _, function), (_, _, _, cumulative, callers) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        for part, (ending, name) in PARTS.items():
            inside = path.endswith(ending)
            if inside and name == "*":  # from outside the file only, so that nothing counts twice
                found[part] += sum(times[3] for caller, times in callers.items() if not caller[0].endswith(ending))
            elif inside and function == name:
                found[part] += cumulative
    return found
