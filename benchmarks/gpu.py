"""A GPU: losses, histogram, training at full size, runs that share it, and agreement with the CPU.

Nothing here asks for more than one GPU, and all of it together takes less than eight minutes on a current one.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import cycle, islice, pairwise
from typing import Any

import torch
from torch import Tensor

from benchmarks.loss_speed import compile_all, forward_backward, losses_and_peers
from benchmarks.result import Goal, Row, Settings, Spread, Table, ratio_row, seconds_text
from benchmarks.study_speed import timed
from benchmarks.trained_run import TrainedLogits, compose, tile_batches, trained_logits
from experiments.data.batches import Batch, updates_loader
from experiments.frontier.score_counts import ScoreHistogramBuilder
from experiments.training.checkpoint import TrainingState
from experiments.training.device import device_name, make_accelerator
from experiments.training.fit import fit
from experiments.training.network import build_segmenter
from experiments.training.preflight import LoadedData, load_data, make_optimizer
from losses import WeightedBCELoss

FULL_UPDATES, FULL_RUNS = 20_000, 30


def measure(settings: Settings, device: str = "cuda") -> Table:
    """Measure everything that needs a GPU; `device="cpu"` runs the same code, to see that it runs."""
    data = trained_logits(4, updates=4) if settings.quick else trained_logits()
    where = torch.device(device)
    on_device = TrainedLogits(data.logits.to(where), data.target.to(where), data.masks)
    rows = [
        *agreement_rows(data, on_device),
        *loss_rows(on_device, settings),
        *histogram_rows(on_device, settings),
        *training_rows(where, settings),
        *sharing_rows(where, settings),
    ]
    return Table(
        "gpu",
        f"On a GPU: {device_name(where)}",
        f"Logits of a trained network; torch {torch.__version__}; bf16 autocast and channels_last in training. A "
        "time is taken between two points at which the device has nothing left to do.",
        tuple(rows),
    )


def in_turn_on(device: torch.device, calls: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Time each call once a round, from idle device to idle device."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(-3, rounds):
        for name, call in calls.items():
            _wait_for(device)
            started = time.perf_counter()
            call()
            _wait_for(device)
            if turn >= 0:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def agreement_rows(data: TrainedLogits, on_device: TrainedLogits) -> list[Row]:
    """Compare losses, gradients and histograms of the same logits on both devices."""
    worst = 0.0
    for ours, _ in losses_and_peers().values():
        here, there = (_value_and_gradient(ours, part) for part in (data, on_device))
        for a, b in zip(here, there, strict=True):
            worst = max(worst, float((a.double() - b.cpu().double()).abs().max() / a.double().abs().max()))
    counts = [_histograms(part).to_arrays() for part in (data, on_device)]
    equal = all((counts[0][name] == counts[1][name]).all() for name in counts[0])
    limit = Goal(1e-5, at_most=True)
    return [
        Row(
            "losses and gradients",
            "the CPU",
            "",
            "",
            Spread.of([worst]),
            "",
            limit,
            note="difference over greatest value",
        ),
        Row(
            "histograms",
            "the CPU",
            "equal" if equal else "differ",
            "",
            Spread.of([float(not equal)]),
            "",
            Goal(0, True),
        ),
    ]


def _value_and_gradient(loss: Callable[[Tensor, Tensor], Tensor], data: TrainedLogits) -> tuple[Tensor, Tensor]:
    leaf = data.logits.detach().requires_grad_()
    value = loss(leaf, data.target)
    return value.detach(), torch.autograd.grad(value, leaf)[0]


def _histograms(data: TrainedLogits) -> Any:
    builder = ScoreHistogramBuilder(data.masks)
    names = [f"i{index}" for index in range(len(data.logits))]
    builder.add_batch(names, names, data.logits, data.target)
    return builder.build()


def loss_rows(data: TrainedLogits, settings: Settings) -> list[Row]:
    """Time every loss beside its fastest peer, eager and compiled."""
    rows = []
    labels = data.target.float()
    chosen = losses_and_peers()
    for name in ("BCE", "Dice") if settings.quick else chosen:
        ours, peers = chosen[name]
        peers = {
            peer: loss.to(labels.device) if isinstance(loss, torch.nn.Module) else loss for peer, loss in peers.items()
        }
        compiled = {} if settings.quick else compile_all(peers, data.logits, labels)[0]
        calls = {"ours": forward_backward(ours, data.logits, labels)}
        calls |= {f"{peer}, eager": forward_backward(loss, data.logits, labels) for peer, loss in peers.items()}
        calls |= {f"{peer}, compiled": forward_backward(loss, data.logits, labels) for peer, loss in compiled.items()}
        seconds = in_turn_on(data.logits.device, calls, settings.rounds(20))
        mine = seconds.pop("ours")
        for kind in ("eager", "compiled"):
            of_kind = {peer: times for peer, times in seconds.items() if peer.endswith(kind)}
            if of_kind:
                best = min(of_kind, key=lambda peer: Spread.of(of_kind[peer]).middle)
                rows.append(ratio_row(name, best, mine, of_kind[best], goal=Goal(1.0)))
    return rows


def histogram_rows(data: TrainedLogits, settings: Settings) -> list[Row]:
    """Time the histogram beside torchmetrics on the same GPU."""
    from torchmetrics.classification import MultilabelAveragePrecision

    metric = MultilabelAveragePrecision(num_labels=len(data.masks), average="none", thresholds=100)
    metric = metric.to(data.logits.device)
    labels = data.target.int()

    def peer() -> Any:
        metric.reset()
        metric.update(data.logits, labels)
        return metric.compute().tolist()

    calls = {"ours": lambda: _histograms(data), "torchmetrics": peer}
    seconds = in_turn_on(data.logits.device, calls, settings.rounds(10))
    shape = tuple(data.logits.shape)
    return [ratio_row(f"histograms, {shape}", "torchmetrics, 100 thresholds", seconds["ours"], seconds["torchmetrics"])]


def training_rows(device: torch.device, settings: Settings) -> list[Row]:
    """Time the training loop and the scoring at full size, beside a bare compiled loop on resident batches."""
    side, batch_size, updates = (64, 2, 2) if settings.quick else (512, 16, 60)
    model_name = "unet_mobilenet" if settings.quick else "unet_resnet34"
    cfg = compose(
        f"model={model_name}",
        f"data.height=[{side},{side}]",
        f"data.width=[{side},{side}]",
        f"data.train_logs={4 if settings.quick else 32}",
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
    loaded = load_data(cfg)
    tiles = tile_batches(cfg, loaded)
    resident = [tiles[index].to(device) for index in range(min(4, updates))]
    workers = int(cfg.trainer.workers)
    loader = list if settings.quick else iter
    ours = _our_loop(cfg, loaded, loader(updates_loader(tiles, first=0, workers=workers, pin=workers > 0)), device)
    ours_resident = _our_loop(cfg, loaded, islice(cycle(resident), updates), device)
    bare = _bare_loop(cfg, loaded, list(islice(cycle(resident), updates)), device, compiled=not settings.quick)
    per_update = min(ours)
    hours = per_update * FULL_UPDATES * FULL_RUNS / 3600
    share = _scoring_share(cfg, loaded, resident[0], device, settings.rounds(10))
    work = f"training, {side}², batch {batch_size}, {model_name}"
    images = Spread.of([batch_size / seconds for seconds in ours]).middle
    return [
        _throughput(f"{work}, as `train` runs it", ours, bare, Goal(0.9), f"{images:.0f} images a second"),
        _throughput(f"{work}, batches resident", ours_resident, bare, None, "our loop, eager model"),
        Row("histogram, share of scoring", "", "", "", share, "%", Goal(2.0, at_most=True)),
        Row(
            f"`study=losses`, {FULL_RUNS} runs of {FULL_UPDATES:,} updates",
            "",
            "",
            "",
            Spread.of([hours]),
            "h",
            note="projected from the training loop above; scoring and comparison come on top",
        ),
    ]


def _throughput(work: str, ours: Sequence[float], bare: Sequence[float], goal: Goal | None, note: str) -> Row:
    mine, theirs = Spread.of(ours).middle, Spread.of(bare).middle
    spread = Spread.of([theirs / seconds for seconds in ours])
    peer = "bare loop, compiled, batches resident"
    return Row(work, peer, seconds_text(mine), seconds_text(theirs), spread, goal=goal, note=f"time per update; {note}")


def _our_loop(cfg: Any, loaded: LoadedData, batches: Any, device: torch.device) -> list[float]:
    """Train with the package's own loop; seconds per update in each half after the warm-up."""
    accelerator = make_accelerator(cfg.trainer)
    model = build_segmenter(
        cfg, channels=loaded.data.channels, prevalence=loaded.prevalence, statistics=loaded.statistics
    ).to(device)
    optimizer, scheduler = make_optimizer(cfg, model)
    marks: list[float] = []

    def on_update(update: int) -> None:
        if update % max(1, cfg.trainer.max_steps // 6) == 0:
            _wait_for(device)
            marks.append(time.perf_counter())

    fit(
        TrainingState(model, optimizer, scheduler),
        batches,
        WeightedBCELoss(),
        accelerator,
        masks=loaded.data.masks,
        max_steps=cfg.trainer.max_steps,
        log_every=cfg.trainer.max_steps,
        checkpoint_every=cfg.trainer.max_steps + 1,
        on_update=on_update,
        save=lambda: None,
    )
    return _per_update(marks, max(1, cfg.trainer.max_steps // 6))


def _bare_loop(
    cfg: Any, loaded: LoadedData, batches: list[Batch], device: torch.device, *, compiled: bool
) -> list[float]:
    """Train with nothing around it, the model compiled; seconds per update after the warm-up."""
    model: Any = build_segmenter(
        cfg, channels=loaded.data.channels, prevalence=loaded.prevalence, statistics=loaded.statistics
    ).to(device)
    optimizer, _ = make_optimizer(cfg, model)
    step = torch.compile(model) if compiled else model
    loss = torch.nn.BCEWithLogitsLoss()
    marks = []
    every = max(1, len(batches) // 6)
    for index, batch in enumerate(batches, start=1):
        with torch.autocast(device.type, dtype=torch.bfloat16):
            logits = step(batch.image)
        loss(logits.float(), batch.target.float()).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if index % every == 0:
            _wait_for(device)
            marks.append(time.perf_counter())
    return _per_update(marks, every)


def _per_update(marks: list[float], every: int) -> list[float]:
    """Return the seconds per update between marks; the first stretch, in which things warm up, is left out."""
    return [(b - a) / every for a, b in pairwise(marks)]


def _scoring_share(cfg: Any, loaded: LoadedData, batch: Batch, device: torch.device, rounds: int) -> Spread:
    """Return what share of forward pass and histogram, in percent, the histogram takes."""
    model = build_segmenter(
        cfg, channels=loaded.data.channels, prevalence=loaded.prevalence, statistics=loaded.statistics
    ).to(device)
    model.eval()
    names = [f"i{index}" for index in range(len(batch.image))]

    @torch.inference_mode()
    def forward() -> Tensor:
        with torch.autocast(device.type, dtype=torch.bfloat16):
            return model(batch.image)

    logits = forward()

    def count() -> None:
        ScoreHistogramBuilder(loaded.data.masks).add_batch(names, names, logits, batch.target)

    seconds = in_turn_on(device, {"forward": forward, "count": count}, rounds)
    pairs = zip(seconds["forward"], seconds["count"], strict=True)
    return Spread.of([100 * counted / (sent + counted) for sent, counted in pairs])


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
