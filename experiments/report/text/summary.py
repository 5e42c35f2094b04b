"""The study at a glance: the answer, a small table, one figure and the limits, as `report.md` and in the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import pandas as pd

from experiments.comparison.compare_arms import Comparison
from experiments.inference.paired_difference import MIN_SEEDS
from experiments.inference.words import NOT_TRAINED
from experiments.report.elsewhere import elsewhere_notes
from experiments.report.facts import StudySize
from experiments.report.text.looks import look_notes
from experiments.report.text.markdown import conclusion
from experiments.report.text.tables import fitted_table, markdown_table, terminal_width, text_table
from experiments.report.text.verdicts import (
    collapses,
    gain_name,
    hole_notes,
    levels_of,
    not_alike_notes,
    seeds_needed,
    tuning_notes,
    verdict_interval,
)
from experiments.report.text.wording import NONE, number, signed
from experiments.report.tolerance.text import tolerance_notes
from experiments.runs.fingerprint import flatten
from experiments.runs.study import StudyRuns, is_from_elsewhere, short_names

WIDEST = 100  # columns of the terminal's text, however wide the terminal is
_KEPT = 3  # columns of the arms' table that every terminal shows
_NOTES = 3  # missing runs or warnings that are told one by one; details.md has all


def summary_markdown(study: StudyRuns, comparison: Comparison, figure: str = "frontier") -> str:
    """Write `report.md`: the answer, the arms, one figure and the limits.

    Args:
        study: The runs.
        comparison: Their comparison.
        figure: Name of the figure to show, one of those that were drawn.
    """
    names = short_names(list(study.complete))
    headers, rows = arm_rows(study, comparison)
    parts = [
        f"# {names[study.baseline]} and {len(study.complete) - 1} others: what moved the frontier",
        conclusion(comparison, names),
        markdown_table(headers, rows),
        f"{_brackets(comparison)} {_LEVELS}",
        f"![{_FIGURES.get(figure, figure)}](figures/{figure}.png)",
        _CAPTIONS.get(figure, ""),
        "## Limits",
        "\n".join(f"- {note}" for note in limit_notes(study, comparison)),
        "Mask by mask, with the words explained: [details.md](details.md). Frontiers to play with: "
        "[report.html](report.html). All figures: [captions.md](figures/captions.md).",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def summary_text(study: StudyRuns, comparison: Comparison, places: str = "", width: int | None = None) -> str:
    """Write the text for the terminal: the arms, the masks, what to know about the runs, and last the answer.

    Args:
        study: The runs.
        comparison: Their comparison.
        places: Where the report is; told before the answer.
        width: Columns; None asks the terminal. Never more than `WIDEST`.
    """
    across = min(width or terminal_width(), WIDEST)
    names = short_names(list(study.complete))
    headers, rows = arm_rows(study, comparison)
    blocks = [fitted_table(headers, rows, width=across, keep=_KEPT), *mask_tables(study, comparison, across)]
    notes = [_brackets(comparison), *limit_notes(study, comparison)]
    blocks.append("\n".join(_wrapped(note, across) for note in notes if note))
    blocks += [places] if places else []
    blocks.append(_wrapped(conclusion(comparison, names).replace("**", ""), across))
    return "\n" + "\n\n".join(blocks)


def arm_rows(study: StudyRuns, comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Return headers and cells of the small table: the baseline and each arm, over all masks."""
    names = short_names(list(study.complete))
    settings, natural = comparison.settings, comparison.natural_points
    tuned = comparison.points[comparison.points["operating_point"] == "tuned"]
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


def limit_notes(study: StudyRuns, comparison: Comparison) -> list[str]:
    """Say what the verdicts rest on and do not cover: sizes, training, collapses, missing runs, warnings."""
    names = short_names(list(study.complete))
    size = StudySize.of(study, comparison)
    notes = [f"{size.text}{_trained(study)}; gains inside ±{size.margin:g} count as none."]
    if size.few_seeds:
        notes.append(f"Too few seeds for an interval or a verdict: {MIN_SEEDS} are needed.")
    notes.append(
        "Not covered: another training set, another learning rate, longer training, the noise of a tuned threshold."
    )
    notes += [
        *look_notes(study, comparison)[1:],
        *collapses(comparison),
        *tolerance_notes(comparison, names),
        *elsewhere_notes(study, names),
    ]
    warned = list(dict.fromkeys(comparison.verdicts["warning"])) if len(comparison.verdicts) else []
    warned = [f"warning: {text}" for text in warned if text]
    for told in (hole_notes(study), not_alike_notes(study), tuning_notes(study, edges=True), warned):
        more = len(told) - _NOTES
        notes += told[:_NOTES] + ([f"... and {more} more, in details.md"] if more > 0 else [])
    return notes


def _trained(study: StudyRuns) -> str:
    """Say how long and at which learning rate the runs were trained, as far as that is known and alike."""
    runs = [run for seeds in study.complete.values() for run in seeds.values() if not is_from_elsewhere(run)]
    configs = [flatten(run.config) for run in runs]
    told = []
    for key, words in (("trainer.max_steps", "{} updates"), ("optimizer.lr", "learning rate {}")):
        values = {str(config[key]) for config in configs if key in config}
        told += [words.format(*values)] if len(values) == 1 else []
    return f", {', '.join(told)}" if told else ""


def _brackets(comparison: Comparison) -> str:
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
    return signed(row["headline_gain"])


def _means(points: pd.DataFrame, column: str) -> Mapping[str, str]:
    """Mean of each arm over its seeds and masks."""
    return {str(arm): number(value) for arm, value in points.groupby("arm")[column].mean().items()}


def _wrapped(text: str, width: int) -> str:
    return textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)


_LEVELS = (
    "Seeds needed: in all, for an even chance of a decision; — means that more seeds alone will not help. "
    "F1, recall and precision at probability 0.5; F1 tuned at the threshold chosen on validation."
)
_FIGURES = {"slide_step": "Slide against step", "frontier": "Precision-recall frontiers"}
_CAPTIONS = {
    "slide_step": "On the zero line an arm only slides along the baseline's frontier, as another threshold would. Off "
    "it, the frontier moved."
}
