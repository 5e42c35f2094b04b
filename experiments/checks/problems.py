"""Problems of a command, all in one message."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.config import ConfigError


def raise_if_any(problems: Sequence[str]) -> None:
    """Refuse a command with all of its problems in one message.

    Raises:
        ConfigError: A problem a line.
    """
    if problems:
        raise ConfigError("\n".join(problems))
