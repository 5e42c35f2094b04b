"""Sections of the calibration page about ugly data, collapse, and arms and masks together."""

from __future__ import annotations

import pandas as pd

from experiments.audit.error_rates.collapse import LOST, SPREAD
from experiments.audit.error_rates.families import FOR_PAGE, GAIN, N_ARMS, N_MASKS
from experiments.audit.tables import CalibrationTables
from experiments.report.text.tables import markdown_table


def ugly_section(table: pd.DataFrame, result: CalibrationTables) -> str:
    """Write the section about few and unequal groups, heavy tails and empty groups."""
    shown = table[table["coverage"].notna()]
    low, loud = shown.sort_values("coverage").iloc[0], table.sort_values("claims").iloc[-1]
    below, above = int(table["below_92"].sum()), int(table["claims_above_level"].sum())
    rows = [
        [
            str(model),
            str(case),
            f"{part['effective_groups'].min():.0f} to {part['effective_groups'].max():.0f}",
            f"{part['coverage'].min():.3f} to {part['coverage'].max():.3f}",
            f"{part['claims'].max():.3f}",
        ]
        for (model, case), part in table.groupby(["model", "case"], sort=False)
    ]
    text = f"""## Ugly data: few groups, unequal groups, heavy tails

{len(table)} rows without a gain: {_listed(table["n_seeds"])} seeds by {_listed(table["n_groups"])} groups. In the rows
of a weighted mean a group weighs as much as its size: all alike, log-normal with a standard deviation of 1, or three
of them 50 times as large as the others; its effect is Gaussian or t with 3 degrees of freedom. In the rows of
histograms the statistic is the difference of AP of pooled histograms: AP low and high, the largest groups 50 times the
smallest, half of the groups without a positive.

Lowest coverage {low["coverage"]:.3f} ± {low["coverage_error"]:.3f} ({low["case"]}, {low["n_seeds"]} seeds,
{low["n_groups"]} groups); shown to be below .92 in {below} rows. Most false claims {loud["claims"]:.3f} ±
{loud["claims_error"]:.3f} ({loud["case"]}, {loud["n_seeds"]} seeds, {loud["n_groups"]} groups); shown to be above
{result.level:g} in {above} rows. A flag in this section has a chance of 1 in 1,000 at the bound itself; with 5,000
studies it finds a coverage of .90 more than nine times in ten. Two seeds show no interval, so their rows have false
claims only.

"""
    headers = ["statistic", "case", "effective groups", "coverage", "false claims, at most"]
    return text + markdown_table(headers, rows)


def collapse_section(table: pd.DataFrame, result: CalibrationTables) -> str:
    """Write the section about seeds that collapse."""
    del result
    rows = [
        [
            f"{row['rate']:g}",
            f"{row['n_seeds']:.0f}",
            f"{row['naive_coverage']:.3f}",
            f"{row['clean']:.2f}",
            f"{row['clean_coverage']:.3f} ± {row['clean_error']:.3f}",
            f"{row['excluded']:.2f}",
        ]
        for _, row in table.iterrows()
    ]
    text = f"""## Seeds that collapse

Each seed of one arm collapses with the rate given and then loses {-LOST:g} AP; else effects are "{SPREAD.name}" as
above, in {table["n"].iloc[0]:,} studies per row. An interval over all seeds, which assumes one variance, covers the
mean over such seeds far too rarely (third column), so none is shown: a study with a collapsed seed is "not trained",
with the seed's name and the gain of the seeds that did train, marked as conditional. A study whose seeds all trained
speaks of seeds that train, and its interval covers their gain; what its n clean seeds exclude of the rate,
1 - .05^(1/n), stands in the report.

"""
    headers = ["rate", "seeds", "coverage over all seeds", "share without a collapse"]
    return text + markdown_table([*headers, "coverage of these", "rate excluded by n clean seeds"], rows)


def families_section(table: pd.DataFrame, result: CalibrationTables) -> str:
    """Write the section about claims of arms and masks together."""
    rows = [
        [
            str(row["scenario"]),
            f"{row['n_seeds']:.0f}",
            f"{row['false_arm']:.3f}",
            f"{row['false_mask']:.3f}",
            f"{row['false_any']:.3f} ± {row['false_error']:.3f}",
            *("-" if pd.isna(row[name]) else f"{row[name]:.2f}" for name in FOR_PAGE),
        ]
        for _, row in table.iterrows()
    ]
    above = int(table["above_level"].sum())
    text = f"""## Arms and masks together

{N_ARMS} arms by {N_MASKS} masks against one baseline, {table["n_groups"].iloc[0]} groups, {table["n"].iloc[0]:,}
studies per row; masks of an arm share part of their effects, and all arms share the baseline's. "Gains" are {GAIN:g}
AP. A false claim is a "moves" of an arm whose mean gain is 0, or of a mask whose gain is 0. Any false claim of either
kind: at most {table["false_any"].max():.3f}, shown to be above {result.level:g} in {above} rows. The last column is
Holm over all arms and masks without arms first, as it was before: what a mask's verdict loses is what the arm's gains.

"""
    headers = ["truth", "seeds", "false, an arm", "false, a mask", "any false", "arms found", "masks found"]
    return text + markdown_table([*headers, "masks found, Holm alone"], rows)


def looks_section(table: pd.DataFrame, result: CalibrationTables) -> str:
    """Write the section about studies in stages."""
    rows = [
        [
            str(row["case"]),
            str(row["looks"]),
            str(row["split"]),
            f"{row['false_moves']:.3f}",
            f"{row['false_stays']:.3f} (± {row['error']:.3f})",
            f"{row['decided']:.2f}",
            f"{row['runs']:.1f}",
        ]
        for _, row in table.iterrows()
    ]
    text = f"""## Stages: two looks at a study

Studies of 5 arms and 3 masks in which the arms that the first look leaves undecided go on to more seeds,
{table["n"].iloc[0]:,} of each case; the same draws looked at twice with the level of {result.level:g} split over the
looks, twice at the whole level (looking until something is decided), and once with the most seeds. A false move or
stay is any false claim about an arm or a mask.

"""
    headers = [
        "truth",
        "seeds at the looks",
        "each look has",
        "any false move",
        "any false stay",
        "arms decided",
        "runs",
    ]
    return text + markdown_table(headers, rows)


def _listed(values: pd.Series) -> str:
    return ", ".join(str(value) for value in sorted(set(values)))
