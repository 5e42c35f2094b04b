"""Losses and histograms on a GPU, compared with their peers there and with themselves on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu_clock import in_turn_on
from benchmarks.loss_speed import compile_all, forward_backward, losses_and_peers
from benchmarks.result import Goal, Row, Settings, Spread, ratio_row
from benchmarks.trained_run import TrainedLogits
from experiments.evaluation.histogram_builder import ScoreHistogramBuilder


def agreement_rows(data: TrainedLogits, on_device: TrainedLogits) -> list[Row]:
    """Compare losses, gradients and histograms of the same logits on both devices."""
    worst = 0.0
    for ours, _ in losses_and_peers().values():
        here, there = (_value_and_gradient(ours, part) for part in (data, on_device))
        for a, b in zip(here, there, strict=True):
            worst = max(worst, float((a.double() - b.cpu().double()).abs().max() / a.double().abs().max()))
    counts = [_histograms(part).to_arrays() for part in (data, on_device)]
    equal = all((counts[0][name] == counts[1][name]).all() for name in counts[0])
    return [
        Row(
            "losses and gradients, same logits",
            "the CPU",
            "",
            "",
            Spread.of([worst]),
            unit="",
            goal=Goal(1e-5, at_most=True),
            note="difference over greatest value, worst of the losses",
        ),
        Row(
            "histograms, same logits",
            "the CPU",
            "equal" if equal else "differ",
            "",
            Spread.of([float(not equal)]),
            unit="",
            goal=Goal(0.0, at_most=True),
            note="1 where any count differs",
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


def loss_rows(name: str, data: TrainedLogits, settings: Settings) -> list[Row]:
    """Time a loss of `losses_and_peers` and its fastest peer, eager and compiled."""
    labels = data.target.float()
    ours, peers = losses_and_peers()[name]
    peers = {
        peer: loss.to(labels.device) if isinstance(loss, torch.nn.Module) else loss for peer, loss in peers.items()
    }
    compiled = {} if settings.quick else compile_all(peers, data.logits, labels)[0]
    calls = {"ours": forward_backward(ours, data.logits, labels)}
    calls |= {f"{peer}, eager": forward_backward(loss, data.logits, labels) for peer, loss in peers.items()}
    calls |= {f"{peer}, compiled": forward_backward(loss, data.logits, labels) for peer, loss in compiled.items()}
    seconds = in_turn_on(data.logits.device, calls, settings.rounds(20))
    mine = seconds.pop("ours")
    rows = []
    for kind in ("eager", "compiled"):
        of_kind = {peer: times for peer, times in seconds.items() if peer.endswith(kind)}
        if of_kind:
            best = min(of_kind, key=lambda peer: Spread.of(of_kind[peer]).middle)
            rows.append(ratio_row(name, best, mine, of_kind[best], goal=Goal(1.0)))
    return rows


def histogram_rows(data: TrainedLogits, settings: Settings) -> list[Row]:
    """Time the histogram and torchmetrics on the same GPU."""
    from torchmetrics.classification import MultilabelAveragePrecision

    if settings.quick:
        data = TrainedLogits(data.logits[:1, :, :64, :64], data.target[:1, :, :64, :64], data.masks)
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
