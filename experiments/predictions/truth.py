"""The truth that predictions are scored against: a folder of masks, as a split whose images are not known."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.data.cache import CachedSequence, MemoryBudget
from experiments.data.file_names import same_name
from experiments.data.image_folder.decode import UnusableFile, open_upright
from experiments.data.image_folder.groups import compile_pattern, group_names
from experiments.data.image_folder.index import SINGLE_MASK, describe_missing, holdings
from experiments.data.image_folder.listing import image_files, sub_folders
from experiments.data.image_folder.masks import mask_pixels
from experiments.data.image_folder.problems import ProblemList
from experiments.data.sample import Sample, sample_bytes
from experiments.data.split import SegmentationData, Split, make_split

_ALONE = "labels without images"  # in fingerprints, which therefore differ from those of image folders


@dataclass(frozen=True)
class Truth:
    """Labels of the test images and, where there are any, the validation images.

    Args:
        masks: Names of the C masks.
        splits: "test" and perhaps "val", each with its labels.
        fingerprints: Of the splits, and of the training images where they are known.
        data: The data set they come from; None for a folder of masks.
    """

    masks: tuple[str, ...]
    splits: dict[str, Split]
    fingerprints: dict[str, str]
    data: SegmentationData | None = None

    @classmethod
    def of_data(cls, data: SegmentationData) -> Truth:
        """Take test and validation images of a data set."""
        return cls(data.masks, {"val": data.val, "test": data.test}, data.fingerprints(), data)


def read_truth(folders: dict[str, Path], group_pattern: str | None, problems: ProblemList) -> Truth:
    """Read folders of masks: files of one mask, or a sub-folder for each of several.

    Args:
        folders: "test" and perhaps "val" -> its folder.
        group_pattern: Regular expression that finds the group in a file's name; None makes every image a group.
        problems: Receives what cannot be read.

    Returns:
        The masks that could be read.
    """
    pattern = compile_pattern(group_pattern, problems)
    masks: tuple[str, ...] = ()
    splits = {}
    for name, folder in folders.items():
        if not os.path.isdir(folder):
            problems.add("expected a folder of masks", describe_missing(folder))
            continue
        files, found = _index(folder, name, problems)
        if masks and found and found != masks:
            problems.add("expected the same masks in both folders of truth", f"{', '.join(masks)}; {', '.join(found)}")
            continue
        masks = masks or found
        good = _readable(folder, files, problems)
        if good and not problems:
            names = [paths[0].name for paths in good.values()]
            groups = group_names([same_name(each) for each in names], pattern, problems, folder=f"{folder}/")
            splits[name] = _split(name, list(good), groups, list(good.values()))
    test = splits.get("test")
    for channel, mask in enumerate(masks):
        if test is not None and not test.positives[:, channel].any():
            problems.add("expected a positive pixel of every mask in the test images", f"{mask}: none")
    return Truth(masks, splits, {name: split.fingerprint for name, split in splits.items()})


def _index(folder: Path, name: str, problems: ProblemList) -> tuple[dict[str, tuple[Path, ...]], tuple[str, ...]]:
    """Match the files of every mask by stem."""
    direct, below = image_files(folder, ".", problems), sub_folders(folder, problems)
    if direct and below:
        problems.add(
            "expected either masks or one folder for each in a folder of truth", f"{folder}: {holdings(folder)}"
        )
        return {}, ()
    masks = tuple(below) if below else (SINGLE_MASK,)
    by_mask = {mask: _by_stem(image_files(folder, mask, problems), problems) for mask in below} or {
        SINGLE_MASK: _by_stem(direct, problems)
    }
    stems = sorted(set().union(*by_mask.values()))
    if not stems:
        problems.add(f"expected masks of {name} images", f"{folder} holds {holdings(folder)}")
    for mask, files in by_mask.items():
        problems.add(f"images without the mask {mask}", *[f"{folder}: {stem}" for stem in stems if stem not in files])
    return {stem: tuple(by_mask[mask].get(stem, Path()) for mask in masks) for stem in stems}, masks


def _by_stem(files: Sequence[Path], problems: ProblemList) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in files:
        first = found.setdefault(same_name(path.stem), path)
        if first != path:
            problems.add("expected one mask of a name", f"{first} and {path}")
    return found


def _readable(folder: Path, files: dict[str, tuple[Path, ...]], problems: ProblemList) -> dict[str, tuple[Path, ...]]:
    """Keep the images whose masks can be read and have one size."""
    good = {}
    for stem, paths in files.items():
        if not all(path.name for path in paths):
            continue
        try:
            sizes = {_mask(path, folder).shape for path in paths}
        except UnusableFile as error:
            problems.add(error.kind, error.found)
            continue
        if len(sizes) > 1:
            told = ", ".join(f"{width} x {height}" for height, width in sorted(sizes))
            problems.add("expected the masks of an image in one size", f"{stem}: {told}")
            continue
        good[stem] = paths
    return good


def _mask(path: Path, folder: Path) -> NDArray[np.bool_]:
    try:
        return mask_pixels(open_upright(path))
    except UnusableFile as error:
        raise UnusableFile(error.kind, f"{path.relative_to(folder).as_posix()}: {error.found}") from error


def _split(name: str, stems: list[str], groups: list[str], files: list[tuple[Path, ...]]) -> Split:
    samples: CachedSequence[Sample] = CachedSequence(
        partial(_load, files=files), len(files), size_of=sample_bytes, budget=MemoryBudget()
    )
    return make_split(name, samples, stems, groups, salt=_ALONE)


def _load(index: int, *, files: Sequence[tuple[Path, ...]]) -> Sample:
    target = np.stack([_mask(path, path.parent) for path in files[index]])
    unknown = np.broadcast_to(np.uint8(0), (*target.shape[1:], 1))  # takes no memory
    return Sample(unknown, target)
