"""A folder of images and masks, checked completely before it is used."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.data.cache import DEFAULT_BUDGET, MemoryBudget
from experiments.data.image_folder.decode import MAX_PIXELS
from experiments.data.image_folder.folds.read import read_fold
from experiments.data.image_folder.index import SPLITS
from experiments.data.image_folder.layout.matching import ALL
from experiments.data.image_folder.reading import ReadFolder, make_part, read_folder, require_truth
from experiments.data.split import AnnotatorCounts, SegmentationData, Split


def load_image_folder(
    *,
    root: str | Path,
    masks: str | Sequence[str] | None = None,
    images: str | None = None,
    truth: str | None = None,
    valid: str | None = None,
    ignore: str | None = None,
    labels: Mapping[str, Any] | None = None,
    colours: Mapping[str, Any] | None = None,
    threshold: float | None = None,
    inverted: bool = False,
    ignore_value: int | Sequence[int] | None = None,
    field: str | None = None,
    annotation: str | None = None,
    annotators: str | Sequence[str] | None = None,
    exclusive: bool = False,
    skip_without_truth: bool = False,
    splits: str | Path | Sequence[float] | None = None,
    group_pattern: str | None = None,
    val_fraction: float = 0.2,
    split_seed: int = 0,
    folds: int | None = None,
    fold: int | None = None,
    allow_majority: bool = False,
    max_pixels: int = MAX_PIXELS,
    memory: int = DEFAULT_BUDGET,
    threads: int | None = None,
) -> SegmentationData:
    """Load {train,val,test}/images with masks/ (one mask) or masks/<name>/ (several), matched by stem.

    Images are .png, .jpg, .jpeg, .tif, .tiff, .bmp, .gif or .webp files of any size. If all of them are grey they stay
    grey, else all become RGB. Masks hold 0 and 255 or 0 and 1. A folder {split}/valid/ may mark ignored pixels with 0.
    Without val/, a validation split is cut from train/ by group. Files are decoded when they are needed.

    Any other folder is read by patterns of paths below root: `images`, `truth`, `valid` or `ignore`, in which {stem}
    is the image's name, {split}, {group} and names of one's own are parts of a path, * any text and **/ any folders;
    {mask} and {annotator} may be parts of `truth`.

    Args:
        root: Folder of the splits; "~" is the home folder.
        masks: Names of the masks in channel order; None takes all that are found, sorted, or those of `labels`.
        images: Pattern of images; without {stem}, an image has the name of its file. None for the usual layout.
        truth: Pattern of files of truth: pictures, or MATLAB files.
        valid: Pattern of masks of the pixels that count.
        ignore: Pattern of masks of those that do not, instead.
        labels: The number of each mask, or numbers, in files that hold all masks; `background` is no mask, nor is 0.
        colours: The same as [r, g, b].
        threshold: Values above are inside; None where masks hold two values.
        inverted: Whether 0 is inside.
        ignore_value: Number, or colour, of pixels of truth that do not count.
        field: The variable of MATLAB files, dotted for a field of a struct; None if there is only one.
        annotation: Of several annotators the name of one, "union" or "majority" (more than half).
        annotators: Their names; None takes those that are found.
        exclusive: Whether two masks at one pixel are refused.
        skip_without_truth: Whether images without truth are left out; otherwise they are refused.
        splits: CSV file with the columns image, split and, if images belong together, group; or the shares of
            training, validation and testing for a cut at random, by group. None where folders name the splits.
        group_pattern: Regular expression that finds the group in a file name: its first capture group, or the whole
            match. None makes every image its own group.
        val_fraction: Share of the training images for validation where there is no val/, between 0 and 1.
        split_seed: Of the cut, at least 0.
        folds: Number of folds to cut the images of all splits into, by group; None where the splits stand.
        fold: The one that tests, from 0; the others train, and `val_fraction` of them validates.
        allow_majority: Whether a mask may fill more than half of the pixels; otherwise it is refused as inverted.
        max_pixels: Most pixels of one file; larger files are refused before they are decoded.
        memory: Bytes of decoded images to keep in memory.
        threads: Threads that read; None takes the number of cores.

    Returns:
        The data.

    Raises:
        DataError: Some values or files cannot be used; the message names all of them, what was expected and what came.
    """
    options: dict[str, Any] = {
        "masks": masks,
        "images": images,
        "truth": truth,
        "valid": valid,
        "ignore": ignore,
        "labels": labels,
        "colours": colours,
        "threshold": threshold,
        "inverted": inverted,
        "ignore_value": ignore_value,
        "field": field,
        "annotation": annotation,
        "annotators": annotators,
        "exclusive": exclusive,
        "skip_without_truth": skip_without_truth,
        "splits": splits,
        "group_pattern": group_pattern,
        "val_fraction": val_fraction,
        "split_seed": split_seed,
        "folds": folds,
        "fold": fold,
        "allow_majority": allow_majority,
        "max_pixels": max_pixels,
        "memory": memory,
        "threads": threads,
    }
    if folds is not None:
        cut, parts = read_fold(root, options)
        return _as_data(cut, parts, f", fold {fold} of {folds}")
    found = read_folder(root, options)
    problems = found.problems
    if not problems:
        _require_splits(found)
    problems.raise_if_any()
    budget = MemoryBudget(memory)
    return _as_data(found, [make_part(found, name, budget) for name in SPLITS])


def _as_data(found: ReadFolder, splits: Sequence[Split], about: str = "") -> SegmentationData:
    name = f"{found.root.resolve().name}{about}"
    train, val, test = splits
    return SegmentationData(
        name,
        found.reader.masks,
        found.channels,
        train,
        val,
        test,
        annotators=_agreement(found),
        shift=found.shift,
    )


def folder_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Fill in the defaults of `load_image_folder`, all but root.

    Raises:
        TypeError: It has no such argument.
    """
    known = {
        name: parameter.default
        for name, parameter in inspect.signature(load_image_folder).parameters.items()
        if name != "root"
    }
    strange = [name for name in given if name not in known]
    if strange:
        raise TypeError(f"expected options of load_image_folder, got {', '.join(strange)}")
    return {**known, **given}


def _require_splits(found: ReadFolder) -> None:
    """Refuse a folder that was read but has no truth, or no three splits."""
    require_truth(found)
    if ALL in found.parts:
        found.problems.add(
            "expected splits: data.splits=[0.6,0.2,0.2] cuts at random, by group; data.splits=FILE.csv lists images; "
            "{split} in data.images takes them from folders",
            f"{len(found.parts[ALL])} images in one",
        )
    else:
        missing = [name for name in SPLITS if not found.parts.get(name)]
        found.problems.add("expected images in train, val and test", *[f"{name}: none" for name in missing])


def _agreement(found: ReadFolder) -> AnnotatorCounts | None:
    """Collect how the annotators of the test images agree; None if there is one annotator."""
    part = found.parts["test"]
    names = tuple(dict.fromkeys(name for sample in part for name in sample.agreement))
    if not names:
        return None
    nobody = np.zeros((len(found.reader.masks), 3), np.int64)
    counts = np.array([[sample.agreement.get(name, nobody) for sample in part] for name in names])
    return AnnotatorCounts(names, counts)
