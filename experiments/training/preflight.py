"""Everything that can be known to be wrong before the first update, checked before the first update."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn

from experiments.config import ConfigError, instantiate, require_complete
from experiments.criteria.build import build_criterion
from experiments.criteria.contract import Setting
from experiments.data.batches import PixelStatistics, TileBatches, pixel_statistics
from experiments.data.data_error import DataError
from experiments.data.resident_tiles import check_augmentation, stays_on_device
from experiments.data.sampling import check_sampling
from experiments.data.split import NO_POSITIVES, SegmentationData, missing_positives
from experiments.training.compiled import check_compiler
from experiments.training.criterion import check_criterion, worth_knowing
from experiments.training.device import make_accelerator
from experiments.training.evaluate import window_spans
from experiments.training.network import build_segmenter


@dataclass(frozen=True, eq=False)
class LoadedData:
    """The data of a study and what training needs to know of them."""

    data: SegmentationData
    prevalence: tuple[float, ...]
    statistics: PixelStatistics
    ignores_pixels: bool


_unusable: dict[str, str] = {}  # why data could not be loaded, by their configuration


def load_data(cfg: DictConfig) -> LoadedData:
    """Load `cfg.data`; runs of one process that name the same data share them, or the reason why they have none.

    Raises:
        ConfigError: The data cannot be used. Their files are not read again for the next run that names them.
    """
    config = json.dumps(OmegaConf.to_container(cfg.data, resolve=True), sort_keys=True)
    if config not in _unusable:
        try:
            return _load_data(config)
        except ConfigError as error:
            _unusable[config] = str(error)
    raise ConfigError(_unusable[config])


@lru_cache(maxsize=2)
def _load_data(config: str) -> LoadedData:
    try:
        data = instantiate(OmegaConf.create({"data": json.loads(config)}), "data")
    except ConfigError as error:
        if isinstance(error.__cause__, DataError):  # names its keys and files itself
            raise ConfigError(str(error.__cause__)) from error
        raise
    if not isinstance(data, SegmentationData):
        raise ConfigError(f"data: expected SegmentationData, got {type(data).__name__}")
    if missing := missing_positives(data):
        raise ConfigError(f"data: {NO_POSITIVES}. {'; '.join(missing)}")
    train = data.train
    return LoadedData(
        data,
        tuple(data.prevalence("train").tolist()),
        pixel_statistics(train),
        ignores_pixels=train.ignores_pixels,
    )


def check(cfg: DictConfig) -> LoadedData:
    """Check one run's configuration against its data.

    Returns:
        The data, loaded.

    Raises:
        ConfigError: Naming the key or the files, what was expected and what came.
    """
    require_complete(cfg)
    _check_numbers(cfg)
    device = make_accelerator(cfg.trainer).device
    loaded = load_data(cfg)
    sampling = instantiate(cfg, "sampling")
    if not callable(getattr(sampling, "draw", None)):
        raise ConfigError(f"sampling: expected an object with a method draw, got {type(sampling).__name__}")
    try:
        check_sampling(sampling, loaded.data.train, loaded.data.masks, side=cfg.trainer.tile)
    except ValueError as error:
        raise ConfigError(f"sampling ({cfg.sampling._target_}): {error}") from error
    setting = Setting(loaded.prevalence, loaded.ignores_pixels, cfg.trainer.batch_size, cfg.trainer.tile, device)
    for note in worth_knowing(check_criterion(build_criterion(cfg), setting)):
        _tell_once(f"note: loss ({cfg.loss._target_}): {note}")
    _check_model(
        json.dumps(OmegaConf.to_container(cfg, resolve=True)["model"], sort_keys=True),  # type: ignore[call-overload,index]
        cfg.trainer.prior_bias,
        cfg.trainer.tile,
        loaded,
    )
    make_optimizer(cfg, nn.Linear(1, 1))
    _check_resident(cfg, tile_batches(cfg, loaded), device)
    if cfg.trainer.compile:
        check_compiler(device)
    return loaded


@cache
def _tell_once(text: str) -> None:
    """Print to stderr what was not yet printed; the runs of a study are checked one by one."""
    print(text, file=sys.stderr)


def tile_batches(cfg: DictConfig, loaded: LoadedData) -> TileBatches:
    """Say how the batches of a run are made: sampling, augmentation and the numbers of `cfg.trainer`."""
    return TileBatches(
        loaded.data.train,
        instantiate(cfg, "sampling"),
        instantiate(cfg, "augmentation"),
        batch_size=cfg.trainer.batch_size,
        side=cfg.trainer.tile,
        seed=cfg.seed,
        max_steps=cfg.trainer.max_steps,
        ignores_pixels=loaded.ignores_pixels,
    )


def make_optimizer(cfg: DictConfig, model: nn.Module) -> tuple[torch.optim.Optimizer, Any]:
    """Build optimizer and scheduler for a model.

    Raises:
        ConfigError: Naming the key whose arguments do not fit.
    """
    optimizer = _call(cfg, "optimizer", model.parameters())
    return optimizer, _call(cfg, "scheduler", optimizer)


def _call(cfg: DictConfig, key: str, argument: object) -> Any:
    """Finish the partial at `key`: its arguments meet their function only now."""
    partial = instantiate(cfg, key)
    try:
        return partial(argument)
    except Exception as error:
        raise ConfigError(f"{key} ({cfg[key]._target_}): {type(error).__name__}: {error}") from error


def _check_numbers(cfg: DictConfig) -> None:
    trainer = cfg.trainer
    least = {"seed": cfg.seed, "trainer.workers": trainer.workers, "trainer.eval_overlap": trainer.eval_overlap}
    wrong = [f"{key}: expected a number of at least 0, got {value}" for key, value in least.items() if value < 0]
    wrong += [
        f"trainer.{key}: expected a positive number, got {trainer[key]}"
        for key in (
            "max_steps",
            "batch_size",
            "tile",
            "eval_tile",
            "eval_batch_size",
            "log_every",
            "checkpoint_every",
        )
        if trainer[key] < 1
    ]
    if trainer.tile % 32:
        nearest = max(32, 32 * round(trainer.tile / 32))
        wrong.append(f"trainer.tile: expected a multiple of 32, got {trainer.tile}; {nearest} is near")
    if trainer.eval_tile % 32:
        nearest = max(32, 32 * round(trainer.eval_tile / 32))
        wrong.append(f"trainer.eval_tile: expected a multiple of 32, got {trainer.eval_tile}; {nearest} is near")
    minutes = trainer.checkpoint_minutes
    if minutes is not None and not minutes > 0:
        wrong.append(f"trainer.checkpoint_minutes: expected a positive number or null, got {minutes}")
    if trainer.threads is not None and trainer.threads < 1:
        wrong.append(f"trainer.threads: expected a positive number or null, got {trainer.threads}")
    try:
        window_spans(2 * trainer.eval_tile, trainer.eval_tile, trainer.eval_overlap)
    except ValueError as error:
        wrong.append(f"trainer.eval_overlap: {error}")
    if wrong:
        raise ConfigError("\n".join(wrong))


def _check_resident(cfg: DictConfig, batches: TileBatches, device: torch.device) -> None:
    try:
        if stays_on_device(cfg.trainer.data_on_device, batches, device):
            check_augmentation(batches, device)
    except ValueError as error:
        raise ConfigError(f"trainer.data_on_device: {error}") from error


@lru_cache(maxsize=8)
def _check_model(model: str, prior_bias: bool, tile: int, loaded: LoadedData) -> None:
    """Build the network once and send one tile through it: wrong names and shapes show here."""
    cfg = OmegaConf.create(
        {
            "seed": 0,
            "model": json.loads(model),
            "trainer": {"prior_bias": prior_bias, "channels_last": False},
        }
    )
    channels, masks = loaded.data.channels, len(loaded.prevalence)
    segmenter = build_segmenter(
        cfg, channels=channels, prevalence=loaded.prevalence, statistics=loaded.statistics
    ).eval()
    try:
        with torch.inference_mode():
            logits = segmenter(torch.zeros(1, channels, tile, tile, dtype=torch.uint8))
    except Exception as error:
        raise ConfigError(f"model: a tile of {tile} x {tile} pixels failed: {error}") from error
    if tuple(logits.shape) != (1, masks, tile, tile):
        raise ConfigError(f"model: expected logits of shape {(1, masks, tile, tile)}, got {tuple(logits.shape)}")
