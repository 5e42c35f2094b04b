"""Plain tables: aligned columns for a terminal, pipes for Markdown."""

from __future__ import annotations

from collections.abc import Sequence


def text_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Align columns with two spaces between them and a rule under the headers; an empty row is a gap."""
    cells = [list(headers), *(list(row) for row in rows)]
    widths = [max((len(row[i]) for row in cells if row), default=0) for i in range(len(headers))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip() for row in cells]
    rule = "  ".join("-" * width for width in widths)
    return "\n".join([lines[0], rule, *lines[1:]])


def markdown_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table; a pipe inside a cell is escaped, an empty row is left out."""
    lines = [headers, ["---"] * len(headers), *(row for row in rows if row)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
