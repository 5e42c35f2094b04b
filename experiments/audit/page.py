"""The page about a calibration: what was simulated, the tables, and a sentence per claim, in Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import pandas as pd

from experiments.audit.coverage_section import coverage_section, floor_section
from experiments.audit.pure_slide import SOURCES
from experiments.audit.tables import MOVES, CalibrationTables
from experiments.inference.words import CROSSES, NOT_TRAINED, SLIDES, STAYS, UNDECIDED
from experiments.report.text.tables import markdown_table


def page(result: CalibrationTables) -> str:
    """Write the page, paragraphs wrapped at 120 columns."""
    sections = {
        "coverage": coverage_section,
        "floor": floor_section,
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
