"""Patterns of paths, such as `{group}/{stem}_lab.png`, and the names that a path has under one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

_TOKEN = re.compile(r"\{([^{}]*)\}|(\*\*/)|(\*)|([{}])")


@dataclass(frozen=True)
class PathPattern:
    """A pattern of paths below a folder: `{name}` is a part of one name, `*` any text, `**/` any folders.

    Args:
        text: The pattern.
        choices: For some names the texts that they may stand for; all others stand for any.

    >>> pattern = PathPattern("{group}/{stem}_lab.png")
    >>> list(pattern.readings("road 7/a_b_lab.png"))[0]
    {'group': 'road 7', 'stem': 'a_b'}

    Raises:
        ValueError: The pattern cannot be read; the message says why.
    """

    text: str
    choices: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def __post_init__(self) -> None:
        if self.text.startswith("/") or ".." in self.text.split("/"):
            raise ValueError(f"expected a path below data.root, got {self.text!r}")
        for token in _TOKEN.finditer(self.text):
            if token[4] or (token[1] is not None and not token[1].isidentifier()):
                raise ValueError(f"expected names in braces, such as {{stem}}, got {self.text!r}")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names in braces, in order."""
        return tuple(dict.fromkeys(token[1] for token in _TOKEN.finditer(self.text) if token[1]))

    @property
    def depth(self) -> int | None:
        """How many folders lie between root and a file; None for any number."""
        return None if "**/" in self.text else self.text.count("/")

    def readings(
        self, path: str, chosen: Callable[[dict[str, str]], bool] = lambda reading: True
    ) -> Iterator[dict[str, str]]:
        """List the ways to read a path, the one with the longest stem first.

        Args:
            path: Relative to root, with "/" between folders.
            chosen: Whether a reading will do; while none does, stems of every length are tried.
        """
        match = _compiled(self, None).fullmatch(path)
        if match is None:
            return
        if chosen(match.groupdict()):
            yield match.groupdict()
            return
        for length in range(len(path), 0, -1) if "stem" in self.names else ():
            match = _compiled(self, length).fullmatch(path)
            if match is not None and chosen(match.groupdict()):
                yield match.groupdict()

    def matches(self, path: str) -> bool:
        """Return whether a path has this pattern."""
        return _compiled(self, None).fullmatch(path) is not None


@lru_cache(maxsize=4096)
def _compiled(pattern: PathPattern, stem_length: int | None) -> re.Pattern[str]:
    """Translate a pattern to a regular expression, with stems of one length if that is given."""
    text, choices = pattern.text, dict(pattern.choices)
    parts, end, seen = [], 0, set()
    for token in _TOKEN.finditer(text):
        parts.append(re.escape(text[end : token.start()]))
        end = token.end()
        name = token[1]
        if token[2]:
            parts.append("(?:[^/]+/)*")
        elif token[3]:
            parts.append("[^/]*")
        elif name in seen:
            parts.append(f"(?P={name})")
        else:
            seen.add(name)
            if name in choices:
                parts.append(f"(?P<{name}>{'|'.join(map(re.escape, choices[name]))})")
                continue
            count = f"{{{stem_length}}}" if name == "stem" and stem_length is not None else "+"
            parts.append(f"(?P<{name}>[^/]{count})")
    parts.append(re.escape(text[end:]))
    return re.compile("".join(parts))
