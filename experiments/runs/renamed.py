"""Addresses (`_target_`) that have changed, so that runs made before a change can still be read and resumed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# The first address of a part, and its present one. A run's fingerprint is computed from the first, so an entry never
# leaves this list.
RENAMED = {
    "experiments.data.image_folder.load_image_folder": "experiments.data.image_folder.load.load_image_folder",
    "experiments.data.well_logs.make_well_logs": "experiments.data.well_logs.dataset.make_well_logs",
    "experiments.data.sampling.UniformTiles": "experiments.data.sampling.uniform.UniformTiles",
    "experiments.data.rich_images.RichImages": "experiments.data.sampling.rich_images.RichImages",
    "experiments.data.foreground_tiles.ForegroundTiles": "experiments.data.sampling.foreground_tiles.ForegroundTiles",
    "experiments.data.undersampling.BackgroundUndersampling": (
        "experiments.data.sampling.undersampling.BackgroundUndersampling"
    ),
    "experiments.data.two_phase.TwoPhase": "experiments.data.sampling.two_phase.TwoPhase",
}
_FIRST = {now: first for first, now in RENAMED.items()}


def with_addresses_of_today(config: Mapping[str, Any]) -> dict[str, Any]:
    """Replace each `_target_` that has changed by its present address.

    >>> with_addresses_of_today({"sampling": {"_target_": "experiments.data.two_phase.TwoPhase", "switch_at": 0.5}})
    {'sampling': {'_target_': 'experiments.data.sampling.two_phase.TwoPhase', 'switch_at': 0.5}}
    """
    return _renamed(config, RENAMED)


def with_first_addresses(config: Mapping[str, Any]) -> dict[str, Any]:
    """Replace each `_target_`, nested or flattened to `sampling._target_`, by its first address."""
    return _renamed(config, _FIRST)


def _renamed(content: Any, names: Mapping[str, str]) -> Any:
    if isinstance(content, Mapping):
        return {
            key: names.get(value, value)
            if str(key).endswith("_target_") and isinstance(value, str)
            else _renamed(value, names)
            for key, value in content.items()
        }
    return [_renamed(value, names) for value in content] if isinstance(content, list) else content
