"""AP of a whole test set of 2,000 images, streamed; and how far peers get that keep every pixel."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.result import Goal, Row, Settings, Spread, Table, bytes_text, seconds_text
from benchmarks.stopwatch import peak_memory
from benchmarks.trained_run import TrainedLogits, trained_logits
from experiments.evaluation.histogram_builder import ScoreHistogramBuilder
from experiments.frontier.curve import average_precision, pr_curve

IMAGES = 2000
MEMORY_LIMIT = 8 * 2**30
SECONDS_LIMIT = 45.0


def mosaics(data: TrainedLogits, count: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield images of 512 x 512 pixels, each of four scored logs, their logits shifted a little from image to image."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        four = rng.integers(len(data.logits), size=4)
        shift = float(rng.normal(0, 0.3))
        yield _square(data.logits[four]) + shift, _square(data.target[four])


def _square(four: Tensor) -> Tensor:
    return torch.cat([torch.cat([four[0], four[1]], dim=-1), torch.cat([four[2], four[3]], dim=-1)], dim=-2)


def stream(data: TrainedLogits, count: int, *, pooled: bool = False) -> tuple[float, int, list[float]]:
    """Histogram a test set image by image.

    Args:
        data: what the images are made of.
        count: how many.
        pooled: into one histogram of them all, which has the curve and AP but knows no image apart.

    Returns:
        Seconds in our code, bytes that the histograms take, AP per mask.
    """
    builder = ScoreHistogramBuilder(data.masks)
    seconds = 0.0
    for index, (logits, target) in enumerate(mosaics(data, count)):
        started = time.perf_counter()
        name = "all" if pooled else f"i{index}"
        builder.add(name, name, logits, target)
        seconds += time.perf_counter() - started
    started = time.perf_counter()
    histograms = builder.build()
    values = [average_precision(pr_curve(*histograms.pooled(mask))) for mask in range(len(data.masks))]
    seconds += time.perf_counter() - started
    return seconds, sum(array.nbytes for array in histograms.to_arrays().values()), values


def peer_at(name: str, images: int, path: Path) -> dict[str, float] | None:
    """Run a peer in a process of its own with a limit of memory and time; None when it does not survive."""
    command = [sys.executable, "-m", "benchmarks.test_set_peer", name, str(images), str(MEMORY_LIMIT), str(path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_LIMIT, check=False)
    except subprocess.TimeoutExpired:
        return None
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None


def measure(settings: Settings) -> Table:
    """Measure ours at full size and at a tenth, and peers at growing sizes until they fail."""
    data = trained_logits(4, updates=4) if settings.quick else trained_logits()
    count = 4 if settings.quick else IMAGES
    small = max(2, count // 10)
    few_seconds, few_bytes, _ = stream(data, small)
    seconds, kept, _ = stream(data, count)
    pooled_seconds, pooled_bytes, _ = stream(data, count, pooled=True)
    fewer = max(2, small // 10)
    few_peak, peak = (peak_memory(partial(stream, data, size), times=1) for size in (fewer, small))
    few_pooled, many_pooled = (
        peak_memory(partial(stream, data, size, pooled=True), times=6) for size in (small, 5 * small)
    )
    rows = [
        Row(
            f"{count:,} images of 512 x 512, 3 masks",
            "",
            f"{seconds_text(seconds)}, histograms {bytes_text(kept)}",
            "",
            Spread.of([seconds / count]),
            unit="s",
            note=f"time per image; {seconds_text(few_seconds / small)} per image over {small:,} images",
        ),
        Row(
            "the same into one histogram: curves and AP of the whole set",
            "",
            f"{seconds_text(pooled_seconds)}, histograms {bytes_text(pooled_bytes)}",
            "",
            Spread.of([pooled_seconds / count]),
            unit="s",
            note="time per image",
        ),
        Row(
            "peak memory, into one histogram, five times the images",
            "",
            _peaks(few_pooled, many_pooled),
            "",
            None if few_pooled is None or many_pooled is None else Spread.of([many_pooled / max(few_pooled, 1)]),
            goal=Goal(1.1, at_most=True),
            note=f"peak at {5 * small:,} images over that at {small:,}",
        ),
        Row(
            "peak memory, a histogram an image, ten times the images",
            "",
            _peaks(few_peak, peak),
            "",
            Spread.of([(kept - few_bytes) / (count - small)]),
            unit="bytes",
            note="what one more image adds: its own histograms, which the comparison needs; no pixel is kept. The peak "
            f"was taken at {fewer:,} and {small:,} images",
        ),
    ]
    sizes = (1,) if settings.quick else (20, 80)
    for name in ("scikit-learn", "torchmetrics"):
        survived = _survived(name, sizes, data)
        if not survived:
            rows.append(Row(f"AP, exact, {sizes[0]} images", name, "", "", None, note="the peer did not survive"))
            continue
        size, found = survived[-1]
        started, _, values = stream(data, size) if not settings.quick else (few_seconds / small * size, 0, [])
        rows.append(
            Row(
                f"AP, exact, {size} images, the most that it survived",
                name,
                seconds_text(started),
                f"{seconds_text(found['seconds'])}, {bytes_text(found['peak'])}",
                Spread.of([found["seconds"] / started]),
                goal=Goal(1.0),
                even=1.0,
                note=f"sizes tried: {', '.join(map(str, sizes))} images, within {bytes_text(MEMORY_LIMIT)} and "
                f"{SECONDS_LIMIT:.0f} s"
                + (f"; greatest difference of AP {_difference(found, values):.1e}" if values else ""),
            )
        )
    return Table(
        "test_set",
        "AP of a whole test set",
        "Images one after the other, as an evaluation makes them; making them is not counted. Peers keep every pixel "
        "and sort; each runs in a process of its own.",
        tuple(rows),
    )


def _peaks(few: int | None, many: int | None) -> str:
    return "" if few is None or many is None else f"{bytes_text(few)} to {bytes_text(many)}"


def _difference(found: dict[str, float], values: list[float]) -> float:
    return max(abs(found[f"ap{mask}"] - value) for mask, value in enumerate(values))


def _survived(name: str, sizes: tuple[int, ...], data: TrainedLogits) -> list[tuple[int, dict[str, float]]]:
    """Run a peer at growing sizes, up to the first that it does not survive."""
    survived = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "logits.pt"
        torch.save({"logits": data.logits, "target": data.target, "masks": data.masks}, path)
        for size in sizes:
            found = peer_at(name, size, path)
            if found is None:
                break
            survived.append((size, found))
    return survived
