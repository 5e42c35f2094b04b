"""Warnings about data that can be read but look wrong, or will make training or a comparison hard."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

_FEW_GROUPS = 10  # test groups below which intervals are wide
_APART = 3.0  # times that prevalence may differ between splits
_RARE = 1e-4
_MOST_PARTS = 3  # at the end of a name, such as the place of a tile in its picture

NO_SPLITS = "no splits:"


def suspicions(images: pd.DataFrame, masks: pd.DataFrame) -> list[str]:
    """List what looks wrong.

    Args:
        images: As in `Inspection`.
        masks: As in `Inspection`.
    """
    return [*_of_masks(masks), *_of_splits(images)]


def _of_masks(masks: pd.DataFrame) -> Iterator[str]:
    if masks.empty:
        yield "no truth: images only. data.truth=PATTERN names its files, such as '{stem}_mask.png'"
    for row in masks.to_dict("records"):
        share, where = row["prevalence"], f"{row['mask']} in {row['split']}"
        if share > 0.5:
            yield f"{where}: {100 * share:.0f} % foreground: inverted? data.inverted=true reads 0 as inside"
        elif not row["positives"]:
            yield f"{where}: no positive pixel in {row['images']} images; training refuses that"
        elif share < _RARE:
            yield f"{where}: {100 * share:.4f} % foreground, fewer than one pixel in ten thousand"
        if row["positives"] and row["empty"] > row["images"] / 2:
            yield f"{where}: {row['empty']} of {row['images']} images are empty"
    for mask, rows in masks.groupby("mask", sort=False):
        shares = rows[rows["prevalence"] > 0].set_index("split")["prevalence"]
        if len(shares) > 1 and shares.max() > _APART * shares.min():
            told = ", ".join(f"{split} {100 * share:.3g} %" for split, share in shares.items())
            yield f"{mask}: the splits differ in prevalence: {told}"


def alike_names(images: pd.DataFrame) -> list[str]:
    """Find images whose names begin alike, as tiles of one photograph do, although each is a group of its own.

    Args:
        images: As in `Inspection`.
    """
    if (images["image"] != images["group"]).any():
        return []
    for parts in range(1, _MOST_PARTS + 1):
        found = images["image"].str.extract(rf"^(.+)(?:[_-][^_-]+){{{parts}}}$")[0]
        sizes = found.value_counts()
        sizes = sizes[sizes > 1]
        if len(sizes) > 1 and sizes.sum() >= len(images) / 2:
            alike = images["image"][found == sizes.index[0]].tolist()
            pattern = "^(.*)" + ".*".join(["[_-]"] * parts)
            return [
                f"each image is a group of its own, but names such as {alike[0]} and {alike[1]} begin alike: parts of "
                f"one picture belong together, data.group_pattern='{pattern}'"
            ]
    return []


def _of_splits(images: pd.DataFrame) -> Iterator[str]:
    splits = set(images["split"])
    if "test" not in splits:
        groups = images["group"].nunique()
        how = (
            "data.splits=[0.6,0.2,0.2] cuts by group, data.splits=FILE.csv lists images"
            if groups >= 3
            else f"with {groups} group{'' if groups == 1 else 's'} there is nothing to train and test on"
        )
        yield f"{NO_SPLITS} {how}"
        return
    test = images[images["split"] == "test"]
    groups = test["group"].nunique()
    if groups < _FEW_GROUPS:
        wide = "no interval, no verdict" if groups == 1 else "intervals will be wide"
        yield f"test has {groups} group{'' if groups == 1 else 's'}: {wide}"
