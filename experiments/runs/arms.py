"""Splits an arm's name, such as `loss=dice,trainer.max_steps=480`, into its keys."""

from __future__ import annotations

import re
from collections.abc import Sequence

from experiments.config import FOLD

_VALUE = r"(?:\[[^\]]*\]|[^,\[])*"  # commas inside a list do not end the value


def without_keys(arm: str, keys: Sequence[str]) -> str:
    """Remove keys from an arm's name: `loss=dice,optimizer.lr=0.01` becomes `loss=dice`; `default` if none is left."""
    parts = [part for part in name_parts(arm) if part.split("=", 1)[0] not in keys]
    return ",".join(parts) or "default"


def only_keys(arm: str, keys: Sequence[str]) -> str:
    """Keep some keys of an arm's name, in the order of `keys`; empty if it has none of them."""
    found = {part.split("=", 1)[0]: part for part in name_parts(arm)}
    return ",".join(found[key] for key in keys if key in found)


def name_parts(arm: str) -> list[str]:
    """Split an arm's name: `loss=dice,optimizer.lr=0.01` becomes `loss=dice` and `optimizer.lr=0.01`."""
    return re.findall(rf"[^,=]+(?:={_VALUE})?", arm)


def without_fold(arm: str) -> str:
    """Name the arm that a run of one fold belongs to.

    >>> without_fold("loss=dice,data.fold=3"), without_fold("loss=dice")
    ('loss=dice', 'loss=dice')
    """
    return without_keys(arm, [FOLD])


def fold_in_name(arm: str) -> int | None:
    """Read the fold from the name of an arm; None where it names none.

    >>> fold_in_name("loss=dice,data.fold=3")
    3
    """
    values = [part.partition("=")[2] for part in name_parts(arm) if part.partition("=")[0] == FOLD]
    return int(values[0]) if len(values) == 1 and values[0].isdigit() else None
