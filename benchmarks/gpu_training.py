"""Training on a GPU, compared with a bare compiled loop; the full study; the histogram's share of scoring."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from itertools import cycle, islice, pairwise
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.gpu_clock import in_turn_on, wait_for
from benchmarks.result import Goal, Row, Settings, Spread, seconds_text
from benchmarks.trained_run import compose
from experiments.data.batches import Batch
from experiments.data.resident_tiles import training_updates
from experiments.evaluation.histogram_builder import ScoreHistogramBuilder
from experiments.training.checkpoint import TrainingState
from experiments.training.device import CompiledLoss, Forward, compiled, make_accelerator
from experiments.training.fit import fit
from experiments.training.network import Segmenter, build_segmenter
from experiments.training.parts import make_optimizer
from experiments.training.setup import LoadedData, load_data, tile_batches
from losses import WeightedBCELoss

FULL_UPDATES, FULL_RUNS = 20_000, 30
STRETCHES = 6
"""Parts of a training that are timed separately; the first, which compiles and warms up, is left out."""
SCORED_BATCHES = 5
"""Batches that are scored and counted together: 80 images of three masks nearly fill a block."""

Twin = Callable[[nn.Module, nn.Module, torch.device], tuple[Forward, CompiledLoss | None]]


def full_size(device: torch.device, settings: Settings) -> Any:
    """Compose a training as `size=full` has it, only shorter; tiny where `settings` say so."""
    side, batch_size, updates = (64, 2, 6) if settings.quick else (512, 16, 180)
    return compose(
        f"model={'unet_mobilenet' if settings.quick else 'unet_resnet34'}",
        f"data.height=[{side},{2 * side}]",
        f"data.width=[{side},{2 * side}]",
        f"data.train_logs={4 if settings.quick else 64}",
        "data.val_logs=2",
        "data.test_logs=2",
        "data.cache_dir=null",
        f"trainer.tile={side}",
        f"trainer.batch_size={batch_size}",
        f"trainer.max_steps={updates}",
        "trainer.precision=bf16",
        f"trainer.accelerator={device.type}",
        f"trainer.workers={0 if settings.quick else 8}",
    )


def training_rows(device: torch.device, settings: Settings) -> list[Row]:
    """Time the training loop with and without its optimisations, and a bare compiled loop on resident batches."""
    cfg = full_size(device, settings)
    loaded = load_data(cfg)
    # Compiling even the smallest network takes a CPU minutes: a quick run shows that all else works.
    twin: Twin = uncompiled if settings.quick else compiled
    resident = [tile_batches(cfg, loaded)[update].to(device) for update in range(4)]
    tiles = list(islice(cycle(resident), cfg.trainer.max_steps))
    bare = _bare_loop(cfg, loaded, tiles, device, twin)
    bare_uncompiled = _bare_loop(cfg, loaded, tiles, device, uncompiled)
    workers = f"{cfg.trainer.workers} workers"
    as_full = "as `train` runs it: compiled, images on the device"
    variants: dict[str, tuple[Twin, str]] = {
        as_full: (twin, "true"),
        "not compiled, images on the device": (uncompiled, "true"),
        f"compiled, {workers}": (twin, "false"),
        f"not compiled, {workers}": (uncompiled, "false"),
    }
    seconds = {name: _our_loop(cfg, loaded, device, *variant) for name, variant in variants.items()}
    side, batch_size = cfg.trainer.tile, cfg.trainer.batch_size
    work = f"training, {side}², batch {batch_size}, {'U-Net of MobileNet' if settings.quick else 'U-Net of ResNet-34'}"
    rows = []
    for name, ours in seconds.items():
        images = batch_size / Spread.of(ours).middle
        goal = Goal(0.97) if name == as_full else None
        rows.append(_throughput(f"{work}; {name}", ours, bare, goal, f"{images:.0f} images a second"))
    plain = "not compiled, images on the device"
    images = batch_size / Spread.of(seconds[plain]).middle
    rows.append(
        _throughput(
            f"{work}; {plain}",
            seconds[plain],
            bare_uncompiled,
            Goal(0.97),
            f"{images:.0f} images a second",
            peer="bare loop, not compiled, batches on the device",
        )
    )
    per_run = Spread.of(seconds[as_full]).middle * FULL_UPDATES
    return [
        *rows,
        Row(
            f"`study=losses size=full`, {FULL_RUNS} runs of {FULL_UPDATES:,} updates",
            "",
            f"{seconds_text(per_run)} a run",
            "",
            Spread.of([per_run * FULL_RUNS / 3600]),
            "h",
            note="projected from the first row, one run after the other; scoring and comparison come on top",
        ),
    ]


def scoring_rows(device: torch.device, settings: Settings) -> list[Row]:
    """Measure the histogram's share, in percent, of the time for forward pass and histogram.

    Both take several batches of images of their own, so that the block read at the end is as full as in a split.
    """
    cfg = full_size(device, settings)
    loaded = load_data(cfg)
    batch = tile_batches(cfg, loaded)[0].to(device)
    model = _new_model(cfg, loaded, device).eval()
    names = [[f"{place}-{index}" for index in range(len(batch.image))] for place in range(SCORED_BATCHES)]

    @torch.inference_mode()
    def forward() -> Tensor:
        with torch.autocast(device.type, dtype=torch.bfloat16):
            return [model(batch.image) for _ in names][-1]

    logits = forward()

    def count() -> None:
        builder = ScoreHistogramBuilder(loaded.data.masks)
        for mine in names:
            builder.add_batch(mine, mine, logits, batch.target)
        builder.build()

    seconds = in_turn_on(device, {"forward": forward, "count": count}, settings.rounds(10))
    pairs = zip(seconds["forward"], seconds["count"], strict=True)
    share = Spread.of([100 * counted / (sent + counted) for sent, counted in pairs])
    return [Row("histogram, share of scoring", "", "", "", share, "%", Goal(5.0, at_most=True))]


def train_updates(
    cfg: Any, loaded: LoadedData, model: Segmenter, *, log_every: int, on_update: Callable[[int], None], twin: Twin
) -> list[dict[str, float]]:
    """Train a model on plain BCE with the package's own loop and batches; return the history."""
    accelerator = make_accelerator(cfg.trainer)
    optimizer, scheduler = make_optimizer(cfg, model.to(accelerator.device))
    prepared, optimizer = accelerator.prepare(model, optimizer)
    state = TrainingState(accelerator.unwrap_model(prepared), optimizer, scheduler)
    updates = training_updates(
        tile_batches(cfg, loaded),
        first=0,
        device=accelerator.device,
        on_device=cfg.trainer.data_on_device,
        workers=cfg.trainer.workers,
    )
    criterion = WeightedBCELoss()
    forward, compiled_loss = twin(state.model, criterion, accelerator.device)
    fit(
        state,
        updates,
        criterion,
        accelerator,
        masks=loaded.data.masks,
        max_steps=cfg.trainer.max_steps,
        log_every=log_every,
        is_due=lambda update: False,
        on_update=on_update,
        save=lambda: None,
        forward=forward,
        compiled_loss=compiled_loss,
    )
    return state.history


def uncompiled(model: nn.Module, criterion: nn.Module, device: torch.device) -> tuple[Forward, CompiledLoss | None]:
    """Return the model as it is, in place of `compiled`."""
    return model, None


def _new_model(cfg: Any, loaded: LoadedData, device: torch.device) -> Segmenter:
    return build_segmenter(
        cfg, channels=loaded.data.channels, prevalence=loaded.prevalence, statistics=loaded.statistics
    ).to(device)


def _throughput(
    work: str,
    ours: Sequence[float],
    bare: Sequence[float],
    goal: Goal | None,
    note: str,
    peer: str = "bare loop, compiled, batches on the device",
) -> Row:
    mine, theirs = Spread.of(ours).middle, Spread.of(bare).middle
    spread = Spread.of([theirs / seconds for seconds in ours])
    return Row(work, peer, seconds_text(mine), seconds_text(theirs), spread, goal=goal, note=f"time per update; {note}")


def _our_loop(cfg: Any, loaded: LoadedData, device: torch.device, twin: Twin, on_device: str) -> list[float]:
    """Train with the package's own loop; seconds per update in each stretch after the first."""
    cfg = cfg.copy()
    cfg.trainer.data_on_device = on_device
    watch = _Stretches(cfg.trainer.max_steps, device)
    model = _new_model(cfg, loaded, device)
    train_updates(cfg, loaded, model, log_every=cfg.trainer.max_steps, on_update=watch.update_done, twin=twin)
    return watch.seconds_per_update()


def _bare_loop(cfg: Any, loaded: LoadedData, batches: Iterable[Batch], device: torch.device, twin: Twin) -> list[float]:
    """Train with nothing around it; seconds per update in each stretch after the first."""
    model = _new_model(cfg, loaded, device)
    optimizer, _ = make_optimizer(cfg, model)
    loss = torch.nn.BCEWithLogitsLoss()
    forward, _ = twin(model, loss, device)
    watch = _Stretches(cfg.trainer.max_steps, device)
    for update, batch in enumerate(batches, start=1):
        with torch.autocast(device.type, dtype=torch.bfloat16):
            logits = forward(batch.image)
        loss(logits.float(), batch.target.float()).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        watch.update_done(update)
    return watch.seconds_per_update()


class _Stretches:
    """Records the time at the end of each part of a training, when the device has finished its work."""

    def __init__(self, updates: int, device: torch.device) -> None:
        self.length = updates // STRETCHES
        self.device = device
        self.marks: list[float] = []

    def update_done(self, update: int) -> None:
        """Record the number of updates done."""
        if update % self.length == 0:
            wait_for(self.device)
            self.marks.append(time.perf_counter())

    def seconds_per_update(self) -> list[float]:
        """Return one number per stretch after the first."""
        return [(after - before) / self.length for before, after in pairwise(self.marks)]
