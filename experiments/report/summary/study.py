"""A study at a glance, as `report.md` and in the terminal: the answer, what to do, a small table, the limits."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Sequence

from experiments.comparison.compare_arms import Comparison
from experiments.comparison.subgroups.compare import SubgroupVerdicts
from experiments.report.subgroups.text import flip_note
from experiments.report.summary.limits import limit_notes
from experiments.report.summary.tables import arm_rows, brackets, mask_tables
from experiments.report.text.answer import answer
from experiments.report.text.not_trained import not_trained
from experiments.report.text.recommendation import Recommendation, recommendations
from experiments.report.text.tables import fitted_table, markdown_table, terminal_width
from experiments.report.text.wording import NONE
from experiments.runs.study import StudyRuns, short_names

WIDEST = 100  # columns of the terminal's text, however wide the terminal is
_KEPT = 3  # columns of the arms' table that every terminal shows


def summary_markdown(
    study: StudyRuns, comparison: Comparison, figure: str = "frontier", by_subgroup: SubgroupVerdicts | None = None
) -> str:
    """Write `report.md`: the answer, what to do, the arms, one figure and the limits.

    Args:
        study: The runs.
        comparison: Their comparison.
        figure: Name of the figure to show, one of those that were drawn.
        by_subgroup: Verdicts in subgroups; told where one differs from that of all images.
    """
    names = short_names(list(study.complete))
    declared = study.reference.config.get("study") or {}
    question = str(declared.get("question") or f"What moves the frontier of {names[study.baseline]}?")
    headers, rows = arm_rows(study, comparison)
    parts = [
        f"# {question}",
        not_trained(comparison, names),
        answer(comparison, names),
        "" if by_subgroup is None else flip_note(comparison, by_subgroup, names),
        "## Do this",
        *(_item(item) for item in recommendations(study, comparison)),
        "## Verdicts",
        markdown_table(headers, rows),
        f"{brackets(comparison)} {_columns(headers, rows)}".strip(),
        f"![{_FIGURES.get(figure, figure)}](figures/{figure}.png)",
        _CAPTIONS.get(figure, ""),
        "## Limits",
        "\n".join(f"- {note}" for note in limit_notes(study, comparison)),
        "Mask by mask, with the words explained: [details.md](details.md). Frontiers to play with: "
        "[report.html](report.html). All figures: [captions.md](figures/captions.md).",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def summary_text(study: StudyRuns, comparison: Comparison, places: str = "", width: int | None = None) -> str:
    """Write the text for the terminal: the arms, the masks, the limits, and last the answer and what to do.

    Args:
        study: The runs.
        comparison: Their comparison.
        places: Where the report is; told before the answer.
        width: Columns; None asks the terminal. Never more than `WIDEST`.
    """
    across = min(width or terminal_width(), WIDEST)
    names = short_names(list(study.complete))
    headers, rows = arm_rows(study, comparison)
    notes = [brackets(comparison), *limit_notes(study, comparison)]
    told = [not_trained(comparison, names), answer(comparison, names)]
    blocks = [
        fitted_table(headers, rows, width=across, keep=_KEPT),
        *mask_tables(study, comparison, across),
        "\n".join(_wrapped(note, across) for note in notes if note),
        places,
        "\n".join(_wrapped(text.replace("**", ""), across) for text in told if text),
        *(_lines(item, across) for item in recommendations(study, comparison)),
    ]
    return "\n" + "\n\n".join(block for block in blocks if block)


def _item(item: Recommendation) -> str:
    return f"{item.text}\n\n```\n{folded(item.command, WIDEST)}\n```" if item.command else item.text


def _lines(item: Recommendation, width: int) -> str:
    text = _wrapped(f"- {item.text}".replace("**", ""), width, "  ")
    return f"{text}\n{textwrap.indent(folded(item.command, width - 4), '    ')}" if item.command else text


def folded(command: str, width: int) -> str:
    r"""Break a command between its words with backslashes, so that it can still be copied.

    >>> print(folded("python -m experiments.train loss=dice 'data.dir=my data'", 36))
    python -m experiments.train \
      loss=dice 'data.dir=my data'
    """
    lines: list[str] = []
    for word in map(shlex.quote, shlex.split(command)):
        if lines and len(lines[-1]) + len(word) + 3 <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(f"  {word}" if lines else word)
    return " \\\n".join(lines)


def _wrapped(text: str, width: int, indent: str = "") -> str:
    return textwrap.fill(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _columns(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    needed = headers.index("seeds needed")
    dash = f"; {NONE} means that more seeds alone will not help" if any(row[needed] == NONE for row in rows) else ""
    return (
        f"Seeds needed: in all, for an even chance of a verdict{dash}. "
        "F1, recall and precision at probability 0.5; F1 tuned at the threshold chosen on validation."
    )


_FIGURES = {"slide_step": "Slide against step", "frontier": "Precision-recall frontiers"}
_CAPTIONS = {
    "slide_step": "Each point is an arm on one mask, at its own recall at probability 0.5. On the zero line another "
    "threshold of the baseline does as well there; off it, the frontiers differ there. Verdicts ask about all recalls."
}
