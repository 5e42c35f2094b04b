"""Markdown in which only our own markup works, because names and reasons may come from other people's files."""

from __future__ import annotations

import re
from pathlib import Path

from experiments.runs import store

# Our own targets are files of the report: `figures/frontier.png`, `<loss=a b/report.md>`.
_OWN_LINK = re.compile(r"\]\((?:[\w-][\w.-]*(?:/[\w.-]+)*|<[^<>\n:&\\]+/report\.md>)\)")
_LINK = re.compile(r"\]\(|\]\[|\]:")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")


def write_markdown(path: Path, text: str) -> None:
    """Write a text atomically; HTML, and links to anything but files of the report, appear as plain text."""
    store.write_text(path, inert_markdown(text))


def inert_markdown(text: str) -> str:
    """Disable HTML, and links and images that lead out of the report."""
    parts, end = [], 0
    for own in _OWN_LINK.finditer(text):
        parts += [_inert(text[end : own.start()]), own.group() if ".." not in own.group() else _inert(own.group())]
        end = own.end()
    return "".join([*parts, _inert(text[end:])])


def _inert(text: str) -> str:
    return _LINK.sub(lambda found: "\\" + found.group(), _TAG.sub("&lt;", text))
