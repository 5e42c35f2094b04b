"""A folder of images and masks, checked completely before it is used."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from experiments.data.folder_index import SampleFiles, index_folder
from experiments.data.folder_scan import ScannedSample, load_sample, scan_samples
from experiments.data.group_split import compile_pattern, cut_by_group, group_names
from experiments.data.problem_list import ProblemList
from experiments.data.sample import Sample, sample_bytes
from experiments.data.sample_cache import DEFAULT_BUDGET, CachedSequence, MemoryBudget
from experiments.data.split import SegmentationData, Split, make_split


def load_image_folder(
    *,
    root: str | Path,
    masks: str | Sequence[str] | None = None,
    group_pattern: str | None = None,
    val_fraction: float = 0.2,
    split_seed: int = 0,
    memory: int = DEFAULT_BUDGET,
    threads: int | None = None,
) -> SegmentationData:
    """Load {train,val,test}/images with masks/ (one mask) or masks/<name>/ (several), matched by stem.

    Images are .png, .jpg, .jpeg, .tif, .tiff, .bmp, .gif or .webp of any size; they become grey where all of them
    are, else RGB. Masks hold 0 and 255 or 0 and 1. A folder {split}/valid/ may mark ignored pixels with 0. Without
    val/ a validation split is cut from train/ by group. Files are decoded when they are needed.

    Args:
        root: Folder of the splits; "~" is the home folder.
        masks: Names of the masks in channel order; None takes all sub-folders of masks/, sorted.
        group_pattern: Regular expression that finds the group in a file name: its first capture group, or the whole
            match. None makes every image its own group.
        val_fraction: Share of the training images for validation where there is no val/, between 0 and 1.
        split_seed: Of the cut, at least 0.
        memory: Bytes of decoded images to keep in memory.
        threads: Threads that read; None takes the number of cores.

    Returns:
        The data.

    Raises:
        DataError: Naming all files that cannot be used, what was expected and what came.
        ValueError: `val_fraction` lies outside its range.
    """
    if not 0 < val_fraction < 1:
        raise ValueError(f"val_fraction: expected a number between 0 and 1, got {val_fraction}")
    folder = Path(root).expanduser()
    problems = ProblemList(f"data.root={root}")
    pattern = compile_pattern(group_pattern, problems)
    index = index_folder(folder, [masks] if isinstance(masks, str) else masks, problems)
    everything = [files for split in index.splits.values() for files in split]
    scanned = scan_samples(folder, everything, problems, threads=threads)
    parts: dict[str, list[ScannedSample]] = {}
    for name, split in index.splits.items():
        parts[name], scanned = scanned[: len(split)], scanned[len(split) :]
    groups = {
        name: group_names([s.files.image.name for s in part], pattern, problems, folder=f"{name}/images/")
        for name, part in parts.items()
    }
    if pattern is not None:
        _check_groups(groups, problems)
    _check_pictures(folder, parts, problems)
    if "val" not in parts and not problems:
        _cut_validation(parts, groups, val_fraction, split_seed, problems)
    _check_positives(parts.get("train", []), index.masks, problems)
    problems.raise_if_any()

    together = [sample for part in parts.values() for sample in part]
    channels = max(sample.channels for sample in together)
    shift = max(0, max(sample.peak for sample in together).bit_length() - 8)
    budget = MemoryBudget(memory)
    train, val, test = (
        _make_split(name, parts[name], groups[name], channels, shift, budget) for name in ("train", "val", "test")
    )
    return SegmentationData(folder.resolve().name, index.masks, channels, train, val, test)


def _check_groups(groups: dict[str, list[str]], problems: ProblemList) -> None:
    """Images of one well, road or patient in two splits would make the test an exercise in memory."""
    names = list(groups)
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            shared = sorted(set(groups[first]) & set(groups[second]))
            problems.add(
                "expected every group in one split only",
                *[f"group {group!r} is in {first}/ and in {second}/" for group in shared],
            )


def _check_pictures(root: Path, parts: dict[str, list[ScannedSample]], problems: ProblemList) -> None:
    """Find equal pictures in two splits, whatever their names; blank ones say nothing and may repeat."""
    seen: dict[str, tuple[str, Path]] = {}
    for name, part in parts.items():
        for sample in part:
            if sample.facts is None or sample.constant:
                continue
            path = sample.files.image
            split, first = seen.setdefault(sample.facts.image_digest, (name, path))
            if split != name:
                pair = f"{first.relative_to(root).as_posix()} = {path.relative_to(root).as_posix()}"
                problems.add("expected every picture in one split only, got equal pixels", pair)


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


def _check_positives(train: Sequence[ScannedSample], masks: Sequence[str], problems: ProblemList) -> None:
    facts = [sample.facts for sample in train if sample.facts is not None]
    if not facts or len(facts) < len(train):
        return  # an unreadable file is the problem, and may hold the positives
    for channel, mask in enumerate(masks):
        if not any(fact.positives[channel] for fact in facts):
            problems.add(
                "expected positive pixels of every mask in the training split",
                f"{mask}: none in {len(facts)} training images",
            )


def _make_split(
    name: str, part: list[ScannedSample], groups: list[str], channels: int, shift: int, budget: MemoryBudget
) -> Split:
    files = [sample.files for sample in part]
    samples: CachedSequence[Sample] = CachedSequence(
        partial(_load, files=files, channels=channels, shift=shift),
        len(part),
        size_of=sample_bytes,
        budget=budget,
    )
    return make_split(
        name,
        samples,
        [sample.files.image.stem for sample in part],
        groups,
        facts=[sample.facts for sample in part if sample.facts is not None],
        salt=f"channels={channels} shift={shift}",
    )


def _load(index: int, *, files: Sequence[SampleFiles], channels: int, shift: int) -> Sample:
    return load_sample(files[index], channels, shift)
