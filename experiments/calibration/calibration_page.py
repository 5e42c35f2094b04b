"""The page about a calibration: what was simulated, the tables, and a sentence per claim, in Markdown."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from experiments.calibration.coverage import GAUSSIAN_SPREADS, HISTOGRAM_SPREADS
from experiments.calibration.pure_slide import SOURCES
from experiments.report.text_table import markdown_table

MOVES = ("moves out", "moves in")


@dataclass(frozen=True)
class CalibrationTables:
    """Tables of the parts that ran, and what the page says about the run.

    Args:
        tables: part -> table.
        level: of the tests.
        margin: of the equivalence test.
        point_margin: of the natural point.
        study_dir: where real runs were looked for.
        n_real_runs: complete ones found there.
        seconds: wall time.
        cores: of the machine.
    """

    tables: Mapping[str, pd.DataFrame]
    level: float
    margin: float
    point_margin: float
    study_dir: str
    n_real_runs: int
    seconds: float
    cores: int


def page(result: CalibrationTables) -> str:
    """Write the page."""
    sections = {
        "coverage": _coverage,
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
    return "\n\n".join(parts) + "\n"


def _head(result: CalibrationTables) -> str:
    return f"""# Is the verdict calibrated?

Written by

    python -m experiments.train study=same_arm hydra/launcher=joblib hydra.launcher.n_jobs=2
    python -m experiments.calibrate

in {result.seconds / 60:.1f} minutes on {result.cores} cores for the second. Level {result.level:g}, margin \
{result.margin:g} AP. Every share stands with its Monte Carlo standard error (±). "Shown" means: were the true share \
at the bound, a count this extreme would come in fewer than 1 of 10,000 calibrations. How a verdict is reached: \
[statistics.md](statistics.md). All rows: the CSV tables that the command leaves in `outputs/calibration/`."""


def _coverage(table: pd.DataFrame, result: CalibrationTables) -> str:
    worst = table.sort_values("coverage").iloc[0]
    null = table[table["true_gain"] == 0.0]
    loud = null.sort_values("claims").iloc[-1]
    summary = [
        [
            str(model),
            str(spread),
            f"{len(part)}",
            f"{part['n'].iloc[0]}",
            f"{part['coverage'].min():.3f}-{part['coverage'].max():.3f} ± {part['coverage_error'].max():.3f}",
            f"{part['images_only'].min():.2f}-{part['images_only'].max():.2f}",
            f"{part['seeds_only'].min():.2f}-{part['seeds_only'].max():.2f}",
            _largest_claims(part),
        ]
        for (model, spread), part in table.groupby(["model", "spread"], sort=False)
    ]
    histograms = table[table["model"] == "histograms"]
    detail = [
        [
            str(row.spread),
            f"{row.true_gain:+.3f}",
            f"{row.n_seeds}",
            f"{row.n_groups}",
            f"{row.coverage:.3f} ± {row.coverage_error:.3f}",
        ]
        for row in histograms.itertuples()
    ]
    verdict = (
        f"No row is below .92: the lowest coverage is {worst['coverage']:.3f} ± {worst['coverage_error']:.3f}"
        if worst["coverage"] >= 0.92
        else f"**Below .92**: {int((table['coverage'] < 0.92).sum())} rows, shown in {int(table['below_92'].sum())}; "
        f"the lowest is {worst['coverage']:.3f} ± {worst['coverage_error']:.3f}"
    )
    gaussian = "; ".join(f"{s.name} {s.seed:g}/{s.group:g}/{s.interaction:g}" for s in GAUSSIAN_SPREADS)
    logits = "; ".join(f"{s.name} {s.seed:g}/{s.group:g}/{s.interaction:g}" for s in HISTOGRAM_SPREADS)
    lines = f"""## Coverage of the {1 - result.level:.0%} interval

{len(table)} rows: seeds by groups by where the variance comes from, for two kinds of studies. *Gaussian*: the
difference is a sum of effects of seed, group and both together, standard deviations in AP: {gaussian}. *Histograms*: each group
has a histogram of scores shaped like those of the real runs (Poisson counts, few positives, groups of different size
and difficulty), the statistic is the difference of AP of the pooled histograms, and each arm has its own effects, in
logits: {logits}. Its true gain is 0 by symmetry, or known in closed form where the arm's classes lie further apart.

{verdict} ({worst["model"]}, {worst["spread"]}, true gain {worst["true_gain"]:+.3f}, {worst["n_seeds"]} seeds,
{worst["n_groups"]} groups). The highest is {table["coverage"].max():.3f}: v_seed and v_group overlap in the
interaction, so where it is all there is the interval is too wide. "Images only" and "seeds only" are intervals that
know one source of variance, as a bootstrap of images or of seeds would: what the two-way interval is for. "False
claims": the share of studies without any gain whose p value is below {result.level:g}; the largest is
{loud["claims"]:.3f} ± {loud["claims_error"]:.3f}.

"""
    headers = ["studies", "variance from", "rows", "studies a row", "coverage", "images only", "seeds only"]
    text = lines + markdown_table([*headers, "false claims, at most"], summary)
    rows = markdown_table(["variance from", "true gain", "seeds", "groups", "coverage"], detail)
    return f"{text}\n\nHistogram studies, row by row:\n\n{rows}"


def _largest_claims(part: pd.DataFrame) -> str:
    null = part[part["true_gain"] == 0.0]
    return f"{null['claims'].max():.3f}" if len(null) else ""


def _same_arm(table: pd.DataFrame, result: CalibrationTables) -> str:
    splits = table["split"].nunique()
    rows = []
    for name, part in [*table.groupby("mask", sort=False), ("all masks", table)]:
        shares = [f"{float(part[column].isin(MOVES).mean()):.3f}" for column in ("verdict", "verdict_f1")]
        other = [
            f"{float((part['verdict'] == word).mean()):.3f}" for word in ("crosses", "slides", "stays", "undecided")
        ]
        inside = float(((part["ap_gain_low"] <= 0) & (part["ap_gain_high"] >= 0)).mean())
        rows.append([str(name), *shares, *other, f"{inside:.3f}", f"{part['ap_gain'].std():.4f}"])
    moving = table.loc[table["verdict"].isin(MOVES), "split"].nunique()
    any_move = moving / splits
    seeds = len(str(table["arm_seeds"].iloc[0]).split())
    headers = ["mask", "moves (AP)", "moves (F1)", "crosses", "slides", "stays", "undecided", "interval holds 0", "sd"]
    return f"""## A/A on real trainings

{result.n_real_runs} trainings of one arm (`{result.study_dir}`), split into two halves of {seeds} seeds that are
compared as if they were two arms, in {splits} ways. {any_move:.1%} of the splits have a "moves" in any mask, where at
most {result.level:.0%} are allowed. The splits share their {result.n_real_runs} trainings and one test set, so this
share is one draw, not {splits}: it can show a verdict that is far too ready, not a small excess. sd: of the AP gain
over splits.

{markdown_table(headers, rows)}"""


def _slides(table: pd.DataFrame, result: CalibrationTables) -> str:
    enough, moves = table[table["suffices"]], table["moves"]
    total = float((moves * table["n"]).sum())
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
"slides" (at least 90 % wanted; lowest row {enough["slides"].min() if len(enough) else np.nan:.2f}). "Moves" came
{total:.0f} times in {table["n"].sum()} verdicts.

{markdown_table([*headers, "undecided", "crosses", "moves"], rows)}"""


def _power(table: pd.DataFrame, result: CalibrationTables) -> str:
    off = (table["found"] - table["promised"]).abs()
    worst = table.loc[off.sort_values().index[-1:]].iloc[0]
    rows = [_power_cells(row) for row in table.to_dict("records")]
    headers = ["studies", "variance from", "seeds", "true gain", "standard error", "promised", "found"]
    within = float((off <= 3 * table["found_error"]).mean())
    return f"""## Power for a true improvement

"Promised" is the noncentral t with the true variances and their Satterthwaite degrees of freedom; "found" is the share
of studies whose interval lies above 0; {table["n_groups"].iloc[0]} groups. {within:.0%} of the {len(table)} rows agree
within three Monte Carlo errors; the largest distance is {off.max():.3f} ({worst["model"]}, {worst["spread"]},
{worst["n_seeds"]} seeds, {worst["true_gain"]:+.3f}). Where they differ it is because the degrees of freedom are
themselves estimated, which matters with 3 seeds. The verdict "moves out" asks for more: its p value takes the tail of
both parts (Behrens and Fisher's), because with few seeds Satterthwaite's t makes false claims after Holm, and a gain
inside the margin is no move. "Promised, verdict" is the same noncentral t beyond that tail's quantile. The cost is
largest with 3 seeds and equal parts. "Moves in", the wrong sign, came in at most {table["moves_in"].max():.3f}.

{markdown_table([*headers, "promised, verdict", "moves out"], rows)}"""


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
