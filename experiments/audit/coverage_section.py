"""The page's sections about coverage."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from experiments.audit.coverage import GAUSSIAN_SPREADS, HISTOGRAM_SPREADS
from experiments.audit.simulation.gaussian import Spread
from experiments.audit.tables import CalibrationTables
from experiments.report.text.tables import markdown_table


def coverage_section(table: pd.DataFrame, result: CalibrationTables) -> str:
    """Write the section about the coverage table."""
    worst = table.sort_values("coverage").iloc[0]
    null = table[table["true_gain"] == 0.0]
    loud = null.sort_values("claims").iloc[-1]
    summary = [
        [
            str(model),
            str(spread),
            f"{len(part)}",
            f"{part['n'].iloc[0]}",
            f"{part['coverage'].min():.3f} to {part['coverage'].max():.3f} (± {part['coverage_error'].max():.3f})",
            f"{part['images_only'].min():.2f} to {part['images_only'].max():.2f}",
            f"{part['seeds_only'].min():.2f} to {part['seeds_only'].max():.2f}",
            _largest_claims(part),
        ]
        for (model, spread), part in table.groupby(["model", "spread"], sort=False)
    ]
    shown, seen = int(table["below_92"].sum()), int((table["coverage"] < 0.92).sum())
    verdict = f"**Coverage below .92 is shown in {shown} rows.**" if shown else "No row is shown to be below .92."
    if seen:
        verdict += f" In {seen} rows the simulated share is below it, which chance allows."
    text = f"""## Coverage of the {1 - result.level:.0%} interval

{len(table)} rows, seeds {_listed(table["n_seeds"])} by groups {_listed(table["n_groups"])} by where the variance comes
from, for two kinds of studies:

- *Gaussian*: the difference is a sum of effects of seed, group and both together, standard deviations in AP:
  {_spreads(GAUSSIAN_SPREADS)}. The true gain is 0, which loses nothing: the interval moves along with it.
- *Histograms*: each group has a histogram of scores shaped like those of the real runs (Poisson counts, few positives,
  groups of different size and difficulty); the statistic is the difference of AP of the pooled histograms. Each arm has
  its own effects, in logits: {_spreads(HISTOGRAM_SPREADS)}. The true gain is 0 by symmetry, or known in closed form
  where the arm's classes lie further apart.

{verdict} The lowest share is {worst["coverage"]:.3f} ± {worst["coverage_error"]:.3f} ({worst["model"]},
{worst["spread"]}, true gain {worst["true_gain"]:+.3f}, {worst["n_seeds"]} seeds, {worst["n_groups"]} groups), the
highest {table["coverage"].max():.3f}: v_seed and v_group overlap in the interaction, so where that is all there is the
interval is too wide.

"Images only" and "seeds only" are t intervals that know one source of variance, as a bootstrap of images or of seeds
does. "False claims" is the share of studies without a gain whose p value is below {result.level:g}, the largest of the
rows; over all rows it is {loud["claims"]:.3f} ± {loud["claims_error"]:.3f}, shown to be above the level in
{int(null["claims_above_level"].sum())} rows.

"""
    headers = ["studies", "variance from", "rows", "n of each", "coverage", "images only", "seeds only", "false claims"]
    return text + markdown_table(headers, summary) + "\n\n" + _histogram_grid(table[table["model"] == "histograms"])


def _histogram_grid(table: pd.DataFrame) -> str:
    """Coverage of the histogram studies, a line per spread and gain, a column per size."""
    sizes = list(dict.fromkeys(zip(table["n_seeds"], table["n_groups"], strict=True)))
    lines = []
    for (spread, gain), part in table.groupby(["spread", "true_gain"], sort=False):
        cells = [f"{value:.3f}" for value in part["coverage"]]
        lines.append([str(spread), f"{gain:+.3f}", *cells])
    headers = ["variance from", "true gain", *(f"{seeds} × {groups}" for seeds, groups in sizes)]  # noqa: RUF001
    title = f"Coverage of the histogram studies by seeds and groups (± {table['coverage_error'].max():.3f} at most):"
    return f"{title}\n\n{markdown_table(headers, lines)}"


def _listed(values: pd.Series) -> str:
    return ", ".join(f"{value}" for value in sorted(set(values)))


def _spreads(spreads: Sequence[Spread]) -> str:
    return "; ".join(f"{item.name} {item.seed:g} / {item.group:g} / {item.interaction:g}" for item in spreads)


def floor_section(table: pd.DataFrame, result: CalibrationTables) -> str:
    """Write the section about the lowest coverage."""
    rows = []
    for n_seeds, part in table.groupby("n_seeds"):
        lowest = part.sort_values("coverage").iloc[0]
        rows.append(
            [
                f"{n_seeds}",
                f"{lowest['ratio']:g}",
                f"{lowest['coverage']:.4f} ± {lowest['coverage_error']:.4f}",
                f"{part['claims'].max():.3f}",
            ]
        )
    return f"""## Where coverage is lowest

Without interaction, with {table["n_groups"].iloc[0]} groups, over ratios of the standard error from seeds to that from
groups from {table["ratio"].min():g} to {table["ratio"].max():g}; {table["n"].iloc[0]} studies each. Satterthwaite's
degrees of freedom are estimated, and when few seeds agree by chance they read too large. With 3 seeds that is what
separates the interval from {1 - result.level:.0%}; with 2 seeds, of which the report warns, it covers less. The p
values behind the verdicts do not share it: they take the tail of the two parts.

{markdown_table(["seeds", "at ratio", "lowest coverage", "false claims, at most"], rows)}"""


def _largest_claims(part: pd.DataFrame) -> str:
    null = part[part["true_gain"] == 0.0]
    return f"{null['claims'].max():.3f}" if len(null) else ""
