"""Finds images and their files of truth anywhere below a folder, by patterns of paths."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from experiments.data.file_names import is_left_behind, name_fault, same_name
from experiments.data.image_folder.index import (
    SINGLE_MASK,
    SPLITS,
    FolderIndex,
    SampleFiles,
    describe_missing,
    holdings,
)
from experiments.data.image_folder.layout.patterns import PathPattern
from experiments.data.image_folder.listing import is_image_name, special_kind
from experiments.data.image_folder.problems import ProblemList
from experiments.data.image_folder.truth import matlab, segments
from experiments.data.image_folder.truth.rule import TruthRule

ALL = "all"  # the part of all images, where no pattern names a split
_NOT_OF_IMAGES = ("mask", "annotator")
_PATTERNS = ("images", "truth", "valid", "ignore")
_DEEPEST = 32
_NO_PICTURES = (matlab.ENDING, segments.ENDING)  # files of truth that are not pictures


@dataclass(frozen=True)
class Patterns:
    """Where files are, relative to the folder; None where there are none.

    Args:
        images: Of images; without {stem}, an image is named by its file.
        truth: Of masks, with names of `images`, {mask} and {annotator}.
        valid: Of the pixels that count.
        ignores: Whether it is of those that do not count.
    """

    images: PathPattern
    truth: PathPattern | None = None
    valid: PathPattern | None = None
    ignores: bool = False

    @property
    def key(self) -> str:
        """The option that `valid` comes from."""
        return "ignore" if self.ignores else "valid"


def read_patterns(options: Mapping[str, Any], problems: ProblemList, *, shared: bool) -> Patterns | None:
    """Check the patterns; None if there are none of images, or one is wrong.

    Args:
        options: images, truth, valid and ignore as they came; without images, the usual layout is meant.
        problems: Receives what is wrong.
        shared: Whether a file of truth holds all masks, so that {mask} cannot be in its name.
    """
    kind = "expected a pattern of paths below data.root, such as '{stem}_lab.png', or null"
    given = {name: options[name] for name in _PATTERNS if options[name] is not None}
    if "images" not in given:
        problems.add("expected data.images=PATTERN with it", *[f"data.{name}" for name in given])
        return None
    if {"valid", "ignore"} <= set(given):
        problems.add("expected one of them: pixels that count, or pixels that do not", "data.valid, data.ignore")
    found: dict[str, PathPattern] = {}
    for name, value in given.items():
        if not isinstance(value, str) or not value.strip():
            problems.add(kind, f"data.{name}: {value!r}")
            continue
        try:
            found[name] = PathPattern(same_name(value.removeprefix("./")))
        except ValueError as error:
            problems.add(kind, f"data.{name}: {error}")
    if set(found) != set(given):
        return None
    known = {*found["images"].names, "stem"}
    for name, pattern in found.items():
        extra = _NOT_OF_IMAGES if name == "truth" else ()
        strange = [
            part for part in pattern.names if (part in _NOT_OF_IMAGES or part not in known) and part not in extra
        ]
        problems.add(
            "expected the names in braces that data.images has (and {mask}, {annotator} in data.truth)",
            *[f"data.{name}: {{{part}}} in {pattern.text}" for part in strange],
        )
        if name != "images" and not set(pattern.names) & known:
            problems.add("expected {stem}, the name of the image, in it", f"data.{name}: {pattern.text}")
        if shared and "mask" in pattern.names:
            problems.add(
                "expected no {mask} where data.labels or data.colours name the masks of one file",
                f"data.{name}: {pattern.text}",
            )
    if problems:
        return None
    counted = found.get("valid", found.get("ignore"))
    return Patterns(found["images"], found.get("truth"), counted, ignores="ignore" in found)


def index_by_pattern(
    root: Path,
    patterns: Patterns,
    rule: TruthRule,
    masks: Sequence[str] | None,
    problems: ProblemList,
    *,
    skip_without_truth: bool,
) -> FolderIndex:
    """Match images with their files of truth.

    Args:
        root: The folder.
        patterns: Where the files are.
        rule: How truth is read; its names are the masks where a file holds several.
        masks: Names of the masks in channel order; None takes those that are found, sorted.
        problems: Receives what is missing or does not match.
        skip_without_truth: Whether an image without any truth is left out instead.

    Returns:
        The samples whose files could be matched, by split, or as one part `all`. Without a pattern of truth they have
        no masks.
    """
    if not os.path.isdir(root):
        problems.add("expected a folder", describe_missing(root))
        return FolderIndex((), {})
    open_names = patterns.truth
    patterns = _with_choices(patterns, masks if rule.names is None else None, rule.annotators)
    asked = [pattern for pattern in (patterns.images, patterns.truth, patterns.valid) if pattern is not None]
    files = _Files(root, {same_name(path): path for path in _paths(root, asked, problems)})
    images = files.images(patterns)
    if not images:
        problems.add(
            "expected images", f"data.images={patterns.images.text}: no such file; {root} holds {holdings(root)}"
        )
    truth = files.matched("truth", patterns.truth, images, problems)
    valid = files.matched(patterns.key, patterns.valid, images, problems)
    chosen = _mask_names(patterns, rule, masks, truth, lambda: files.names("mask", open_names), problems)
    annotators = _annotators(patterns, rule, truth, lambda: files.names("annotator", open_names), problems)
    parts: dict[str, list[SampleFiles]] = {}
    lacking: list[str] = []
    places = _places(patterns, rule, chosen, annotators)
    for path, image in images.items():
        found = truth.get(path, {})
        missing = [place for place in places if place not in found]
        if places and not found:
            lacking.append(path)
            continue
        problems.add(
            "expected every annotator and mask for every image",
            *[f"{path}: no {' of '.join(part for part in reversed(place) if part)}" for place in missing],
        )
        if patterns.valid is not None and path not in valid:
            problems.add(f"image without its file of data.{patterns.key}", path)
        elif not missing:
            sample = SampleFiles(
                root / files.real[path],
                tuple(root / files.real[found[place]] for place in places),
                None if patterns.valid is None else root / files.real[valid[path]["", ""]],
                image_id=image.image_id,
                group=image.names.get("group"),
                shared=rule.names is not None,
                ignores=patterns.ignores,
            )
            parts.setdefault(image.names.get("split", ALL), []).append(sample)
    _tell_lacking(lacking, patterns, problems, skip=skip_without_truth)
    _check_names(parts, problems)
    order = [*[split for split in SPLITS if split in parts], *sorted(set(parts) - set(SPLITS))]
    return FolderIndex(
        chosen, {part: tuple(sorted(parts[part], key=lambda s: s.image_id or "")) for part in order}, annotators
    )


def _places(
    patterns: Patterns, rule: TruthRule, masks: Sequence[str], annotators: Sequence[str]
) -> list[tuple[str, str]]:
    """List annotator and mask of each file of truth that an image needs, "" where file names do not have them."""
    if patterns.truth is None:
        return []
    named = masks if rule.names is None and "mask" in patterns.truth.names else [""]
    return [(annotator, mask) for annotator in annotators or [""] for mask in named]


def _tell_lacking(lacking: Sequence[str], patterns: Patterns, problems: ProblemList, *, skip: bool) -> None:
    """Refuse the images without truth, or say that they are left out."""
    if skip:
        problems.notice("left out, since there is no truth (data.skip_without_truth)", *lacking)
    elif patterns.truth is not None:
        text = patterns.truth.text
        problems.add(
            f"image without truth: no {text} for it; data.skip_without_truth=true leaves such images out", *lacking
        )


@dataclass(frozen=True)
class _Image:
    path: str
    names: Mapping[str, str]

    @property
    def image_id(self) -> str:
        """The stem after all other names but the split: `site_stem`, a name for files."""
        return "_".join([*[v for k, v in self.names.items() if k not in ("split", "stem")], self.names["stem"]])


_Key = tuple[str, ...]


@dataclass(frozen=True)
class _Files:
    """The paths below a folder, normalised, with the spelling on disk."""

    root: Path
    real: Mapping[str, str]

    def images(self, patterns: Patterns) -> dict[str, _Image]:
        """Find the images: what `images` matches, but for the truth of another."""
        found = {}
        for path in self.real:
            reading = next(patterns.images.readings(path), None) if is_image_name(path) else None
            if reading is not None:
                found[path] = _Image(path, {"stem": Path(path).stem, **reading})
        for pattern in (patterns.truth, patterns.valid):
            if pattern is not None:
                partners = _partners(pattern, found)
                owned = [(path, _owners(pattern, path, partners)) for path in found]
                for path, owners in owned:
                    if owners is not None and owners[0] != [path]:
                        del found[path]
        return found

    def names(self, part: str, pattern: PathPattern | None) -> list[str]:
        """List what a part in braces of a pattern stands for in file names."""
        readings = [] if pattern is None else [next(pattern.readings(path), {}) for path in self.real]
        return sorted({reading[part] for reading in readings if part in reading})

    def matched(
        self, what: str, pattern: PathPattern | None, images: Mapping[str, _Image], problems: ProblemList
    ) -> dict[str, dict[tuple[str, str], str]]:
        """Find the files of each image, by annotator and mask ("" where the pattern does not name them)."""
        found: dict[str, dict[tuple[str, str], str]] = {}
        if pattern is None:
            return found
        partners = _partners(pattern, images)
        for path in self.real:
            if path in images or not pattern.matches(path) or not (is_image_name(path) or path.endswith(_NO_PICTURES)):
                continue
            owners = _owners(pattern, path, partners)
            if owners is None:
                problems.add(f"file of data.{what}={pattern.text} without an image of data.images", path)
                continue
            place = (owners[1].get("annotator", ""), owners[1].get("mask", ""))
            for image in owners[0]:
                other = found.setdefault(image, {}).setdefault(place, path)
                if other != path:
                    problems.add("expected one file for an image, got several", f"{image}: {other}, {path}")
        return found


def _with_choices(patterns: Patterns, masks: Sequence[str] | None, annotators: Sequence[str] | None) -> Patterns:
    """Let {mask} and {annotator} stand for the names that are asked for alone."""
    if patterns.truth is None:
        return patterns
    asked = {"mask": masks, "annotator": annotators}
    choices = tuple(
        (name, tuple(map(same_name, names)))
        for name, names in asked.items()
        if names is not None and name in patterns.truth.names
    )
    return replace(patterns, truth=replace(patterns.truth, choices=choices))


def _partners(pattern: PathPattern, images: Mapping[str, _Image]) -> dict[_Key, list[str]]:
    """List the images for each reading of a pattern's names: several, where it names less than theirs."""
    partners: dict[_Key, list[str]] = {}
    for path, image in images.items():
        partners.setdefault(tuple(image.names[name] for name in _shared(pattern)), []).append(path)
    return partners


def _owners(
    pattern: PathPattern, path: str, partners: Mapping[_Key, list[str]]
) -> tuple[list[str], dict[str, str]] | None:
    """Find the images that a file belongs to, and how its path is read; None if there is none."""

    def key(reading: Mapping[str, str]) -> _Key:
        return tuple(reading[name] for name in _shared(pattern))

    reading = next(pattern.readings(path, lambda read: key(read) in partners), None)
    return None if reading is None else (partners[key(reading)], reading)


def _shared(pattern: PathPattern) -> tuple[str, ...]:
    return tuple(name for name in pattern.names if name not in _NOT_OF_IMAGES)


def _paths(root: Path, patterns: Iterable[PathPattern], problems: ProblemList) -> Iterator[str]:
    """List the files that one of the patterns may match, relative to root."""
    depths = [pattern.depth for pattern in patterns]
    deepest = _DEEPEST if None in depths else max(depth for depth in depths if depth is not None)
    for folder, below, names in os.walk(
        root,
        followlinks=None not in depths,
        onerror=lambda e: problems.add("cannot be listed", f"{e.filename}: {e.strerror}"),
    ):
        place = Path(folder).relative_to(root).as_posix()
        prefix = "" if place == "." else f"{place}/"
        below[:] = sorted(name for name in below if not is_left_behind(name)) if prefix.count("/") < deepest else []
        for name in sorted(names):
            if is_left_behind(name) or not (is_image_name(name) or name.endswith(_NO_PICTURES)):
                continue
            fault = name_fault(f"{prefix}{name}")
            kind = special_kind(os.path.join(folder, name))
            if kind is not None:
                problems.add("expected a file, got something else of such a name", f"{prefix}{name}: {kind}")
            elif fault is None:
                yield f"{prefix}{name}"
            else:
                problems.add("expected file names in UTF-8 without control characters", f"{prefix}{name}: {fault}")


def _mask_names(
    patterns: Patterns,
    rule: TruthRule,
    masks: Sequence[str] | None,
    truth: Mapping[str, Mapping[tuple[str, str], str]],
    seen: Callable[[], list[str]],
    problems: ProblemList,
) -> tuple[str, ...]:
    if patterns.truth is None:
        return ()
    if rule.names is not None:
        known, where = rule.names, "data.labels" if rule.labels is not None else "data.colours"
    elif "mask" in patterns.truth.names:
        known, where = tuple(sorted({mask for files in truth.values() for _, mask in files})), "{mask} of file names"
    else:
        if masks is not None and len(masks) != 1:
            problems.add("masks: expected one name, since data.truth has no {mask}", ", ".join(masks))
        return tuple(masks) if masks is not None and len(masks) == 1 else (SINGLE_MASK,)
    if masks is None:
        return known
    if rule.names is None and not set(masks) <= set(known):
        known = tuple(seen())
    problems.add(
        f"masks: expected names of {where}", *[f"{n!r}, not one of {', '.join(known)}" for n in masks if n not in known]
    )
    return tuple(name for name in masks if name in known) or known


def _annotators(
    patterns: Patterns,
    rule: TruthRule,
    truth: Mapping[str, Mapping[tuple[str, str], str]],
    found: Callable[[], list[str]],
    problems: ProblemList,
) -> tuple[str, ...]:
    if patterns.truth is None or "annotator" not in patterns.truth.names:
        return ()
    seen = sorted({annotator for files in truth.values() for annotator, _ in files})
    named = rule.annotators
    if named is not None and not set(named) <= set(seen):
        seen = found()
        problems.add(
            "data.annotators: expected names that {annotator} has in file names",
            *[f"{name!r}, not one of {', '.join(seen)}" for name in named if name not in seen],
        )
    return tuple(seen) if named is None else tuple(name for name in named if name in seen)


def _check_names(parts: Mapping[str, Sequence[SampleFiles]], problems: ProblemList) -> None:
    problems.add(
        "expected the names train, val and test only in {split} of data.images",
        *[f"{part}: {len(files)} images" for part, files in parts.items() if part not in (*SPLITS, ALL)],
    )
    for files in parts.values():
        seen: dict[str, SampleFiles] = {}
        for sample in files:
            other = seen.setdefault(sample.image_id or "", sample)
            if other is not sample:
                problems.add(
                    "expected different names of images; names in braces for folders in data.images tell them apart",
                    f"{sample.image_id}: {other.image.name} in {other.image.parent} and in {sample.image.parent}",
                )
