"""Reads a folder once for all of its folds, and makes the splits of one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, overload

import numpy as np

from experiments.data.cache import MemoryBudget
from experiments.data.image_folder.folds.cut import fold_errors, fold_of_images
from experiments.data.image_folder.groups import cut_by_group
from experiments.data.image_folder.index import SPLITS
from experiments.data.image_folder.layout.matching import ALL
from experiments.data.image_folder.problems import ProblemList
from experiments.data.image_folder.reading import (
    ReadFolder,
    decoded_on_demand,
    expanded,
    make_part_of,
    read_folder,
    require_truth,
)
from experiments.data.image_folder.totals import check_pictures
from experiments.data.sample import Sample, read_window
from experiments.data.split import NO_POSITIVES, Split
from experiments.data.value_checks import path_errors


def read_fold(root: str | Path, options: Mapping[str, Any]) -> tuple[ReadFolder, list[Split]]:
    """Read a folder and make the splits of one fold; all folds share what was read, and the images that are decoded.

    Args:
        root: The folder, as it came.
        options: All other arguments of `load_image_folder`, `folds` not None.

    Returns:
        The folder with the parts train, val and test, and these as splits.

    Raises:
        DataError: Values or files cannot be used, or the folder cannot be cut so; the message names them all.
    """
    n_folds, fold = options["folds"], options["fold"]
    if fold is None or fold_errors(n_folds, fold) or path_errors("data.root", root):
        found = read_folder(root, options)  # so that one message lists all problems
        if fold is None:
            kind = "data.fold: expected the number of the fold that tests, from 0; a study trains all folds by itself"
            found.problems.add(kind, "null")
        found.problems.raise_if_any()
    pool = _Pool.of(root, {**options, "fold": None})
    cut = take_fold(pool.found, n_folds, fold, options["val_fraction"], options["split_seed"])
    place = {sample.files.name: number for number, sample in enumerate(pool.found.parts[ALL])}
    chosen = {name: [place[sample.files.name] for sample in cut.parts[name]] for name in SPLITS}
    return cut, [make_part_of(cut, name, _Chosen(pool.samples, chosen[name])) for name in SPLITS]


def take_fold(found: ReadFolder, n_folds: int, fold: int, val_fraction: float, seed: int) -> ReadFolder:
    """Cut a folder that was read as one part: the images of one fold test, the others train and validate.

    Args:
        found: The folder, with the part `all`.
        n_folds: Number of folds.
        fold: The fold that tests, from 0.
        val_fraction: Share of the other images that validate, in whole groups; which ones differs from fold to fold.
        seed: Of the cut.

    Returns:
        The folder with the parts train, val and test.

    Raises:
        DataError: There are too few groups, a picture is in two folds, or a split has no positive pixel of a mask.
    """
    problems = ProblemList(found.problems.where)
    samples, groups = found.parts[ALL], found.groups[ALL]
    positives = np.array([sample.facts.positives for sample in samples if sample.facts is not None])
    places: dict[str, list[int]] = {}
    try:
        fold_of = fold_of_images(groups, n_folds, seed, positives)
        others = [i for i, number in enumerate(fold_of) if number != fold]
        salt = f"{seed}/fold {fold}"
        chosen = cut_by_group([groups[i] for i in others], val_fraction, salt, positives[others])
    except ValueError as error:
        text = str(error).removeprefix("groups: ")
        problems.add(f"data.folds={n_folds} by group; data.group_pattern finds groups in file names", text)
        problems.raise_if_any()
        raise
    places["train"] = [i for i, taken in zip(others, chosen, strict=True) if not taken]
    places["val"] = [i for i, taken in zip(others, chosen, strict=True) if taken]
    places["test"] = [i for i, number in enumerate(fold_of) if number == fold]
    by_fold = {f"fold {k}": [samples[i] for i, number in enumerate(fold_of) if number == k] for k in range(n_folds)}
    check_pictures(found.root, by_fold, problems)
    lacking = [
        f"fold {fold}, {name}: {mask}: none in {len(which)} images"
        for name, which in places.items()
        for mask, total in zip(found.reader.masks, positives[which].sum(axis=0), strict=True)
        if not total
    ]
    problems.add(f"{NO_POSITIVES}; fewer folds, another data.split_seed, or data.masks=[...] help", *lacking)
    problems.raise_if_any()
    return replace(
        found,
        parts={name: [samples[i] for i in which] for name, which in places.items()},
        groups={name: [groups[i] for i in which] for name, which in places.items()},
        problems=problems,
    )


class _Chosen(Sequence[Sample]):
    """Some items of a sequence, in an order of their own."""

    def __init__(self, samples: Sequence[Sample], places: Sequence[int]) -> None:
        self._samples, self._places = samples, places

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Sample, ...]: ...
    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return tuple(self._samples[place] for place in self._places[index])
        return self._samples[self._places[index]]

    def window(self, index: int, rows: slice, columns: slice) -> Sample:
        """Return a part of an item."""
        return read_window(self._samples, self._places[index], rows, columns)


@dataclass(frozen=True)
class _Pool:
    """A folder that was read to be cut into folds, and its images."""

    found: ReadFolder
    samples: Sequence[Sample]

    @classmethod
    def of(cls, root: str | Path, options: Mapping[str, Any]) -> _Pool:
        """Read a folder, or return what was read last if neither options nor files have changed since."""
        global _last_pool
        key = repr((expanded(root).absolute(), sorted(options.items()), _state(root, options["splits"])))
        if _last_pool is None or _last_pool[0] != key:
            found = read_folder(root, options)
            if not found.problems:
                require_truth(found)
            found.problems.raise_if_any()
            _last_pool = key, cls(found, decoded_on_demand(found, found.parts[ALL], MemoryBudget(options["memory"])))
        return _last_pool[1]


_last_pool: tuple[str, _Pool] | None = None


def _state(root: str | Path, splits: Any) -> str:
    """Return a digest of the names, sizes and times of all files below a folder, and of a split file."""
    paths = [Path(base) / name for base, _, names in os.walk(expanded(root)) for name in names]
    paths += [expanded(splits)] if isinstance(splits, str | Path) else []
    digest = hashlib.sha256()
    for path in sorted(paths):
        with suppress(OSError):
            known = path.stat()
            digest.update(repr((str(path), known.st_size, known.st_mtime_ns)).encode(errors="surrogateescape"))
    return digest.hexdigest()
