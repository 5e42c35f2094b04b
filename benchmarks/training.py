"""One training run beside a bare PyTorch loop over the same batches already in memory."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from benchmarks.result import Goal, Row, Settings, Spread, Table, ratio_row
from benchmarks.trained_run import compose
from experiments.data.batches import Batch, updates_loader
from experiments.data.resident_tiles import training_updates
from experiments.training import run
from experiments.training.network import build_segmenter
from experiments.training.parts import make_optimizer
from experiments.training.setup import LoadedData, load_data, tile_batches

LONGER = 1000  # updates; the demo makes 200, `size=full` 20,000


def bare_loop(cfg: Any, loaded: LoadedData, batches: Iterable[Batch]) -> tuple[float, float]:
    """Train without anything around it, then send the images that a run scores through the network.

    Returns:
        Seconds of the updates, and of the forward passes after them.
    """
    started = time.perf_counter()
    model = build_segmenter(
        cfg, channels=loaded.data.channels, prevalence=loaded.prevalence, statistics=loaded.statistics
    ).train()
    optimizer, scheduler = make_optimizer(cfg, model)
    loss = torch.nn.BCEWithLogitsLoss()
    for batch in batches:
        loss(model(batch.image), batch.target.float()).backward()
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad(set_to_none=True)
    trained = time.perf_counter()
    model.eval()
    with torch.inference_mode():
        for split in (loaded.data.val, loaded.data.test):
            for sample in split.samples:
                image = torch.from_numpy(sample.image.transpose(2, 0, 1).copy())[None]
                below, right = -image.shape[2] % 32, -image.shape[3] % 32
                model(
                    torch.nn.functional.pad(image, (0, right, 0, below)).contiguous(memory_format=torch.channels_last)
                )
    return trained - started, time.perf_counter() - trained


def whole_run(cfg: Any, loaded: LoadedData) -> tuple[float, float]:
    """Train, score and write one run as the command does.

    Returns:
        Seconds of wall time, and those of them that the loop waited for a batch.
    """
    waited = 0.0

    def watched(*arguments: Any, **settings: Any) -> Iterator[Batch]:
        nonlocal waited
        batches = iter(training_updates(*arguments, **settings))
        while True:
            started = time.perf_counter()
            batch = next(batches, None)
            waited += time.perf_counter() - started
            if batch is None:
                return
            yield batch

    with tempfile.TemporaryDirectory() as folder, patch.object(run, "training_updates", watched):
        started = time.perf_counter()
        status = run.execute(cfg, Path(folder), "loss=bce", loaded, lambda update: None)
        seconds = time.perf_counter() - started
    if status != "complete":
        raise RuntimeError(f"the run that was to be measured ended as {status}")
    return seconds, waited


def measure(settings: Settings) -> Table:
    """Measure the demo's run and the loop in turn."""
    small = ("data.train_logs=4", "data.val_logs=2", "data.test_logs=4", "trainer.max_steps=4")
    cfg = compose("trainer.accelerator=cpu", *(small if settings.quick else ()))
    loaded = load_data(cfg)
    tiles = tile_batches(cfg, loaded)
    batches = list(updates_loader(tiles, first=0, workers=0, pin=False))
    bare_loop(cfg, loaded, batches[:2])
    whole, waits, loops, forwards = [], [], [], []
    for _ in range(settings.rounds(3)):
        seconds, waited = whole_run(cfg, loaded)
        whole.append(seconds)
        waits.append(waited)
        updates, forward = bare_loop(cfg, loaded, batches)
        loops.append(updates)
        forwards.append(updates + forward)
    longer = () if settings.quick else _longer_run(settings.rounds(2))
    steps = cfg.trainer.max_steps
    scored = len(loaded.data.val) + len(loaded.data.test)
    return Table(
        "training",
        "One training run",
        f"The demo's run: {steps} updates of {cfg.trainer.batch_size} tiles of {cfg.trainer.tile}², then {scored} logs "
        f"scored; {torch.get_num_threads()} threads. Ours makes its batches, trains, scores, writes. The loop has "
        "the same batches in memory, the same model, optimizer and schedule, and torch's own BCE.",
        (
            _share_row(
                "whole run, scoring included", "bare loop, training alone", whole, loops, Goal(1.10, at_most=True)
            ),
            _share_row(
                "whole run, scoring included",
                "bare loop, then the same images through the network",
                whole,
                forwards,
                Goal(1.10, at_most=True),
            ),
            Row(
                "waiting for a batch, share of the run",
                "",
                "",
                "",
                Spread.of([100 * waited / seconds for waited, seconds in zip(waits, whole, strict=True)]),
                unit="%",
                goal=Goal(2.0, at_most=True),
                note="augmentation included; the logs are drawn once and cached",
            ),
            *longer,
        ),
    )


def _longer_run(rounds: int) -> tuple[Row]:
    """Measure a run of so many updates that scoring is a small part of it, as in any study that is meant to last."""
    cfg = compose("trainer.accelerator=cpu", f"trainer.max_steps={LONGER}")
    loaded = load_data(cfg)
    batches = list(updates_loader(tile_batches(cfg, loaded), first=0, workers=0, pin=False))
    whole, loops = [], []
    for _ in range(rounds):
        whole.append(whole_run(cfg, loaded)[0])
        loops.append(bare_loop(cfg, loaded, batches)[0])
    work, peer = f"whole run of {LONGER:,} updates, scoring included", "bare loop, training alone"
    return (_share_row(work, peer, whole, loops, Goal(1.10, at_most=True)),)


def _share_row(work: str, peer: str, ours: list[float], theirs: list[float], goal: Goal | None = None) -> Row:
    """Make a row that says how many times the peer's time ours is; here below is better."""
    row = ratio_row(work, peer, ours, theirs)
    share = Spread.of([a / b for a, b in zip(ours, theirs, strict=True)])
    return Row(work, peer, row.ours, row.theirs, share, goal=goal, note="our time over the peer's: below is better")
