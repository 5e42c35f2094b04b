"""The matched table: each mask's precision at the same recall, and recall at the same precision."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from experiments.comparison.compare_arms import Comparison
from experiments.inference.paired_difference import MIN_SEEDS
from experiments.report.page.markup import NONE, table, text
from experiments.report.text.wording import TOO_FEW_SEEDS, signed, typeset

_KINDS = {
    "precision at recall": ("recall", "precision"),
    "recall at precision": ("precision", "recall"),
}


def matched_section(comparison: Comparison, names: Mapping[str, str]) -> str:
    """Write the tables of all masks; the script shows one mask's at a time. HTML."""
    if not len(comparison.matched):
        return "<p>Only the baseline has complete runs.</p>"
    few = f" Without brackets: {TOO_FEW_SEEDS}." if (comparison.matched["n_seeds"] < MIN_SEEDS).any() else ""
    parts = []
    for kind, (held, read) in _KINDS.items():
        tables = [_table(comparison, names, index, kind, held, read) for index in range(len(comparison.masks))]
        body = "\n".join(tables)
        parts.append(
            body if held == "recall" else f"<details><summary>Recall at the same precision</summary>{body}</details>"
        )
    return "\n".join(parts) + (
        '<p class="fine">Bold: the interval of this one level excludes 0. '
        "<mark>Marked</mark>: so does the simultaneous band over all levels of the arm and mask. "
        f"Unreachable: some run has no threshold near that level; nothing is interpolated.{few}</p>"
    )


def _table(comparison: Comparison, names: Mapping[str, str], mask: int, kind: str, held: str, read: str) -> str:
    base = comparison.baseline
    matched = comparison.matched
    rows = matched[(matched["mask"] == comparison.masks[mask]) & (matched["kind"] == kind)]
    arms = list(dict.fromkeys(rows["arm"]))
    cells = {(str(row["arm"]), float(row["level"])): row for _, row in rows.iterrows()}
    lines = []
    for level in dict.fromkeys(rows["level"]):
        values = [row["baseline_value"] for _, row in rows[rows["level"] == level].iterrows()]
        known = next((f"{value:.3f}" for value in values if not pd.isna(value)), "unreachable")
        line = [f"{level:.2f}", f'<span class="base">{known}</span>']
        lines.append([*line, *(_gain(cells[arm, float(level)], base) for arm in arms)])
    headers = [held, f"{text(names[base])}: {read}", *(text(names[arm]) for arm in arms)]
    return table(headers, lines, attributes=f'data-mask="{mask}"')


def _gain(row: pd.Series, base: str) -> str:
    """One cell: the difference with its interval, or who cannot reach the level."""
    status = str(row["status"])
    if status != "reached":
        both = f"unreachable for {row['arm']}" in status and f"unreachable for {base}" in status
        short = "no pair" if "unreachable" not in status else "unreachable" if both or base not in status else NONE
        return f'<span class="quiet" title="{text(status)}">{short}</span>'
    difference = signed(row["difference"])
    if pd.isna(row["low"]):
        return typeset(difference)
    inner = f"{difference} <small>[{signed(row['low'])}, {signed(row['high'])}]</small>"
    if row["low"] > 0 or row["high"] < 0:
        inner = f"<b>{difference}</b> <small>[{signed(row['low'])}, {signed(row['high'])}]</small>"
    if row["band_low"] > 0 or row["band_high"] < 0:
        inner = f"<mark>{inner}</mark>"
    return typeset(inner)
