"""Looks over the data of a configuration, and writes what it shows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from experiments.config import ConfigError, instantiate
from experiments.data.data_error import DataError
from experiments.data.split import SegmentationData
from experiments.inspection.folder import inspect_folder
from experiments.inspection.look import Inspection, inspect_data
from experiments.runs.store import write_atomically, write_table

FOLDER = "experiments.data.image_folder.load.load_image_folder"


def look_at(data: Mapping[str, Any], cfg: DictConfig) -> Inspection:
    """Look over the data of a configuration.

    Args:
        data: The `data` group as plain values.
        cfg: The root configuration.

    Raises:
        DataError: A folder cannot be read.
        ConfigError: Other data cannot be loaded.
    """
    overlays = int(cfg.overlays)
    if data["_target_"] == FOLDER:
        options = {name: value for name, value in data.items() if name not in ("_target_", "root")}
        return inspect_folder(data["root"], overlays=overlays, **options)
    try:
        loaded = instantiate(cfg, "data")
    except ConfigError as error:
        if isinstance(error.__cause__, DataError):  # names its keys and files itself
            raise error.__cause__ from None
        raise
    if not isinstance(loaded, SegmentationData):
        raise ConfigError(f"data: expected SegmentationData, got {type(loaded).__name__}")
    return inspect_data(loaded, overlays=overlays)


def write_inspection(found: Inspection, folder: Path) -> list[Path]:
    """Write images.csv, masks.csv and overlays.png, and the tables of annotators and columns if there are any."""
    tables = {"images": found.images, "masks": found.masks, "annotators": found.annotators, "columns": found.columns}
    written = []
    for name, table in tables.items():
        if len(table):
            write_table(folder / f"{name}.csv", table)
            written.append(folder / f"{name}.csv")
    if found.examples:
        figure = found.plot()
        write_atomically(folder / "overlays.png", lambda file: figure.savefig(file, format="png"))
        written.append(folder / "overlays.png")
    return written
