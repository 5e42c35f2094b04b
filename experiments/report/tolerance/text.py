"""What a report says of verdicts within a distance of some pixels: where they differ from the exact ones."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from experiments.comparison.compare_arms import Comparison
from experiments.inference.words import NOT_TRAINED
from experiments.report.text.tables import markdown_table
from experiments.report.text.wording import number, with_interval


def flips(comparison: Comparison) -> pd.DataFrame:
    """Return the rows of the verdict tables, over all masks first, whose verdict differs within the tolerance."""
    tables = [comparison.verdicts] if len(comparison.masks) == 1 else [comparison.arm_verdicts, comparison.verdicts]
    found = [table[table["verdict_exact"] != table["verdict_tolerant"]] for table in tables if len(table)]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame()


def tolerance_notes(comparison: Comparison, names: Mapping[str, str]) -> list[str]:
    """Say which verdicts change within the tolerance; empty without one."""
    within = _within(comparison)
    if not within:
        return []
    found = flips(comparison)
    if not len(found):
        return [f"{within}: every verdict is the same as without tolerance."]
    told = [
        f"{names[str(row['arm'])]} ({row['mask']}) {row['verdict_tolerant']} "
        f"({_gain(row, 'tolerant')}), exactly {row['verdict_exact']} ({_gain(row, 'exact')})"
        for _, row in found.iterrows()
    ]
    return [f"{within}, other verdicts than without tolerance: {'; '.join(told)}."]


def tolerance_section(comparison: Comparison, centerlines: pd.DataFrame, names: Mapping[str, str]) -> list[str]:
    """Write the section of the report: both verdicts of every arm and mask, and the scores of thin structures.

    Args:
        comparison: With or without a tolerance.
        centerlines: What `centerline_table` gives; may be empty.
        names: Arms as they are shown.

    Returns:
        Paragraphs; none where there is neither a tolerance nor a skeleton.
    """
    parts = []
    if comparison.settings.tolerance is not None:
        parts += [f"## {_within(comparison)}", *tolerance_notes(comparison, names), _both(comparison, names)]
        parts += ["![Frontiers within the distance](figures/tolerance.png)"]
        parts += [_scores(comparison, names), _READING]
    if len(centerlines):
        parts += ["## Centre lines", _lines(centerlines, names)]
    return parts


def _within(comparison: Comparison) -> str:
    radius = comparison.settings.tolerance
    return "" if radius is None else f"Within {radius} pixel{'' if radius == 1 else 's'}"


def _gain(row: pd.Series, kind: str) -> str:
    """One of a row's two gains with its interval; a dash where that verdict is "not trained"."""
    return with_interval(row.drop("verdict") if row[f"verdict_{kind}"] != NOT_TRAINED else row, f"{kind}_gain")


def _both(comparison: Comparison, names: Mapping[str, str]) -> str:
    exact, tolerant = comparison.settings.exact_and_tolerant or ("ap", "tolerant_ap")
    named = [comparison.settings.name_of(name) for name in (exact, tolerant)]
    headers = ["mask", "arm", f"{named[0]} gain", "verdict", f"{named[1]} gain", "verdict", ""]
    several = len(comparison.masks) > 1
    tables = [("over masks", comparison.arm_verdicts)] if several else []
    tables += [("", comparison.verdicts)]
    rows = [
        [
            label or str(row["mask"]),
            names[str(row["arm"])],
            _gain(row, "exact"),
            str(row["verdict_exact"]),
            _gain(row, "tolerant"),
            str(row["verdict_tolerant"]),
            "" if row["verdict_exact"] == row["verdict_tolerant"] else "differs",
        ]
        for label, table in tables
        for _, row in table.iterrows()
    ]
    return markdown_table(headers, rows)


def _scores(comparison: Comparison, names: Mapping[str, str]) -> str:
    columns = ["ap", "chance_ap", "ods", "ois", "tuned_precision", "tuned_recall", "tuned_f1"]
    means = comparison.thin.groupby(["mask", "arm", "tolerance"], sort=False)[columns].mean()
    rows = [
        [mask, names[arm], str(radius), *map(number, values)] for (mask, arm, radius), *values in means.itertuples()
    ]
    headers = ["mask", "arm", "pixels", "AP", "AP of chance", "ODS", "OIS", "tuned precision", "tuned recall"]
    return markdown_table([*headers, "tuned F1"], rows)


def _lines(centerlines: pd.DataFrame, names: Mapping[str, str]) -> str:
    means = centerlines.groupby(["mask", "arm", "point"], sort=False)[["cldice", "cldice_pooled"]].mean()
    rows = [[mask, names[arm], point, *map(number, values)] for (mask, arm, point), *values in means.itertuples()]
    return markdown_table(["mask", "arm", "point", "clDice, mean over images", "clDice, pooled"], rows)


_READING = (
    "Means over seeds. A predicted pixel is right where a true pixel lies within the distance, and a true pixel is "
    "found where a predicted one does (Euclidean, between centres). Pixels are not matched one to one, as BSDS matches "
    "them: thick predictions are not punished up to the distance. ODS and OIS choose their thresholds on the test "
    "images; tuned F1 has its from validation."
)
