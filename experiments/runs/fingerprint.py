"""The keys of a configuration that a result depends on, and their fingerprint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from experiments.runs.renamed import with_first_addresses

# Keys that set where files are, what is shown or how fast a machine works, but not what is computed.
_NOT_RESULTS = (
    "study",
    "study_dir",
    "overwrite",
    "report",
    "tracker",
    "tune",
    "data.root",
    "data.allow_majority",
    "data.max_pixels",
    "data.cache_dir",
    "data.memory",
    "data.threads",
    "trainer.workers",
    "trainer.data_on_device",
    "trainer.threads",
    "trainer.log_every",
    "trainer.checkpoint_every",
    "trainer.checkpoint_minutes",
    "trainer.example_pixels",
    "trainer.tolerances",
    "trainer.cldice",
    "trainer.curve",
)
# Keys that were added later, with the value that older runs had in effect: with this value the run is the same.
_LATER_KEYS = {
    "trainer.compile": False,
    "trainer.deterministic": False,
    "loss.input": "logits",
    **dict.fromkeys(f"data.{key}" for key in ("images", "truth", "valid", "labels", "colours", "threshold")),
    **dict.fromkeys(f"data.{key}" for key in ("ignore", "ignore_value", "field", "annotation", "annotators", "splits")),
    **dict.fromkeys(("data.folds", "data.fold")),
    **dict.fromkeys(("data.label_jitter", "data.dropped_strokes"), 0.0),
    **dict.fromkeys((f"data.{key}" for key in ("inverted", "exclusive", "skip_without_truth")), False),
}


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested mappings to dotted keys; lists stay values."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            flat.update(flatten(value, f"{name}."))
        else:
            flat[name] = value
    return flat


def _is_under(key: str, roots: tuple[str, ...]) -> bool:
    return any(key == root or key.startswith(f"{root}.") for root in roots)


def result_config(config: Mapping[str, Any], without: tuple[str, ...] = ()) -> dict[str, Any]:
    """Keep the flattened keys that a result depends on, except those at or below a key of `without`."""
    flat = {k: v for k, v in flatten(config).items() if not (k in _LATER_KEYS and v == _LATER_KEYS[k])}
    return {k: v for k, v in flat.items() if not _is_under(k, _NOT_RESULTS + without)}


def fingerprint(content: Mapping[str, Any]) -> str:
    """Return the sha256 of a mapping's canonical JSON, with the first address of each part."""
    first = with_first_addresses(content)
    return hashlib.sha256(json.dumps(first, sort_keys=True, default=str).encode()).hexdigest()


def differing_keys(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """List the keys in which two flat mappings differ, with both values (`None` for an absent key)."""
    keys = sorted(set(first) | set(second))
    return {k: (first.get(k), second.get(k)) for k in keys if first.get(k) != second.get(k)}
