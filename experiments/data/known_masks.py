"""The mask names of data sets that tell them without being loaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from experiments.data.well_logs.style import PENS

LOGS = "experiments.data.well_logs.dataset.make_well_logs"
_IMAGES = "experiments.data.image_folder.load.load_image_folder"


def known_masks(data: Any) -> Sequence[str] | None:
    """Name the masks of synthetic logs, and of images whose configuration lists them; None for all other data.

    Args:
        data: The `data` group.
    """
    target = OmegaConf.select(data, "_target_", throw_on_missing=False) if isinstance(data, DictConfig) else None
    if target == LOGS:
        return PENS
    if target != _IMAGES:
        return None
    masks = OmegaConf.select(data, "masks", throw_on_missing=False)
    for key in ("labels", "colours"):  # the names of files that hold all masks
        named = OmegaConf.select(data, key, throw_on_missing=False)
        if masks is None and isinstance(named, DictConfig):
            masks = ListConfig([name for name in named if name != "background"])
    names = [masks] if isinstance(masks, str) else list(masks) if isinstance(masks, ListConfig) else []
    return names if names and all(isinstance(name, str) for name in names) else None
