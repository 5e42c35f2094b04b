"""The table of all verdicts, its cells, and the notes under it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from experiments.comparison.ceiling import Ceiling
from experiments.comparison.compare_arms import Comparison
from experiments.comparison.settings import OF_CURVE, CompareSettings
from experiments.comparison.slide import AT_THEORY
from experiments.inference.words import UNDECIDED
from experiments.report.elsewhere import elsewhere_notes
from experiments.report.facts import StudySize
from experiments.report.folds import fold_notes
from experiments.report.text.looks import look_notes, seeds_cell
from experiments.report.text.wording import NONE, digits_of, number, signed, signed_interval, with_interval
from experiments.report.tolerance.text import tolerance_notes
from experiments.runs.study import TRAINING, StudyRuns, short_names


def verdict_rows(study: StudyRuns, comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Return headers and cells: the arms over all masks first, then each mask; each block begins with its baseline.

    Blocks are separated by an empty row. After the arms of a mask come the free controls: what the baseline reaches at
    other thresholds, without training. A study of one mask has one block. In a study in stages, a column tells the look
    of each verdict and its seeds.
    """
    names = short_names(list(study.complete))
    headers = ["mask", "arm", "verdict", "AP (prevalence)", f"{gain_name(comparison.settings)} gain"]
    headers += ["verdict's interval", "seeds needed", "least margin", "recall", "precision", "F1", "verdict F1"]
    headers += ["tuned F1 gain", "baseline threshold"]
    points, scores = comparison.natural_points, comparison.scores
    blocks = []
    if len(comparison.masks) > 1:
        blocks.append(_block(f"over {len(comparison.masks)}", study, comparison.arm_verdicts, points, scores, {}))
    for mask in comparison.masks:
        verdicts = _of_mask(comparison.verdicts, mask)
        slides = {str(row["arm"]): slide_cell(row) for _, row in _of_mask(comparison.slides, mask).iterrows()}
        own = _block(mask, study, verdicts, _of_mask(points, mask), _of_mask(scores, mask), slides)
        blocks.append([*own, *_controls(mask, comparison, names)])
    rows = [line for block in blocks for line in ([], *block)][1:]
    if comparison.settings.looks is not None:
        headers = [*headers[:3], "seeds", *headers[3:]]
        found = {names[str(row["arm"])]: seeds_cell(row) for _, row in comparison.arm_verdicts.iterrows()}
        rows = [[*row[:3], found.get(row[1], ""), *row[3:]] if row else row for row in rows]
    return headers, rows


def gain_name(settings: CompareSettings) -> str:
    """Name the headline as short as a table's column asks for."""
    short = {"ap": "AP", "f1": "F1", "fbeta": "F-beta", "mean_precision": "mean precision", "prg": "AUPRG"}
    return short.get(settings.headline, settings.headline_name)


def _block(
    mask: str,
    study: StudyRuns,
    verdicts: pd.DataFrame,
    points: pd.DataFrame,
    scores: pd.DataFrame,
    slides: Mapping[str, str],
) -> list[list[str]]:
    """Rows of the baseline and of each arm, in one mask or over those of the tables given.

    Args:
        mask: what the first column says.
        study: the runs.
        verdicts: a row per arm.
        points: natural points.
        scores: levels of AP.
        slides: arm -> last cell.
    """
    names = short_names(list(study.complete))
    means = points.groupby("arm")[["recall", "precision", "f1"]].mean()
    levels = {arm: level_cell(*level) for arm, level in levels_of(scores).items()}
    base = [mask, names[study.baseline], "(baseline)", levels.get(study.baseline, "-")]
    rows = [[*base, "", "", "", "", *_numbers(means, study.baseline), "", "", ""]]
    for _, row in verdicts.iterrows():
        arm = str(row["arm"])
        rows.append(
            [
                mask,
                names[arm],
                str(row["verdict"]),
                levels.get(arm, "-"),
                with_interval(row, "headline_gain"),
                verdict_interval(row),
                seeds_needed(row),
                _margin(row["smallest_margin"]),
                *_numbers(means, arm),
                str(row["verdict_f1"]),
                with_interval(row, "f1_gain"),
                slides.get(arm, ""),
            ]
        )
    return rows


def _margin(smallest: float) -> str:
    """Say which margin the seeds and images could establish."""
    if pd.isna(smallest):
        return ""
    return f"±{smallest:.2g}" if smallest < 1.0 else "above 1"


def _controls(mask: str, comparison: Comparison, names: Mapping[str, str]) -> list[list[str]]:
    """Rows of what the baseline reaches in one mask without training."""
    # The control with the most seeds stands for the others: arms with fewer seeds repeat it on a part of them.
    controls = _of_mask(comparison.controls, mask)
    most_seeds_first = controls.sort_values("n_seeds", ascending=False, kind="stable") if len(controls) else controls
    rows: list[list[str]] = []
    for _, row in most_seeds_first.iterrows():
        label = control_name(row, names)
        # A theory that says the natural point itself is the baseline's own row.
        if row["threshold"] == 0 or any(line[1] == label for line in rows):
            continue
        point = [number(row[column]) for column in ("recall", "precision", "f1")]
        training = "(sees test labels)" if row["sees_test_labels"] else "(no training)"
        rows.append([mask, label, training, "", "", "", "", "", *point, "", "", ""])
    return rows


def verdict_gain(row: pd.Series, column: str = "headline_gain", prefix: str = "") -> str:
    """Format a gain with as many decimals as the interval justifies that its verdict rests on: "+0.047"."""
    return signed(row[column], digits_of(row[f"{prefix}verdict_low"], row[f"{prefix}verdict_high"]))


def verdict_interval(row: pd.Series, prefix: str = "") -> str:
    """Format the interval that a verdict rests on: "[+0.012, +0.083]"; empty where there is none."""
    low, high = (row[f"{prefix}verdict_{end}"] for end in ("low", "high"))
    return "" if pd.isna(low) else signed_interval(max(low, -1.0), min(high, 1.0))


def levels_of(scores: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """AP of each arm, mean over its seeds and the table's masks, and the prevalence."""
    means = scores.groupby("arm")[["average_precision", "prevalence"]].mean()
    return {str(arm): (float(row.iloc[0]), float(row.iloc[1])) for arm, row in means.iterrows()}


def level_cell(average_precision: float, prevalence: float) -> str:
    """Format an AP with the prevalence: "0.612 (0.031)"; a dash if there is none."""
    return "-" if pd.isna(average_precision) else f"{average_precision:.3f} ({prevalence:.3g})"


def _of_mask(table: pd.DataFrame, mask: str) -> pd.DataFrame:
    """Return the rows of a mask; in a study with only the baseline, tables have no rows and columns."""
    return table[table["mask"] == mask] if len(table) else table


def control_name(row: pd.Series, names: Mapping[str, str]) -> str:
    """Name a free control by its threshold, or by how it finds one per image."""
    base = names[str(row["baseline"])]
    if row["control"] != AT_THEORY:
        return str(row["control"]).replace("baseline", base, 1)
    probability = 0.5 * (1 + np.tanh(0.5 * row["threshold"]))
    return f"{base} at {probability:.2g} (theory: {names[str(row['arm'])]})"


def _numbers(means: pd.DataFrame, arm: str) -> list[str]:
    if arm not in means.index:
        return ["-", "-", "-"]
    return [number(means.loc[arm, column]) for column in ("recall", "precision", "f1")]


def row_of(table: pd.DataFrame, arm: str, mask: str) -> pd.Series:
    """Return the one row of an arm and mask."""
    return table[(table["arm"] == arm) & (table["mask"] == mask)].iloc[0]


def seeds_needed(row: pd.Series) -> str:
    """Give the seeds in all, or else the test groups, that would decide a verdict; a dash if neither alone would."""
    if row["verdict"] != UNDECIDED:
        return ""
    if np.isfinite(row["needed_seeds"]):
        return f"{row['needed_seeds']:.0f}"
    return f"{row['needed_groups']:.0f} groups" if np.isfinite(row["needed_groups"]) else NONE


def slide_cell(row: pd.Series) -> str:
    """Format the threshold that brings the baseline to the arm's recall, as a probability."""
    if row["status"] != "reached" or pd.isna(row["baseline_threshold"]):
        return "unreachable" if "unreachable" in str(row["status"]) else "-"
    return f"0.50 -> {row['baseline_threshold_probability']:.2g} (logits {-row['baseline_threshold']:+.1f})"


def footnotes(
    study: StudyRuns, comparison: Comparison, ceiling: Ceiling | None, *, columns: bool = True
) -> Sequence[str]:
    """Say what the table is based on, how to read it, and what is missing.

    Args:
        study: The runs.
        comparison: Their comparison.
        ceiling: The best frontier there is, where it is known.
        columns: Whether to explain the columns of `verdict_rows`.
    """
    verdicts, settings = comparison.verdicts, comparison.settings
    names = short_names(list(study.complete))
    size = StudySize.of(study, comparison)
    notes = [f"{size.text}; margin ±{settings.margin:g}; {size.brackets}.", *level_notes(comparison)]
    notes += [*fold_notes(study), *look_notes(study, comparison), *tolerance_notes(comparison, names)]
    if columns:
        notes.append(
            "AP (prevalence): level of the frontier, beside the AP of one score for all pixels. "
            "recall, precision: at the natural point (probability 0.5). "
            "seeds needed: seeds, or else test groups, in all for an even chance of a decision if the gain stays as it "
            "is; —: more seeds alone will not help. "
            "least margin: the smallest inside which these seeds and images could show a gain of 0. "
            "baseline threshold: where the baseline has the arm's recall, and the same as a shift of its logits; "
            f"a point moves when its recall or precision is shown to by more than ±{settings.point_margin:g}."
        )
        if len(comparison.controls):
            notes.append(
                "(no training): what the baseline reaches for nothing. RankSEG predicts the pixels that maximise each "
                "image's expected Dice. (sees test labels): an oracle, which no method can use on new images."
            )
    notes += elsewhere_notes(study, names)
    notes += [*hole_notes(study), *not_alike_notes(study)]
    notes += tuning_notes(study)
    if ceiling is not None:
        for mask, rows in ceiling.table.groupby("mask", sort=False):
            shares = ", ".join(f"{names[r['arm']]} {r['share']:.0%}" for _, r in rows.iterrows())
            notes.append(f"ceiling: {mask} AP {rows['ceiling_ap'].iloc[0]:.3f}, the best any model can do; {shares}")
    notes += [f"warning: {text}" for text in dict.fromkeys(verdicts["warning"]) if text] if len(verdicts) else []
    return [*notes, *limits(comparison)]


def hole_notes(study: StudyRuns) -> list[str]:
    """Name the runs that are not there or not complete, why, and the command that makes them again."""
    notes = []
    for _, row in study.holes.iterrows():
        again = f" Run it again: {row['command']}" if row["command"] else ""
        notes.append(f"hole: {row['arm']} seed {row['seed']} is {row['status']}. {row['reason']}{again}".rstrip())
    return notes


def not_alike_notes(study: StudyRuns) -> list[str]:
    """Name the settings, besides those that make an arm, in which an arm differs from the baseline."""
    notes = []
    known = study.differences[study.differences["key"] != TRAINING]
    for arm, rows in known.groupby("arm", sort=False):
        keys = ", ".join(f"{r['key']} ({r['baseline_value']} -> {r['arm_value']})" for _, r in rows.iterrows())
        notes.append(f"not alike: {arm} differs from {study.baseline} also in {keys}")
    return notes


def tuning_notes(study: StudyRuns, *, edges: bool = False) -> list[str]:
    """Say which setting validation chose for each arm that was tuned.

    Args:
        study: The runs.
        edges: Whether to tell only choices at the edge of what was tried.
    """
    notes = []
    for arm, rows in study.tuning.groupby("arm", sort=False):
        if edges and not _is_edge(rows):
            continue
        best = rows[rows["chosen"]].iloc[0]
        others = ", ".join(f"{r['setting']}: {r['val_ap']:.3f}" for _, r in rows[~rows["chosen"]].iterrows())
        edge = ", the edge of what was tried: better ones may lie beyond" if _is_edge(rows) else ""
        notes.append(f"tuned: {arm} with {best['setting']} (validation AP {best['val_ap']:.3f}; {others}){edge}")
    return notes


def level_notes(comparison: Comparison) -> list[str]:
    """Say what an interval covers, what a verdict rests on, and the level that holds over all claims."""
    settings = comparison.settings
    level = settings.level / settings.n_comparisons  # over all looks
    families = [settings.headline_name, *(["tuned F1"] if settings.headline != "f1" else [])]
    families += [settings.name_of(name) for name in settings.exact_and_tolerant or ()]
    families = list(dict.fromkeys(families))
    families += ["crossing curves"] if settings.headline in OF_CURVE else []
    over = "arms (Holm)"
    if len(comparison.masks) > 1:
        over = "arms and masks together, arms first"
    total = f", {len(families) * level:.2g} over the {len(families)} families" if len(families) > 1 else ""
    conditions = ""
    if settings.n_comparisons > 1:
        conditions = f" Bonferroni over {settings.n_comparisons} conditions: each has its share of {settings.level:g}."
    return [
        f"{_stricter(len(comparison.verdicts))} The first interval is a row's own, the second the one that its verdict "
        "rests on: a gain moves where the second leaves out 0, is the same where it lies inside the margin, and is "
        "undecided otherwise.",
        f"False claims that a frontier moves: at most {level:.2g} over {over}, for {' and for '.join(families)} each"
        f"{total}; as much for false claims that it does not.{conditions}",
        *_scale_of_gains(comparison),
    ]


def _stricter(n_rows: int) -> str:
    if n_rows < 2:
        return "The verdict counts several tests."
    return f"Verdicts are stricter than intervals because all {n_rows} rows are tested together."


def _scale_of_gains(comparison: Comparison) -> list[str]:
    """Say what the margin of AUPRG means as precision, on the rarest mask; empty for other headlines.

    A precision gain changes by d where 1/precision changes by d (1 - pi) / pi, pi the prevalence.
    """
    shares = {mask: share for mask, share in comparison.prevalence.items() if share > 0}
    if comparison.settings.headline != "prg" or not shares:
        return []
    mask, margin = min(shares, key=shares.__getitem__), comparison.settings.margin
    low = 1.0 / (2.0 + margin * (1.0 - shares[mask]) / shares[mask])
    return [
        f"AUPRG has the scale of 1/precision: a margin of {margin:g} on {mask} (prevalence {shares[mask]:.2g}) is as "
        f"much as precision {low:.2f} instead of 0.50 at every recall. Choose report.margin by that."
    ]


def limits(comparison: Comparison) -> list[str]:
    """Say what no interval covers, and which rates of collapse the clean seeds leave possible."""
    notes = [
        "Not covered: another training set, the noise of the tuned threshold, another learning rate or a longer "
        "training than the one that all arms had."
    ]
    return [*notes, *collapses(comparison)]


def collapses(comparison: Comparison) -> list[str]:
    """Say which rates of collapse the seeds leave possible where none collapsed; empty where there are no such arms."""
    table = comparison.arm_verdicts
    clean = table[table["collapse_excluded"].notna()] if len(table) else table
    if not len(clean):
        return []
    n, rate = int(clean["n_seeds"].min()), float(clean["collapse_excluded"].max())
    of = "" if len(clean) == len(table) else f" of {len(clean)} of {len(table)} arms"
    return [
        f"That no seed{of} collapsed excludes little: an arm that collapses in up to {rate:.0%} of its seeds may show "
        f"none in {n}."
    ]


def _is_edge(tuning: pd.DataFrame) -> bool:
    """Return whether an arm chose the smallest or the largest of three or more values of one nuisance key."""
    values = pd.to_numeric(tuning["setting"].str.partition("=")[2], errors="coerce")
    if len(values) < 3 or values.isna().any():
        return False
    return bool(values[tuning["chosen"]].isin([values.min(), values.max()]).any())
