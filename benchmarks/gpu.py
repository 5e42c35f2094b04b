"""A GPU: training at full size, runs that share it, losses, histogram, and agreement with the CPU.

It needs only one GPU and takes less than eight minutes in all on a current one. A part that fails, or would start too
late, becomes a row that says so, and the rest continues.
"""

from __future__ import annotations

import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from functools import partial

import torch

from benchmarks.gpu_agreement import run_agreement_rows
from benchmarks.gpu_losses import agreement_rows, histogram_rows, loss_rows
from benchmarks.gpu_training import scoring_rows, training_rows
from benchmarks.loss_speed import losses_and_peers
from benchmarks.result import Goal, Row, Settings, Table, ratio_row
from benchmarks.study_speed import timed
from benchmarks.trained_run import TrainedLogits, trained_logits
from experiments.training.device import device_name

BEGIN_UNTIL = 400
"""No part starts after this many seconds, so that everything ends within eight minutes."""


def measure(settings: Settings, device: str = "cuda") -> Table:
    """Measure everything that needs a GPU; `device="cpu"` runs the same code as a check."""
    where = torch.device(device)
    started = time.perf_counter()
    data = trained_logits(4, updates=4) if settings.quick else trained_logits()
    on_device = TrainedLogits(data.logits.to(where), data.target.to(where), data.masks)
    parts: dict[str, Callable[[], list[Row]]] = {
        "agreement of losses": lambda: agreement_rows(data, on_device),
        "agreement of a run": lambda: run_agreement_rows(where, settings),
        "training": lambda: training_rows(where, settings),
        "scoring": lambda: scoring_rows(where, settings),
        "runs that share a device": lambda: sharing_rows(where, settings),
        "histograms": lambda: histogram_rows(on_device, settings),
        **{
            f"loss, {name}": partial(loss_rows, name, on_device, settings)
            for name in (("BCE", "Dice") if settings.quick else losses_and_peers())
        },
    }
    rows, seconds = [], {"the logits": time.perf_counter() - started}
    for name, part in parts.items():
        since = time.perf_counter()
        if since - started > BEGIN_UNTIL:
            rows.append(Row(name, "", "", "", None, note=f"not begun: {BEGIN_UNTIL} seconds had passed"))
            continue
        rows += _rows_or_reason(name, part)
        seconds[name] = time.perf_counter() - since
        print(f"{name}: {seconds[name]:.0f} s", file=sys.stderr, flush=True)
        if where.type == "cuda":
            torch.cuda.empty_cache()  # the runs that share the device are processes of their own
    spent = ", ".join(f"{name} {value:.0f} s" for name, value in seconds.items())
    return Table(
        "gpu",
        f"On a GPU: {device_name(where)}",
        f"Logits of a trained network; torch {torch.__version__}; bf16 autocast and channels_last in training. A "
        "time is taken between two points at which the device has nothing left to do.",
        tuple(rows),
        appendix=f"It took {sum(seconds.values()) / 60:.1f} minutes: {spent}.",
    )


def _rows_or_reason(name: str, part: Callable[[], list[Row]]) -> list[Row]:
    """Measure a part; if it fails, its error becomes a row in its place."""
    try:
        rows = part()
    except Exception as error:
        traceback.print_exc()
        reason = (str(error).strip() or "no reason given").splitlines()[0]
        return [Row(name, "", "", "", None, note=f"{type(error).__name__}: {reason[:300]}")]
    for row in rows:  # the table comes last: what is known until then is not lost with a machine
        print(f"  {row.key}: {None if row.measured is None else row.measured.middle}", file=sys.stderr, flush=True)
    return rows


def sharing_rows(device: torch.device, settings: Settings) -> list[Row]:
    """Time a study of the demo's size, one run after the other and four at once on one device."""
    if settings.quick:
        return []
    with tempfile.TemporaryDirectory() as folder:
        study = (
            *("experiments.train", "study=losses", "loss=bce,dice", "seed=0,1,2,3", f"data.cache_dir={folder}/cache"),
            *(f"trainer.accelerator={device.type}", "trainer.precision=bf16"),
        )
        timed("experiments.train", f"data.cache_dir={folder}/cache", "trainer.max_steps=1", f"study_dir={folder}/warm")
        one = timed(*study, f"study_dir={folder}/one")
        jobs = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=4")
        shared = timed(*study, *jobs, f"study_dir={folder}/shared")
    note = "from the shell, report included"
    return [ratio_row("8 demo runs, four at once", "one after the other", [shared], [one], goal=Goal(2.0), note=note)]
