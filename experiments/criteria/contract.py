"""The contract of a loss, clause by clause: what is measured, what is refused, and what is only noted.

A loss is refused if training could not work: no value, no gradient, the wrong sign, or no reaction to the labels.
Something strange that may be intended, such as ignoring false positives, becomes a note. The test batch holds thin
strokes, with standard normal logits and with logits of the right and of the wrong sign.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn

from experiments.criteria.clauses import (
    FAIL,
    NOTE,
    ORDER,
    PASS,
    RUNS,
    Clause,
    both_errors,
    descent,
    every_image,
    every_mask,
    extreme_labels,
    finite_value,
    gradient_on_logits,
    ignored_pixels,
    inputs_left_alone,
    large_logits,
    noise_of,
    order_of_costs,
    own_parameters,
    reaction_to_labels,
    repeatable,
    side_effects,
)
from experiments.criteria.trial import Batch, Tester, Trial, make_batch, random_state_kept
from losses.adapters import EachLoss, FunctionLoss, ProbabilityLoss, takes_valid
from losses.classes import takes_classes

_CPU = torch.device("cpu")
SIDE = 64  # pixels: large enough for losses with windows, and half a millisecond per call


@dataclass(frozen=True)
class Setting:
    """How training will call the loss.

    Args:
        prevalence: Positive share per mask; its length is the number of masks.
        ignores_pixels: Whether some pixels are ignored.
        batch_size: Tiles in a batch of the training.
        tile: Their side in pixels.
        device: Where training runs.
    """

    prevalence: Sequence[float]
    ignores_pixels: bool = False
    batch_size: int = 8
    tile: int = SIDE
    device: torch.device = _CPU


def measure_contract(criterion: nn.Module, setting: Setting, key: str = "loss") -> list[Clause]:
    """Use a loss on a small batch and measure each clause of its contract.

    Args:
        criterion: The loss, with its prevalence set. A copy is used if it can be copied.
        setting: How training will call it.
        key: Its key in the configuration, for advice.

    Returns:
        The clauses in the order of measurement. The list ends early if a clause fails that all others depend on.
    """
    with random_state_kept():
        clauses = list(_clauses(criterion, setting))
        failed = [clause for clause in clauses if clause.verdict == FAIL]
        mendable = {RUNS, ORDER} & {clause.name for clause in failed}
        if not mendable or not _wants_sigmoid(criterion, setting):
            return clauses
    # On logits such a loss makes little sense, and each of its failures would suggest another remedy.
    text = (
        f"looks like a loss of probabilities: behind a sigmoid it meets the whole contract, with logits it fails "
        f"({failed[0].measured}). Give {key}.input=probabilities"
    )
    return [*(clause for clause in clauses if clause.verdict == PASS), Clause("takes logits", text, FAIL)]


def _wants_sigmoid(criterion: nn.Module, setting: Setting) -> bool:
    """Return whether a loss from elsewhere meets the contract behind a sigmoid."""
    ours = type(criterion).__module__.startswith("losses.") and not isinstance(criterion, FunctionLoss | EachLoss)
    return not ours and all(clause.verdict != FAIL for clause in _clauses(ProbabilityLoss(criterion), setting))


def _clauses(criterion: nn.Module, setting: Setting) -> Iterator[Clause]:
    if setting.ignores_pixels and not takes_valid(criterion):
        yield Clause(
            "takes valid",
            f"the training data have ignored pixels, and {getattr(criterion, '__name__', type(criterion).__name__)}"
            ".forward takes no argument named `valid`. Wrap it in a class whose forward takes (logits, target, "
            "valid=None), or remove the valid/ folders",
            FAIL,
        )
        return
    batch, tester, first = _first_call(criterion, setting)
    yield finite_value(first, batch)
    if first.error is not None or not math.isfinite(first.value):
        return
    yield from own_parameters(tester)
    yield gradient_on_logits(first)
    if first.gradient is None or not first.is_finite or not first.gradient.any():
        return
    noise = noise_of(tester, batch, first)
    is_noisy = noise > 1e-3 * abs(first.value)
    for measure in (reaction_to_labels, order_of_costs, descent, every_mask, every_image):
        for clause in measure(tester, batch, first, noise):
            # Random numbers that no seed fixes can hide what a clause looks for, but not a wrong sign.
            hidden = is_noisy and clause.verdict == FAIL and "wrong sign" not in clause.measured
            yield replace(clause, verdict=NOTE) if hidden else clause
    full = torch.ones_like(batch.labels)
    if takes_classes(criterion):
        full[:, 1:] = False  # a pixel belongs to one mask
    for name, labels in (("empty masks", torch.zeros_like(full)), ("full masks", full)):
        yield extreme_labels(name, tester.call(batch.logits, labels))
    yield from inputs_left_alone(tester, batch)
    yield from ignored_pixels(criterion, batch, needed=setting.ignores_pixels)
    yield from large_logits(tester, batch)
    yield from both_errors(tester, batch, noise)
    yield from repeatable(tester, batch, first)
    yield from side_effects(criterion, tester, first)


def _first_call(criterion: nn.Module, setting: Setting) -> tuple[Batch, Tester, Trial]:
    """Call the loss on the small batch; if it fails, try a batch of the training's shape before refusing it."""
    masks = len(setting.prevalence)
    shapes = [(min(2, setting.batch_size), SIDE), (setting.batch_size, setting.tile)]
    for images, side in dict.fromkeys(shapes):
        batch = make_batch(images, masks, side, setting.device, exclusive=takes_classes(criterion))
        valid = None
        if setting.ignores_pixels:
            valid = torch.ones((images, 1, side, side), dtype=torch.bool, device=setting.device)
            valid[..., :5] = False
        tester = Tester(criterion, valid)
        first = tester.call(batch.logits, batch.labels)
        if first.error is None:
            break
    return batch, tester, first
