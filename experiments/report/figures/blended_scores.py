"""The average lies: blended scores beside each mask's own precision, recall and F1."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

BACKGROUND = "background"
AVERAGES = ("frame accuracy", "pixel-weighted F1", "macro F1")
"""Blended scores, in the order in which they are shown."""


def averages_table(points: pd.DataFrame) -> pd.DataFrame:
    """Blended scores of every run beside the classes that they blend.

    The classes are the masks and the background (pixels of no mask). Pixel-weighted F1 = sum of n_c F1_c / sum of n_c
    with n_c the pixels that truly belong to class c (scikit-learn's "weighted" average); macro F1 = mean of F1_c over
    the same classes; frame accuracy = mean over images of the share of pixels where every mask is right.

    Args:
        points: `comparison.points`; runs without a background row at a point are left out there.

    Returns:
        A row per arm, seed, point and what is measured: `arm, seed, point, what, kind, value, precision, recall, f1,
        share`. `kind` is "average", "mask" or "background"; `value` is the average, or the class's F1; precision,
        recall and F1 are NaN for averages; `share` is the class's share of the pixels that count.
    """
    rows: list[dict[str, Any]] = []
    for (arm, seed, point), run in points.groupby(["arm", "seed", "point"], sort=False):
        background = run[run["mask"] == BACKGROUND]
        if not len(background):
            continue
        support = (run["tp"] + run["fn"]).to_numpy(dtype=np.float64)
        f1 = run["f1"].to_numpy(dtype=np.float64)
        defined = ~np.isnan(f1)
        total = support[defined].sum()
        averages = (
            float(background["frame_accuracy"].iloc[0]),
            float(support[defined] @ f1[defined] / total) if total else float("nan"),
            float(f1[defined].mean()) if defined.any() else float("nan"),
        )
        who = {"arm": arm, "seed": seed, "point": point}
        for what, value in zip(AVERAGES, averages, strict=True):
            rows.append({**who, "what": what, "kind": "average", "value": value})
        for _, row in run.iterrows():
            pixels = row["tp"] + row["fp"] + row["fn"] + row["tn"]
            rows.append(
                {
                    **who,
                    "what": row["mask"],
                    "kind": BACKGROUND if row["mask"] == BACKGROUND else "mask",
                    "value": row["f1"],
                    "precision": row["precision"],
                    "recall": row["recall"],
                    "f1": row["f1"],
                    "share": (row["tp"] + row["fn"]) / pixels if pixels else float("nan"),
                }
            )
    columns = ["arm", "seed", "point", "what", "kind", "value", "precision", "recall", "f1", "share"]
    return pd.DataFrame(rows, columns=columns)


def averages_sentence(table: pd.DataFrame, point: str = "natural", names: Mapping[str, str] | None = None) -> str:
    """Say what the blended scores hide, from the table, means over seeds.

    Args:
        table: what `averages_table` gives.
        point: the operating point.
        names: what to call the arms; as they are when None.

    Raises:
        ValueError: the table holds no run at that point.
    """
    rows = table[table["point"] == point]
    if not len(rows):
        raise ValueError(f"point: expected one of {sorted(set(table['point']))}, got {point!r}")
    values = rows.pivot_table(index="what", columns="arm", values="value", sort=False, dropna=False)
    masks = list(dict.fromkeys(rows[rows["kind"] == "mask"]["what"]))
    spread = values.loc[masks].max(axis=1) - values.loc[masks].min(axis=1)
    widest = str(spread.idxmax()) if spread.notna().any() else masks[0]

    def span(what: str) -> str:
        low, high = values.loc[what].min(), values.loc[what].max()
        return f"is {low:.3f}" if len(values.columns) == 1 else f"spans {low:.3f} to {high:.3f} over arms"

    text = (
        f"At the {point} point frame-averaged accuracy {span(AVERAGES[0])} and pixel-weighted F1 {span(AVERAGES[1])}, "
        f"while F1 of {widest} {span(widest)}."
    )
    if len(values.columns) > 1 and spread.notna().any():
        worst = str(values.loc[widest].idxmin())
        mine = {str(what): float(value) for what, value in values[worst].items()}
        own = rows[(rows["arm"] == worst) & (rows["what"] == widest)]
        text += (
            f" The worst there ({(names or {}).get(worst, worst)}) reads {mine[AVERAGES[0]]:.3f} in accuracy and "
            f"{mine[BACKGROUND]:.3f} in F1 of the background, at a precision of "
            f"{own['precision'].mean():.2f} and a recall of {own['recall'].mean():.2f}."
        )
    return text
