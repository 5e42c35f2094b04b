"""Comparison, figures and page of a large study on disk: 6 arms, 3 masks, 5 seeds, 200 test images."""

from __future__ import annotations

import tempfile
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from benchmarks.result import Goal, Row, Settings, Spread, Table, seconds_text
from benchmarks.trained_run import TrainedLogits, compose, trained_logits

ARMS, SEEDS, IMAGES, VAL_IMAGES, KEPT = 6, 5, 200, 24, 7


def write_study(folder: Path, data: TrainedLogits, *, arms: int, seeds: int, images: int) -> None:
    """Write the runs of a study as training leaves them: a trained network's logits, changed by arm, seed and image."""
    for arm in range(arms):
        for seed in range(seeds):
            _write_run(folder / f"loss=arm{arm}" / f"seed={seed}", data, arm, seed, images)


def _write_run(folder: Path, data: TrainedLogits, arm: int, seed: int, images: int) -> None:
    from experiments.evaluation.histogram_builder import ScoreHistogramBuilder
    from experiments.frontier.codes import logit_to_code
    from experiments.runs import store
    from experiments.runs.example_scores import ExampleScores

    rng = torch.Generator().manual_seed(1000 * arm + seed)
    scores, kept = {}, []
    for split, count in (("val", min(VAL_IMAGES, images)), ("test", images)):
        builder = ScoreHistogramBuilder(data.masks, thresholds={"tuned": [0.0] * len(data.masks)})
        for index in range(count):
            of_image = torch.Generator().manual_seed(index)
            source = slice(index % len(data.logits), index % len(data.logits) + 1)
            logits = data.logits[source]
            logits = (logits + _smooth_noise(logits, of_image)) * (1 + 0.1 * arm) + 0.5 * _smooth_noise(logits, rng)
            builder.add_batch([f"i{index}"], [f"i{index}"], logits, data.target[source])
            if split == "test" and index < KEPT:
                kept.append((f"i{index}", logits[0].numpy(), data.target[source][0].numpy()))
        scores[split] = builder.build()
    height, width = kept[0][1].shape[1:]
    loss = {"_target_": "losses.WeightedBCELoss", "pos_weight": 1.0 + arm}
    store.write_config(folder, {"seed": seed, "loss": loss})
    store.write_scores(folder, scores)
    examples = ExampleScores(
        image_ids=tuple(name for name, _, _ in kept),
        windows=((0, 0, height, width),) * len(kept),
        images=(np.full((height, width, 1), 200, np.uint8),) * len(kept),
        targets=tuple(target.astype(bool) for _, _, target in kept),
        valids=(None,) * len(kept),
        codes=tuple(logit_to_code(logits) for _, logits, _ in kept),
    )
    store.write_examples(folder, examples)
    history = "\n".join(f"{update},{1 / update},{0.1 / update}" for update in range(20, 260, 20))
    (folder / store.HISTORY_FILE).write_text(f"update,loss,lr\n{history}\n")
    info = {
        "status": "complete",
        "axes": ["loss"],
        "baseline": "loss=arm0",
        "prevalence": dict.fromkeys(data.masks, 0.02),
    }
    info["data_fingerprint"] = {"train": "R", "val": "V", "test": f"T{images}"}
    store.write_json(folder / store.RUN_FILE, info)


def _smooth_noise(logits: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """Noise as networks differ from each other: over patches of some sixteen pixels, not from pixel to pixel."""
    coarse = torch.randn((*logits.shape[:2], logits.shape[2] // 16, logits.shape[3] // 16), generator=rng)
    return torch.nn.functional.interpolate(coarse, size=logits.shape[2:], mode="bilinear")


def report_seconds(folder: Path) -> dict[str, float]:
    """Report on a study on disk as `compare` does, and time its parts."""
    import matplotlib as mpl

    mpl.use("Agg")
    from experiments.report.example_choice import choose_examples
    from experiments.report.gallery import draw_all
    from experiments.report.page.page import write_page
    from experiments.report.study import compare
    from experiments.runs.study import load_study

    settings = compose("study_dir=unused").report
    load_study(folder)  # the disk is not ours: from here on the files are in the system's memory
    marks = [time.perf_counter()]

    def mark() -> None:
        marks.append(time.perf_counter())

    study = load_study(folder)
    mark()
    comparison = compare(study, settings)
    mark()
    examples = choose_examples(study)
    draw_all(folder / "figures", study, comparison, None, examples=examples)
    mark()
    write_page(folder / "report.html", study, comparison, examples=examples)
    mark()
    names = ("reading", "comparison", "figures", "page")
    return {name: later - earlier for name, (earlier, later) in zip(names, pairwise(marks), strict=True)}


def measure(settings: Settings) -> Table:
    """Measure the report of a large study, and of one with a quarter of the images."""
    data = trained_logits(4, updates=4) if settings.quick else trained_logits()
    arms, seeds, images = (2, 2, 8) if settings.quick else (ARMS, SEEDS, IMAGES)
    with tempfile.TemporaryDirectory() as place:
        found = []
        for count in (images // 4, images):
            folder = Path(place) / str(count)
            write_study(folder, data, arms=arms, seeds=seeds, images=count)
            found.append(report_seconds(folder))
    few, many = found
    drawn = many["figures"] + many["page"]
    rows = [
        Row("figures and page", "", seconds_text(drawn), "", Spread.of([drawn]), "s", Goal(20.0, at_most=True)),
        Row("comparison", "", "", "", Spread.of([many["comparison"]]), "s", Goal(5.0, at_most=True)),
    ]
    rows += [
        Row(
            f"{name}, four times the images",
            "",
            f"{seconds_text(few[name])} to {seconds_text(many[name])}",
            "",
            Spread.of([float(np.log(many[name] / few[name]) / np.log(4))]),
            "",
            Goal(1.1, at_most=True),
            note="slope of log time over log size: 1 is linear, below 1 a fixed part still shows",
        )
        for name in many
    ]
    return Table(
        "report",
        "The report of a large study",
        f"{arms} arms, 3 masks, {seeds} seeds, {images} test images of 256 x 256: a trained network's logits, changed "
        "by arm, seed and image by smooth noise. After imports.",
        tuple(rows),
    )
