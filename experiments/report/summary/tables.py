"""The small tables of a summary: the arms over all masks, and each arm mask by mask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from experiments.comparison.compare_arms import Comparison
from experiments.inference.words import NOT_TRAINED
from experiments.report.text.tables import text_table
from experiments.report.text.verdicts import gain_name, levels_of, seeds_needed, verdict_gain, verdict_interval
from experiments.report.text.wording import NONE, number
from experiments.runs.study import StudyRuns, short_names


def arm_rows(study: StudyRuns, comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Return headers and cells of the small table: the baseline and each arm, over all masks."""
    names = short_names(list(study.complete))
    settings = comparison.settings
    points = comparison.points[comparison.points["mask"].isin(comparison.masks)]  # not the background
    natural, tuned = (points[points["operating_point"] == point] for point in ("natural", "tuned"))
    with_f1 = settings.headline != "f1"
    headers = ["arm", "verdict", f"{gain_name(settings)} gain", *(["by tuned F1"] if with_f1 else [])]
    headers += ["seeds needed", "AP", "F1", "F1 tuned", "recall", "precision"]
    means = {
        "AP": {arm: f"{level:.3f}" for arm, (level, _) in levels_of(comparison.scores).items()},
        "F1": _means(natural, "f1"),
        "F1 tuned": _means(tuned, "f1"),
        "recall": _means(natural, "recall"),
        "precision": _means(natural, "precision"),
    }

    def values(arm: str) -> list[str]:
        return [column.get(arm, NONE) for column in means.values()]

    rows = [[names[study.baseline], "(baseline)", "", *([""] if with_f1 else []), "", *values(study.baseline)]]
    for _, row in comparison.arm_verdicts.iterrows():
        arm = str(row["arm"])
        by_f1 = [str(row["verdict_f1"])] if with_f1 else []
        rows.append([names[arm], str(row["verdict"]), _gain(row), *by_f1, seeds_needed(row), *values(arm)])
    return headers, rows


def mask_tables(study: StudyRuns, comparison: Comparison, width: int) -> list[str]:
    """Write each arm's verdict and gain mask by mask, a column per mask, in as many tables as the width asks for.

    Args:
        study: The runs.
        comparison: Their comparison; with one mask there is nothing to add to the arms' table.
        width: Columns of the terminal.
    """
    verdicts, masks = comparison.verdicts, list(comparison.masks)
    if len(masks) < 2 or not len(verdicts):
        return []
    names = short_names(list(study.complete))
    cells = {
        (str(row["arm"]), str(row["mask"])): f"{row['verdict']} {_estimate(row)}".strip()
        for _, row in verdicts.iterrows()
    }
    arms = [arm for arm in study.complete if any((arm, mask) in cells for mask in masks)]

    def table(shown: Sequence[str]) -> str:
        rows = [[names[arm], *(cells.get((arm, mask), "") for mask in shown)] for arm in arms]
        return text_table(["mask by mask", *shown], rows)

    tables, shown = [], masks[:1]
    for mask in masks[1:]:
        if max(map(len, table([*shown, mask]).splitlines())) > width:
            tables.append(table(shown))
            shown = []
        shown.append(mask)
    return [*tables, table(shown)]


def brackets(comparison: Comparison) -> str:
    """Explain the brackets behind a gain; empty where no verdict has an interval."""
    verdicts = comparison.verdicts
    if not len(verdicts) or verdicts["verdict_low"].isna().all():
        return ""
    several = len(verdicts)
    why = f", stricter than usual because all {several} rows are tested together" if several > 1 else ""
    over = f" Gains are means over {len(comparison.masks)} masks." if len(comparison.masks) > 1 else ""
    return f"Brackets: the interval that the verdict rests on{why}.{over}"


def _gain(row: pd.Series) -> str:
    return f"{_estimate(row)} {verdict_interval(row)}".strip() if row["verdict"] != NOT_TRAINED else NONE


def _estimate(row: pd.Series) -> str:
    if pd.isna(row["headline_gain"]) or row["verdict"] == NOT_TRAINED:
        return ""
    return verdict_gain(row)


def _means(points: pd.DataFrame, column: str) -> Mapping[str, str]:
    """Mean of each arm over its seeds and masks."""
    return {str(arm): number(value) for arm, value in points.groupby("arm")[column].mean().items()}
