"""Checks, before the first update, everything that can be known to be wrong by then."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache

import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn

from experiments.checks.problems import raise_if_any
from experiments.checks.targets import target_problems
from experiments.checks.values import parts_named, value_problems
from experiments.comparison.subgroups.values import by_problem, image_problems
from experiments.config import ConfigError, instantiate, to_plain
from experiments.criteria.before_training import check_criterion, worth_knowing
from experiments.criteria.build import build_criterion
from experiments.criteria.contract import Setting
from experiments.data.batches import PixelStatistics, TileBatches, pixel_statistics
from experiments.data.data_error import DataError
from experiments.data.image_folder.folds.cut import MOST_FOLDS
from experiments.data.known_masks import LOGS, known_masks
from experiments.data.resident_tiles import check_augmentation, stays_on_device
from experiments.data.sampling.uniform import check_sampling
from experiments.data.split import NO_POSITIVES, SegmentationData, missing_positives
from experiments.data.well_logs.dataset import log_errors
from experiments.training.device import check_compiler, make_accelerator
from experiments.training.duration import training_seconds
from experiments.training.network import build_segmenter
from experiments.training.parts import part_problems
from losses.arguments import MAPS, taken_arguments
from losses.classes import ClassLoss


@dataclass(frozen=True, eq=False)
class LoadedData:
    """The data of a study, and the facts about them that training needs."""

    data: SegmentationData
    prevalence: tuple[float, ...]
    statistics: PixelStatistics
    ignores_pixels: bool


_USUAL_PREVALENCE = 0.01

_unusable: dict[str, str] = {}  # why data could not be loaded, by their configuration


def load_data(cfg: DictConfig) -> LoadedData:
    """Load `cfg.data`; runs of one process with the same data share them, or share the error.

    Raises:
        ConfigError: The data cannot be used. Their files are not read again for the next run with the same data.
    """
    config = json.dumps(OmegaConf.to_container(cfg.data, resolve=True), sort_keys=True)
    if config not in _unusable:
        try:
            return (_load_data if cfg.data.get("folds") is None else _load_fold)(config)
        except ConfigError as error:
            _unusable[config] = str(error)
    raise ConfigError(_unusable[config])


@lru_cache(maxsize=2)
def _load_data(config: str) -> LoadedData:
    return _loaded(config)


@lru_cache(maxsize=MOST_FOLDS)  # the folds of a folder share their decoded images, so many take no more memory than one
def _load_fold(config: str) -> LoadedData:
    return _loaded(config)


def _loaded(config: str) -> LoadedData:
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
    """Check one run's configuration by itself, then against its data.

    Returns:
        The data, loaded.

    Raises:
        ConfigError: The message names every key that is wrong by itself. If none is, it names every key or file that
            does not fit the data.
    """
    raise_if_any(value_problems(cfg))
    wrong = target_problems(cfg)
    raise_if_any([*wrong, *part_problems(cfg, parts_named(wrong))])
    loaded, problems = check_data(cfg)
    raise_if_any(problems)
    assert loaded is not None
    return loaded


def check_data(
    cfg: DictConfig, in_doubt: Collection[str] = (), *, draw: bool = True
) -> tuple[LoadedData | None, list[str]]:
    """Load the data of a run and try every part on them.

    Args:
        cfg: The root configuration of one run.
        in_doubt: Parts that are known to be wrong and are not tried.
        draw: Whether to draw synthetic data; otherwise only their values are checked, since nothing else can be wrong.

    Returns:
        The data, None if they were not loaded; a sentence for every problem.
    """
    loaded: LoadedData | None = None
    problems: list[str] = []
    if "data" not in in_doubt:
        try:
            if not draw and cfg.data._target_ == LOGS:
                problems += log_errors({str(k): v for k, v in to_plain(cfg)["data"].items() if k != "_target_"})
            else:
                loaded = load_data(cfg)
        except ConfigError as error:
            problems.append(str(error))
    if loaded is not None:
        problems += _data_problems(cfg, loaded, in_doubt)
    elif (
        not {"loss", "trainer", "data"} & set(in_doubt) and not _is_ours(cfg.loss) and (masks := known_masks(cfg.data))
    ):
        # If the data are broken, the loss is still tried, as on data with rare lines.
        usual = Setting([_USUAL_PREVALENCE] * len(masks), False, cfg.trainer.batch_size, cfg.trainer.tile)
        problems += _tried(lambda: check_criterion(build_criterion(cfg), usual))
    return loaded, problems


def _data_problems(cfg: DictConfig, loaded: LoadedData, in_doubt: Collection[str]) -> list[str]:
    """Try every part on the data and list the errors."""
    if "trainer" in in_doubt:
        return []
    device = make_accelerator(cfg.trainer).device
    by, test = cfg.report.get("by"), loaded.data.test
    of_fold = cfg.data.get("folds") is not None
    wrong = [] if not by or by_problem(by) else image_problems(by, test.image_ids, test.columns, of_fold=of_fold)
    tries: list[tuple[set[str], Callable[[], object]]] = [
        ({"sampling"}, lambda: _check_sampling(cfg, loaded)),
        ({"loss"}, lambda: _check_loss(cfg, loaded, device)),
        ({"model"}, lambda: _try_model(cfg, loaded)),
        ({"sampling", "augmentation", "seed"}, lambda: _check_batches(cfg, loaded, device, in_doubt)),
    ]
    if cfg.trainer.compile:
        tries.append((set(), lambda: check_compiler(device)))
    return wrong + [problem for parts, attempt in tries if not parts & set(in_doubt) for problem in _tried(attempt)]


def _is_ours(part: DictConfig) -> bool:
    """Return whether every `_target_` of a loss is from this package, whose losses meet the contract."""
    terms = part.get("terms")
    inner = [term for term in terms.values() if isinstance(term, DictConfig)] if isinstance(terms, DictConfig) else []
    return all(str(one.get("_target_")).startswith("losses.") for one in (part, *inner))


def _tried(attempt: Callable[[], object]) -> list[str]:
    try:
        attempt()
    except ConfigError as error:
        return [str(error)]
    return []


def _check_sampling(cfg: DictConfig, loaded: LoadedData) -> None:
    try:
        check_sampling(instantiate(cfg, "sampling"), loaded.data.train, loaded.data.masks, side=cfg.trainer.tile)
    except ValueError as error:
        raise ConfigError(f"sampling ({cfg.sampling._target_}): {error}") from error


def _check_loss(cfg: DictConfig, loaded: LoadedData, device: torch.device) -> None:
    setting = Setting(loaded.prevalence, loaded.ignores_pixels, cfg.trainer.batch_size, cfg.trainer.tile, device)
    criterion = build_criterion(cfg)
    notes = worth_knowing(check_criterion(criterion, setting))
    for note in (*notes, *_claimed_twice(criterion, loaded.data)):
        _tell_once(f"note: loss ({cfg.loss._target_}): {note}")


def _claimed_twice(criterion: nn.Module, data: SegmentationData) -> Iterator[str]:
    """Yield a note on training pixels of several masks, which a loss of exclusive classes ignores.

    Raises:
        ConfigError: There are such pixels, and the loss has no label to ignore.
    """
    one_class = [part for part in criterion.modules() if isinstance(part, ClassLoss)]
    pixels, foreground = int(data.train.positives.sum()), int(data.train.foreground.sum())
    if not one_class or pixels <= foreground:
        return
    extra = f"{pixels - foreground} of {foreground} training pixels with a mask belong to several, not to one"
    if any(part.ignore_index is None for part in one_class):
        raise ConfigError(
            f"loss.input: {extra}, and {one_class[0].__name__} has no ignore_index that would leave them out. "
            "Use a loss with a sigmoid, or one with an ignore_index"
        )
    yield f"exclusive classes: {extra}; training ignores them, scoring does not"


@cache
def _tell_once(text: str) -> None:
    """Print a message to stderr unless it was printed before: the runs of a study are checked one by one."""
    print(text, file=sys.stderr)


def tile_batches(cfg: DictConfig, loaded: LoadedData, criterion: nn.Module | None = None) -> TileBatches:
    """Build the source of a run's batches from sampling, augmentation and the numbers of `cfg.trainer`.

    Args:
        cfg: The run's configuration.
        loaded: Its data.
        criterion: Its loss, which may ask for maps derived from the labels; None makes none.
    """
    return TileBatches(
        loaded.data.train,
        instantiate(cfg, "sampling"),
        instantiate(cfg, "augmentation"),
        batch_size=cfg.trainer.batch_size,
        side=cfg.trainer.tile,
        seed=cfg.seed,
        max_steps=cfg.trainer.max_steps,
        ignores_pixels=loaded.ignores_pixels,
        maps=() if criterion is None else sorted(taken_arguments(criterion).intersection(MAPS)),
    )


def _check_batches(cfg: DictConfig, loaded: LoadedData, device: torch.device, in_doubt: Collection[str]) -> None:
    criterion = None if "loss" in in_doubt else build_criterion(cfg)
    _check_resident(cfg, tile_batches(cfg, loaded, criterion), device)


def _check_resident(cfg: DictConfig, batches: TileBatches, device: torch.device) -> None:
    try:
        stays = stays_on_device(cfg.trainer.data_on_device, batches, device)
        if stays:
            check_augmentation(batches, device)
    except ValueError as error:
        raise ConfigError(f"trainer.data_on_device: {error}") from error
    if not stays:
        try:
            check_augmentation(batches, torch.device("cpu"))
        except ValueError as error:
            reason = str(error).split(";")[0].replace(" on cpu, where training images stay", "")
            raise ConfigError(f"augmentation ({cfg.augmentation._target_}): {reason}") from error


def _try_model(cfg: DictConfig, loaded: LoadedData) -> float:
    model = json.dumps(OmegaConf.to_container(cfg.model, resolve=True), sort_keys=True)
    return _check_model(model, cfg.trainer.prior_bias, cfg.trainer.tile, loaded)


@lru_cache(maxsize=8)
def _check_model(model: str, prior_bias: bool, tile: int, loaded: LoadedData) -> float:
    """Build the network and send one tile through it, to find wrong names and shapes. Return the seconds it took."""
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
    image = torch.zeros(1, channels, tile, tile, dtype=torch.uint8)
    try:
        with torch.inference_mode():
            logits = segmenter(image)
            start = time.perf_counter()  # times a second pass, because the first one sets things up
            segmenter(image)
            seconds = time.perf_counter() - start
    except Exception as error:
        raise ConfigError(f"model: a tile of {tile} x {tile} pixels failed: {error}") from error
    if tuple(logits.shape) != (1, masks, tile, tile):
        raise ConfigError(f"model: expected logits of shape {(1, masks, tile, tile)}, got {tuple(logits.shape)}")
    return seconds


def projected_seconds(cfg: DictConfig, loaded: LoadedData) -> float:
    """Project how long a checked run trains on this machine's CPU; 0 if it uses another device."""
    if make_accelerator(cfg.trainer).device.type != "cpu":
        return 0.0
    return training_seconds(_try_model(cfg, loaded), cfg.trainer.batch_size, cfg.trainer.max_steps)
