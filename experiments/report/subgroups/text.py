"""The section on subgroups of the test images, and the line of the report where one of them flips a verdict."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from experiments.comparison.compare_arms import Comparison
from experiments.comparison.subgroups.compare import TOO_FEW, SubgroupVerdicts
from experiments.inference.words import CROSSES, MOVES_IN, MOVES_OUT, SLIDES, STAYS
from experiments.report.text.tables import markdown_table
from experiments.report.text.verdicts import verdict_interval
from experiments.report.text.wording import listed, signed, with_interval

_SAME = "same frontier"
_CLAIMS = {MOVES_OUT: MOVES_OUT, MOVES_IN: MOVES_IN, CROSSES: CROSSES, SLIDES: _SAME, STAYS: _SAME}
"""What a verdict claims about the frontier; the others claim nothing."""


def flips(comparison: Comparison, found: SubgroupVerdicts) -> pd.DataFrame:
    """Return the rows of subgroups with a shown verdict that is not the arm's over all images.

    A subgroup that is undecided has fewer images, which is no other result. Nor is "stays" where the arm slides: both
    say that the frontier is the same.
    """
    overall = comparison.arm_verdicts.set_index("arm")["verdict"].map(lambda word: _CLAIMS.get(word, ""))
    claims = found.table["verdict"].map(lambda word: _CLAIMS.get(word, ""))
    return found.table[(claims != "") & (claims != found.table["arm"].map(overall))]


def flip_note(comparison: Comparison, found: SubgroupVerdicts, names: Mapping[str, str]) -> str:
    """Say where a subgroup's verdict is another than that of all images; empty where none is."""
    rows = flips(comparison, found)
    if not len(rows):
        return ""
    overall = comparison.arm_verdicts.set_index("arm")["verdict"]
    told = [
        f"**{names[str(row['arm'])]}** {row['verdict']} for {row['subgroup']} ({signed(row['headline_gain'])}), "
        f"over all images {overall[row['arm']]}"
        for _, row in rows.head(_MOST).iterrows()
    ]
    more = f"; {len(rows) - _MOST} more" if len(rows) > _MOST else ""
    differ = "" if rows["differs"].any() else ". That the gain differs between subgroups is not shown"
    return f"By {found.by}: {'; '.join(told)}{more}{differ}."


_MOST = 3
"""Flips that the report's line tells."""


def subgroup_section(comparison: Comparison, found: SubgroupVerdicts, names: Mapping[str, str]) -> list[str]:
    """Write the section of the details: the verdict of every arm in every subgroup, and which gains differ."""
    parts = [
        "## Subgroups",
        f"Test images by {_by(found)}. {interaction(comparison, found, names)}",
        markdown_table(*subgroup_cells(comparison, found, names)),
        "![Gains in subgroups](figures/subgroups.png)",
        how_to_read(comparison),
    ]
    return [*parts, *unseen_note(found)]


def subgroup_cells(
    comparison: Comparison, found: SubgroupVerdicts, names: Mapping[str, str]
) -> tuple[list[str], list[list[str]]]:
    """Return headers and cells of the table: for each arm a row of all images, then one of each subgroup."""
    headers = ["arm", "subgroup", "images (groups)", "verdict", f"{comparison.settings.headline_name} gain"]
    headers += ["verdict's interval", "gain less that of the others", "differs"]
    several = len(set(found.table["mask"])) > 1
    rows = []
    for arm, table in found.table.groupby("arm", sort=False):
        whole = comparison.arm_verdicts[comparison.arm_verdicts["arm"] == arm].iloc[0]
        size = f"{whole['n_images']} ({whole['n_groups']})"
        gain = with_interval(whole, "headline_gain")
        rows.append([names[str(arm)], "all", size, str(whole["verdict"]), gain, verdict_interval(whole), "", ""])
        for _, row in table.iterrows():
            label = _label(row, found) + (f", {row['mask']}" if several else "")
            size = f"{row['n_images']} ({row['n_groups']})"
            contrast = "-" if pd.isna(row["contrast"]) else with_interval(row.drop("verdict"), "contrast")
            differs = "" if pd.isna(row["p_contrast_holm"]) else _differs(row)
            rest = [contrast, differs]
            rows.append([names[str(arm)], label, size, _word(row), _gain(row), verdict_interval(row), *rest])
    return headers, rows


def interaction(comparison: Comparison, found: SubgroupVerdicts, names: Mapping[str, str]) -> str:
    """State for which arms the gain is shown to differ between subgroups."""
    tested = found.table[found.table["p_contrast_holm"].notna()]
    if not len(tested):
        return "Whether a gain differs between subgroups cannot be tested: fewer than two have enough groups."
    shown = tested[tested["differs"]]
    if not len(shown):
        least = min(float(tested["p_contrast_holm"].min()), 1.0)
        return f"No arm's gain is shown to differ between subgroups (smallest adjusted p {least:.2g})."
    told = []
    for arm, rows in shown.groupby("arm", sort=False):
        each = [
            f"{row['subgroup']} {signed(row['contrast'])} (adjusted p {row['p_contrast_holm']:.2g})"
            for _, row in rows.iterrows()
        ]
        told.append(f"**{names[str(arm)]}**: {listed(each)}")
    return f"The gain differs between subgroups, against the mean of the others: {'; '.join(told)}."


def how_to_read(comparison: Comparison) -> str:
    """Say what the verdicts of subgroups rest on, and what tells that gains differ."""
    level = comparison.settings.verdict_level
    return (
        "Thresholds are those tuned on all validation images. Verdicts are over masks, at level "
        f"{level:g} after Holm over arms and subgroups, and the tests of a difference likewise, each a family of its "
        "own beside the verdicts above. A gain shown in one subgroup and not in another does not show that they "
        "differ: the last column does."
    )


def unseen_note(found: SubgroupVerdicts) -> list[str]:
    """Name the subgroups that no training image belongs to; empty if there is none."""
    return [f"Out of distribution, with no training image: {listed(found.unseen)}."] if found.unseen else []


def _by(found: SubgroupVerdicts) -> str:
    return f"`{found.by}`: {listed(found.names)}"


def _label(row: pd.Series, found: SubgroupVerdicts) -> str:
    return f"{row['subgroup']} (not in training)" if row["subgroup"] in found.unseen else str(row["subgroup"])


def _word(row: pd.Series) -> str:
    return TOO_FEW if str(row["reason"]).startswith(TOO_FEW) else str(row["verdict"])


def _gain(row: pd.Series) -> str:
    if str(row["reason"]).startswith(TOO_FEW):
        return f"{signed(row['headline_gain'])} [{TOO_FEW}]"
    return with_interval(row, "headline_gain")


def _differs(row: pd.Series) -> str:
    return f"{'yes' if row['differs'] else 'not shown'}, p {min(float(row['p_contrast_holm']), 1.0):.2g}"
