"""The top of the page: the verdict in words, and as a matrix of arms and masks."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from experiments.comparison.compare_arms import Comparison
from experiments.inference.paired_difference import MIN_SEEDS
from experiments.report.page.markup import marked, table, text
from experiments.report.text.markdown import conclusion, paragraph
from experiments.report.text.sayings import SAYINGS
from experiments.report.text.verdicts import row_of
from experiments.report.text.wording import TOO_FEW_SEEDS, typeset, with_interval
from experiments.runs.study import StudyRuns, short_names


def answer(comparison: Comparison, names: Mapping[str, str]) -> str:
    """Tell all verdicts in two or three sentences, HTML."""
    return f'<p class="answer">{marked(conclusion(comparison, names))}</p>'


def matrix(study: StudyRuns, comparison: Comparison) -> str:
    """Write the verdicts as a table of arms and masks, each with the headline's gain; HTML."""
    names = short_names(list(study.complete))
    arms = [arm for arm in study.complete if arm != study.baseline]
    if not len(comparison.verdicts):
        return ""
    rows = []
    for arm in arms:
        cells = [text(names[arm])]
        for mask in comparison.masks:
            row = row_of(comparison.verdicts, arm, mask)
            word = str(row["verdict"])
            shown = with_interval(row, "headline_gain")
            # The caption says why there is no interval; on a narrow screen each cell has no room for it.
            gain = text(typeset(shown.partition(" [")[0] if pd.isna(row["headline_gain_low"]) else shown))
            gain = gain.replace(" [", " <small>[").replace("]", "]</small>")
            sign = f'<i aria-hidden="true">{SAYINGS[row["verdict"]].sign}</i>'
            cells.append(
                f'<span class="of">{text(mask)}</span>'
                f'<span class="verdict {text(word.replace(" ", "-"))}">{sign} {text(word)}</span>'
                f'<span class="gain">{gain}</span>'
                f"{_by_f1(row)}"
                f"{_levels(row)}"
            )
        rows.append(cells)
    headline = comparison.settings.headline_name
    base = names[study.baseline]
    few = comparison.verdicts["n_seeds"].max() < MIN_SEEDS
    interval = TOO_FEW_SEEDS if few else "with its interval"
    caption = f"{headline} gain over {base}, {interval}; AP of the arm, of {base}, and the prevalence"
    return table(["", *map(text, comparison.masks)], rows, caption=caption, attributes='id="verdicts"')


def key_of_words(comparison: Comparison) -> str:
    """Say what the verdicts that occur mean; HTML."""
    if not len(comparison.verdicts):
        return ""
    found = {*comparison.verdicts["verdict"], *comparison.verdicts["verdict_f1"]}
    words = "".join(
        f'<div><dt><i aria-hidden="true">{said.sign}</i> {word}</dt><dd>{said.means}</dd></div>'
        for word, said in SAYINGS.items()
        if word in found
    )
    return (
        f'<div class="key"><dl>{words}</dl><p>A frontier is all that a model can do: its precision at every recall. '
        f"{text(_OF[comparison.settings.headline])}</p></div>"
    )


_OF = {
    "ap": "AP, average precision, is its mean height.",
    "f1": "Tuned F1 is its F1 at the threshold that was best on validation.",
    "fbeta": "F-beta is its F1 with recall weighed otherwise, at the threshold that was best on validation.",
    "mean_precision": "Mean precision is its mean height over the recalls that were asked for.",
}


def _levels(row: pd.Series) -> str:
    """AP of arm and baseline and the prevalence, the AP of one score for all pixels; HTML."""
    if pd.isna(row["arm_ap"]) or pd.isna(row["baseline_ap"]):
        return ""
    shown = f"AP {row['arm_ap']:.3f} / {row['baseline_ap']:.3f} / {row['prevalence']:.3g}"
    return f'<span class="gain level">{text(shown)}</span>'


def _by_f1(row: pd.Series) -> str:
    """Say the verdict by tuned F1 where it is another; HTML."""
    if row["verdict_f1"] == row["verdict"]:
        return ""
    return f'<span class="gain">tuned F1: {text(str(row["verdict_f1"]))}</span>'


def paragraphs(study: StudyRuns, comparison: Comparison) -> str:
    """Write one paragraph per arm and mask, the report's own; HTML."""
    names = short_names(list(study.complete))
    parts = []
    for arm in study.complete:
        if arm != study.baseline and len(comparison.verdicts):
            parts.append(f"<h3>{text(names[arm])}</h3>")
            parts += [f"<p>{marked(paragraph(comparison, arm, mask, names))}</p>" for mask in comparison.masks]
    return "\n".join(parts)
