"""Puts together what several annotators drew, and counts how far each agrees with the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from experiments.data.image_folder.decode import UnusableFile
from experiments.data.image_folder.truth.planes import Planes
from experiments.data.image_folder.truth.rule import MAJORITY, UNION, TruthRule


@dataclass(frozen=True)
class Truth:
    """The truth of one image.

    Args:
        target: bool (C, H, W).
        ignored: bool (H, W), where an annotator's file has the value to ignore; None for nowhere.
        drawn: What each annotator drew, bool (C, H, W) by name; empty where there is one.
    """

    target: NDArray[np.bool_]
    ignored: NDArray[np.bool_] | None = None
    drawn: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)


def put_together(files: Sequence[Sequence[Planes]], rule: TruthRule, annotators: Sequence[str]) -> Truth:
    """Combine the files of an image.

    Args:
        files: What was read of each file: one entry, or one per annotator where a file holds several. All files of an
            annotator stand together.
        rule: Whom to believe.
        annotators: Their names, where file names have them.

    Returns:
        The truth.

    Raises:
        UnusableFile: There are several annotators and nothing says whom to believe, or one is missing.
    """
    if annotators:
        each = len(files) // len(annotators)
        split = [[planes[0] for planes in files[start : start + each]] for start in range(0, len(files), each)]
        names = list(annotators)
    else:
        split = [list(planes) for planes in zip(*files, strict=True)]
        names = [str(number + 1) for number in range(len(split))]
        if rule.annotators is not None:
            if len(rule.annotators) != len(split):
                wanted = f"{len(rule.annotators)} (data.annotators: {', '.join(rule.annotators)})"
                raise UnusableFile("annotator missing", f"expected {wanted}, got {len(split)}")
            names = list(rule.annotators)
    drawn = {name: np.concatenate([planes.target for planes in part]) for name, part in zip(names, split, strict=True)}
    marks = [planes.ignored for part in split for planes in part if planes.ignored is not None]
    ignored = np.logical_or.reduce(marks) if marks and np.any(marks) else None
    if len(drawn) == 1 and not annotators:
        return Truth(next(iter(drawn.values())), ignored)
    if rule.annotation is None or (rule.annotation not in drawn and rule.annotation not in (UNION, MAJORITY)):
        raise UnusableFile(
            "several annotators: data.annotation=union, majority or the name of one says whom to believe",
            f"{', '.join(drawn)}" + ("" if rule.annotation is None else f"; no {rule.annotation}"),
        )
    return Truth(_believed(drawn, rule.annotation), ignored, drawn)


def agreement(truth: Truth, annotation: str | None, valid: NDArray[np.bool_] | None) -> dict[str, NDArray[np.int64]]:
    """Count how each annotator agrees with the others, as a model's mask would be counted.

    A chosen annotator is the truth of all others. Otherwise each is judged by the union or the majority of the others,
    of which it is no part, lest it agree with itself.

    Args:
        truth: Of an image.
        annotation: Whom the data believe.
        valid: Pixels that count, bool (H, W); None for all.

    Returns:
        int64 (C, 3) by annotator: hits, false alarms and misses.
    """
    counts: dict[str, NDArray[np.int64]] = {}
    for name, mine in truth.drawn.items():
        others = {other: drawn for other, drawn in truth.drawn.items() if other != name}
        if annotation is None or not others or name == annotation:
            continue
        reference = _believed(others, annotation)
        seen = np.ones(mine.shape[1:], bool) if valid is None else valid
        parts = (mine & reference, mine & ~reference, ~mine & reference)
        counts[name] = np.stack([np.count_nonzero(part & seen, axis=(1, 2)) for part in parts], axis=1).astype(np.int64)
    return counts


def _believed(drawn: Mapping[str, NDArray[np.bool_]], annotation: str) -> NDArray[np.bool_]:
    """Combine masks: one annotator's, any of them, or more than half of them."""
    if annotation in drawn:
        return drawn[annotation]
    votes = np.sum(list(drawn.values()), axis=0, dtype=np.uint8 if len(drawn) < 128 else np.int32)
    return np.asarray(votes > 0 if annotation == UNION else 2 * votes.astype(np.int32) > len(drawn))
