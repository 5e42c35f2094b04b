"""Reports all problems of a command in one message."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.config import ConfigError


def raise_if_any(problems: Sequence[str]) -> None:
    """Refuse a command with all of its problems in one message.

    Raises:
        ConfigError: There are problems; the message has one per line.
    """
    if problems:
        raise ConfigError("\n".join(problems))
