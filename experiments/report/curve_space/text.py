"""The section on curves: errors of every arm, gains over the baseline, and what was left out."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from experiments.comparison.compare_arms import Comparison
from experiments.report.text.tables import markdown_table
from experiments.report.text.wording import number, with_interval
from experiments.runs.study import StudyRuns


def curve_section(study: StudyRuns, comparison: Comparison, names: Mapping[str, str]) -> list[str]:
    """Write the section of the report; empty where no run counted curves.

    Args:
        study: The runs.
        comparison: Their comparison.
        names: Arms as they are shown.
    """
    every = [run for seeds in study.complete.values() for run in seeds.values()]
    counted = [run for run in every if run.curves is not None]
    if not counted:
        return []
    table = comparison.curve_errors.runs
    if not len(table):
        return [
            "## Curves",
            f"{len(counted)} of {len(every)} runs counted curves, or along different axes, so they are not compared.",
        ]
    axis = counted[0].curves.axis if counted[0].curves is not None else ""
    gains = comparison.curve_errors.gains
    parts = [
        "## Curves",
        f"A value per {axis.removesuffix('s')} of the image: the centre of its longest run of pixels.",
    ]
    parts += [_errors(table, names, comparison.settings.curve_scale)]
    if len(gains) and gains["accuracy_gain"].notna().any():
        parts += [_gains(gains, names)]
    return [*parts, *_left_out(table), _READING]


def _errors(table: pd.DataFrame, names: Mapping[str, str], scale: float | None) -> str:
    columns = ["mae", "mae_filled", "bias", "r2", "coverage", "extra", "accuracy"]
    headers = ["mask", "arm", "point", "MAE, px", "MAE filled, px", "bias, px", "R²", "coverage", "extra", "accuracy"]
    if scale is not None:
        columns, headers = [*columns, "mae_units", "mae_filled_units"], [*headers, "MAE, units", "MAE filled, units"]
    means = table.groupby(["mask", "arm", "point"], sort=False)[columns].mean()
    means["accuracy"] = means["accuracy"].map(lambda value: number(value, 4))  # errors are thousandths of the width
    rows = [
        [mask, names[arm], point, *(value if isinstance(value, str) else number(value) for value in values)]
        for (mask, arm, point), *values in means.itertuples()
    ]
    return markdown_table(headers, rows)


def _gains(gains: pd.DataFrame, names: Mapping[str, str]) -> str:
    shown = {"mae": "MAE, px", "mae_filled": "MAE filled, px", "r2": "R²", "coverage": "coverage"}
    rows = [
        [str(row["mask"]), names[str(row["arm"])], *(with_interval(row, f"{name}_gain") for name in shown)]
        for _, row in gains.iterrows()
    ]
    return "Better than the baseline by (tuned point; a gain of MAE is an error that became smaller):\n\n" + (
        markdown_table(["mask", "arm", *shown.values()], rows)
    )


def _left_out(table: pd.DataFrame) -> list[str]:
    """Say how many rows and images have no true value; the same in every run."""
    first = table.drop_duplicates("mask")
    told = []
    for _, row in first.iterrows():
        with_truth = row["true_rows"] + row["several_rows"]
        if row["several_rows"]:
            told.append(f"{row['mask']}: {row['several_rows']} of {with_truth} rows have several runs of true pixels")
        if row["images_without_rows"]:
            images = "image has" if row["images_without_rows"] == 1 else "images have"
            told.append(f"{row['mask']}: {row['images_without_rows']} {images} no row with a true value")
    return [f"Left out: {'; '.join(told)}."] if told else []


_READING = (
    "Means over seeds of errors pooled over the test images. MAE, bias and R² are over the rows that have a true and a "
    "predicted value, so an arm that leaves out hard rows looks better: read MAE with the coverage, the share of true "
    "rows that have a value. MAE filled is over all rows with a true value, gaps of the prediction filled linearly; "
    "accuracy is 1 minus that error in widths of the image, the headline `curve_accuracy`. Extra is the share of rows "
    "without a true pixel that got a value. By image group: `curve_groups.csv`."
)
