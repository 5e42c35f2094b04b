"""Growth of time and memory with images, pixels, masks, arms and seeds, and a projection to a million images."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch

from benchmarks.compare_speed import study_scores
from benchmarks.growth_curve import Growth, grow
from benchmarks.growth_figure import draw
from benchmarks.result import Goal, Row, Settings, Spread, Table, bytes_text, seconds_text
from benchmarks.test_set import stream
from benchmarks.trained_run import TrainedLogits, compose, trained_logits
from experiments.comparison.compare_arms import compare_arms
from experiments.comparison.settings import CompareSettings
from experiments.evaluation.histogram_builder import ScoreHistogramBuilder

FIGURE = "performance_growth.svg"
BESIDE = "arms beside the baseline"


def measure(settings: Settings) -> Table:
    """Measure histogram, evaluation and comparison along their axes."""
    data = trained_logits(4, updates=4) if settings.quick else trained_logits()
    rounds = settings.rounds(3)
    grown = [
        grow(
            "histogram",
            "pixels of an image, 3 masks",
            "pixel and mask",
            [side**2 for side in ((64, 128) if settings.quick else (256, 512, 1024, 2048))],
            lambda pixels: _histogram_of(data, math.isqrt(pixels)),
            rounds=rounds,
            per=3.0,
        ),
        grow(
            "histograms of a test set",
            "images of 512²",
            "image",
            (1, 2) if settings.quick else (8, 16, 32, 64),
            lambda count: lambda: stream(data, count),
            rounds=rounds,
        ),
        grow(
            "evaluation, network included",
            "images of 256²",
            "image",
            (1, 2) if settings.quick else (4, 8, 16, 32),
            _evaluation_at,
            rounds=settings.rounds(5),
        ),
        _compare_growth(data, "images", (2, 4) if settings.quick else (8, 32, 128), rounds),
        _compare_growth(data, BESIDE, (1, 2) if settings.quick else (1, 2, 4, 8), rounds),
        _compare_growth(data, "seeds", (2, 3) if settings.quick else (2, 4, 8), rounds),
        _compare_growth(data, "masks", (1, 2) if settings.quick else (3, 6, 12, 24), rounds),
    ]
    rows = [_row(growth) for growth in grown]
    images = 2 if settings.quick else 64
    bytes_per_image = stream(data, images)[1] / images
    return Table(
        "growth",
        "How cost grows",
        "The exponent is the slope of log time over log size: 1 is linear, below 1 a fixed part still shows. The "
        f"constant is what one more costs. Comparisons are of 2 arms, 2 seeds, 8 images of 256² and 3 masks but for "
        "what grows, in one process. Masks that grow in number are copies of one, three at least: with fewer, these "
        "are decided, and nothing is worked out about how many more images would decide them."
        f"\n\n![Time and memory over size]({FIGURE})",
        tuple(rows),
        appendix=_cells(grown) + "\n\n" + _projection(grown, bytes_per_image),
        draw=lambda folder: draw(grown, folder / FIGURE),
    )


def _histogram_of(data: TrainedLogits, side: int) -> Callable[[], object]:
    times = -(-side // data.logits.shape[-1])
    logits = data.logits[0].tile(1, times, times)[:, :side, :side].contiguous()
    target = data.target[0].tile(1, times, times)[:, :side, :side].contiguous()

    def call() -> object:
        builder = ScoreHistogramBuilder(data.masks)
        builder.add("i", "i", logits, target)
        return builder.build()

    return call


def _evaluation_at(count: int) -> Callable[[], object]:
    """Score `count` images with the demo's network, as a run does after training."""
    from experiments.evaluation.score_split import score_split
    from experiments.training.device import make_accelerator
    from experiments.training.network import build_segmenter
    from experiments.training.setup import load_data

    size = ("data.height=[256,256]", "data.width=[256,256]", f"data.test_logs={count}", "data.cache_dir=null")
    cfg = compose(*size, "data.train_logs=2", "data.val_logs=1", "trainer.accelerator=cpu")
    loaded = load_data(cfg)
    network = build_segmenter(
        cfg, channels=loaded.data.channels, prevalence=loaded.prevalence, statistics=loaded.statistics
    )
    accelerator = make_accelerator(cfg.trainer)
    windows = {"side": cfg.trainer.eval_tile, "overlap": cfg.trainer.eval_overlap}
    test, masks, batch = loaded.data.test, loaded.data.masks, cfg.trainer.eval_batch_size
    return lambda: score_split(network, test, masks, accelerator, batch_size=batch, **windows)


def _compare_growth(data: TrainedLogits, axis: str, sizes: Sequence[int], rounds: int) -> Growth:
    def call_at(size: int) -> Callable[[], object]:
        usual = {"images": min(8, len(data.logits)), BESIDE: 1, "seeds": 2, "masks": len(data.masks)}
        shape = usual | {axis: size}
        images = torch.arange(shape["images"]) % len(data.logits)
        # Masks differ in what they cost, so when their number grows, all of them are copies of one.
        masks = torch.full((size,), 0) if axis == "masks" else torch.arange(shape["masks"])
        part = TrainedLogits(
            data.logits[images][:, masks],
            data.target[images][:, masks],
            tuple(f"mask{mask}" for mask in range(len(masks))),
        )
        runs = study_scores(part, arms=1 + shape[BESIDE], seeds=shape["seeds"])
        return lambda: compare_arms(runs, baseline="arm0", settings=CompareSettings(workers=1))

    return grow("comparison", axis, axis.split()[0].removesuffix("s"), sizes, call_at, rounds=rounds)


def _row(growth: Growth) -> Row:
    return Row(
        f"{growth.work}, by {growth.axis}",
        "",
        f"{seconds_text(growth.seconds[0])} to {seconds_text(growth.seconds[-1])}",
        "",
        Spread.of([growth.exponent]),
        unit="",
        goal=Goal(1.1, at_most=True),
        note=f"{growth.sizes[0]:,} to {growth.sizes[-1]:,}; {seconds_text(max(growth.constant, 0))} per {growth.unit}",
    )


def _cells(growths: Sequence[Growth]) -> str:
    lines = ["| work | size | time | peak memory |", "|---|---|---|---|"]
    for growth in growths:
        peaks = growth.peak or (None,) * len(growth.sizes)
        for size, seconds, peak in zip(growth.sizes, growth.seconds, peaks, strict=True):
            memory = "" if peak is None else bytes_text(peak)
            lines.append(f"| {growth.work}, {growth.axis} | {size:,} | {seconds_text(seconds)} | {memory} |")
    return "\n".join(lines)


def _projection(growths: Sequence[Growth], bytes_per_image: float) -> str:
    test_set, by_images, by_arms = growths[1], growths[3], growths[4]
    hours = test_set.constant * 1e6 / 3600
    kept = bytes_per_image * 1e6
    thousand = by_arms.constant * 500  # two seeds an arm
    return (
        "**A million images and a thousand runs, projected** from the constants above. Histograms of 10⁶ images of "
        f"512², 3 masks: {hours:.1f} hours on one machine, {bytes_text(kept)} in memory, and as much on disk before it "
        "is compressed. A comparison of 1,000 runs over 8 images of 256²: about "
        f"{seconds_text(thousand)}, and {seconds_text(max(by_images.constant, 0.0) / 4)} per run and image more. What "
        "breaks first is memory: a comparison holds the histograms of all runs and images at once, which for 1,000 "
        f"runs over 10⁶ images is {bytes_text(1000 * kept)}. Tiles of one image share its histogram, so it is images "
        "that count, not tiles."
    )
