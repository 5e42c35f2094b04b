"""Kill a small study at random moments, start it again, and compare all it left with a study that was left alone.

    python tests/tools/killed_study.py --kills 25 --workers 0
    python tests/tools/killed_study.py --kills 25 --workers 2
    python tests/tools/killed_study.py --kills 25 --workers 0,2          with 0 and 2 in turn
    python tests/tools/killed_study.py --kills 25 --joblib

Moments are events: an update, a file opened, before and after its renaming, a lock, between two runs, a figure. Under
joblib, whose processes this one does not see, they are times, and every second kill takes the whole process group.
Every process is a fork of this one, in which everything is imported. To save time only two of the figures are drawn,
coarsely, and the losses are not checked again at every start.
"""

from __future__ import annotations

import os

if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported

import argparse
import contextlib
import fcntl
import json
import random
import re
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import torch
from small_study import draw_little, end, fork_command, import_project, with_small

STUDY = with_small(
    "study=losses",
    "study_dir=study",
    "data.cache_dir=../logs",
    "trainer.max_steps=8",
    "trainer.checkpoint_every=3",
)
FIGURES = ("frontier", "training")
EVENTS = ("update", "open", "before rename", "after rename", "lock", "between runs", "figure")
CHAIN = 4  # kills of one study, at most, before it is left to end
TIMES = ("started", "fit_seconds", "images_per_second", "evaluate_seconds", "wall_seconds", "peak_memory_mb")


class Moments:
    """Counts the events of a process; kills it at the chosen one."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.kill_at: tuple[str, int] | None = None

    def pass_by(self, event: str) -> None:
        self.counts[event] += 1
        if self.kill_at == (event, self.counts[event]):
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(self) -> None:
        """Call `pass_by` from the places where a study can be killed."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        from experiments import train
        from experiments.report import gallery
        from experiments.training import run

        fdopen, replace, flock = os.fdopen, os.replace, fcntl.flock
        writer, execute, draw = train.progress_writer, run.execute, FigureCanvasAgg.print_png

        def opened(*arguments, **options):
            file = fdopen(*arguments, **options)
            self.pass_by("open")
            return file

        def renamed(*arguments, **options):
            self.pass_by("before rename")
            replace(*arguments, **options)
            self.pass_by("after rename")

        def locked(*arguments):
            flock(*arguments)
            self.pass_by("lock")

        def written(folder):
            note = writer(folder)

            def update(number):
                note(number)
                self.pass_by("update")

            return update

        def executed(*arguments):
            status = execute(*arguments)
            self.pass_by("between runs")
            return status

        def drawn(*arguments, **options):
            self.pass_by("figure")
            return draw(*arguments, **options)

        def in_this_process(function, items, workers):
            return [function(item) for item in items]

        os.fdopen, os.replace, fcntl.flock = opened, renamed, locked
        train.progress_writer, run.execute, FigureCanvasAgg.print_png = written, executed, drawn
        gallery.in_parallel = in_this_process  # events in other processes are not counted
        draw_little(FIGURES, page=True)


moments = Moments()


def start(folder: Path, overrides: list[str], kill_at: tuple[str, int] | None, counts: Path) -> int:
    """Start the study in a fork of this process; return its id."""
    from experiments.train import main

    def counted() -> None:
        try:
            main()
        finally:
            counts.write_text(json.dumps(moments.counts))

    def aim() -> None:
        moments.watch()
        moments.kill_at = kill_at

    folder.mkdir(parents=True, exist_ok=True)
    return fork_command(counted, ("experiments.train", *STUDY, *overrides), folder, before=aim)


def differences(whole: Path, other: Path) -> list[str]:
    """List the artifacts of two studies that differ in more than times."""
    found = []
    names = [
        {path.relative_to(top).as_posix() for path in top.rglob("*") if is_artifact(path)} for top in (whole, other)
    ]
    found += [f"{name}: only in one" for name in sorted(names[0] ^ names[1])]
    for name in sorted(names[0] & names[1]):
        first, second = (without_times(top / name) for top in (whole, other))
        if first != second:
            found.append(name)
    return found


def is_artifact(path: Path) -> bool:
    return path.is_file() and not {".hydra", ".slurm"} & set(path.parts) and path.suffix not in (".log", ".html")


def without_times(path: Path):
    if path.name == "run.json":
        info = json.loads(path.read_text())
        for key in (*TIMES, "artifacts", "versions", "command"):
            info.pop(key, None)
        return info
    if path.name == "config.yaml":
        return [line for line in path.read_text().splitlines() if not line.startswith("  workers: ")]
    if path.name in ("history.csv", "training.csv"):
        return pd.read_csv(path).drop(columns="seconds").to_csv()
    if path.name == "checkpoint.pt":
        content = torch.load(path, weights_only=True)
        rows = [{key: value for key, value in row.items() if key != "seconds"} for row in content.get("history", [])]
        weights = {name: value.numpy().tobytes() for name, value in content["model"].items()}
        return content["fingerprint"], content["update"], rows, weights
    if path.name == "report.md":  # without its commands: they name the study's folder and the number of workers
        return re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)
    if path.name == "multirun.yaml":
        return None
    return path.read_bytes()


def disturb(
    top: Path, kills: int, ways: Sequence[list[str]], by_time: bool, seed: int, only: Sequence[str] = ()
) -> int:
    """Kill and compare; return how many studies differ or could not be ended.

    Args:
        top: Where the studies go.
        kills: In all.
        ways: Overrides of the first start of a study, the second, and so on in turn.
        by_time: Whether moments are times, not events.
        seed: Of the moments.
        only: Kinds of events to kill at, in turn; any kind when empty.
    """
    draw = random.Random(seed)
    counts = top / "counts.json"
    began = time.monotonic()
    code = end(start(top / "whole", ways[0], None, counts))
    duration = time.monotonic() - began
    if code:
        print(f"the undisturbed study ended with {code}:\n{(top / 'whole' / 'log').read_text()[-3000:]}")
        return 1
    seen = Counter(json.loads(counts.read_text()))
    kinds = [kind for kind in EVENTS if seen[kind]]
    bad = done = 0
    killed: Counter[str] = Counter()
    for number in range(1000):
        if done >= kills:
            break
        folder = top / f"study{number}"
        history: list[str] = []
        for _ in range(min(CHAIN, kills - done)):
            overrides = ways[len(history) % len(ways)]
            if by_time:
                pid = start(folder, overrides, None, counts)
                time.sleep(draw.uniform(0.1, 1.0) * duration)
                whole_group = done % 2 == 1
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL) if whole_group else os.kill(pid, signal.SIGKILL)
                history.append("group" if whole_group else "process")
            else:
                kind = only[done % len(only)] if only else draw.choice(kinds)
                history.append(f"{kind} {draw.randint(1, seen[kind])}")
                pid = start(folder, overrides, (kind, int(history[-1].rsplit(" ", 1)[1])), counts)
            code = end(pid)
            if code != -signal.SIGKILL:  # it ended before that moment
                break
            killed[history[-1].rstrip(" 0123456789")] += 1
            done += 1
        if code == -signal.SIGKILL:
            code = end(start(folder, ways[len(history) % len(ways)], None, counts))
        problems = [f"exit code {code}"] if code else differences(top / "whole" / "study", folder / "study")
        if problems:
            bad += 1
            print(f"study killed at {', '.join(history)}: {'; '.join(problems)}")
            if code:
                print((folder / "log").read_text()[-1500:])
        else:
            shutil.rmtree(folder)
    print(f"{done} kills {dict(killed)}: {number - bad} studies end alike, {bad} do not")
    return bad


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--workers", default="0", help="of each start of a study in turn")
    parser.add_argument("--joblib", action="store_true")
    parser.add_argument("--losses", default="bce,dice", help="of the study; fewer are faster")
    parser.add_argument("--seeds", default="0,1", help="of the study; fewer are faster")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    chosen = parser.parse_args()
    overrides = [f"loss={chosen.losses}", f"seed={chosen.seeds}"]
    if chosen.joblib:
        overrides += ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    ways = [[*overrides, f"trainer.workers={workers}"] for workers in chosen.workers.split(",")]
    import_project(Path(__file__).resolve().parents[2])
    with tempfile.TemporaryDirectory(prefix="killed-study-") as top:
        raise SystemExit(int(disturb(Path(top), chosen.kills, ways, chosen.joblib, chosen.seed) > 0))


if __name__ == "__main__":
    main()
