"""Reads a run's network, masks and validation scores back from its folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from experiments.config import ConfigError
from experiments.data.batches import PixelStatistics
from experiments.frontier.histogram import ScoreHistograms
from experiments.runs import store
from experiments.training.network import Segmenter, build_segmenter
from experiments.training.own_state import set_own_state

_SMP = "segmentation_models_pytorch.create_model"


@dataclass(frozen=True, eq=False)
class TrainedRun:
    """A complete run with its weights.

    Args:
        folder: Where it is.
        info: Its `run.json`.
        config: Its configuration.
        scores: Histograms of validation and test.
        segmenter: The network, with the weights of the last update.
    """

    folder: Path
    info: Mapping[str, Any]
    config: DictConfig
    scores: Mapping[str, ScoreHistograms]
    segmenter: Segmenter

    @property
    def arm(self) -> str:
        """Its arm."""
        return str(self.info.get("arm") or self.folder.parent.name)

    @property
    def seed(self) -> int:
        """Its seed."""
        return int(self.config.seed)

    @property
    def masks(self) -> tuple[str, ...]:
        """Names of its masks, in the order of the logits."""
        return self.scores["test"].masks

    @property
    def channels(self) -> int:
        """Channels of its images."""
        return len(self.segmenter.mean)

    @property
    def exclusive(self) -> bool:
        """Whether it was trained on exclusive classes, so that a score is the log-odds of a mask's softmax."""
        return bool(self.info.get("exclusive_classes"))

    @property
    def shift(self) -> int | None:
        """Bits that its 16-bit images lost; 0 where all had 8 bits, None where an older run does not say."""
        shift = self.info.get("shift")
        return shift if isinstance(shift, int) else None

    def model_arguments(self) -> dict[str, Any]:
        """Return what its model's `_target_` was called with, without weights to download."""
        chosen = OmegaConf.to_container(self.config.model, resolve=True)
        assert isinstance(chosen, dict)
        return {**chosen, "in_channels": self.channels, "classes": len(self.masks)}


def run_problems(folder: Path) -> list[str]:
    """Say why a folder holds no run that can predict; at most one sentence, empty if it does."""
    info = store.read_info(folder)
    if info is None:
        below = [path.relative_to(folder).as_posix() for path in store.find_run_folders(folder)[:3]]
        hint = f"; it holds the runs {', '.join(below)}" if below else ""
        return [f"run: expected the folder of a run, <study_dir>/<arm>/seed=<k>, got {folder}, without run.json{hint}"]
    if store.PREDICTIONS in info:
        return [f"run: expected a run that was trained here, got {folder}: its predictions were made elsewhere"]
    run = store.load_run_at(folder, folder.parent.name, 0)
    if run.status != "complete":
        reason = run.info.get("reason")
        return [f"run: expected a complete run, got {folder}: {run.status}{f': {reason}' if reason else ''}"]
    again = f". Its command trains it again: {info['command']}" if info.get("command") else ""
    if not (folder / store.CHECKPOINT_FILE).exists():
        return [f"run: expected {store.CHECKPOINT_FILE} in {folder}, where the weights were{again}"]
    damaged = store.find_damaged_files(folder, info, (store.CHECKPOINT_FILE,))
    return [f"run: {folder}: {name}: {problem}{again}" for name, problem in damaged.items()]


def load_trained_run(folder: Path) -> TrainedRun:
    """Build the network of a run and load its weights. What the run's `model._target_` names is called.

    Args:
        folder: Of a run in which `run_problems` finds nothing.

    Raises:
        ConfigError: The network cannot be built, or the weights are those of another configuration.
    """
    run = store.load_run_at(folder, folder.parent.name, 0)
    config = OmegaConf.create(dict(run.config))
    if "encoder_weights" in config.model:
        config.model.encoder_weights = None  # all weights come from the checkpoint
    path = folder / store.CHECKPOINT_FILE
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        weights, own = content["model"], content.get("own") or {}
        channels = len(weights["mean"])
        if content["fingerprint"] != run.info["fingerprint"]:
            raise ValueError("weights of another configuration")
    except Exception as error:
        raise ConfigError(f"run: {path}: expected the weights of this run, got {_line(error)}") from error
    masks = run.scores["test"].masks
    segmenter = build_segmenter(
        config,
        channels=channels,
        prevalence=[0.5] * len(masks),  # where the last layer starts, which the weights overwrite
        statistics=PixelStatistics((0.0,) * channels, (1.0,) * channels),
    )
    try:
        segmenter.load_state_dict(weights)
        set_own_state(segmenter, own)
    except Exception as error:
        raise ConfigError(
            f"run: {path}: the weights do not fit model={config.model._target_}: {_line(error)}"
        ) from error
    return TrainedRun(folder, run.info, config, run.scores, segmenter.eval())


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
