"""HTML from templates: whatever is put into one is escaped, unless it is markup already."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup, escape

from experiments.report.text.wording import typeset

NONE = "\N{EN DASH}"
"""Shown for an empty value."""

_ENVIRONMENT = Environment(autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True)


def html(template: str, **values: Any) -> Markup:
    """Fill the `{{ name }}` of a template; values that are not markup are escaped.

    >>> html("<b title='{{ name }}'>{{ cell }}</b>", name="<x>", cell=html("<i>{{ n }}</i>", n=1))
    Markup("<b title='&lt;x&gt;'><i>1</i></b>")
    """
    return Markup(_compiled(template).render(values))


@lru_cache(maxsize=256)
def _compiled(template: str) -> Template:
    return _ENVIRONMENT.from_string(template)


def part(name: str) -> str:
    """Read a part of the page: a template, the style, or a piece of the script."""
    return files("experiments.report.page").joinpath("assets", name).read_text(encoding="utf-8")


def joined(parts: Sequence[Markup], between: str = "\n") -> Markup:
    """Put markup together."""
    return Markup(between).join(parts)


def marked(value: str) -> Markup:
    """Escape a sentence and turn its `**bold**` into HTML."""
    return Markup(re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", str(escape(typeset(value)))))


def table(
    headers: Sequence[object],
    rows: Sequence[Sequence[object]],
    *,
    caption: str = "",
    attributes: str = "",
    heads: int = 1,
) -> Markup:
    """Write a table that scrolls sideways by itself where it is too wide.

    Args:
        headers: Column headers, text or markup.
        rows: Cells, text or markup.
        caption: None when empty.
        attributes: Markup, the HTML attributes of the element around it.
        heads: Number of cells at the start of each row that are its headers.
    """
    return html(_TABLE, headers=headers, rows=rows, caption=caption, attributes=attributes, heads=heads)


_TABLE = (
    '<div class="wide" tabindex="0" {{ attributes }}><table>{% if caption %}<caption>{{ caption }}</caption>{% endif %}'
    '<thead><tr>{% for cell in headers %}<th scope="col">{{ cell }}</th>{% endfor %}</tr></thead><tbody>'
    '{% for row in rows %}<tr>{% for cell in row[:heads] %}<th scope="row">{{ cell }}</th>{% endfor %}'
    "{% for cell in row[heads:] %}<td>{{ cell }}</td>{% endfor %}</tr>{% endfor %}</tbody></table></div>"
)


def definitions(pairs: Sequence[tuple[object, object]]) -> Markup:
    """Write a list of terms and what they are."""
    return html(
        "<dl>{% for term, what in pairs %}<div><dt>{{ term }}</dt><dd>{{ what }}</dd></div>{% endfor %}</dl>",
        pairs=pairs,
    )
