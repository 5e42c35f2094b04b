"""Guesses the options that would read a folder that is laid out otherwise, from the names in it."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from experiments.data.file_names import is_left_behind
from experiments.data.image_folder.listing import is_image_name

_IMAGES = ("images", "image", "imgs", "img", "photos", "original", "inputs")
_TRUTH = ("masks", "mask", "labels", "label", "gt", "groundtruth", "ground_truth", "annotations", "truth", "manual")
_MOST = 20_000  # files that are looked at


def suggested(root: Path) -> str | None:
    """Name options under which files of a folder would match, or None if no names fit each other.

    Args:
        root: The folder; folders below are looked at for sibling folders of images and truth.
    """
    folders = {root: _names(root)} if os.path.isdir(root) else {}
    for entry in sorted(folders.get(root, [])):
        if os.path.isdir(root / entry):
            folders[root / entry] = _names(root / entry)
    for folder, names in folders.items():
        prefix = "" if folder == root else f"{'{group}'}/"
        below = {name.lower(): name for name in names if os.path.isdir(folder / name)}
        image, truth = (next((below[n] for n in wanted if n in below), None) for wanted in (_IMAGES, _TRUTH))
        if image and truth:
            return f"data.images='{prefix}{image}/{{stem}}.*' data.truth='{prefix}{truth}/{{stem}}.*'"
    for folder, names in folders.items():
        pair = _affixes([name for name in names if os.path.splitext(name)[1]])
        if pair:
            prefix = "" if folder == root else f"{folder.name}/"
            return f"data.images='{prefix}{pair[0]}' data.truth='{prefix}{pair[1]}'"
    alone = Counter(os.path.splitext(name)[1] for name in folders.get(root, []) if is_image_name(name))
    return f"data.images='*{alone.most_common(1)[0][0]}'" if alone else None


def _names(folder: Path) -> list[str]:
    try:
        return sorted(name for name in os.listdir(folder) if not is_left_behind(name))[:_MOST]
    except OSError:
        return []


def _affixes(names: list[str]) -> tuple[str, str] | None:
    """Find the two most frequent ways in which the names of one picture go on: `x.jpg` and `x_lab.jpg`."""
    pairs: Counter[tuple[str, str]] = Counter()
    known = set(names)
    ends: Counter[str] = Counter()
    for name in names:
        for at in {i for i, letter in enumerate(name) if letter in "._-" and i}:
            ends[name[at:]] += 1
    common = [end for end, count in ends.most_common(40) if count > 1 or len(names) < 4]
    for name in names:
        for end in common:
            if name.endswith(end) and is_image_name(name):
                stem = name.removesuffix(end)
                for other in common:
                    if other != end and stem and stem + other in known:
                        pairs[end, other] += 1
    if not pairs:
        return None
    # Of a pair, the image is the one with the shorter end, or the photograph.
    (first, second), _ = min(
        pairs.items(),
        key=lambda item: (-item[1], _as_truth(item[0][0]) - _as_truth(item[0][1]), len(item[0][0]), item[0]),
    )
    return f"{{stem}}{first}", f"{{stem}}{second}"


def _as_truth(end: str) -> int:
    """Tell how much an ending looks like one of truth: by its word, and by a format without loss."""
    lower = end.lower()
    return 2 * any(word.rstrip("s") in lower for word in (*_TRUTH, "lab", "seg", "ho")) + lower.endswith(
        (".png", ".mat", ".gif")
    )
