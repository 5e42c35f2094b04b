"""The verdict table for a paper: LaTeX with booktabs, or Markdown."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from experiments.comparison.compare_arms import Comparison
from experiments.inference.words import NOT_TRAINED
from experiments.report.facts import correction, counted
from experiments.report.text.tables import markdown_table
from experiments.report.text.verdicts import verdict_interval
from experiments.report.text.wording import digits_of, no_interval, number, signed
from experiments.runs.study import short_names

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "_": r"\_",
    "%": r"\%",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
}


def escape_latex(text: str) -> str:
    """Escape every character that LaTeX would read as a command; a line break becomes a space."""
    return "".join(_ESCAPES.get(character, character) for character in " ".join(text.split()))


def latex_table(comparison: Comparison, names: Mapping[str, str] | None = None, *, label: str = "tab:verdicts") -> str:
    r"""Write the verdicts as a LaTeX table; it needs `\usepackage{booktabs}`.

    Args:
        comparison: The comparison.
        names: Display name of each arm; None drops the part that all names share.
        label: For `\ref`.

    Returns:
        A `table` environment with a caption that says what the numbers rest on.
    """
    headers, blocks = _cells(comparison, names)
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_caption(comparison)}}}",
        rf"\label{{{label}}}",
        rf"\begin{{tabular}}{{lll{'r' * (len(headers) - 3)}}}",
        r"\toprule",
        " & ".join(escape_latex(header) for header in headers) + r" \\",
    ]
    for block in blocks:
        lines.append(r"\midrule")
        for place, row in enumerate(block):
            cells = [escape_latex(row[0]) if place == 0 else "", *(escape_latex(cell) for cell in row[1:3])]
            cells += [_latex_numbers(cell) for cell in row[3:]]
            lines.append(" & ".join(cells) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}", r"\end{table}"]
    return "\n".join(lines) + "\n"


def paper_markdown(comparison: Comparison, names: Mapping[str, str] | None = None) -> str:
    """Write the verdicts as a Markdown table with its caption; arguments as `latex_table`."""
    headers, blocks = _cells(comparison, names)
    escaped = [[*map(_escape_markdown, row[:2]), *row[2:]] for block in blocks for row in block]
    caption = _caption(comparison).replace(r"\%", "%").replace(r"$\pm$", "±").replace("~", " ")
    return f"{markdown_table(headers, escaped)}\n\n{caption}\n"


def _cells(comparison: Comparison, names: Mapping[str, str] | None) -> tuple[list[str], list[list[list[str]]]]:
    """Return headers, and a block of rows per mask: the baseline, then each arm."""
    points = comparison.natural_points
    arms = [comparison.baseline, *(arm for arm in dict.fromkeys(points["arm"]) if arm != comparison.baseline)]
    called = names or short_names(arms)
    gain = {"ap": "AP", "f1": "tuned F1", "fbeta": "F-beta", "mean_precision": "mean precision", "prg": "AUPRG"}
    headline = gain.get(comparison.settings.headline, comparison.settings.headline_name)
    headers = ["mask", "arm", "verdict", f"{headline} gain", "tuned F1 gain"]
    headers += ["recall", "precision", "F1", "slide (logits)"]
    headers.insert(4, "verdict's interval")
    blocks = []
    several = len(comparison.masks) > 1
    for mask in [None, *comparison.masks] if several else comparison.masks:
        own = points if mask is None else points[points["mask"] == mask]
        means = own.groupby("arm")[["recall", "precision", "f1"]].mean()
        label = f"over {len(comparison.masks)}" if mask is None else mask
        rows = []
        for arm in arms:
            table = comparison.arm_verdicts if mask is None else comparison.verdicts
            verdict = _row(table, arm, mask)
            slide = None if mask is None else _row(comparison.slides, arm, mask)
            numbers = [number(means.loc[arm, column]) for column in means.columns]
            if arm == comparison.baseline or verdict is None:
                word = "baseline" if arm == comparison.baseline else "-"
                rows.append([label, called[arm], word, "", "", "", *numbers, ""])
                continue
            gains = [_interval(verdict, "headline_gain"), verdict_interval(verdict), _interval(verdict, "f1_gain")]
            reached = slide is not None and slide["status"] == "reached"
            shift = "" if slide is None else signed(slide["shift"] if reached else float("nan"), 1, bare_zero=True)
            rows.append([label, called[arm], str(verdict["verdict"]), *gains, *numbers, shift])
        blocks.append(rows)
    return headers, blocks


def _caption(comparison: Comparison) -> str:
    settings, verdicts = comparison.settings, comparison.verdicts
    seeds = counted([int(n) for n in verdicts["n_seeds"]] if len(verdicts) else [0], "seed")
    images = counted([int(comparison.image_means["n_images"].iloc[0])], "test image")
    groups = f" in {counted([int(verdicts['n_groups'].iloc[0])], 'group')}" if len(verdicts) else ""
    corrected = correction(settings.n_comparisons, settings.n_looks)
    return (
        f"Verdicts against the baseline: {seeds}, {images}{groups}; "
        rf"margin $\pm${settings.margin:g}, level {settings.level:g} after {corrected}. Gains "
        rf"with {100 * (1 - settings.level):g}~\% intervals of the paired two-way t over seeds and test groups, beside "
        "them the adjusted intervals that the verdicts rest on. Verdicts over all masks come first, those of a mask "
        "behind its arm's. "
        "Recall, precision and F1 at the natural point (probability 0.5), counts pooled over images, means over seeds. "
        "Slide: the shift of all the baseline's logits that reaches the arm's natural recall."
    )


def _row(table: pd.DataFrame, arm: str, mask: str | None) -> pd.Series | None:
    if len(table):
        table = table[table["arm"] == arm]
        table = table if mask is None else table[table["mask"] == mask]
    found = table
    return found.iloc[0] if len(found) else None


def _interval(row: pd.Series, name: str) -> str:
    if pd.isna(row[name]) or row["verdict"] == NOT_TRAINED:
        return "-"
    low, high = (row[f"{name}_{end}"] for end in ("low", "high"))
    gain, *ends = (signed(value, digits_of(low, high), bare_zero=True) for value in (row[name], low, high))
    brackets = no_interval(row["n_seeds"]) if pd.isna(low) else ", ".join(ends)
    return f"{gain} [{brackets}]"


def _latex_numbers(cell: str) -> str:
    """Set a cell of numbers in math mode, for proper minus signs; an undefined cell becomes a dash."""
    if not cell or cell == "-":
        return "--" if cell else ""
    value, _, brackets = cell.partition(" [")
    if brackets and brackets[0].isalpha():
        return f"${value}$ [{brackets}"
    return f"${cell}$"


def _escape_markdown(cell: str) -> str:
    return "".join(f"\\{character}" if character in "\\`*_<>[" else character for character in cell)
