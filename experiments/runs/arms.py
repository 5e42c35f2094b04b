"""The keys in an arm's name: `loss=dice,trainer.max_steps=480` taken apart."""

from __future__ import annotations

import re
from collections.abc import Sequence

_VALUE = r"(?:\[[^\]]*\]|[^,\[])*"  # a list's commas do not end it


def without_keys(arm: str, keys: Sequence[str]) -> str:
    """Take keys out of an arm's name: `loss=dice,optimizer.lr=0.01` becomes `loss=dice`; `default` if none is left."""
    parts = [part for part in name_parts(arm) if part.split("=", 1)[0] not in keys]
    return ",".join(parts) or "default"


def only_keys(arm: str, keys: Sequence[str]) -> str:
    """Keep some keys of an arm's name, in the order of `keys`; empty where it has none of them."""
    found = {part.split("=", 1)[0]: part for part in name_parts(arm)}
    return ",".join(found[key] for key in keys if key in found)


def name_parts(arm: str) -> list[str]:
    """Take an arm's name apart: `loss=dice,optimizer.lr=0.01` becomes `loss=dice` and `optimizer.lr=0.01`."""
    return re.findall(rf"[^,=]+(?:={_VALUE})?", arm)
