"""The comparison of arms, compared with a jackknife that sorts every pixel each time; without torch."""

from __future__ import annotations

import time

import torch

from benchmarks.histogram import exact_ap
from benchmarks.result import Goal, Row, Settings, Spread, Table, ratio_row, seconds_text
from benchmarks.trained_run import TrainedLogits, trained_logits
from experiments.comparison.checked_runs import RunScores
from experiments.comparison.compare_arms import compare_arms
from experiments.evaluation.histogram_builder import ScoreHistogramBuilder

ARMS, SEEDS = 6, 3


def study_scores(data: TrainedLogits, *, arms: int, seeds: int) -> dict[str, dict[int, RunScores]]:
    """Make a study from a trained network's logits: every arm and seed changes them a little, arms also their scale."""
    names = [f"i{index}" for index in range(len(data.logits))]
    runs: dict[str, dict[int, RunScores]] = {}
    for arm in range(arms):
        for seed in range(seeds):
            rng = torch.Generator().manual_seed(1000 * arm + seed)
            noise = torch.randn(data.logits.shape, generator=rng)
            builder = ScoreHistogramBuilder(data.masks)
            builder.add_batch(names, names, data.logits * (1 + 0.1 * arm) + 0.3 * noise, data.target)
            runs.setdefault(f"arm{arm}", {})[seed] = RunScores(None, builder.build())
    return runs


def measure(settings: Settings) -> Table:
    """Measure the comparison of a study of the demo's shape."""
    data = trained_logits(4, updates=4) if settings.quick else trained_logits()
    arms, seeds, images = (2, 2, 4) if settings.quick else (ARMS, SEEDS, len(data.logits))
    runs = study_scores(data, arms=arms, seeds=seeds)
    ours, one = [], []
    for _ in range(settings.rounds(3)):
        started = time.perf_counter()
        compare_arms(runs, baseline="arm0")
        ours.append(time.perf_counter() - started)
        started = time.perf_counter()
        exact_ap(data)
        one.append(time.perf_counter() - started)
    jackknife = [seconds * arms * seeds * (images + 1) for seconds in one]
    return Table(
        "compare",
        "Comparison of a study",
        f"{arms} arms, {seeds} seeds, {images} test images of 256 x 256, 3 masks. Ours: every table of the comparison, "
        "verdicts, bands over recall and slides included. Peer: only the AP of every run, whole and without each image "
        "in turn, by scikit-learn; one such AP of all masks is measured and multiplied by their number.",
        (
            ratio_row(
                "verdicts",
                "jackknife of AP, scikit-learn",
                ours,
                jackknife,
                goal=Goal(100.0),
                note=f"one AP of all masks takes {seconds_text(Spread.of(one).middle)}; "
                f"{arms * seeds * (images + 1):,} of them",
            ),
            Row("verdicts, per run", "", "", "", Spread.of([value / (arms * seeds) for value in ours]), unit="s"),
        ),
    )
