"""Score histograms and AP of one batch, compared with torchmetrics and scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks.result import Goal, Row, Settings, Spread, Table, bytes_text, ratio_row
from benchmarks.stopwatch import in_turn, peak_memory
from benchmarks.trained_run import TrainedLogits, trained_logits
from experiments.evaluation.histogram_builder import ScoreHistogramBuilder
from experiments.frontier.curve import average_precision, pr_curve

IMAGES = 16


def our_ap(data: TrainedLogits) -> list[float]:
    """Return the AP of every mask from the histograms."""
    builder = ScoreHistogramBuilder(data.masks)
    names = [f"i{index}" for index in range(len(data.logits))]
    builder.add_batch(names, names, data.logits, data.target)
    histograms = builder.build()
    return [average_precision(pr_curve(*histograms.pooled(mask))) for mask in range(len(data.masks))]


def exact_ap(data: TrainedLogits) -> list[float]:
    """Return the AP of every mask by sorting every pixel, with scikit-learn."""
    from sklearn.metrics import average_precision_score

    return [
        float(average_precision_score(data.target[:, mask].numpy().ravel(), data.logits[:, mask].numpy().ravel()))
        for mask in range(len(data.masks))
    ]


def torchmetrics_ap(data: TrainedLogits, thresholds: int) -> list[float]:
    """Return the AP of every mask on a grid of probabilities, with torchmetrics."""
    from torchmetrics.classification import MultilabelAveragePrecision

    metric = MultilabelAveragePrecision(num_labels=len(data.masks), average="none", thresholds=thresholds)
    # Two images at once: it takes about 1 GB of memory for each.
    for logits, target in zip(data.logits.split(2), data.target.split(2), strict=True):
        metric.update(logits, target.int())
    return [float(value) for value in metric.compute()]


def measure(settings: Settings) -> Table:
    """Measure time, error and memory."""
    found = trained_logits(IMAGES, updates=4) if settings.quick else trained_logits()
    count = 2 if settings.quick else IMAGES
    data = TrainedLogits(found.logits[:count], found.target[:count], found.masks)
    exact, ours, theirs = np.array(exact_ap(data)), np.array(our_ap(data)), np.array(torchmetrics_ap(data, 100))
    calls: dict[str, Callable[[], Any]] = {
        "ours": lambda: our_ap(data),
        "torchmetrics": lambda: torchmetrics_ap(data, 100),
        "scikit-learn": lambda: exact_ap(data),
    }
    seconds = in_turn(calls, rounds=settings.rounds(2), warmup=0)
    size = data.logits.numel() * data.logits.element_size()
    peak = peak_memory(calls["ours"])
    two = TrainedLogits(data.logits[:2], data.target[:2], data.masks)
    their_peak = peak_memory(lambda: torchmetrics_ap(two, 100), times=1)  # which is what it is given at once
    errors = [float(np.nanmax(np.abs(values - exact))) for values in (ours, theirs)]
    rows = [
        ratio_row(
            "histograms and AP",
            "torchmetrics, multilabel AP, 100 thresholds",
            seconds["ours"],
            seconds["torchmetrics"],
            goal=Goal(200.0),
        ),
        ratio_row(
            "histograms and AP", "scikit-learn, exact", seconds["ours"], seconds["scikit-learn"], goal=Goal(10.0)
        ),
        Row(
            "AP, greatest error over the masks",
            "torchmetrics, 100 thresholds",
            f"{errors[0]:.1e}",
            f"{errors[1]:.1e}",
            Spread.of([errors[0]]),
            unit="",
            goal=Goal(1e-4, at_most=True),
            note="against sorting every pixel; the histograms hold the whole curve besides",
        ),
        Row(
            "peak memory, in logits",
            "torchmetrics, 100 thresholds",
            "" if peak is None else bytes_text(peak),
            "" if their_peak is None else bytes_text(their_peak),
            None if peak is None else Spread.of([peak / size]),
            goal=Goal(3.0, at_most=True),
            note=f"the logits take {bytes_text(size)}",
        ),
    ]
    return Table(
        "histogram",
        "Score histograms of a batch",
        f"Logits {tuple(data.logits.shape)} of a trained network, {torch.get_num_threads()} threads. Ours: "
        "histograms of every image and mask, pooled, and AP per mask; peers: AP per mask. torchmetrics gets two images "
        "at once: all sixteen would take it 15 GB.",
        tuple(rows),
    )
