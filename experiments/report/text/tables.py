"""Plain tables: aligned columns for a terminal, pipes for Markdown."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

_PIPED = 200  # columns where output goes to a file or another program


def text_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Align columns, with two spaces in between and a rule under the headers; an empty row is a gap."""
    cells = [list(headers), *(list(row) for row in rows)]
    widths = [max((len(row[i]) for row in cells if row), default=0) for i in range(len(headers))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip() for row in cells]
    rule = "  ".join("-" * width for width in widths)
    return "\n".join([lines[0], rule, *lines[1:]])


def terminal_width() -> int:
    """Return the width from `COLUMNS`, else from the terminal, else 200 if output is piped."""
    return shutil.get_terminal_size((_PIPED, 24)).columns


def fitted_table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, width: int, keep: int) -> str:
    """Align columns as `text_table` does, dropping columns from the right on a narrow terminal.

    Args:
        headers: One per column.
        rows: Cells; an empty row is a gap.
        width: Columns of the terminal.
        keep: Number of columns to keep, however narrow the terminal is.
    """
    for count in range(len(headers), keep, -1):
        table = text_table(headers[:count], [row[:count] for row in rows])
        if max(map(len, table.splitlines())) <= width:
            return table
    return text_table(headers[:keep], [row[:keep] for row in rows])


def markdown_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table; pipes and line breaks inside cells are escaped, and empty rows are left out."""
    lines = [headers, ["---"] * len(headers), *(row for row in rows if row)]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").splitlines())
