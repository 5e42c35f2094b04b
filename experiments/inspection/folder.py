"""Looks over a folder of images before anyone trains on it, with splits or without, with truth or without."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.data.cache import MemoryBudget
from experiments.data.data_error import DataError
from experiments.data.image_folder.folds.read import take_fold
from experiments.data.image_folder.index import SPLITS
from experiments.data.image_folder.layout.matching import ALL
from experiments.data.image_folder.load import folder_options
from experiments.data.image_folder.problems import ProblemList
from experiments.data.image_folder.reading import ReadFolder, make_part, read_folder
from experiments.data.image_folder.totals import check_masks
from experiments.inspection.look import OVERLAYS, Inspection, look_over
from experiments.inspection.suspicions import NO_SPLITS, alike_names

_MEMORY = 2**28  # bytes of decoded images kept: each is looked at once or twice


def inspect_folder(root: str | Path, *, overlays: int = OVERLAYS, **options: Any) -> Inspection:
    """Read a folder of images and say what is in it.

    Args:
        root: The folder.
        overlays: Most images to keep for drawing.
        options: Arguments of `load_image_folder`, which say how the folder is laid out. Without splits its images are
            one split `all`, and without truth they have no masks.

    Returns:
        Tables, warnings and pictures; what training would refuse is a warning.

    Raises:
        DataError: Files cannot be read so; the message names them all, and the option that would read them.
        TypeError: There is no such option.

    >>> import tempfile, numpy as np
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> folder = Path(tempfile.mkdtemp())
    >>> for number in range(3):
    ...     noise = np.random.default_rng(number).integers(0, 256, (40, 60), dtype=np.uint8)
    ...     Image.fromarray(noise).save(folder / f"road{number}.png")
    ...     crack = np.zeros((40, 60), np.uint8)
    ...     crack[10 + number :][:3] = 1
    ...     Image.fromarray(crack).save(folder / f"road{number}_lab.png")
    >>> found = inspect_folder(folder, images="*.png", truth="{stem}_lab.png", labels={"crack": 1})
    >>> found.masks[["split", "mask", "images", "prevalence"]].to_dict("records")
    [{'split': 'all', 'mask': 'crack', 'images': 3, 'prevalence': 0.075}]
    >>> found.warnings
    ('no splits: data.splits=[0.6,0.2,0.2] cuts by group, data.splits=FILE.csv lists images',)
    """
    given = folder_options(options)
    found = read_folder(root, given, splits_wanted=False)
    if found.problems:
        found.problems.raise_if_any()
    budget = MemoryBudget(_MEMORY)
    looked = look_over(
        found.root.resolve().name,
        found.channels,
        found.reader.masks,
        [make_part(found, name, budget) for name in sorted(found.parts, key=(*SPLITS, ALL).index)],
        overlays=overlays,
        agreement=_agreement(found),
        columns=found.columns,
        noticed=[*_blank(found), *found.problems.notices, *_refused(found), *_uncut(found, given)],
    )
    told = looked.warnings if given["folds"] is None else [w for w in looked.warnings if not w.startswith(NO_SPLITS)]
    return replace(looked, warnings=(*alike_names(looked.images), *told))


def _agreement(found: ReadFolder) -> dict[str, NDArray[np.int64]]:
    """Add up how annotators agree, over all images."""
    total: dict[str, NDArray[np.int64]] = {}
    for sample in found.together:
        for name, counts in sample.agreement.items():
            total[name] = total[name] + counts if name in total else counts
    return total


def _blank(found: ReadFolder) -> list[str]:
    blank = [sample.files.name for sample in found.together if sample.constant]
    return [f"all pixels of {len(blank)} images are equal, such as {blank[0]}"] if blank else []


def _refused(found: ReadFolder) -> list[str]:
    """Say what training would refuse although it can be read."""
    refused = ProblemList("")
    if found.reader.masks:
        check_masks(found.root, found.parts, found.reader.masks, refused, allow_majority=False)
    return [f"training would refuse this: {line}" for line in refused.lines]


def _uncut(found: ReadFolder, options: Mapping[str, Any]) -> list[str]:
    """Say why a folder cannot be cut into the folds that are asked for; empty if it can be."""
    if options["folds"] is None or not found.reader.masks:
        return []
    try:
        for fold in range(options["folds"]):
            take_fold(found, options["folds"], fold, options["val_fraction"], options["split_seed"])
    except DataError as error:
        return [f"training would refuse this: {error}"]
    return []
