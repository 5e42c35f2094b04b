"""What every process of a run does: build its parts, and train."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator
from omegaconf import DictConfig
from torch import nn

from experiments.criteria.before_training import set_prevalence
from experiments.criteria.build import build_criterion
from experiments.data.batches import TileBatches
from experiments.data.resident_tiles import training_updates
from experiments.data.sampling.uniform import check_sampling, switch_update
from experiments.process import stop_signals
from experiments.process.random_numbers import seed_generators
from experiments.training.checkpoint import TrainingState
from experiments.training.data_parallel.shared_updates import SharedUpdates
from experiments.training.device import compiled, make_accelerator
from experiments.training.fit import fit
from experiments.training.network import build_segmenter, weights_fingerprint
from experiments.training.parts import make_optimizer
from experiments.training.setup import LoadedData, tile_batches


@dataclass(frozen=True, eq=False)
class Training:
    """The parts of a run before its first update.

    Args:
        accelerator: Device and precision.
        model: As `accelerate` prepared it.
        criterion: The loss.
        state: Everything that changes while the run trains.
        batches: Makes the batch of an update.
        masks: Their names.
        switch: The update after which the sampling changes; None if it does not.
        initial_weights: Fingerprint of the model's weights.
    """

    accelerator: Accelerator
    model: Any
    criterion: nn.Module
    state: TrainingState
    batches: TileBatches
    masks: tuple[str, ...]
    switch: int | None
    initial_weights: str


def build_training(cfg: DictConfig, loaded: LoadedData) -> Training:
    """Build the parts of a run, and seed all generators."""
    data, trainer = loaded.data, cfg.trainer
    accelerator = make_accelerator(trainer)
    model = build_segmenter(cfg, channels=data.channels, prevalence=loaded.prevalence, statistics=loaded.statistics)
    initial_weights = weights_fingerprint(model)
    criterion = build_criterion(cfg)
    set_prevalence(criterion, loaded.prevalence)
    criterion.to(accelerator.device)
    optimizer, scheduler = make_optimizer(cfg, model.to(accelerator.device), criterion)
    # In evaluation mode it only applies the precision, and does not wrap the model for several processes.
    model = accelerator.prepare_model(model, evaluation_mode=True)
    optimizer = accelerator.prepare_optimizer(optimizer)
    others = {"criterion": criterion} | ({"scaler": accelerator.scaler} if accelerator.scaler is not None else {})
    state = TrainingState(accelerator.unwrap_model(model), optimizer, scheduler, others)
    batches = tile_batches(cfg, loaded, criterion)
    check_sampling(batches.sampling, data.train, data.masks, side=trainer.tile)
    switch = switch_update(batches.sampling, trainer.max_steps)
    # Last, because everything above may have drawn random numbers; dropout and losses draw from here on.
    seed_generators(cfg.seed)
    return Training(accelerator, model, criterion, state, batches, data.masks, switch, initial_weights)


def train(
    cfg: DictConfig,
    training: Training,
    on_device: bool,
    shared: SharedUpdates | None = None,
    *,
    is_due: Callable[[int], bool] = lambda update: False,
    save: Callable[[], None] = lambda: None,
    on_update: Callable[[int], None] = lambda update: None,
    on_row: Callable[[dict[str, float]], None] = lambda row: None,
) -> bool:
    """Train a run to its last update.

    Args:
        cfg: Its configuration.
        training: Its parts, from update `state.update` on.
        on_device: Whether training images stay on the device.
        shared: What several processes do together in each update; None for one process.
        is_due: As in `fit`; a process that helps another has nothing to write or show.
        save: As in `fit`.
        on_update: As in `fit`.
        on_row: As in `fit`.

    Returns:
        Whether the loss and the weights stayed finite.
    """
    state, criterion, accelerator, batches = training.state, training.criterion, training.accelerator, training.batches
    updates = training_updates(
        batches,
        first=state.update,
        device=accelerator.device,
        on_device=str(on_device),
        workers=cfg.trainer.workers,
    )
    forward, compiled_loss = None, None
    if shared is not None:
        forward = shared.whole_batch(state.model)
    elif cfg.trainer.compile:
        forward, compiled_loss = compiled(state.model, criterion, accelerator.device)
    finite = fit(
        state,
        updates,
        criterion,
        accelerator,
        masks=training.masks,
        max_steps=cfg.trainer.max_steps,
        log_every=cfg.trainer.log_every,
        is_due=is_due,
        on_update=on_update,
        save=save,
        row_ends=() if training.switch is None else (training.switch,),
        image_ids=batches.split.image_ids,
        # Scoring calls the model itself: its images differ in size, and each size would be compiled anew.
        forward=forward,
        compiled_loss=compiled_loss,
        on_row=on_row,
        sum_gradients=shared.sum_gradients if shared is not None else None,
        stops=shared.stops if shared is not None else stop_signals.stop_received,
    )
    trained = (*state.model.parameters(), *criterion.parameters())
    return finite and all(bool(torch.isfinite(value).all()) for value in trained)
