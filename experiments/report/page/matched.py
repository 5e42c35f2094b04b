"""The matched table: each mask's precision at the same recall, and recall at the same precision."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd
from markupsafe import Markup

from experiments.comparison.compare_arms import Comparison
from experiments.inference.paired_difference import MIN_SEEDS
from experiments.report.page.markup import NONE, html, joined, table
from experiments.report.text.wording import TOO_FEW_SEEDS, digits_of, signed, signed_interval, typeset

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
        few_levels, all_levels = (
            joined([_table(comparison, names, mask, kind, held, read, levels) for mask in range(len(comparison.masks))])
            for levels in (_FEW, None)
        )
        parts += [few_levels] if held == "recall" else []
        title = f"{read.capitalize()} at every level of {held}"
        parts.append(html(_FOLDED, title=title, body=all_levels))
    return joined(parts) + html(
        '<p class="fine">Bold: the interval of this one level excludes 0. '
        "<mark>Marked</mark>: so does the simultaneous band over all levels of the arm and mask. "
        "Unreachable: some run has no threshold near that level; nothing is interpolated.{{ few }}</p>",
        few=few,
    )


_FEW = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Levels that are shown; the others are folded."""

_FOLDED = "<details data-screen-only><summary>{{ title }}</summary>{{ body }}</details>"


def _table(
    comparison: Comparison,
    names: Mapping[str, str],
    mask: int,
    kind: str,
    held: str,
    read: str,
    levels: Collection[float] | None,
) -> Markup:
    """Write one mask's table, of some levels or of all (None)."""
    base = comparison.baseline
    matched = comparison.matched
    rows = matched[(matched["mask"] == comparison.masks[mask]) & (matched["kind"] == kind)]
    if levels is not None:
        rows = rows[np.isclose(rows["level"].to_numpy(dtype=np.float64)[:, None], list(levels)).any(axis=1)]
    arms = list(dict.fromkeys(rows["arm"]))
    cells = {(str(row["arm"]), float(row["level"])): row for _, row in rows.iterrows()}
    lines = []
    for level in dict.fromkeys(rows["level"]):
        here = rows[rows["level"] == level]
        digits = min(digits_of(low, high) for low, high in zip(here["low"], here["high"], strict=True))
        known = next((f"{value:.{digits}f}" for value in here["baseline_value"].dropna()), "unreachable")
        line: list[object] = [f"{level:.2f}", html('<span class="base">{{ known }}</span>', known=known)]
        lines.append([*line, *(_gain(cells[arm, float(level)], base) for arm in arms)])
    headers = [held, f"{names[base]}: {read}", *(names[arm] for arm in arms)]
    caption = comparison.masks[mask] if len(comparison.masks) > 1 else ""
    return table(headers, lines, caption=caption, attributes=html('data-mask="{{ mask }}"', mask=mask))


def _gain(row: pd.Series, base: str) -> Markup:
    """Write one cell: the difference with its interval, or the arm that cannot reach the level."""
    status = str(row["status"])
    if status != "reached":
        both = f"unreachable for {row['arm']}" in status and f"unreachable for {base}" in status
        short = "no pair" if "unreachable" not in status else "unreachable" if both or base not in status else NONE
        return html('<span class="quiet" title="{{ status }}">{{ short }}</span>', status=status, short=short)
    return html(
        _GAIN,
        difference=typeset(signed(row["difference"], digits_of(row["low"], row["high"]))),
        interval="" if pd.isna(row["low"]) else typeset(signed_interval(row["low"], row["high"])),
        alone=row["low"] > 0 or row["high"] < 0,
        over_all=row["band_low"] > 0 or row["band_high"] < 0,
    )


_GAIN = (
    "{% if not interval %}{{ difference }}{% else %}{% if over_all %}<mark>{% endif %}"
    "{% if alone %}<b>{{ difference }}</b>{% else %}{{ difference }}{% endif %} <small>{{ interval }}</small>"
    "{% if over_all %}</mark>{% endif %}{% endif %}"
)
