"""The training loop: reads from top to bottom, one update at a time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from experiments.data.batches import Batch
from experiments.process import stop_signals
from experiments.training.checkpoint import TrainingState
from experiments.training.device import CompiledLoss, Forward
from experiments.training.foreground_seen import batch_foreground, foreground_column
from experiments.training.update_error import failing_in, named_batches
from losses import apply_criterion
from losses.arguments import taken_arguments


def fit(
    state: TrainingState,
    batches: Iterable[Batch],
    criterion: nn.Module,
    accelerator: Accelerator,
    *,
    masks: Sequence[str],
    max_steps: int,
    log_every: int,
    is_due: Callable[[int], bool],
    on_update: Callable[[int], None],
    save: Callable[[], None],
    row_ends: Collection[int] = (),
    image_ids: Sequence[str] = (),
    forward: Forward | None = None,
    compiled_loss: CompiledLoss | None = None,
    on_row: Callable[[dict[str, float]], None] = lambda row: None,
    sum_gradients: Callable[[], None] | None = None,
    stops: Callable[[], bool] = stop_signals.stop_received,
) -> bool:
    """Train until `max_steps` updates are done.

    Losses and shares of foreground are read from the device only when a row of the history ends. Between rows the host
    never waits for a GPU, except with fp16, whose scaler reads every gradient.

    Args:
        state: Model, optimizer and scheduler; changed in place.
        batches: The batches from update `state.update` on, in order.
        criterion: The loss; a combined one leaves its terms in `term_values`.
        accelerator: Device, precision and backward pass.
        masks: Names of the masks, for the columns of the history.
        max_steps: Number of updates in all.
        log_every: Updates between rows of the history.
        is_due: Returns after an update whether a checkpoint is due.
        on_update: Called with the number of updates done, after each one.
        save: Called to write a checkpoint: when one is due, and when a signal asks the run to stop.
        row_ends: Further numbers of updates after which a row of the history ends.
        image_ids: Names of the training images, for a loss that takes `image_id`.
        forward: Maps images to logits with the weights of `state.model`, such as its compiled version; None calls the
            model itself.
        compiled_loss: Does in one graph what `forward`, `criterion` and `batch_foreground` do in turn, and is called in
            place of them; None where the criterion cannot be part of a graph.
        on_row: Called with each row of the history when it ends.
        sum_gradients: Called after each backward pass, where several processes share a batch; see `data_parallel`.
        stops: Returns after each update whether a signal asks the run to stop.

    Returns:
        False if the loss became NaN or infinite, which stops training.

    Raises:
        UpdateError: The batch, the model, the loss or the optimizer raised an error.
        Terminated: A signal asked the run to stop; a checkpoint was written.
    """
    state.model.train()
    forward = state.model if forward is None else forward
    wanted = taken_arguments(criterion)
    started = time.perf_counter()
    seconds_before = state.fit_seconds
    for batch in named_batches(batches, state):
        if compiled_loss is not None:
            with failing_in("model or loss", state), accelerator.autocast():
                batch = batch.to(accelerator.device)
                loss, shares = compiled_loss(batch.image, batch.target, batch.valid)
        else:
            with failing_in("model", state), accelerator.autocast():
                batch = batch.to(accelerator.device)
                logits = forward(batch.image)
            with failing_in("loss", state):
                context = _context(wanted, batch, state.update, image_ids)
                loss = apply_criterion(criterion, logits, batch.target, batch.valid, context=context)
            shares = batch_foreground(batch.target, batch.valid)
        with failing_in("backward pass", state):
            accelerator.backward(loss)
            if sum_gradients is not None:
                sum_gradients()
        with failing_in("optimizer", state):
            state.optimizer.step()
            state.scheduler.step()
            state.optimizer.zero_grad(set_to_none=True)
        state.update += 1

        terms = getattr(criterion, "term_values", {})
        state.losses.append({"loss": loss.detach(), **{f"term/{name}": value for name, value in terms.items()}})
        state.shares.append(shares)
        state.fit_seconds = seconds_before + time.perf_counter() - started
        if state.update % log_every == 0 or state.update == max_steps or state.update in row_ends:
            state.history.append(history_row(state, masks))
            state.losses, state.shares = [], []
            on_row(state.history[-1])
            if not math.isfinite(state.history[-1]["loss"]):
                return False
        # Asked first; a signal that comes later is noticed after the next update.
        is_last = stops()
        if is_last or (is_due(state.update) and state.update < max_steps):
            save()
        if is_last:
            stop_signals.raise_if_received()
        on_update(state.update)
    return True


def _context(wanted: Collection[str], batch: Batch, update: int, image_ids: Sequence[str]) -> dict[str, Any]:
    """Return what a criterion takes by name, `valid` aside; see `losses.arguments.BY_NAME`."""
    context: dict[str, Any] = {name: value for name, value in batch.maps.items() if name in wanted}
    if "update" in wanted:
        context["update"] = update
    if "index" in wanted:
        context["index"] = torch.tensor(batch.index).to(batch.target.device, non_blocking=True)
    if "image_id" in wanted:
        context["image_id"] = [image_ids[index] for index in batch.index]
    return context


def history_row(state: TrainingState, masks: Sequence[str]) -> dict[str, float]:
    """Average losses, terms and shares of foreground since the last row, with one copy from the device."""
    names = list(state.losses[0])
    losses = torch.stack([torch.stack([values[name] for values in state.losses]).mean() for name in names])
    means = torch.cat([losses, torch.stack(state.shares).nanmean(dim=0)]).tolist()
    row = dict(zip(names + [foreground_column(mask) for mask in masks], means, strict=True))
    lr = float(state.scheduler.get_last_lr()[0])
    return {"update": state.update, **row, "lr": lr, "seconds": round(state.fit_seconds, 3)}
