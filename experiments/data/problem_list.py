"""Everything that is wrong with a data set, collected and told at once."""

from __future__ import annotations

from experiments.data.data_error import DataError

MOST_NAMED = 20  # files named of each kind; the rest is counted


class ProblemList:
    """Problems in the order of their kinds' first appearance.

    Args:
        where: What is wrong, the first words of the message: "data.root=photos".
    """

    def __init__(self, where: str) -> None:
        self.where = where
        self._found: dict[str, list[str]] = {}

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, kind: str, *entries: str) -> None:
        """Add problems of one kind.

        Args:
            kind: What is wrong and what was expected, in words that fit every entry.
            entries: For each problem the file, and what came where it adds something. None changes nothing.
        """
        if entries:
            self._found.setdefault(kind, []).extend(entries)

    def message(self) -> str:
        """List every kind with its entries, at most `MOST_NAMED` of each, and a count."""
        lines = [f"{self.where}: the data cannot be used"]
        for kind, entries in self._found.items():
            lines.append(f"{kind} ({len(entries)}):")
            lines += [f"  {entry}" for entry in entries[:MOST_NAMED]]
            if len(entries) > MOST_NAMED:
                lines.append(f"  ... and {len(entries) - MOST_NAMED} more")
        return "\n".join(lines)

    def raise_if_any(self) -> None:
        """Raise a DataError with the message if there is a problem.

        Raises:
            DataError: There is.
        """
        if self._found:
            raise DataError(self.message())
