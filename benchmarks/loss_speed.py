"""Losses, forward and backward, compared with torch, torchvision, segmentation_models_pytorch and MONAI."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable
from functools import partial

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.result import Goal, Row, Settings, Spread, Table, bytes_text, ratio_row
from benchmarks.stopwatch import cold, in_turn, peak_memory, warm
from benchmarks.trained_run import TrainedLogits, trained_logits
from losses import CombinedLoss, DiceLoss, FocalLoss, FocalTverskyLoss, TverskyLoss, WeightedBCELoss

Loss = Callable[[Tensor, Tensor], Tensor]
IMAGES = 8
TILES, TILE = 4, 96  # a batch of the demo


def losses_and_peers() -> dict[str, tuple[Loss, dict[str, Loss]]]:
    """Map each loss of ours to the same formula elsewhere; tests/losses/test_peers.py shows that they agree."""
    from monai import losses as monai
    from segmentation_models_pytorch import losses as smp

    tversky = {"alpha": 0.3, "beta": 0.7, "smooth": 1.0}
    return {
        "BCE": (
            WeightedBCELoss(),
            {"torch": functional.binary_cross_entropy_with_logits, "smp": smp.SoftBCEWithLogitsLoss()},
        ),
        "weighted BCE": (
            WeightedBCELoss(pos_weight=42.0),
            {"torch": nn.BCEWithLogitsLoss(pos_weight=torch.tensor(42.0))},
        ),
        "focal": (
            FocalLoss(),
            {
                "torchvision": partial(torchvision.ops.sigmoid_focal_loss, alpha=-1, gamma=2, reduction="mean"),
                "smp": smp.FocalLoss("multilabel"),
                "monai": monai.FocalLoss(),
            },
        ),
        "Dice": (
            DiceLoss(),
            {
                "torch": partial(plain_tversky, fp_weight=0.5, fn_weight=0.5),
                "smp": smp.DiceLoss("multilabel", smooth=1.0),
                "monai": monai.DiceLoss(sigmoid=True, batch=True, smooth_nr=2.0, smooth_dr=2.0),
            },
        ),
        "Tversky": (
            TverskyLoss(),
            {
                "torch": partial(plain_tversky, fp_weight=0.3, fn_weight=0.7),
                "smp": smp.TverskyLoss("multilabel", **tversky),
                "monai": monai.TverskyLoss(sigmoid=True, alpha=0.3, beta=0.7, batch=True, smooth_nr=1.0, smooth_dr=1.0),
            },
        ),
        "focal Tversky": (
            FocalTverskyLoss(),
            {
                "torch": partial(plain_tversky, fp_weight=0.3, fn_weight=0.7, power=0.75),
                "smp": smp.TverskyLoss("multilabel", **tversky, gamma=0.75),
            },
        ),
        "BCE + Dice": (
            CombinedLoss(terms={"bce": WeightedBCELoss(), "dice": DiceLoss()}),
            {"monai": monai.DiceCELoss(sigmoid=True, batch=True)},
        ),
    }


def plain_tversky(logits: Tensor, target: Tensor, *, fp_weight: float, fn_weight: float, power: float = 1.0) -> Tensor:
    """Compute the formula with torch's operations, as a user would write it; Dice has both weights at one half."""
    p = logits.sigmoid()
    hits, predicted, positives = (x.sum((0, 2, 3)) for x in (p * target, p, target))
    cost = fp_weight * (predicted - hits) + fn_weight * (positives - hits)
    return ((1 - (hits + 1) / (hits + cost + 1)) ** power).mean()


def measure(settings: Settings) -> Table:
    """Measure every loss with one thread and with all, then its memory."""
    data = trained_logits(IMAGES, updates=4) if settings.quick else trained_logits()
    data = TrainedLogits(data.logits[:IMAGES], data.target[:IMAGES], data.masks)
    labels = data.target.float()
    cores = os.cpu_count() or 1
    all_losses = losses_and_peers()
    if settings.quick:
        all_losses = {name: all_losses[name] for name in ("BCE", "Dice")}
    before = torch.get_num_threads()
    rows: list[Row] = []
    memory: list[Row] = []
    try:
        for name, (ours, peers) in all_losses.items():
            compiled, reason = ({}, "left out") if settings.quick else compile_all(peers, data.logits, labels)
            for threads in dict.fromkeys((1, cores)):
                torch.set_num_threads(threads)
                rows += loss_rows(name, ours, peers, compiled, data, threads, settings.rounds(15), reason)
            rows.append(tile_row(name, ours, peers, data, cores, settings.rounds(15)))
            memory.append(memory_row(name, ours, peers, data.logits, labels))
    finally:
        torch.set_num_threads(before)
    return Table(
        "losses",
        "Losses",
        f"Value and gradient of one batch, logits and labels float32 {tuple(data.logits.shape)} of a trained network. "
        "The peer is the fastest of those that compute the same formula. Labels are float32 because peers take no "
        "others; ours check them (0 or 1) in that time, peers do not. Bool labels are what a training batch holds; "
        "peers get them as float32 first. Every call is made twice in a row and timed the second time, when its code "
        "and data are in the caches, but for the rows of cold caches, from which other memory drove them before. The "
        "floor reads logits and labels once and writes the gradient once, `torch.add(logits, labels, out=gradient)`; "
        "its ratio says how far from it ours are.",
        (*rows, *memory),
    )


def compile_all(peers: dict[str, Loss], logits: Tensor, labels: Tensor) -> tuple[dict[str, Loss], str]:
    """Compile the peers; those that cannot be compiled are left out, with the reason."""
    logging.getLogger("torch._inductor").setLevel(logging.ERROR)
    compiled, reason = {}, ""
    for name, peer in peers.items():
        torch._dynamo.reset()
        candidate = torch.compile(peer)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of the compiler, about its own internals
                forward_backward(candidate, logits, labels)()
        except Exception as error:
            reason = f"torch.compile of {name} failed ({type(error).__name__}): it needs a C++ compiler"
            continue
        compiled[name] = candidate
    return compiled, reason


def forward_backward(loss: Loss, logits: Tensor, labels: Tensor) -> Callable[[], Tensor | None]:
    """Return the measured call: value and gradient."""

    def call() -> Tensor | None:
        leaf = logits.detach().requires_grad_()
        loss(leaf, labels).backward()
        return leaf.grad

    return call


def loss_rows(
    name: str,
    ours: Loss,
    peers: dict[str, Loss],
    compiled: dict[str, Loss],
    data: TrainedLogits,
    threads: int,
    rounds: int,
    reason: str,
) -> list[Row]:
    """Time one loss, its peers, eager and compiled, and the floor."""
    logits, labels = data.logits, data.target.float()
    gradient = torch.empty_like(logits)
    calls: dict[str, Callable[[], object]] = {
        "ours": forward_backward(ours, logits, labels),
        "ours, bool": forward_backward(ours, logits, data.target),
        "floor": lambda: torch.add(logits, labels, out=gradient),
        **{f"eager {peer}": forward_backward(loss, logits, labels) for peer, loss in peers.items()},
        **{f"bool {peer}": forward_backward(_from_bool(loss), logits, data.target) for peer, loss in peers.items()},
        **{f"compiled {peer}": forward_backward(loss, logits, labels) for peer, loss in compiled.items()},
    }
    seconds = in_turn(calls, rounds=rounds, warmup=2, before_each=warm)
    in_eager = {call: calls[call] for call in calls if call == "ours" or call.startswith("eager ")}
    from_cold = in_turn(in_eager, rounds=rounds, before_each=cold)
    work = f"{name}, {threads} thread{'s' if threads > 1 else ''}"
    fast = _fastest(seconds, "eager ")
    floor = Spread.of([a / b for a, b in zip(seconds["ours"], seconds["floor"], strict=True)])
    note = f"{floor.middle:.3g} times the floor"
    rows = [ratio_row(work, f"{fast}, eager", seconds["ours"], seconds[f"eager {fast}"], goal=Goal(2.0), note=note)]
    fast = _fastest(from_cold, "eager ")
    rows.append(ratio_row(f"{work}, cold caches", f"{fast}, eager", from_cold["ours"], from_cold[f"eager {fast}"]))
    fast = _fastest(seconds, "bool ")
    rows.append(ratio_row(f"{work}, bool labels", f"{fast}, eager", seconds["ours, bool"], seconds[f"bool {fast}"]))
    if compiled:
        fast = _fastest(seconds, "compiled ")
        rows.append(
            ratio_row(
                work, f"{fast}, compiled", seconds["ours"], seconds[f"compiled {fast}"], goal=Goal(1.0), note=reason
            )
        )
    else:
        rows.append(Row(work, "compiled", rows[0].ours, "", None, goal=Goal(1.0), note=reason))
    return rows


def tile_row(name: str, ours: Loss, peers: dict[str, Loss], data: TrainedLogits, threads: int, rounds: int) -> Row:
    """Time one loss at the size of the demo's batches, where the fixed cost of a call counts."""
    part = (slice(TILES), slice(None), slice(TILE), slice(TILE))
    logits, labels = data.logits[part].contiguous(), data.target[part].contiguous()
    calls = {
        "ours": forward_backward(ours, logits, labels),
        **{f"eager {peer}": forward_backward(_from_bool(loss), logits, labels) for peer, loss in peers.items()},
    }
    seconds = in_turn(calls, rounds=rounds, warmup=2, before_each=warm)
    fast = _fastest(seconds, "eager ")
    work = f"{name}, {threads} thread{'s' if threads > 1 else ''}, {TILES} tiles of {TILE}², bool labels"
    return ratio_row(work, f"{fast}, eager", seconds["ours"], seconds[f"eager {fast}"])


def memory_row(name: str, ours: Loss, peers: dict[str, Loss], logits: Tensor, labels: Tensor) -> Row:
    """Compare the peak memory of one value and gradient."""
    mine = peak_memory(forward_backward(ours, logits, labels))
    theirs = {peer: peak_memory(forward_backward(loss, logits, labels)) for peer, loss in peers.items()}
    known = {peer: count for peer, count in theirs.items() if count}
    if not mine or not known:
        return Row(f"{name}, peak memory", "", "", "", None, note="this system does not tell a process its peak memory")
    least = min(known, key=lambda peer: known[peer])
    size = logits.numel() * logits.element_size()
    return Row(
        f"{name}, peak memory",
        f"{least}, eager",
        bytes_text(mine),
        bytes_text(known[least]),
        Spread.of([known[least] / mine]),
        goal=Goal(1.0),
        even=1.0,
        note=f"the gradient alone takes {bytes_text(size)}",
    )


def _from_bool(loss: Loss) -> Loss:
    return lambda logits, target: loss(logits, target.float())


def _fastest(seconds: dict[str, list[float]], prefix: str) -> str:
    names = [name for name in seconds if name.startswith(prefix)]
    return min(names, key=lambda name: Spread.of(seconds[name]).middle).removeprefix(prefix)
