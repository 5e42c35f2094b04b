"""HTML from text: everything that comes from outside is escaped here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from experiments.report.text.wording import typeset

NONE = "\N{EN DASH}"
"""What stands where there is nothing to say."""


def text(value: object) -> str:
    """Escape a value for HTML, in an element or in a quoted attribute."""
    return escape(str(value), quote=True)


def marked(value: str) -> str:
    """Escape a sentence and turn its `**bold**` into HTML."""
    return re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", text(typeset(value)))


def table(
    headers: Sequence[str], rows: Sequence[Sequence[str]], *, caption: str = "", attributes: str = "", heads: int = 1
) -> str:
    """Write a table that scrolls sideways by itself where it is too wide; cells are HTML already.

    Args:
        headers: Column headers, HTML.
        rows: Cells, HTML.
        caption: Plain text; none when empty.
        attributes: HTML attributes of the element around it.
        heads: So many cells at the start of each row are its headers.
    """
    top = "".join(f'<th scope="col">{cell}</th>' for cell in headers)
    body = "".join(
        "<tr>"
        + "".join(f'<th scope="row">{cell}</th>' for cell in row[:heads])
        + "".join(f"<td>{cell}</td>" for cell in row[heads:])
        + "</tr>"
        for row in rows
    )
    title = f"<caption>{text(caption)}</caption>" if caption else ""
    return (
        f'<div class="wide" tabindex="0" {attributes}>'
        f"<table>{title}<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def definitions(pairs: Sequence[tuple[str, str]]) -> str:
    """Write a list of terms and what they are; both are plain text."""
    return "<dl>" + "".join(f"<div><dt>{text(k)}</dt><dd>{text(v)}</dd></div>" for k, v in pairs) + "</dl>"
