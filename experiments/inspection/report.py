"""The text of `python -m experiments.inspect`."""

from __future__ import annotations

import pandas as pd

from experiments.inspection.look import Inspection
from experiments.report.text.tables import text_table

_MOST_VALUES = 8  # of a column of the split file


def inspection_text(found: Inspection) -> str:
    """Describe data: splits, masks, annotators, columns of the split file, warnings."""
    parts = [
        f"{found.name}: {len(found.images)} images, {'grey' if found.channels == 1 else 'RGB'}",
        _splits(found.images),
    ]
    if len(found.masks):
        parts.append(_masks(found.masks))
    if len(found.annotators):
        rows = [
            [str(r["annotator"]), str(r["mask"]), *[f"{r[key]:.3f}" for key in ("recall", "precision", "f1")]]
            for r in found.annotators.to_dict("records")
        ]
        parts.append(
            text_table(["annotator", "mask", "recall", "precision", "F1"], rows)
            + "\nagainst the others, or against the one that is believed: where a careful human operates"
        )
    if len(found.columns):
        parts.append(_columns(found.columns))
    warned = [f"  - {warning}" for warning in found.warnings]
    parts.append("\n".join(["warnings:", *warned]) if warned else "no warnings")
    return "\n\n".join(parts)


def _splits(images: pd.DataFrame) -> str:
    rows = []
    for split, part in images.groupby("split", sort=False):
        ignored = 1 - part["valid_pixels"].sum() / (part["height"] * part["width"]).sum()
        ordered = sorted(zip(part["width"].tolist(), part["height"].tolist(), strict=True), key=lambda s: s[0] * s[1])
        told = " ... ".join(f"{width} x {height}" for width, height in dict.fromkeys((ordered[0], ordered[-1])))
        groups = part.groupby("group").size()
        rows.append(
            [
                str(split),
                f"{len(part):,}",
                f"{len(groups):,}" + (f" of {groups.min()} ... {groups.max()}" if groups.max() > 1 else ""),
                told,
                f"{100 * ignored:.1f}",
            ]
        )
    return text_table(["split", "images", "groups", "width x height", "ignored %"], rows)


def _masks(masks: pd.DataFrame) -> str:
    rows = [
        [
            str(row["mask"]),
            str(row["split"]),
            f"{100 * row['prevalence']:.3f}",
            f"{row['empty']:,}",
            "-" if pd.isna(row["stroke_width"]) else f"{row['stroke_width']:.1f}",
        ]
        for row in masks.sort_values("mask", kind="stable").to_dict("records")
    ]
    table = text_table(["mask", "split", "foreground %", "empty", "stroke px"], rows)
    return f"{table}\nstroke px: twice the area over the length of the boundary"


def _columns(columns: pd.DataFrame) -> str:
    lines = []
    for (column, split), part in columns.groupby(["column", "split"], sort=False):
        counts = part.sort_values("images", ascending=False)
        told = ", ".join(
            f"{row['value'] or '(empty)'} {row['images']}" for row in counts.head(_MOST_VALUES).to_dict("records")
        )
        more = f" and {len(counts) - _MOST_VALUES} more values" if len(counts) > _MOST_VALUES else ""
        lines.append(f"{column} in {split}: {told}{more}")
    return "\n".join(lines)
