"""Cuts images into folds by group, so that each image is tested once and no group is split."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.data.image_folder.groups import ATTEMPTS
from experiments.data.image_folder.layout.matching import ALL
from experiments.data.image_folder.problems import ProblemList
from experiments.data.value_checks import whole_errors

FEWEST_FOLDS, MOST_FOLDS = 2, 100


def fold_errors(folds: Any, fold: Any) -> list[str]:
    """Say what is wrong with `data.folds` and `data.fold` by themselves.

    >>> fold_errors(None, None), fold_errors(5, 4)
    ([], [])
    >>> fold_errors(5, 5)
    ['data.fold: expected a whole number from 0 to 4, got 5']
    """
    if folds is None:
        return [] if fold is None else [f"data.fold: no effect without data.folds, got {fold!r}"]
    wrong = whole_errors("data.folds", folds, FEWEST_FOLDS, MOST_FOLDS)
    return wrong if wrong or fold is None else whole_errors("data.fold", fold, 0, folds - 1)


def fold_of_images(
    groups: Sequence[str], n_folds: int, seed: int, positives: NDArray[np.int64] | None = None
) -> list[int]:
    """Assign every image to a fold, in whole groups.

    The largest group comes first; each goes to the fold with the fewest images so far. Groups of one size are ordered
    by a hash of their names and the seed, so neither the order of the images nor the machine matters. If a fold would
    have no positive pixel of some mask, up to `ATTEMPTS` orders are tried, and the first with the fewest such folds is
    kept.

    Args:
        groups: Group of each image.
        n_folds: Number of folds, at least 2.
        seed: Of the order.
        positives: int64 (N, C), positive pixels per image and mask; None takes the first order.

    Returns:
        The number of each image's fold, from 0.

    Raises:
        ValueError: There are fewer groups than folds, or fewer than three: a fold leaves at least two groups, one to
            train on and one to validate on.

    >>> fold_of_images(["a", "a", "b", "c", "c", "d"], 2, seed=0).count(0)
    3
    """
    sizes = Counter(groups)
    fewest = max(n_folds, 3)
    if len(sizes) < fewest:
        raise ValueError(f"expected at least {fewest} groups of images, got {len(sizes)}")
    best: list[int] = []
    fewest_lacking = 0
    for attempt in range(ATTEMPTS if positives is not None else 1):
        folds = _cut_once(groups, sizes, n_folds, f"{seed}" if attempt == 0 else f"{seed}/{attempt}")
        lacking = 0 if positives is None else _folds_lacking(np.array(folds), n_folds, positives)
        if not best or lacking < fewest_lacking:
            best, fewest_lacking = folds, lacking
        if not lacking:
            break
    return best


def _cut_once(groups: Sequence[str], sizes: Mapping[str, int], n_folds: int, salt: str) -> list[int]:
    order = sorted(sizes, key=lambda g: (-sizes[g], hashlib.sha256(f"{salt}\n{g}".encode()).digest(), g))
    counts, held = [0] * n_folds, [0] * n_folds
    fold_of: dict[str, int] = {}
    for place, group in enumerate(order):
        empty = held.count(0)
        # The last groups fill the folds that have none, so that no fold is left without.
        open_folds = [k for k in range(n_folds) if not held[k]] if len(order) - place <= empty else range(n_folds)
        fold = min(open_folds, key=lambda k: (counts[k], held[k], k))
        fold_of[group] = fold
        counts[fold] += sizes[group]
        held[fold] += 1
    return [fold_of[group] for group in groups]


def _folds_lacking(folds: NDArray[np.int64], n_folds: int, positives: NDArray[np.int64]) -> int:
    """Count the pairs of fold and mask without a positive pixel."""
    sums = np.zeros((n_folds, positives.shape[1]), np.int64)
    np.add.at(sums, folds, positives)
    return int((sums == 0).sum())


def in_one_part(
    parts: Mapping[str, Sequence[Any]], groups: Mapping[str, Sequence[str]], problems: ProblemList
) -> tuple[dict[str, list[Any]], dict[str, list[str]]]:
    """Put the images of all splits together, sorted by name; two of one name are a problem."""
    rows = [
        (sample.files.name, place, sample, group)
        for place, name in enumerate(parts)
        for sample, group in zip(parts[name], groups[name], strict=True)
    ]
    rows.sort(key=lambda row: row[:2])
    twice = [name for name, count in Counter(row[0] for row in rows).items() if count > 1]
    problems.add("data.folds puts the images of all splits together: expected every name in one split only", *twice)
    return {ALL: [row[2] for row in rows]}, {ALL: [row[3] for row in rows]}
