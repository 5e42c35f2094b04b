"""Reads a folder of images by its options and finds everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from experiments.data.cache import MemoryBudget
from experiments.data.file_names import same_name
from experiments.data.image_folder.decode import MAX_PIXELS
from experiments.data.image_folder.folds.cut import fold_errors, in_one_part
from experiments.data.image_folder.groups import compile_pattern, cut_by_group, group_names
from experiments.data.image_folder.index import SINGLE_MASK, FolderIndex, index_folder
from experiments.data.image_folder.layout.matching import index_by_pattern, read_patterns
from experiments.data.image_folder.layout.split_file import apply_split_file, read_split_file, split_shares
from experiments.data.image_folder.problems import ProblemList
from experiments.data.image_folder.samples import FolderSamples, SampleReader
from experiments.data.image_folder.scan import ScannedSample, TruthReader, scan_samples
from experiments.data.image_folder.totals import check_groups, check_masks, check_pictures
from experiments.data.image_folder.truth.rule import MAJORITY, UNION, TruthRule, make_rule
from experiments.data.sample import Sample
from experiments.data.split import Split, make_split
from experiments.data.value_checks import (
    flag_errors,
    names_errors,
    number_errors,
    path_errors,
    thread_errors,
    whole_errors,
)

Parts = dict[str, list[ScannedSample]]


@dataclass(frozen=True)
class ReadFolder:
    """What reading a folder has shown.

    Args:
        root: The folder.
        reader: Of its files of truth, with the names of the masks.
        parts: What was read of each image, by split; `all` where nothing names splits.
        groups: The group of each image.
        columns: The other columns of a split file, by image.
        max_pixels: Most pixels of a file that is decoded.
        problems: What is wrong.
    """

    root: Path
    reader: TruthReader
    parts: Parts
    groups: dict[str, list[str]]
    columns: Mapping[str, Mapping[str, str]]
    max_pixels: int
    problems: ProblemList

    @property
    def together(self) -> list[ScannedSample]:
        """The images of all splits."""
        return [sample for part in self.parts.values() for sample in part]

    @property
    def channels(self) -> int:
        """1 if all images are grey, else 3."""
        return max((sample.channels for sample in self.together), default=1) or 1

    @property
    def shift(self) -> int:
        """Bits that 16-bit images lose, so that the brightest pixel fits 8 bits."""
        return max(0, max((sample.peak for sample in self.together), default=0).bit_length() - 8)


def read_folder(root: str | Path, options: Mapping[str, Any], *, splits_wanted: bool = True) -> ReadFolder:
    """Read and check every file of a folder once.

    Args:
        root: As it came.
        options: All other arguments of `load_image_folder`, as they came.
        splits_wanted: Whether the folder is for training: then whatever is needed for that is missed. To look at a
            folder, it may have a single split, and only what cannot be read is a problem.

    Returns:
        What was found, the problems with it.

    Raises:
        DataError: `root` or a pattern cannot be used, so that there is nothing to read.
    """
    wrong = {
        "root": path_errors("data.root", root),
        "masks": names_errors("data.masks", options["masks"]),
        "val_fraction": number_errors("data.val_fraction", options["val_fraction"], 0, 1, inside=True),
        "folds": fold_errors(options["folds"], options["fold"]),
        "split_seed": whole_errors("data.split_seed", options["split_seed"], 0),
        "allow_majority": flag_errors("data.allow_majority", options["allow_majority"]),
        "skip_without_truth": flag_errors("data.skip_without_truth", options["skip_without_truth"]),
        "max_pixels": whole_errors("data.max_pixels", options["max_pixels"], 1),
        "memory": whole_errors("data.memory", options["memory"], 0),
        "threads": thread_errors("data.threads", options["threads"]),
    }
    rule, wrong["truth"] = make_rule(options)
    shares, wrong["splits"] = _shares(options["splits"])
    folds = None if wrong["folds"] else options["folds"]
    if folds is not None and shares is not None:
        wrong["splits"] = ["data.folds: expected no shares to cut by in data.splits, since the folds cut all images"]
    problems = ProblemList(f"data.root={root}")
    problems.add("expected other values", *[error for errors in wrong.values() for error in errors])
    pattern = compile_pattern(options["group_pattern"], problems)
    if wrong["root"]:
        problems.raise_if_any()
    patterns_wrong = ProblemList(problems.where)
    patterns = read_patterns(options, patterns_wrong, shared=rule.names is not None)
    problems.extend(patterns_wrong)
    if patterns_wrong:  # nothing can be matched, and the usual layout is not meant
        problems.raise_if_any()
    # The files are checked all the same, so that one message lists all problems.
    max_pixels = MAX_PIXELS if wrong["max_pixels"] else options["max_pixels"]
    threads = None if wrong["threads"] else options["threads"]
    folder = expanded(root)
    chosen = options["masks"]
    chosen = None if wrong["masks"] else [chosen] if isinstance(chosen, str) else chosen
    if patterns is None:
        index = _with_names(index_folder(folder, None if rule.names else chosen, problems), rule, chosen, problems)
    else:
        skip = options["skip_without_truth"] is True
        index = index_by_pattern(folder, patterns, rule, chosen, problems, skip_without_truth=skip)
    columns: dict[str, Mapping[str, str]] = {}
    if shares is None and options["splits"] is not None and not wrong["splits"]:
        rows = read_split_file(_split_path(options["splits"], folder), problems)
        if rows:
            index, columns = apply_split_file(index, rows, folder, problems)
    if rule.annotation not in (None, UNION, MAJORITY, *index.annotators) and not _holds_several(index):
        problems.add(
            "data.annotation: expected null, union, majority or an annotator",
            f"{rule.annotation!r}; "
            f"data.truth names {', '.join(index.annotators) or 'none: {annotator} in it is where they differ'}",
        )
    if rule.annotation == MAJORITY and len(index.annotators) == 2:
        problems.notice("the majority of two annotators is what both drew", " and ".join(index.annotators))
    reader = TruthReader(index.masks, rule, index.annotators)
    everything = [files for split in index.splits.values() for files in split]
    scanned = scan_samples(folder, everything, reader, problems, max_pixels=max_pixels, threads=threads)
    parts: Parts = {}
    for name, split in index.splits.items():
        parts[name], scanned = scanned[: len(split)], scanned[len(split) :]
    usual = patterns is None
    groups = {
        name: _groups(
            part,
            group_names(
                [same_name(s.files.image.name) for s in part],
                pattern,
                problems,
                folder=f"{name}/images/" if usual else "",
            ),
            pattern is not None,
        )
        for name, part in parts.items()
    }
    if folds is not None and parts:
        parts, groups = in_one_part(parts, groups, problems)
    elif shares is not None and not problems and parts:
        parts, groups = _cut_at_random(parts, groups, shares, options["split_seed"], problems)
    if pattern is not None or any(sample.files.group for part in parts.values() for sample in part):
        check_groups(groups, problems)
    if folds is None:
        check_pictures(folder, parts, problems)
    if "val" not in parts and "train" in parts and not problems:
        cut = "test" in parts or splits_wanted
        if cut:
            _cut_validation(parts, groups, options["val_fraction"], options["split_seed"], problems)
    if len(set(groups.get("test", []))) == 1:
        problems.notice("one test group: no difference between losses can be told from chance", "test/")
    if splits_wanted:
        check_masks(folder, parts, index.masks, problems, allow_majority=options["allow_majority"])
    return ReadFolder(folder, reader, parts, groups, columns, max_pixels, problems)


def _cut_validation(
    parts: Parts,
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


def require_truth(found: ReadFolder) -> None:
    """Add a problem if the folder was read without truth."""
    if not found.reader.masks:
        found.problems.add(
            "expected truth to train and test with", "data.truth=PATTERN names its files, as '{stem}_mask.png'"
        )


def make_part(found: ReadFolder, name: str, budget: MemoryBudget) -> Split:
    """Build a split of a folder; its images are decoded when they are asked for.

    Args:
        found: The folder.
        name: Of the split.
        budget: Memory for decoded images.
    """
    return make_part_of(found, name, decoded_on_demand(found, found.parts[name], budget))


def decoded_on_demand(found: ReadFolder, part: Sequence[ScannedSample], budget: MemoryBudget) -> Sequence[Sample]:
    """Return images of a folder as a sequence that decodes each when it is asked for."""
    reader = SampleReader(
        files=[sample.files for sample in part],
        sizes=[(0, 0) if sample.facts is None else sample.facts.shape for sample in part],
        ignores=[sample.ignores_pixels for sample in part],
        reader=found.reader,
        channels=found.channels,
        shift=found.shift,
        max_pixels=found.max_pixels,
    )
    return FolderSamples(reader, budget)


def make_part_of(found: ReadFolder, name: str, samples: Sequence[Sample]) -> Split:
    """Build a split of a folder from its images, in the order of the part."""
    part = found.parts[name]
    return make_split(
        name,
        samples,
        [sample.files.name for sample in part],
        found.groups[name],
        facts=[sample.facts for sample in part if sample.facts is not None],
        n_masks=len(found.reader.masks),
        salt=f"channels={found.channels} shift={found.shift}",
        columns=_columns_of(part, found.columns),
    )


def _columns_of(part: Sequence[ScannedSample], columns: Mapping[str, Mapping[str, str]]) -> dict[str, list[str]]:
    """Turn the columns of a split file, by image, into a list of values for each column."""
    names = dict.fromkeys(name for others in columns.values() for name in others if name)
    return {
        name: [" ".join(columns.get(sample.files.name, {}).get(name, "").split()) for sample in part] for name in names
    }


def expanded(root: str | Path) -> Path:
    """Expand "~", where it names a home folder."""
    try:
        return Path(root).expanduser()
    except RuntimeError:  # "~nobody"
        return Path(root)


def _shares(value: Any) -> tuple[tuple[float, float, float] | None, list[str]]:
    """Read `data.splits` as shares, where it is no file."""
    if value is None or isinstance(value, str | Path):
        return None, [] if value is None or str(value).strip() else ["data.splits: expected a CSV file, got ''"]
    shares = split_shares(value)
    wanted = "data.splits: expected a CSV file or three shares above 0 that add up to 1, such as [0.6, 0.2, 0.2]"
    return shares, [] if shares is not None else [f"{wanted}, got {value!r}"]


def _split_path(value: str | Path, folder: Path) -> Path:
    """Find a split file from where the command is typed, else below the folder."""
    path = expanded(value)
    return path if path.is_absolute() or path.is_file() else folder / path


def _with_names(
    index: FolderIndex, rule: TruthRule, chosen: Sequence[str] | None, problems: ProblemList
) -> FolderIndex:
    """Name the masks of files that hold several, in the usual layout."""
    if rule.names is None or not index.masks:
        return index
    if index.masks != (SINGLE_MASK,):
        problems.add(
            "expected files in masks/ itself, since data.labels or data.colours name their masks",
            "masks/ holds folders",
        )
        return index
    if chosen is not None:
        problems.add(
            "masks: expected names of data.labels or data.colours",
            *[f"{name!r}, not one of {', '.join(rule.names)}" for name in chosen if name not in rule.names],
        )
    names = rule.names if chosen is None else tuple(name for name in chosen if name in rule.names) or rule.names
    splits = {name: tuple(replace(files, shared=True) for files in part) for name, part in index.splits.items()}
    return replace(index, masks=names, splits=splits)


def _holds_several(index: FolderIndex) -> bool:
    """Return whether files of truth may hold several annotators: MATLAB files."""
    return any(path.suffix == ".mat" for part in index.splits.values() for files in part for path in files.masks)


def _groups(part: Sequence[ScannedSample], by_pattern: Sequence[str], has_pattern: bool) -> list[str]:
    """Take the group that a split file or a folder names, else that of the pattern, else the image's own name."""
    return [
        sample.files.group or (named if has_pattern else sample.files.name)
        for sample, named in zip(part, by_pattern, strict=True)
    ]


def _cut_at_random(
    parts: Parts,
    groups: Mapping[str, Sequence[str]],
    shares: tuple[float, float, float],
    seed: int,
    problems: ProblemList,
) -> tuple[Parts, dict[str, list[str]]]:
    """Cut all images into three splits, in whole groups: testing first, then validation."""
    samples = [sample for part in parts.values() for sample in part]
    names = [name for part in groups.values() for name in part]
    if len(set(names)) < 3:
        problems.add(
            "data.splits: expected at least 3 groups of images to cut, one for each split",
            f"{len(samples)} images of {len(set(names))} groups",
        )
        return parts, {name: list(part) for name, part in groups.items()}
    _, val, test = shares
    side = _chosen(samples, names, test, seed, fewest_left=2)
    rest = [i for i, taken in enumerate(side) if not taken]
    inner = _chosen([samples[i] for i in rest], [names[i] for i in rest], val / (1 - test), seed)
    place = {i: "val" if taken else "train" for i, taken in zip(rest, inner, strict=True)}
    order = sorted(range(len(samples)), key=lambda i: samples[i].files.name)
    cut = {name: [i for i in order if place.get(i, "test") == name] for name in ("train", "val", "test")}
    return (
        {name: [samples[i] for i in which] for name, which in cut.items()},
        {name: [names[i] for i in which] for name, which in cut.items()},
    )


def _chosen(
    samples: Sequence[ScannedSample], names: Sequence[str], share: float, seed: int, fewest_left: int = 1
) -> list[bool]:
    """Choose a share of images in whole groups, with groups left for what is cut next."""
    positives = np.array([sample.facts.positives for sample in samples if sample.facts is not None])
    chosen = cut_by_group(names, share, seed, positives if positives.size else None)
    left = {name for name, taken in zip(names, chosen, strict=True) if not taken}
    while len(left) < fewest_left:
        back = sorted({name for name, taken in zip(names, chosen, strict=True) if taken})[0]
        chosen = [taken and name != back for name, taken in zip(names, chosen, strict=True)]
        left.add(back)
    return chosen
