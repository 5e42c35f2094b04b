"""Split files (CSV) and cuts at random: which image is for training, validation and testing."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from experiments.data.file_names import same_name
from experiments.data.image_folder.index import SPLITS, FolderIndex, SampleFiles
from experiments.data.image_folder.problems import ProblemList
from experiments.data.value_checks import is_number

_COLUMNS = ("image", "split", "group")


@dataclass(frozen=True)
class SplitRow:
    """One line of a split file.

    Args:
        image: Name of the image, of its file, or its path below the folder.
        split: train, val or test; None if the file has no such column.
        group: None if the file has no such column.
        others: The other columns.
    """

    image: str
    split: str | None
    group: str | None
    others: Mapping[str, str]


def read_split_file(path: Path, problems: ProblemList) -> list[SplitRow]:
    """Read a CSV file with the columns image, split, group (optional) and others.

    Args:
        path: The file, in UTF-8, with a header.
        problems: Receives what is wrong: a missing column, an unknown split, a group in two splits.
    """
    where = f"data.splits={path}"
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            columns = [str(name).strip() for name in reader.fieldnames or ()]
            lines = [
                {str(key).strip(): (value or "").strip() for key, value in line.items() if isinstance(value, str)}
                for line in reader
            ]
    except OSError as error:
        problems.add("data.splits: expected a CSV file or three shares [0.6, 0.2, 0.2]", f"{path}: {error.strerror}")
        return []
    except (UnicodeDecodeError, csv.Error) as error:
        problems.add("data.splits: expected a CSV file in UTF-8", f"{path}: {error}")
        return []
    if "image" not in columns or not {"split", "group"} & set(columns):
        problems.add(
            "data.splits: expected a header with the columns image, split and, if images belong together, group",
            f"{path}: {', '.join(columns) or 'empty'}",
        )
        return []
    rows = [
        SplitRow(
            same_name(line.get("image", "")),
            line.get("split", "") if "split" in columns else None,
            line.get("group", "") if "group" in columns else None,
            {name: value for name, value in line.items() if name not in _COLUMNS},
        )
        for line in lines
    ]
    for number, row in enumerate(rows, start=2):
        if not row.image:
            problems.add(f"{where}: expected a name in the column image", f"line {number}")
        if row.split is not None and row.split not in SPLITS:
            problems.add(f"{where}: expected train, val or test in the column split", f"line {number}: {row.split!r}")
        if row.group is not None and not row.group:
            problems.add(f"{where}: expected a name in the column group", f"line {number}")
    _check_repeats(rows, where, problems)
    return rows


def _check_repeats(rows: Sequence[SplitRow], where: str, problems: ProblemList) -> None:
    images: dict[str, int] = {}
    splits: dict[str, dict[str, None]] = {}
    for number, row in enumerate(rows, start=2):
        first = images.setdefault(row.image, number)
        if first != number and row.image:
            problems.add(f"{where}: expected every image once", f"{row.image}: lines {first} and {number}")
        if row.group and row.split:
            splits.setdefault(row.group, {})[row.split] = None
    problems.add(
        f"{where}: expected every group in one split only",
        *[f"group {group!r} is in {' and '.join(found)}" for group, found in splits.items() if len(found) > 1],
    )


def apply_split_file(
    index: FolderIndex, rows: Sequence[SplitRow], root: Path, problems: ProblemList
) -> tuple[FolderIndex, dict[str, Mapping[str, str]]]:
    """Put the images of a folder into the splits, and their groups, that a split file names.

    Args:
        index: The folder; its own splits are given up where the file names some.
        rows: Of the file.
        root: The folder, which paths in the file are relative to.
        problems: Receives images that are not in the folder; those that the file does not list are left out with a
            notice.

    Returns:
        The folder in these splits, and the other columns of the file by the image's name.
    """
    columns: dict[str, Mapping[str, str]] = {}
    samples = {part: list(files) for part, files in index.splits.items()}
    known: dict[str, tuple[str, SampleFiles]] = {}
    double: set[str] = set()
    for part, files in samples.items():
        for sample in files:
            names = {
                sample.image_id or sample.image.stem,
                sample.image.stem,
                sample.image.name,
                sample.image.relative_to(root).as_posix(),
            }
            for name in map(same_name, names):
                double |= {name} if name in known else set()
                known[name] = (part, sample)
    parts: dict[str, list[SampleFiles]] = {}
    used: set[Path] = set()
    for row in rows:
        if row.image in double:
            problems.add("data.splits: expected the path of an image whose name is not its own", row.image)
        elif row.image not in known:
            problems.add("data.splits: expected images of the folder, by name, file name or path", row.image)
        else:
            part, sample = known[row.image]
            used.add(sample.image)
            columns[sample.name] = row.others
            group = row.group if row.group is not None else sample.group
            parts.setdefault(row.split or part, []).append(replace(sample, group=group))
    unlisted = [
        s.image.relative_to(root).as_posix() for files in samples.values() for s in files if s.image not in used
    ]
    problems.notice("left out, since data.splits does not list them", *unlisted)
    order = [*[split for split in SPLITS if split in parts], *sorted(set(parts) - set(SPLITS))]
    sort = {part: tuple(sorted(parts[part], key=lambda s: s.image_id or s.image.stem)) for part in order}
    return replace(index, splits=sort), columns


def split_shares(value: Any) -> tuple[float, float, float] | None:
    """Return the shares of training, validation and testing if a value is such; else None.

    >>> split_shares([0.6, 0.2, 0.2])
    (0.6, 0.2, 0.2)
    """
    if not isinstance(value, list | tuple) or len(value) != 3 or not all(is_number(share) for share in value):
        return None
    train, val, test = (float(share) for share in value)
    return (train, val, test) if min(train, val, test) > 0 and abs(train + val + test - 1) < 1e-6 else None
