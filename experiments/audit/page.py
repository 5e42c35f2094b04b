"""The Markdown page about a calibration: what was simulated, the tables, and a sentence per claim."""

from __future__ import annotations

import textwrap
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import pandas as pd

from experiments.audit.coverage import GAUSSIAN_SPREADS, HISTOGRAM_SPREADS
from experiments.audit.error_rates.sections import collapse_section, families_section, looks_section, ugly_section
from experiments.audit.pure_slide import SOURCES
from experiments.audit.simulation.gaussian import Spread
from experiments.audit.tables import MOVES, CalibrationTables
from experiments.inference.words import CROSSES, NOT_TRAINED, SLIDES, STAYS, UNDECIDED
from experiments.report.text.tables import markdown_table


def page(result: CalibrationTables) -> str:
    """Write the page, paragraphs wrapped at 120 columns."""
    sections = {
        "coverage": coverage_section,
        "floor": floor_section,
        "ugly": ugly_section,
        "collapse": collapse_section,
        "families": families_section,
        "looks": looks_section,
        "same_arm": _same_arm,
        "slides": _slides,
        "power": _power,
        "advice": _advice,
    }
    parts = [_head(result)]
    for name, section in sections.items():
        if name in result.tables:
            parts.append(section(result.tables[name], result))
        elif name == "same_arm" and result.n_real_runs == 0:
            parts.append(
                f"## A/A on real trainings\n\nLeft out: there is no folder `{result.study_dir}`. Train it with "
                "`python -m experiments.train study=same_arm`."
            )
    blocks = "\n\n".join(parts).split("\n\n")
    return "\n\n".join(_wrapped(block) for block in blocks) + "\n"


def _wrapped(block: str) -> str:
    """Wrap a paragraph, or each item of a list; leave tables, headings and code as they are."""
    if block.startswith(("|", "#", "    ")):
        return block
    if not block.startswith("- "):
        return textwrap.fill(" ".join(block.split()), 120, break_long_words=False, break_on_hyphens=False)
    items = (" ".join(item.split()) for item in f"\n{block}".split("\n- ")[1:])
    return "\n".join(
        textwrap.fill(f"- {item}", 120, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
        for item in items
    )


def _head(result: CalibrationTables) -> str:
    return f"""# Is the verdict calibrated?

Written by

    python -m experiments.train study=same_arm hydra/launcher=joblib hydra.launcher.n_jobs=2
    python -m experiments.calibrate

in {result.seconds / 60:.1f} minutes for the second ({result.cpu_seconds / 60:.1f} minutes of processor time, on
{result.cores} cores). Level {result.level:g}, margin \
{result.margin:g} AP. Every share stands with its Monte Carlo standard error (±). "Shown" means: were the true share \
at the bound, a count this extreme would come in fewer than 1 of 10,000 calibrations. How a verdict is reached: \
[statistics.md](statistics.md). All rows: the CSV tables that the command leaves in `outputs/calibration/`."""


def _same_arm(table: pd.DataFrame, result: CalibrationTables) -> str:
    splits = table["split"].nunique()
    rows = []
    words = [CROSSES, SLIDES, STAYS, UNDECIDED, *([NOT_TRAINED] if (table["verdict"] == NOT_TRAINED).any() else [])]
    for name, part in [*table.groupby("mask", sort=False), ("all masks", table)]:
        shares = [f"{float(part[column].isin(MOVES).mean()):.3f}" for column in ("verdict", "verdict_f1")]
        other = [f"{float((part['verdict'] == word).mean()):.3f}" for word in words]
        inside = float(((part["ap_gain_low"] <= 0) & (part["ap_gain_high"] >= 0)).mean())
        rows.append([str(name), *shares, *other, f"{inside:.3f}", f"{part['ap_gain'].std():.4f}"])
    moving = table.loc[table["verdict"].isin(MOVES), "split"].nunique()
    any_move = moving / splits
    seeds = len(str(table["arm_seeds"].iloc[0]).split())
    headers = ["mask", "moves (AP)", "moves (F1)", *words, "interval holds 0", "sd"]
    return f"""## A/A on real trainings

{result.n_real_runs} trainings of one arm (`{result.study_dir}`), split into two halves of {seeds} seeds that are
compared as if they were two arms, in {splits} ways. {any_move:.1%} of the splits have a "moves" in any mask, where at
most {result.level:.0%} are allowed. The splits share their {result.n_real_runs} trainings and one test set, so this
share is one draw, not {splits}: it can show a verdict that is far too ready, not a small excess. sd: of the AP gain
over splits.

{markdown_table(headers, rows)}"""


def _slides(table: pd.DataFrame, result: CalibrationTables) -> str:
    enough, rest = table[table["suffices"]], table[~table["suffices"]]
    share = float((enough["slides"] * enough["n"]).sum() / enough["n"].sum()) if len(enough) else float("nan")
    rows = [
        [
            str(row.source),
            str(row.pairing),
            str(row.map),
            f"{row.n}",
            f"{row.point_move:.2f}",
            f"{row.promised:.2f}",
            "yes" if row.suffices else "no",
            *(f"{getattr(row, word):.2f}" for word in ("slides", "stays", "undecided", "crosses", "moves")),
        ]
        for row in table.itertuples()
    ]
    sizes = "; ".join(
        f'"{s.name}": {s.n_seeds} seeds, {s.test.n_groups} groups, seed effect {s.effects.seed:g}' for s in SOURCES
    )
    headers = ["runs", "mapped", "map", "n", "point moved", "promised", "size suffices", "slides", "stays"]
    return f"""## Pure slides

Every run's logits go through an increasing map, which leaves its frontier: those of weighted BCE and of focal loss, and
a scale. *Same training*: the mapped run is the baseline's own. *Other training*: another run of the same model, so that
the frontier differs by chance. n counts studies times masks. Simulated runs: {sizes}; real runs: splits of
`{result.study_dir}`, which share their trainings.

The size suffices where both hold: with the variances that were found (their means) a gain of 0 passes the equivalence
test with probability .95 or more ("promised", smallest over masks, Holm's smallest level), and the natural recall or
precision moves by at least {2 * result.point_margin:g}, twice its margin. There {share:.1%} of the verdicts are
"slides" (at least 90 % wanted; lowest row {enough["slides"].min():.2f}) and {enough["moves"].max():.1%} are "moves".
Where the size does not suffice "undecided" is the right answer. There a test of level {result.level:g} must err now and
then, when other trainings differ by chance: "moves" came in at most {rest["moves"].max():.1%} of a row. The maps of a
study share its runs, so rows that differ in the map alone are not independent.

{markdown_table([*headers, "undecided", "crosses", "moves"], rows)}"""


def _power(table: pd.DataFrame, result: CalibrationTables) -> str:
    off = (table["found"] - table["promised"]).abs()
    worst = table.loc[off.sort_values().index[-1:]].iloc[0]
    fewest = int(table["n_seeds"].min())
    few = table["n_seeds"] == fewest
    rows = [_power_cells(row) for row in table.to_dict("records")]
    headers = ["studies", "variance from", "seeds", "true gain", "standard error", "promised", "found"]
    within = float((off <= 3 * table["found_error"]).mean())
    return f"""## Power for a true improvement

"Promised" is the noncentral t with the true variances and their Satterthwaite degrees of freedom; "found" is the share
of studies whose interval lies above 0; {table["n_groups"].iloc[0]} groups. {within:.0%} of the {len(table)} rows agree
within three Monte Carlo errors; the largest distance is {off.max():.3f} ({worst["model"]}, {worst["spread"]},
{worst["n_seeds"]} seeds, {worst["true_gain"]:+.3f}). Where Gaussian studies differ from the promise it is because the
formula knows the degrees of freedom and a study estimates them: by at most {_farthest(table[few])} with {fewest} seeds,
by at most {_farthest(table[~few])} with more. The verdict "moves out" asks for more: its p value takes the tail of
both parts (Behrens and Fisher's), because with few seeds Satterthwaite's t makes false claims after Holm, and a gain
inside the margin is no move. "Promised, verdict" is the same noncentral t beyond that tail's quantile. The cost is
largest with 3 seeds and equal parts. "Moves in", the wrong sign, came in at most {table["moves_in"].max():.3f}.

{markdown_table([*headers, "promised, verdict", "moves out"], rows)}"""


def _farthest(table: pd.DataFrame) -> str:
    part = table[table["model"] == "Gaussian"]
    return f"{(part['found'] - part['promised']).abs().max():.3f}"


def _power_cells(row: Mapping[Hashable, Any]) -> Sequence[str]:
    return [
        f"{row['model']}",
        f"{row['spread']}",
        f"{row['n_seeds']}",
        f"{row['true_gain']:+.3f}",
        f"{row['true_error']:.4f}",
        f"{row['promised']:.3f}",
        f"{row['found']:.3f} ± {row['found_error']:.3f}",
        f"{row['promised_verdict']:.3f}",
        f"{row['moves_out']:.3f}",
    ]


def _advice(table: pd.DataFrame, result: CalibrationTables) -> str:
    rows = [
        [
            f"{row.true_gain:+.3f}",
            f"{row.spread}",
            f"{row.undecided:.2f}",
            f"{row.resource}",
            f"{row.advised_median:.0f} ({row.advised_low:.0f}-{row.advised_high:.0f})",
            f"{row.needed}",
            f"{row.ratio:.2f}",
        ]
        for row in table.itertuples()
    ]
    headers = [
        "true gain",
        "variance from",
        "undecided",
        "what is added",
        "advised: median (quartiles)",
        "needed",
        "ratio",
    ]
    inside = int(table["ratio"].between(1 / 1.5, 1.5).sum())
    return f"""## The advice of "undecided"

Studies of 4 seeds and 40 groups that are mostly undecided ask how many seeds, or groups, in all would decide.
"Needed" is the size at which half of fresh studies decide, found by simulation. The median advice is within a factor of
1.5 of it in {inside} of {len(table)} cases.

{markdown_table(headers, rows)}"""


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
highest {table["coverage"].max():.3f}.

"Images only" and "seeds only" are t intervals that know one source of variance, as a bootstrap of images or of seeds
does. "False claims" is the share of studies without a gain whose p value is below {result.level:g}, the largest of the
rows; over all rows it is {loud["claims"]:.3f} ± {loud["claims_error"]:.3f}, shown to be above the level in
{int(null["claims_above_level"].sum())} rows.

"""
    headers = ["studies", "variance from", "rows", "n of each", "coverage", "images only", "seeds only", "false claims"]
    return text + markdown_table(headers, summary) + "\n\n" + _histogram_grid(table[table["model"] == "histograms"])


def _histogram_grid(table: pd.DataFrame) -> str:
    """Write the coverage of the histogram studies, a line per spread and gain, a column per size."""
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
