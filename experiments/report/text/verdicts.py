"""The verdict table for the terminal, fitted to its width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from experiments.comparison.ceiling import Ceiling
from experiments.comparison.compare_arms import Comparison
from experiments.inference.words import UNDECIDED
from experiments.report.facts import StudySize
from experiments.report.text.not_trained import not_trained
from experiments.report.text.tables import fitted_table, terminal_width
from experiments.report.text.wording import number, with_interval
from experiments.runs.study import StudyRuns, short_names


def verdict_text(
    study: StudyRuns, comparison: Comparison, ceiling: Ceiling | None = None, width: int | None = None
) -> str:
    """Write what is not trained, then the verdicts in a block per mask, the holes, and the warnings.

    Args:
        study: The runs.
        comparison: Their comparison.
        ceiling: The best frontier there is, where it is known.
        width: Columns of the terminal; None asks it (`terminal_width`). Narrow terminals lose the right-hand columns
            first.
    """
    table = fitted_table(*verdict_rows(study, comparison), width=width or terminal_width(), keep=5)
    warned = not_trained(comparison, short_names(list(study.complete))).replace("**", "")
    return "\n".join([warned, *([""] if warned else []), table, "", *footnotes(study, comparison, ceiling)])


def verdict_rows(study: StudyRuns, comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Return headers and cells; an empty row separates masks, and each mask begins with the baseline.

    After the arms come the free controls: what the baseline reaches at another threshold, without training.
    """
    names = short_names(list(study.complete))
    gain = {"ap": "AP", "f1": "F1", "fbeta": "F-beta", "mean_precision": "mean precision"}
    headers = [
        "mask",
        "arm",
        "verdict",
        "AP (prevalence)",
        f"{gain[comparison.settings.headline]} gain",
        "would decide",
    ]
    headers += ["recall", "precision", "F1", "verdict F1", "tuned F1 gain", "baseline threshold"]
    rows: list[list[str]] = []
    base = names[study.baseline]
    for mask in comparison.masks:
        if rows:
            rows.append([])
        natural = _of_mask(comparison.natural_points, mask)
        means = natural.groupby("arm")[["recall", "precision", "f1"]].mean()
        levels = _levels(comparison.scores, mask)
        rows.append(
            [
                mask,
                base,
                "(baseline)",
                levels.get(study.baseline, "-"),
                "",
                "",
                *_numbers(means, study.baseline),
                "",
                "",
                "",
            ]
        )
        for _, row in _of_mask(comparison.verdicts, mask).iterrows():
            arm = str(row["arm"])
            rows.append(
                [
                    mask,
                    names[arm],
                    str(row["verdict"]),
                    levels.get(arm, "-"),
                    with_interval(row, "headline_gain"),
                    would_decide(row),
                    *_numbers(means, arm),
                    str(row["verdict_f1"]),
                    with_interval(row, "f1_gain"),
                    slide_cell(row_of(comparison.slides, arm, mask)),
                ]
            )
        # Show only the control with the most seeds, because arms with fewer seeds repeat it on some of them.
        controls = _of_mask(comparison.controls, mask)
        most_seeds_first = (
            controls.sort_values("n_seeds", ascending=False, kind="stable") if len(controls) else controls
        )
        for _, row in most_seeds_first.iterrows():
            label = control_name(row, names)
            point = [number(row[column]) for column in ("recall", "precision", "f1")]
            if row["threshold"] == 0:  # theory says the natural point itself: the baseline's own row
                continue
            if not any(line[:2] == [mask, label] for line in rows):
                rows.append([mask, label, "(no training)", "", "", "", *point, "", "", ""])
    return headers, rows


def _levels(scores: pd.DataFrame, mask: str) -> dict[str, str]:
    """Return the AP of each arm, mean over its seeds, and the prevalence."""
    means = scores[scores["mask"] == mask].groupby("arm")[["average_precision", "prevalence"]].mean()
    return {str(arm): level_cell(row.iloc[0], row.iloc[1]) for arm, row in means.iterrows()}


def level_cell(average_precision: float, prevalence: float) -> str:
    """Format an AP with the prevalence: "0.612 (0.031)"; a dash if there is none."""
    return "-" if pd.isna(average_precision) else f"{average_precision:.3f} ({prevalence:.3g})"


def _of_mask(table: pd.DataFrame, mask: str) -> pd.DataFrame:
    """Return the rows of a mask; in a study with only the baseline, tables have no rows and columns."""
    return table[table["mask"] == mask] if len(table) else table


def control_name(row: pd.Series, names: Mapping[str, str]) -> str:
    """Name a free control by its threshold."""
    base = names[str(row["baseline"])]
    if "tuned" in str(row["control"]):
        return f"{base} at its tuned threshold"
    probability = 0.5 * (1 + np.tanh(0.5 * row["threshold"]))
    return f"{base} at {probability:.2g} (theory: {names[str(row['arm'])]})"


def _numbers(means: pd.DataFrame, arm: str) -> list[str]:
    if arm not in means.index:
        return ["-", "-", "-"]
    return [number(means.loc[arm, column]) for column in ("recall", "precision", "f1")]


def row_of(table: pd.DataFrame, arm: str, mask: str) -> pd.Series:
    """Return the one row of an arm and mask."""
    return table[(table["arm"] == arm) & (table["mask"] == mask)].iloc[0]


def would_decide(row: pd.Series) -> str:
    """Give the total number of seeds, or else of test groups, that would decide a verdict; a dash if neither would."""
    if row["verdict"] != UNDECIDED:
        return ""
    for name in ("seeds", "groups"):
        if np.isfinite(row[f"needed_{name}"]):
            return f"{row[f'needed_{name}']:.0f} {name}"
    return "-"


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
    both = "" if settings.headline == "f1" else f", for {settings.headline_name} and for tuned F1 each"
    notes = [
        f"{size.text}; margin ±{settings.margin:g}, {size.corrected}{both}; {size.brackets}.",
        "An interval is a row's own. A verdict has to hold over all rows, and where seeds are few it takes part of its "
        "variance from the other rows: so a row can be undecided although its interval leaves out 0.",
    ]
    if columns:
        notes.append(
            "AP (prevalence): level of the frontier, beside the AP of one score for all pixels. "
            "recall, precision: at the natural point (probability 0.5). "
            "would decide: seeds or test groups in all, if the gain stays as it is; -: neither alone would. "
            "baseline threshold: where it has the arm's recall, and the shift of its logits that does the same; "
            f"a point moves when its recall or precision does by more than ±{settings.point_margin:g}."
        )
    for _, row in study.holes.iterrows():
        again = f" Run it again: {row['command']}" if row["command"] else ""
        notes.append(f"hole: {row['arm']} seed {row['seed']} is {row['status']}. {row['reason']}{again}".rstrip())
    for arm, rows in study.differences.groupby("arm", sort=False):
        keys = ", ".join(f"{r['key']} ({r['baseline_value']} -> {r['arm_value']})" for _, r in rows.iterrows())
        notes.append(f"not alike: {arm} differs from {study.baseline} also in {keys}")
    for arm, rows in study.tuning.groupby("arm", sort=False):
        best = rows[rows["chosen"]].iloc[0]
        others = ", ".join(f"{r['setting']}: {r['val_ap']:.3f}" for _, r in rows[~rows["chosen"]].iterrows())
        edge = ", the edge of what was tried: better ones may lie beyond" if _is_edge(rows) else ""
        notes.append(f"tuned: {arm} with {best['setting']} (validation AP {best['val_ap']:.3f}; {others}){edge}")
    if ceiling is not None:
        for mask, rows in ceiling.table.groupby("mask", sort=False):
            shares = ", ".join(f"{names[r['arm']]} {r['share']:.0%}" for _, r in rows.iterrows())
            notes.append(f"ceiling: {mask} AP {rows['ceiling_ap'].iloc[0]:.3f}, the best any model can do; {shares}")
    notes += [f"warning: {text}" for text in dict.fromkeys(verdicts["warning"]) if text] if len(verdicts) else []
    return notes


def _is_edge(tuning: pd.DataFrame) -> bool:
    """Return whether an arm chose the smallest or the largest of three or more values of one nuisance key."""
    values = pd.to_numeric(tuning["setting"].str.partition("=")[2], errors="coerce")
    if len(values) < 3 or values.isna().any():
        return False
    return bool(values[tuning["chosen"]].isin([values.min(), values.max()]).any())
