"""What the `run.json` of a pooled run says, from those of its folds."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from experiments.config import FOLD
from experiments.runs import store

_SPLITS = ("train", "val", "test")


def facts_of_all(parts: Sequence[store.Run]) -> dict[str, Any]:
    """Put together what `run.json` says of each fold, where a comparison reads it."""
    infos = [part.info for part in parts]
    prints = [info.get("data_fingerprint") or {} for info in infos]
    facts: dict[str, Any] = {
        "data_fingerprint": {split: _joined([each.get(split) for each in prints]) for split in _SPLITS},
        "initial_weights": _joined([info.get("initial_weights") for info in infos]),
        "updates": _same([info.get("updates") for info in infos]),
        store.HARD_MASKS: any(info.get(store.HARD_MASKS) for info in infos),
    }
    if all("fit_seconds" in info for info in infos):
        facts["fit_seconds"] = sum(info["fit_seconds"] for info in infos)
    if all("prevalence" in info for info in infos):
        facts["prevalence"] = {
            mask: sum(info["prevalence"][mask] for info in infos) / len(infos) for mask in infos[0]["prevalence"]
        }
    entries = [entry for info in infos for entry in info.get("annotators") or []]
    if entries:
        facts["annotators"] = _added(entries)
    return facts


def _added(entries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Add the counts of each annotator and mask over the folds."""
    total: dict[tuple[str, str], dict[str, Any]] = {}
    for entry in entries:
        sums = total.setdefault(
            (entry["annotator"], entry["mask"]), {**entry, "hits": 0, "false_alarms": 0, "misses": 0}
        )
        for name in ("hits", "false_alarms", "misses"):
            sums[name] += entry[name]
    return list(total.values())


def _joined(values: Sequence[Any]) -> str:
    return hashlib.sha256(repr(values).encode()).hexdigest()


def _same(values: Sequence[Any]) -> Any:
    return values[0] if len(set(values)) == 1 else ", ".join(map(str, values))


def without_fold_key(command: Any) -> str | None:
    """Take the fold out of a command, which then trains all folds."""
    if not isinstance(command, str):
        return None
    try:
        words = shlex.split(command)
    except ValueError:
        return command
    return shlex.join([word for word in words if not word.startswith(f"{FOLD}=")])
