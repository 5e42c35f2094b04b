"""Collects all problems of a data set, to report them in one message."""

from __future__ import annotations

import logging

from experiments.data.data_error import DataError
from experiments.data.file_names import shown

_log = logging.getLogger(__name__)

MOST_NAMED = 20  # files named for each kind of problem; the others are counted
FEW_NAMED = 5  # the same for each kind of notice


class ProblemList:
    """Problems by kind, in the order in which the kinds first appeared.

    Args:
        where: The first words of the message, such as "data.root=photos".
    """

    def __init__(self, where: str) -> None:
        self.where = where
        self._found: dict[str, dict[str, None]] = {}
        self._noticed: dict[str, dict[str, None]] = {}

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, kind: str, *entries: str) -> None:
        """Add problems of one kind.

        Args:
            kind: What is wrong and what was expected, in words that fit every entry.
            entries: One per problem: the file, and what was found if that adds something. No entries add nothing, and
                an entry that is already there is not counted again.
        """
        if entries:
            self._found.setdefault(kind, {}).update(dict.fromkeys(entries))

    def extend(self, others: ProblemList) -> None:
        """Add the problems of another list."""
        for kind, entries in others._found.items():
            self.add(kind, *entries)

    def notice(self, kind: str, *entries: str) -> None:
        """Add something that looks wrong but may be right: it is logged as a warning and stops nothing; see `add`."""
        if entries:
            self._noticed.setdefault(kind, {}).update(dict.fromkeys(entries))

    @property
    def notices(self) -> list[str]:
        """What looks wrong but may be right, a line per kind with its first entries."""
        return _in_lines(self._noticed)

    @property
    def lines(self) -> list[str]:
        """The problems, a line per kind with its first entries."""
        return _in_lines(self._found)

    def message(self) -> str:
        """List every kind with its entries, at most `MOST_NAMED` of each, and a count."""
        return "\n".join([f"{shown(self.where)}: the data cannot be used", *_listed(self._found, MOST_NAMED)])

    def raise_if_any(self) -> None:
        """Raise a DataError with the message if there is a problem; otherwise log the notices.

        Raises:
            DataError: There is a problem.
        """
        if self._found:
            raise DataError(self.message())
        if self._noticed:
            _log.warning("%s", "\n".join([f"{shown(self.where)}: worth a look", *_listed(self._noticed, FEW_NAMED)]))


def _in_lines(found: dict[str, dict[str, None]]) -> list[str]:
    return [
        f"{shown(kind)}: {'; '.join(shown(entry) for entry in list(entries)[:FEW_NAMED])}"
        + (f"; and {len(entries) - FEW_NAMED} more" if len(entries) > FEW_NAMED else "")
        for kind, entries in found.items()
    ]


def _listed(found: dict[str, dict[str, None]], most: int) -> list[str]:
    lines = []
    for kind, entries in found.items():
        lines.append(f"{shown(kind)} ({len(entries)}):")
        lines += [f"  {shown(entry)}" for entry in list(entries)[:most]]
        if len(entries) > most:
            lines.append(f"  ... and {len(entries) - most} more")
    return lines
