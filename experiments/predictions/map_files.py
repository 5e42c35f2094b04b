"""Finds the score maps below a folder, and sorts them by split, arm, seed, image and mask."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from experiments.data.file_names import is_left_behind, name_fault, same_name
from experiments.data.image_folder.index import describe_missing, holdings
from experiments.data.image_folder.problems import ProblemList
from experiments.predictions.path_pattern import ENDINGS, PathPattern
from experiments.runs.foreign_files import check_folder_name

ALL_MASKS = ""  # in the place of a mask's name, for a file with all masks as channels
SPLITS = {"test": "test", "val": "val", "validation": "val"}  # values of {split}
_REPORT = "report"  # a folder of the study that is no arm


@dataclass(frozen=True)
class RunFiles:
    """The score maps of one run.

    Args:
        arm: Its name.
        seed: Its number.
        maps: Split -> image -> mask, or `ALL_MASKS`, -> file.
    """

    arm: str
    seed: int
    maps: dict[str, dict[str, dict[str, Path]]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Such as "mine seed 0"."""
        return f"{self.arm} seed {self.seed}"


def find_maps(
    folders: Mapping[str, Path],
    pattern: PathPattern,
    images: Mapping[str, Sequence[str]],
    masks: Sequence[str],
    problems: ProblemList,
    *,
    arm: str | None = None,
) -> list[RunFiles]:
    """Find every run's files, and name what is missing, unknown, or there twice.

    Args:
        folders: Split -> the folder of its maps; where the pattern has `{split}`, one folder as "test".
        pattern: Of the paths below them.
        images: Split -> the ids of its images.
        masks: Names of the masks.
        problems: Receives what is wrong.
        arm: The arm of a pattern without `{arm}`.

    Returns:
        Runs by arm and seed.
    """
    runs: dict[tuple[str, int], RunFiles] = {}
    known = {split: frozenset(ids) for split, ids in images.items()}
    for split, folder in folders.items():
        matched, others = 0, []
        for path, short in _files(folder, pattern, problems):
            if not short.startswith(pattern.folder):
                continue
            found = pattern.match(short)
            if found is None:
                others.append(short)
                continue
            matched += 1
            _place(runs, path, short, {"split": split, "arm": arm or "", "seed": "0", **found}, known, masks, problems)
        if not matched:
            held = holdings(folder) if os.path.isdir(folder) else describe_missing(folder)
            wanted = f"{pattern.text} ({pattern.ending or ', '.join(ENDINGS)})"
            problems.add(f"expected score maps at {wanted}", *(others[:3] or [f"{folder} holds {held}"]))
        else:
            problems.add(
                f"expected paths like {pattern.text}; an ending there, or a folder before the first field, leaves "
                "other files alone",
                *others,
            )
    ordered = [runs[key] for key in sorted(runs)]
    _add_missing(ordered, pattern, images, masks, problems)
    return ordered


def _files(folder: Path, pattern: PathPattern, problems: ProblemList) -> Iterator[tuple[Path, str]]:
    """List the files with an ending that is meant, with their paths below the folder."""
    seen: set[str] = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        folders[:] = sorted(name for name in folders if not is_left_behind(name)) if real not in seen else []
        if real in seen:  # a link that leads back
            continue
        seen.add(real)
        for name in sorted(names):
            if is_left_behind(name) or not name.lower().endswith(pattern.ending or ENDINGS):
                continue
            path = Path(place) / name
            short = path.relative_to(folder).as_posix()
            fault = name_fault(short)
            if fault is None:
                yield path, same_name(short)
            else:
                problems.add("expected names in UTF-8 without control characters", f"{short}: {fault}")


def _place(
    runs: dict[tuple[str, int], RunFiles],
    path: Path,
    short: str,
    found: Mapping[str, str],
    images: Mapping[str, frozenset[str]],
    masks: Sequence[str],
    problems: ProblemList,
) -> None:
    """Sort one file in, or say why it cannot be."""
    split, arm, seed = SPLITS.get(found["split"], found["split"]), found["arm"], found["seed"]
    image, mask = found["image"], found.get("mask", ALL_MASKS)
    good = True
    if not (seed.isascii() and seed.isdigit()):
        problems.add("expected whole numbers as {seed}", f"{short}: {seed!r}")
        good = False
    if split not in images:
        known = "test or val" if "val" in images else "test, as there is no truth of validation images"
        problems.add(f"expected {{split}} to be {known}", f"{short}: {found['split']!r}")
        good = False
    if mask != ALL_MASKS and mask not in masks:
        problems.add(f"expected {{mask}} to be one of {', '.join(masks)}", f"{short}: {mask!r}")
        good = False
    if split in images and image not in images[split]:
        problems.add(f"no {split} image of this name", f"{short}: {image!r}")
        good = False
    if (fault := _arm_fault(arm)) is not None:
        problems.add("expected names of arms that can be folders", f"{short}: {fault}")
        good = False
    if not good:
        return
    run = runs.setdefault((arm, int(seed)), RunFiles(arm, int(seed)))
    files = run.maps.setdefault(split, {}).setdefault(image, {})
    if mask in files:
        problems.add(
            "expected one file for an image and mask; an ending in the pattern, such as .npz, chooses one kind",
            f"{run.name}, {image}: {files[mask].name} and {path.name}",
        )
    files.setdefault(mask, path)


def _arm_fault(arm: str) -> str | None:
    if arm.lower() == _REPORT:
        return f"{arm!r}, where the report goes"
    try:
        check_folder_name(arm)
    except ValueError as error:
        return str(error)
    return None


def _add_missing(
    runs: Sequence[RunFiles],
    pattern: PathPattern,
    images: Mapping[str, Sequence[str]],
    masks: Sequence[str],
    problems: ProblemList,
) -> None:
    wanted = tuple(masks) if "mask" in pattern.fields else (ALL_MASKS,)
    with_val = any("val" in run.maps for run in runs)
    for run in runs:
        for split, ids in images.items():
            if split == "val" and not with_val:
                continue
            maps = run.maps.get(split, {})
            if not maps and ids:
                problems.add(f"expected {split} maps of every run, got none", run.name)
                continue
            lost = [f"{run.name}: {image}" for image in ids if image not in maps]
            problems.add(f"{split} images without a score map", *lost)
            half = [
                f"{run.name}: {image}: {', '.join(mask for mask in wanted if mask not in files)}"
                for image, files in maps.items()
                if any(mask not in files for mask in wanted)
            ]
            problems.add(f"{split} images without the maps of some masks", *half)
