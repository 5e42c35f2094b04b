"""Synthetic raster well logs: scanned paper strips with solid, dashed and dotted curves, one mask per pen."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, fields
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from numpy.typing import NDArray

from experiments.data.cache import DEFAULT_BUDGET, CachedSequence, MemoryBudget
from experiments.data.data_error import DataError
from experiments.data.reading_progress import with_progress
from experiments.data.sample import Sample, SampleFacts, sample_bytes, sample_facts
from experiments.data.split import NO_POSITIVES, SegmentationData, Split, make_split, missing_positives
from experiments.data.value_checks import path_errors, thread_errors, whole_errors
from experiments.data.well_logs.annotation import LabelNoise, annotate, annotation_probability
from experiments.data.well_logs.cache import AnnotatedLog, cached_log
from experiments.data.well_logs.drawing import draw_log
from experiments.data.well_logs.style import PENS, LogStyle, expanded, style_errors
from experiments.process.leftovers import remove_if_abandoned

GENERATOR_VERSION = 3  # raised when the drawing code changes a pixel, so that logs cached by older code are not used

_SPLITS = ("train", "val", "test")
_LISTS = {"height": 2, "width": 2, "line_width": 2, "prevalence": len(PENS)}
_MOST_LOGS = 1_000_000


def make_well_logs(
    *,
    seed: int = 0,
    train_logs: int = 96,
    val_logs: int = 24,
    test_logs: int = 64,
    height: int | Sequence[int] = (288, 384),
    width: int | Sequence[int] = (96, 128),
    prevalence: float | Sequence[float] = (0.014, 0.010, 0.007),
    curves: int = 2,
    line_width: float | Sequence[float] = (1.0, 3.0),
    clutter: float = 1.0,
    fading: float = 0.3,
    blur: float = 0.6,
    noise: float = 4.0,
    skew: float = 0.5,
    annotation_jitter: float = 0.0,
    label_jitter: float = 0.0,
    dropped_strokes: float = 0.0,
    channels: int = 1,
    cache_dir: str | Path | None = None,
    memory: int = DEFAULT_BUDGET,
    threads: int | None = None,
) -> SegmentationData:
    """Make the three splits of a set of synthetic logs; each log is one image and one group.

    A log's image depends only on `seed`, its split, its index and the style, so adding logs does not change the others.
    Jitter moves the annotation but not the image. Bad labels (`label_jitter`, `dropped_strokes`) are those of training
    logs alone: thresholds are tuned, and results measured, on the labels of good annotators. The mistakes in a log's
    labels depend on `seed` and its index alone.

    Args:
        seed: Of the data, at least 0; independent of the seed of a run.
        train_logs: Number of training logs, at least 1.
        val_logs: Number of validation logs, at least 1.
        test_logs: Number of test logs, at least 1.
        height: Pixels, one number or [least, greatest].
        width: Pixels, one number or [least, greatest].
        prevalence: Intended share of each mask, one number or one each for solid, dashed and dotted.
        curves: Most curves of one pen in a log.
        line_width: Pixels, one number or [least, greatest].
        clutter: Amount of writing and marks that belong to no mask; 1 is typical.
        fading: Ink lost in faded patches, 0 ... 1.
        blur: Greatest standard deviation of the blur in pixels.
        noise: Standard deviation of the noise in grey levels.
        skew: Greatest rotation in degrees.
        annotation_jitter: Standard deviation of a curve's displaced annotation in pixels; 0 is off.
        label_jitter: Standard deviation of one more displacement of each curve's label in training logs, in pixels.
        dropped_strokes: Probability that a curve of a training log has no label, 0 ... 1.
        channels: 1 (grey) or 3 (RGB).
        cache_dir: Folder that keeps drawn logs; None keeps none on disk.
        memory: Bytes of decoded logs to keep in memory.
        threads: Threads that draw; None takes the number of cores.

    Returns:
        The data; `eta` holds the annotation probability of each test pixel where `annotation_jitter` is above 0.

    Raises:
        DataError: Values are of the wrong type or outside their range (the message names all of them), or a split has
            no positive pixel of a mask.
    """
    counts = {"train": train_logs, "val": val_logs, "test": test_logs}
    values: dict[str, Any] = {
        "height": height,
        "width": width,
        "prevalence": prevalence,
        "curves": curves,
        "line_width": line_width,
        "clutter": clutter,
        "fading": fading,
        "blur": blur,
        "noise": noise,
        "skew": skew,
        "annotation_jitter": annotation_jitter,
        "label_jitter": label_jitter,
        "dropped_strokes": dropped_strokes,
        "channels": channels,
    }
    others = {"seed": seed, "cache_dir": cache_dir, "memory": memory, "threads": threads}
    wrong = log_errors({**{f"{name}_logs": count for name, count in counts.items()}, **values, **others})
    if wrong:
        raise DataError("\n".join(wrong))
    style = LogStyle(**values | {name: expanded(values[name], n) for name, n in _LISTS.items()})
    folder = None if cache_dir is None else Path(cache_dir) / generator_fingerprint(seed, style)[:16]
    if folder is not None:
        for path in folder.glob(".*.tmp"):
            remove_if_abandoned(path)
    budget = MemoryBudget(memory)
    with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
        train, val, test = (_make_split(name, counts[name], seed, style, folder, budget, pool) for name in _SPLITS)
    eta: Sequence[NDArray[np.float32]] | None = None
    if annotation_jitter > 0:
        eta = CachedSequence(
            partial(_eta, seed=seed, style=style, folder=folder),
            test_logs,
            size_of=attrgetter("nbytes"),
            budget=budget,
        )
    data = SegmentationData("well_logs", PENS, channels, train, val, test, eta)
    missing = missing_positives(data)
    if missing:
        raise DataError(f"data: {NO_POSITIVES}. Draw more logs or raise data.prevalence. {'; '.join(missing)}")
    return data


def log_errors(values: Mapping[str, Any]) -> list[str]:
    """List the errors in arguments of `make_well_logs`, without drawing anything."""
    value = {name: p.default for name, p in inspect.signature(make_well_logs).parameters.items()} | dict(values)
    style = {field.name: value[field.name] for field in fields(LogStyle)}
    return [
        *[error for n in _SPLITS for error in whole_errors(f"data.{n}_logs", value[f"{n}_logs"], 1, _MOST_LOGS)],
        *whole_errors("data.seed", value["seed"], 0),
        *style_errors(style),
        *([] if value["cache_dir"] is None else path_errors("data.cache_dir", value["cache_dir"])),
        *whole_errors("data.memory", value["memory"], 0),
        *thread_errors("data.threads", value["threads"]),
    ]


def generator_fingerprint(seed: int, style: LogStyle) -> str:
    """Return the hexadecimal SHA-256 of all that determines the pixels of a log, apart from its split and index."""
    versions = {"generator": GENERATOR_VERSION, "numpy": np.__version__, "Pillow": PIL.__version__}
    content = json.dumps([versions, seed, asdict(style)], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def make_log(seed: int, split: str, index: int, style: LogStyle) -> AnnotatedLog:
    """Draw and annotate one log; a jittered test log also gets its annotation probability.

    Args:
        seed: Of the data.
        split: "train", "val" or "test".
        index: Of the log in its split.
        style: What logs look like.
    """
    entropy = np.random.SeedSequence([seed, _SPLITS.index(split), index])
    drawing_rng, annotation_rng, noise_rng = (np.random.default_rng(child) for child in entropy.spawn(3))
    drawing = draw_log(drawing_rng, style)
    noise = LabelNoise(style.label_jitter, style.dropped_strokes) if split == "train" else None
    target = annotate(
        annotation_rng, drawing.curves, style.annotation_jitter, drawing.size, noise=noise, noise_rng=noise_rng
    )
    eta = None
    if split == "test" and style.annotation_jitter > 0:
        eta = annotation_probability(drawing.curves, style.annotation_jitter, drawing.size)
    return AnnotatedLog(Sample(drawing.image, target), eta)


def _load(index: int, *, split: str, seed: int, style: LogStyle, folder: Path | None) -> AnnotatedLog:
    path = None if folder is None else folder / split / f"{index:06d}.npz"
    return cached_log(path, partial(make_log, seed, split, index, style))


def _sample(index: int, *, split: str, seed: int, style: LogStyle, folder: Path | None) -> Sample:
    return _load(index, split=split, seed=seed, style=style, folder=folder).sample


def _eta(index: int, *, seed: int, style: LogStyle, folder: Path | None) -> NDArray[np.float32]:
    eta = _load(index, split="test", seed=seed, style=style, folder=folder).eta
    if eta is None:
        raise ValueError(f"eta: test log {index} has none; annotation_jitter is {style.annotation_jitter}")
    return eta


def _make_split(
    name: str,
    count: int,
    seed: int,
    style: LogStyle,
    folder: Path | None,
    budget: MemoryBudget,
    pool: ThreadPoolExecutor,
) -> Split:
    load = partial(_sample, split=name, seed=seed, style=style, folder=folder)
    samples = CachedSequence(load, count, size_of=sample_bytes, budget=budget)

    def look(index: int) -> SampleFacts:
        return sample_facts(samples[index])

    ids = [f"{name}-{index:06d}" for index in range(count)]
    facts = with_progress(pool.map(look, range(count)), count, f"drawing {name} logs", "log")
    return make_split(name, samples, ids, facts=facts)
