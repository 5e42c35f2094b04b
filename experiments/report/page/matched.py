"""The matched table: each mask's precision at the same recall, and recall at the same precision."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from markupsafe import Markup

from experiments.comparison.compare_arms import Comparison
from experiments.inference.paired_difference import MIN_SEEDS
from experiments.report.page.markup import NONE, html, joined, table
from experiments.report.text.wording import TOO_FEW_SEEDS, signed, typeset

_KINDS = {
    "precision at recall": ("recall", "precision"),
    "recall at precision": ("precision", "recall"),
}


def matched_section(comparison: Comparison, names: Mapping[str, str]) -> Markup:
    """Write the tables of all masks as HTML; the script shows those of one mask at a time."""
    if not len(comparison.matched):
        return Markup("<p>Only the baseline has complete runs.</p>")
    few = f" Without brackets: {TOO_FEW_SEEDS}." if (comparison.matched["n_seeds"] < MIN_SEEDS).any() else ""
    parts = []
    for kind, (held, read) in _KINDS.items():
        tables = [_table(comparison, names, index, kind, held, read) for index in range(len(comparison.masks))]
        body = joined(tables)
        folded = "<details><summary>Recall at the same precision</summary>{{ body }}</details>"
        parts.append(body if held == "recall" else html(folded, body=body))
    return joined(parts) + html(
        '<p class="fine">Bold: the interval of this one level excludes 0. '
        "<mark>Marked</mark>: so does the simultaneous band over all levels of the arm and mask. "
        "Unreachable: some run has no threshold near that level; nothing is interpolated.{{ few }}</p>",
        few=few,
    )


def _table(comparison: Comparison, names: Mapping[str, str], mask: int, kind: str, held: str, read: str) -> Markup:
    base = comparison.baseline
    matched = comparison.matched
    rows = matched[(matched["mask"] == comparison.masks[mask]) & (matched["kind"] == kind)]
    arms = list(dict.fromkeys(rows["arm"]))
    cells = {(str(row["arm"]), float(row["level"])): row for _, row in rows.iterrows()}
    lines = []
    for level in dict.fromkeys(rows["level"]):
        values = [row["baseline_value"] for _, row in rows[rows["level"] == level].iterrows()]
        known = next((f"{value:.3f}" for value in values if not pd.isna(value)), "unreachable")
        line: list[object] = [f"{level:.2f}", html('<span class="base">{{ known }}</span>', known=known)]
        lines.append([*line, *(_gain(cells[arm, float(level)], base) for arm in arms)])
    headers = [held, f"{names[base]}: {read}", *(names[arm] for arm in arms)]
    return table(headers, lines, attributes=html('data-mask="{{ mask }}"', mask=mask))


def _gain(row: pd.Series, base: str) -> Markup:
    """Write one cell: the difference with its interval, or the arm that cannot reach the level."""
    status = str(row["status"])
    if status != "reached":
        both = f"unreachable for {row['arm']}" in status and f"unreachable for {base}" in status
        short = "no pair" if "unreachable" not in status else "unreachable" if both or base not in status else NONE
        return html('<span class="quiet" title="{{ status }}">{{ short }}</span>', status=status, short=short)
    return html(
        _GAIN,
        difference=typeset(signed(row["difference"])),
        interval="" if pd.isna(row["low"]) else typeset(f"[{signed(row['low'])}, {signed(row['high'])}]"),
        alone=row["low"] > 0 or row["high"] < 0,
        over_all=row["band_low"] > 0 or row["band_high"] < 0,
    )


_GAIN = (
    "{% if not interval %}{{ difference }}{% else %}{% if over_all %}<mark>{% endif %}"
    "{% if alone %}<b>{{ difference }}</b>{% else %}{{ difference }}{% endif %} <small>{{ interval }}</small>"
    "{% if over_all %}</mark>{% endif %}{% endif %}"
)
