"""A study in one command beside the same runs as processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.result import Goal, Row, Settings, Spread, Table, seconds_text
from benchmarks.start_up import ROOT

ARMS, SEEDS = ("bce", "dice"), (0, 1)

_COMPARES_WITHOUT_TORCH = """
import sys
sys.argv = ["compare", "study_dir={folder}"]
from experiments.compare import main
main()
print("torch" in sys.modules)
"""


def timed(*arguments: str) -> float:
    """Run a command of this package and return its wall time.

    Raises:
        RuntimeError: the command failed; with the end of what it said.
    """
    started = time.perf_counter()
    command = [sys.executable, "-m", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {(done.stderr or done.stdout)[-500:]}")
    return time.perf_counter() - started


def measure(settings: Settings) -> Table:
    """Measure the study in one process, with joblib, and as separate processes."""
    small = ("data.train_logs=4", "data.val_logs=2", "data.test_logs=4", "trainer.max_steps=2", "trainer.tile=32")
    budget = small if settings.quick else ()
    arms, seeds = ARMS, SEEDS
    cores = os.cpu_count() or 1
    one: list[float] = []
    joblib: list[float] = []
    apart: list[float] = []
    compared: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        cache = f"data.cache_dir={folder}/cache"
        timed("experiments.train", "loss=bce", "trainer.max_steps=1", *budget[:3], cache, f"study_dir={folder}/warm")
        study = ("experiments.train", "study=losses", f"loss={','.join(arms)}", f"seed={','.join(map(str, seeds))}")
        jobs = ("hydra/launcher=joblib", f"hydra.launcher.n_jobs={cores}")
        for turn in range(settings.rounds(2)):
            one.append(timed(*study, cache, *budget, f"study_dir={folder}/one{turn}"))
            joblib.append(timed(*study, cache, *budget, *jobs, f"study_dir={folder}/joblib{turn}"))
            where = f"study_dir={folder}/apart{turn}"
            alone = [
                timed("experiments.train", f"loss={loss}", f"seed={seed}", cache, *budget, where)
                for loss in arms
                for seed in seeds
            ]
            compared.append(timed("experiments.compare", f"study_dir={folder}/one{turn}"))
            apart.append(sum(alone) + compared[-1])
        torch_loaded = _loads_torch(Path(folder) / "one0")
    runs = len(arms) * len(seeds)
    best = min(one, apart, key=lambda seconds: Spread.of(seconds).middle)
    return Table(
        "study",
        "A study",
        f"{len(arms)} losses and {len(seeds)} seeds at the demo's size, {cores} cores; from the shell, imports, "
        "comparison and report included. Apart: a process per run, one after the other, then one that compares. Below "
        "is better.",
        (
            _row(f"{runs} runs, one command", "a process per run", one, apart, Goal(0.8, at_most=True)),
            _row(
                f"{runs} runs, joblib, {cores} at once", "the better of the two", joblib, best, Goal(1.0, at_most=True)
            ),
            Row("comparison and report alone", "", "", "", Spread.of(compared), unit="s"),
            Row(
                "`compare` imports torch",
                "",
                "yes" if torch_loaded else "no",
                "",
                Spread.of([float(torch_loaded)]),
                unit="",
                goal=Goal(0.0, at_most=True),
                note="1 for yes, 0 for no",
            ),
        ),
    )


def _row(work: str, peer: str, ours: list[float], theirs: list[float], goal: Goal) -> Row:
    share = Spread.of([a / b for a, b in zip(ours, theirs, strict=True)])
    mine, others = (seconds_text(Spread.of(side).middle) for side in (ours, theirs))
    return Row(work, peer, mine, others, share, goal=goal)


def _loads_torch(study_dir: Path) -> bool:
    code = _COMPARES_WITHOUT_TORCH.format(folder=study_dir)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip().endswith("True")
