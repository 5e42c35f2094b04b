"""The thresholding report in plain words, with numbers in every sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from experiments.comparison.thresholding.treatments import TREATMENTS, UNTREATED
from experiments.report.text.tables import markdown_table, text_table
from experiments.report.text.wording import number
from experiments.report.thresholding.findings import findings
from experiments.report.thresholding.treated_study import Thresholding

_MAPS = tuple(name for name in TREATMENTS if name != "tuned_threshold")
"""Treatments that change the probabilities."""


def thresholding_text(found: Thresholding) -> str:
    """Write the text for the terminal: F1 at probability 0.5 under every treatment, then the findings."""
    headers, rows = value_rows(found, "f1", number)
    note = f"F1 at probability 0.5 on test, means over {found.seeds}; source: {found.source}"
    plain = [f"- {line.replace('**', '')}" for line in findings(found)]
    first = plain[:1] if plain and plain[0].startswith("- Not trained") else []
    return "\n".join([*first, "", text_table(headers, rows), "", note, *plain[len(first) :]])


def thresholding_markdown(found: Thresholding, caption: str) -> str:
    """Write the whole report as Markdown."""
    verdict_headers, verdicts = verdict_rows(found)
    parts = [
        f"# Thresholds, prior correction and recalibration of the runs in {found.source}",
        "Nothing is trained here. Every complete run of that study keeps its scores; a *treatment* maps them to other "
        f"probabilities, or moves the threshold. Fitted on {found.n_validation} validation images, measured on "
        f"{found.images}, {found.seeds} per arm. [{100 * (1 - found.settings.level):g} % intervals] of a change "
        "against the untreated scores, for other seeds and other test images.",
        "\n".join(f"- {line}" for line in findings(found)),
        f"![What treatments do to F1 and calibration](figures/thresholding.png)\n\n{caption}",
        "## F1 at probability 0.5",
        markdown_table(*value_rows(found, "f1", number)),
        "Mean over seeds on test. A dash: theory says nothing about this objective, or nothing to be undone.",
        "## Predicted over true positive mass",
        markdown_table(*value_rows(found, "mass_ratio", number, _MAPS)),
        "Sum of the predicted probabilities over the number of positive pixels on test; 1 is right on average.",
        "## Expected calibration error",
        markdown_table(*value_rows(found, "calibration_error", _small, _MAPS)),
        "Share of pixels by which predicted and true frequency differ, over 15 bins of probability. Nearly all pixels "
        "lie in the lowest bin: read the mass ratio beside it.",
        "## Verdicts",
        markdown_table(verdict_headers, verdicts) if verdicts else "No mask could be compared.",
        _verdict_note(found),
        "## How",
        _HOW,
        "## What this does not show",
        _limits(found),
        _FILES,
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def value_rows(
    found: Thresholding, value: str, text: Callable[[float], str], treatments: Sequence[str] = tuple(TREATMENTS)
) -> tuple[list[str], list[list[str]]]:
    """Return headers and cells: a row per mask and arm, a column per treatment.

    Args:
        found: the study.
        value: a column of `changes`.
        text: formats one number.
        treatments: which to show in addition to the untreated scores.
    """
    headers = ["mask", "arm", UNTREATED, *(TREATMENTS[name] for name in treatments)]
    rows: list[list[str]] = []
    table = {(r["arm"], r["mask"], r["treatment"]): r[value] for r in found.changes.to_dict("records")}
    for mask in found.changes["mask"].drop_duplicates():
        if rows:
            rows.append([])
        for arm, name in found.names.items():
            cells = [table.get((arm, mask, treatment)) for treatment in (UNTREATED, *treatments)]
            shown = ["-" if cell is None else text(cell) for cell in cells]
            rows.append([str(mask), name, *shown])
    return headers, rows


def verdict_rows(found: Thresholding) -> tuple[list[str], list[list[str]]]:
    """Return headers and cells: the verdict for each mask, arm and treatment."""
    headers = ["mask", "arm", *TREATMENTS.values()]
    if not len(found.verdicts):
        return headers, []
    words = {(r["source_arm"], r["mask"], r["arm"]): str(r["verdict"]) for r in found.verdicts.to_dict("records")}
    masks = found.verdicts["mask"].drop_duplicates()
    return headers, [
        [str(mask), name, *(words.get((arm, mask, treatment), "-") for treatment in TREATMENTS)]
        for mask in masks
        for arm, name in found.names.items()
    ]


def _small(value: float) -> str:
    return "-" if pd.isna(value) else f"{value:.4f}"


def _verdict_note(found: Thresholding) -> str:
    if not len(found.verdicts):
        return ""
    settings = found.settings
    return (
        f"Each arm against its own untreated scores: margin ±{settings.margin:g} on {settings.headline_name}, "
        f"±{settings.point_margin:g} on natural recall and precision, level {settings.level:g} over all "
        f"{settings.n_comparisons} arms (Bonferroni), treatments and masks (Holm). *slides*: the same frontier, the "
        "point moved; *stays*: the same frontier, the point stayed; *undecided* with a gain of 0: the same frontier, "
        "and the seeds do not settle whether the point moved by more than the margin. A treatment that could not be "
        "fitted in some mask of a run is left out for that run, in every mask; a mask without a positive pixel in "
        "validation is left out altogether."
    )


def _limits(found: Thresholding) -> str:
    lines = [
        f"All treatments of a run are fitted on the same {found.n_validation} validation images. The intervals count "
        "other seeds and other test images, not other validation images.",
        "Pixels are pooled over images; an image whose prevalence is unusual keeps its own error.",
        "Calibrated on average is not calibrated per image or near a curve.",
    ]
    lines += [
        f"Hole: {row['arm']} seed {row['seed']} is {row['status']} and is left out."
        for row in found.holes.to_dict("records")
    ]
    return "\n".join(f"- {line}" for line in lines)


_HOW = """All fits are per mask and run, on validation pixels pooled over images. z is the logit, P the number of
positive and N of negative validation pixels, sigma the logistic function.

| treatment | probability after it | ranks |
|---|---|---|
| tuned threshold | as before; the threshold is that of best F1 on validation | kept |
| prior by theory | sigma(z - ln w) for a loss with weight w; focal's map undone in closed form | kept |
| prior by frequency | sigma(z + b), with b such that the sum of sigma(z + b) over validation pixels is P | kept |
| Platt | sigma(a z + b), logistic regression with targets (P + 1) / (P + 2) and 1 / (N + 2) | kept |
| isotonic | the rising step function closest to the labels (least squares), straight between steps | tied |

A treatment is kept as the untreated score at which its probability reaches 0.5 and a probability per score. The scores
themselves stay, so that rounding cannot tie two of them; where isotonic regression ties scores, the untreated score
breaks the tie. F1, recall and precision are at probability 0.5 after the treatment."""

_FILES = """## Files

| file | one row per |
|---|---|
| `thresholding.csv` | arm, seed, mask and treatment: its formula, the untreated logit where its probability reaches 0.5 (`threshold`), test values, `ap_before`, `ap_after` (by the new order) and `ap_ties_kept`, the tuned threshold as a treated probability, why it is missing |
| `changes.csv` | arm, mask and treatment: means over seeds and paired changes against the untreated scores, with intervals |
| `verdicts.csv` | source arm, treatment (`arm`) and mask: the verdict against `untreated`, as in any study |
| `holes.csv` | run that is not there or not complete |"""  # noqa: E501
