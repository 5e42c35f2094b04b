"""Scores images with a trained run, and writes score maps, masks, and what reproduces them elsewhere."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from omegaconf import OmegaConf
from torch import nn

from experiments.application.image_files import ImageFile, check_images, find_images
from experiments.application.settings import KINDS, MARK, WRITTEN, Rule
from experiments.application.thresholds import MaskThreshold, choose_thresholds
from experiments.application.trained_run import TrainedRun, load_trained_run, run_problems
from experiments.application.written_image import Layout, WrittenImage
from experiments.config import ConfigError
from experiments.data.image_folder.decode import MAX_PIXELS, as_uint8
from experiments.data.image_folder.problems import ProblemList
from experiments.data.image_folder.windowed import Pixels, opened
from experiments.evaluation.windows import DIVISOR, Window, padded, places, score_windows
from experiments.process.progress_bar import make_bar
from experiments.runs import store
from experiments.training.device import make_accelerator, set_threads
from losses.classes import ClassScores

WEIGHTS_FILE = "weights.pt"
TABLE_FILE = "images.csv"


@dataclass(frozen=True)
class Prediction:
    """What was written.

    Args:
        folder: Where.
        run: By which run.
        rule: How thresholds were chosen.
        thresholds: One per mask.
        images: A row per image and mask: height, width, positive pixels and their share.
        kind: What score maps hold; "none" if none were written.
    """

    folder: Path
    run: TrainedRun
    rule: Rule
    thresholds: tuple[MaskThreshold, ...]
    images: pd.DataFrame
    kind: str


def predict_images(
    run: Path | str,
    images: Path | str,
    out_dir: Path | str,
    *,
    threshold: str = "tuned",
    files: str = "tif",
    kind: str | None = None,
    accelerator: str = "auto",
    batch_size: int | None = None,
    threads: int | None = None,
    max_pixels: int = MAX_PIXELS,
    overwrite: bool = False,
) -> Prediction:
    """Send images through the network of a run, window after window, and write maps, masks, weights and thresholds.

    The windows, and which of them make a batch, are those with which the run scored its own images.

    Args:
        run: Folder of a complete run.
        images: Folder of images, or a pattern.
        out_dir: Where everything goes; new, empty, or with `overwrite` an earlier prediction.
        threshold: "natural", "tuned" or "recall:R".
        files: "tif" or "png".
        kind: What score maps hold: "logits", "probabilities", "0-255", "0-65535" or "none"; None for the most precise
            of the file type.
        accelerator: "auto", "cpu", "cuda" or "mps".
        batch_size: Windows at once; None as the run scored.
        threads: Of the CPU; None for all cores.
        max_pixels: Most pixels of a file that is decoded whole.
        overwrite: Whether an earlier prediction in `out_dir` is replaced.

    Raises:
        ConfigError: The run, the images or the threshold cannot be used; the message names everything that is wrong.
            Nothing was written.
    """
    rule, run, kind = Rule.of(threshold), Path(run), kind or KINDS[files][0]
    set_threads(threads, 1)
    wrong = run_problems(run)
    trained = None if wrong else load_trained_run(run)
    thresholds: tuple[MaskThreshold, ...] = ()
    if trained is not None:
        thresholds, unreached = choose_thresholds(rule, trained.scores)
        wrong += unreached
    problems = ProblemList(f"images={images}")
    found = find_images(str(images), problems)
    # Without a run they are read all the same, so that one message lists all problems.
    channels, shift = (None, None) if trained is None else (trained.channels, trained.shift)
    checked = check_images(found, problems, channels=channels, shift=shift, max_pixels=max_pixels)
    if problems:
        wrong.append(problems.message().replace("the data cannot be used", "these images cannot be predicted", 1))
    if wrong or trained is None:
        raise ConfigError("\n".join(wrong))
    trainer = OmegaConf.merge(trained.config.trainer, {"accelerator": accelerator})
    trainer.eval_batch_size = batch_size or trainer.eval_batch_size
    folder = Path(out_dir)
    layout = Layout(folder, f"{trained.arm}/{trained.seed}", thresholds, files, kind)
    _require_free(folder, overwrite=overwrite)
    _remove(folder)
    try:
        table = _write_images(trained, checked, layout, trainer)
        store.write_table(folder / TABLE_FILE, table)
        _write_weights(trained, layout, rule)
    except BaseException:  # a prediction that was stopped leaves nothing
        _remove(folder)
        with suppress(OSError):
            folder.rmdir()
        raise
    return Prediction(folder, trained, rule, thresholds, table, kind)


def _require_free(folder: Path, *, overwrite: bool) -> None:
    held = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
    if any(name not in WRITTEN for name in held) or (held and not overwrite):
        raise ConfigError(f"out_dir: expected a new or empty folder, got {folder}, which holds {', '.join(held[:3])}")


def _remove(folder: Path) -> None:
    """Remove what a prediction writes."""
    for name in WRITTEN:
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _write_images(run: TrainedRun, images: Sequence[ImageFile], layout: Layout, trainer: Any) -> pd.DataFrame:
    accelerator = make_accelerator(trainer)
    model = run.segmenter.to(accelerator.device)
    if trainer.channels_last:
        model.network.to(memory_format=torch.channels_last)
    scorer = nn.Sequential(model, ClassScores()) if run.exclusive else model
    side, overlap = trainer.eval_tile, trainer.eval_overlap
    total = sum(len(places(image.height, image.width, side, overlap)) for image in images)
    windows = _windows(images, run, side, overlap)
    begun: dict[int, WrittenImage] = {}
    positives: dict[int, Any] = {}
    try:
        with make_bar(total, f"{len(images)} images", unit="window") as bar:
            for batch, logits in score_windows(scorer, windows, accelerator, trainer.eval_batch_size):
                for window, scores in zip(batch, logits, strict=True):
                    index = window.image_index
                    image = images[index]
                    if index not in begun:
                        begun[index] = WrittenImage(image.name, image.height, image.width, layout)
                    try:
                        complete = begun[index].add(window.place, scores[:, *window.place.core_inside])
                    except ValueError as error:
                        raise ConfigError(f"{image.path}: the network gives scores that are no numbers") from error
                    if complete:
                        written = begun.pop(index)
                        written.finish()
                        positives[index] = written.positives
                bar.update(len(batch))
    finally:
        for written in begun.values():
            written.abandon()
    rows = [
        {
            "image": image.name,
            "mask": mask,
            "height": image.height,
            "width": image.width,
            "positives": int(count),
            "share": int(count) / (image.height * image.width),
        }
        for index, image in enumerate(images)
        for mask, count in zip(run.masks, positives[index], strict=True)
    ]
    return pd.DataFrame(rows)


def _windows(images: Sequence[ImageFile], run: TrainedRun, side: int, overlap: int) -> Iterator[Window]:
    to_eight = partial(_eight_bits, channels=run.channels, shift=run.shift or 0)
    for index, image in enumerate(images):
        with opened(image.path, max_pixels=max(MAX_PIXELS, image.height * image.width)) as file:
            for place in places(image.height, image.width, side, overlap):
                yield Window(index, place, padded(to_eight(file.read(*place.pixels))))


def _eight_bits(pixels: Pixels, channels: int, shift: int) -> np.ndarray:
    """Turn pixels into what the run was trained on; values above all of its training images are as bright as these."""
    if pixels.dtype == np.uint16:
        pixels = np.minimum(pixels, np.uint16((256 << shift) - 1))
    return as_uint8(pixels, channels, shift)


def _write_weights(run: TrainedRun, layout: Layout, rule: Rule) -> None:
    """Write the network's weights, and last the file that tells how to use them."""
    weights = {name: value.cpu() for name, value in run.segmenter.network.state_dict().items()}
    path = layout.folder / WEIGHTS_FILE
    store.write_atomically(path, lambda file: torch.save(weights, file))
    arguments = run.model_arguments()
    trainer = run.config.trainer
    content: Mapping[str, Any] = {
        "weights": WEIGHTS_FILE,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "target": arguments.pop("_target_"),
        "model": arguments,
        "input": {
            "channels": run.channels,
            "mean": run.segmenter.mean.flatten().tolist(),
            "std": run.segmenter.std.flatten().tolist(),
            "multiple_of": DIVISOR,
            "shift": run.shift,
        },
        "windows": {"side": trainer.eval_tile, "overlap": trainer.eval_overlap},
        "threshold": rule.text,
        "thresholds": {threshold.mask: threshold.to_json() for threshold in layout.thresholds},
        "maps": layout.kind,
        "scores": "log-odds of softmax(0, logits)" if run.exclusive else "logits",
        "run": {
            "folder": str(run.folder),
            "arm": run.arm,
            "seed": run.seed,
            "fingerprint": run.info["fingerprint"],
            "versions": run.info.get("versions"),
        },
    }
    store.write_json(layout.folder / MARK, content)
