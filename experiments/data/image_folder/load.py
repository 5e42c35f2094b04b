"""A folder of images and masks, checked completely before it is used."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from experiments.data.cache import DEFAULT_BUDGET, CachedSequence, MemoryBudget
from experiments.data.file_names import same_name
from experiments.data.image_folder.decode import MAX_PIXELS
from experiments.data.image_folder.groups import compile_pattern, cut_by_group, group_names
from experiments.data.image_folder.index import SampleFiles, index_folder
from experiments.data.image_folder.problems import ProblemList
from experiments.data.image_folder.scan import ScannedSample, load_sample, scan_samples
from experiments.data.image_folder.totals import check_groups, check_masks, check_pictures
from experiments.data.sample import Sample, sample_bytes
from experiments.data.split import SegmentationData, Split, make_split
from experiments.data.value_checks import (
    flag_errors,
    names_errors,
    number_errors,
    path_errors,
    thread_errors,
    whole_errors,
)


def load_image_folder(
    *,
    root: str | Path,
    masks: str | Sequence[str] | None = None,
    group_pattern: str | None = None,
    val_fraction: float = 0.2,
    split_seed: int = 0,
    allow_majority: bool = False,
    max_pixels: int = MAX_PIXELS,
    memory: int = DEFAULT_BUDGET,
    threads: int | None = None,
) -> SegmentationData:
    """Load {train,val,test}/images with masks/ (one mask) or masks/<name>/ (several), matched by stem.

    Images are .png, .jpg, .jpeg, .tif, .tiff, .bmp, .gif or .webp files of any size. If all of them are grey they stay
    grey, else all become RGB. Masks hold 0 and 255 or 0 and 1. A folder {split}/valid/ may mark ignored pixels with 0.
    Without val/, a validation split is cut from train/ by group. Files are decoded when they are needed.

    Args:
        root: Folder of the splits; "~" is the home folder.
        masks: Names of the masks in channel order; None takes all sub-folders of masks/, sorted.
        group_pattern: Regular expression that finds the group in a file name: its first capture group, or the whole
            match. None makes every image its own group.
        val_fraction: Share of the training images for validation where there is no val/, between 0 and 1.
        split_seed: Of the cut, at least 0.
        allow_majority: Whether a mask may fill more than half of the pixels; otherwise it is refused as inverted.
        max_pixels: Most pixels of one file; larger files are refused before they are decoded.
        memory: Bytes of decoded images to keep in memory.
        threads: Threads that read; None takes the number of cores.

    Returns:
        The data.

    Raises:
        DataError: Some values or files cannot be used; the message names all of them, what was expected and what came.
    """
    wrong = {
        "root": path_errors("data.root", root),
        "masks": names_errors("data.masks", masks),
        "val_fraction": number_errors("data.val_fraction", val_fraction, 0, 1, inside=True),
        "split_seed": whole_errors("data.split_seed", split_seed, 0),
        "allow_majority": flag_errors("data.allow_majority", allow_majority),
        "max_pixels": whole_errors("data.max_pixels", max_pixels, 1),
        "memory": whole_errors("data.memory", memory, 0),
        "threads": thread_errors("data.threads", threads),
    }
    problems = ProblemList(f"data.root={root}")
    problems.add("expected other values", *[error for errors in wrong.values() for error in errors])
    pattern = compile_pattern(group_pattern, problems)
    if wrong["root"]:
        problems.raise_if_any()
    # The files are checked all the same, so that one message lists all problems.
    max_pixels, threads = MAX_PIXELS if wrong["max_pixels"] else max_pixels, None if wrong["threads"] else threads
    folder = _expanded(root)
    chosen = None if wrong["masks"] else [masks] if isinstance(masks, str) else masks
    index = index_folder(folder, chosen, problems)
    everything = [files for split in index.splits.values() for files in split]
    scanned = scan_samples(folder, everything, problems, max_pixels=max_pixels, threads=threads)
    parts: dict[str, list[ScannedSample]] = {}
    for name, split in index.splits.items():
        parts[name], scanned = scanned[: len(split)], scanned[len(split) :]
    groups = {
        name: group_names([same_name(s.files.image.name) for s in part], pattern, problems, folder=f"{name}/images/")
        for name, part in parts.items()
    }
    if pattern is not None:
        check_groups(groups, problems)
    check_pictures(folder, parts, problems)
    if "val" not in parts and not problems:
        _cut_validation(parts, groups, val_fraction, split_seed, problems)
    if len(set(groups.get("test", []))) == 1:
        problems.notice("one test group: no difference between losses can be told from chance", "test/")
    check_masks(folder, parts, index.masks, problems, allow_majority=allow_majority)
    problems.raise_if_any()

    together = [sample for part in parts.values() for sample in part]
    channels = max(sample.channels for sample in together)
    shift = max(0, max(sample.peak for sample in together).bit_length() - 8)
    budget = MemoryBudget(memory)
    train, val, test = (
        _make_split(name, parts[name], groups[name], channels, shift, max_pixels, budget)
        for name in ("train", "val", "test")
    )
    return SegmentationData(folder.resolve().name, index.masks, channels, train, val, test)


def _cut_validation(
    parts: dict[str, list[ScannedSample]],
    groups: dict[str, list[str]],
    fraction: float,
    seed: int,
    problems: ProblemList,
) -> None:
    """Move whole groups from training to validation, in place."""
    facts = [sample.facts for sample in parts["train"] if sample.facts is not None]
    try:
        moved = cut_by_group(groups["train"], fraction, seed, np.array([fact.positives for fact in facts]))
    except ValueError:
        problems.add(
            "expected val/, or at least 2 groups in train/ to cut a validation split from",
            f"train/ has {len(parts['train'])} images of {len(set(groups['train']))} group",
        )
        return
    for name, wanted in (("val", True), ("train", False)):
        kept = [i for i, move in enumerate(moved) if move == wanted]
        parts[name], groups[name] = [parts["train"][i] for i in kept], [groups["train"][i] for i in kept]


def _make_split(
    name: str,
    part: list[ScannedSample],
    groups: list[str],
    channels: int,
    shift: int,
    max_pixels: int,
    budget: MemoryBudget,
) -> Split:
    files = [sample.files for sample in part]
    samples: CachedSequence[Sample] = CachedSequence(
        partial(_load, files=files, channels=channels, shift=shift, max_pixels=max_pixels),
        len(part),
        size_of=sample_bytes,
        budget=budget,
    )
    return make_split(
        name,
        samples,
        [same_name(sample.files.image.stem) for sample in part],
        groups,
        facts=[sample.facts for sample in part if sample.facts is not None],
        salt=f"channels={channels} shift={shift}",
    )


def _load(index: int, *, files: Sequence[SampleFiles], channels: int, shift: int, max_pixels: int) -> Sample:
    return load_sample(files[index], channels, shift, max_pixels)


def _expanded(root: str | Path) -> Path:
    try:
        return Path(root).expanduser()
    except RuntimeError:  # "~nobody"
        return Path(root)
