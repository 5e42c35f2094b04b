"""Tries a loss on a small batch, as training calls it, without side effects on random state, output or inputs."""

from __future__ import annotations

import copy
import io
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from experiments.data.derived_maps import derived_maps
from losses import apply_criterion
from losses.arguments import MAPS, taken_arguments


@dataclass(frozen=True, eq=False)
class Trial:
    """The result of one call.

    Args:
        value: The loss; NaN if there is none.
        gradient: By the logits, in their shape; None if there is none.
        error: The error of the loss or of its backward pass; None if there was none.
        dtype: Type of the value.
    """

    value: float
    gradient: Tensor | None = None
    error: BaseException | None = None
    dtype: torch.dtype | None = None

    @property
    def is_finite(self) -> bool:
        """Whether value and gradient exist and are finite."""
        return self.gradient is not None and bool(np.isfinite(self.value)) and bool(torch.isfinite(self.gradient).all())


@dataclass
class Tester:
    """Calls one loss on batches.

    Every call uses a fresh copy of the loss and the same random numbers, so that values differ only by their inputs.

    Args:
        criterion: The loss.
        valid: Which pixels count, passed in every call; None as in training without ignored pixels.
    """

    criterion: nn.Module
    valid: Tensor | None = None
    prints: bool = False
    warned: dict[str, None] = field(default_factory=dict)
    own_gradients: dict[str, Tensor | None] = field(default_factory=dict)  # of the loss's parameters, at the last call

    def call(self, logits: Tensor, labels: Tensor, *, fresh: bool = True, seed: int | None = 0) -> Trial:
        """Return value and gradient.

        Args:
            logits: float32 (N, C, H, W).
            labels: bool or float, the same shape.
            fresh: Whether to use a copy, so that no state is left from earlier calls.
            seed: For torch's, numpy's and Python's global generators; None leaves them as they are.
        """
        criterion = self._copy() if fresh else self.criterion
        if seed is not None:
            seed_all(seed)
        leaf = logits.detach().clone().requires_grad_()
        try:
            with self._watched():
                # In training a network computes the logits, and a loss may change them in place.
                value = apply_criterion(criterion, leaf.clone(), labels, self.valid, context=self._context(labels))
                own = {name: one for name, one in criterion.named_parameters() if one.requires_grad}
                gradient, *others = torch.autograd.grad(value, (leaf, *own.values()), allow_unused=True)
                self.own_gradients = dict(zip(own, others, strict=True))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # sys.exit as well
            return Trial(float("nan"), error=error)
        return Trial(float(value.detach()), gradient, dtype=value.dtype)

    def value(self, logits: Tensor, labels: Tensor) -> float:
        """Return the value alone; NaN if the call fails."""
        return self.call(logits, labels).value

    def changed_inputs(self, logits: Tensor, labels: Tensor) -> list[str]:
        """Name the inputs that the loss changes in place; labels are float32, which are passed uncopied."""
        ours = type(self.criterion).__module__.startswith("losses.")  # these take the labels as they are
        given = {"logits": logits.clone().requires_grad_().clone(), "labels": labels if ours else labels.float()}
        if self.valid is not None:
            given["valid"] = self.valid.clone()
        before = {name: tensor.detach().clone() for name, tensor in given.items()}
        try:
            with self._watched():
                context = self._context(labels)
                apply_criterion(self._copy(), given["logits"], given["labels"], given.get("valid"), context=context)
        except Exception:  # real failures have shown before
            return []
        return [name for name, tensor in given.items() if not torch.equal(tensor.detach(), before[name])]

    def _context(self, labels: Tensor) -> dict[str, Any]:
        """Return what the loss takes by name, as training would give it in the first update."""
        wanted = taken_arguments(self.criterion)
        everything = {
            "index": torch.arange(len(labels), device=labels.device),
            "image_id": [f"image {place}" for place in range(len(labels))],
            "update": 0,
            **derived_maps(wanted.intersection(MAPS), labels),
        }
        return {name: value for name, value in everything.items() if name in wanted}

    def _copy(self) -> nn.Module:
        try:
            return copy.deepcopy(self.criterion)
        except Exception:  # for example because it holds a generator; then copies share the state
            return self.criterion

    @contextmanager
    def _watched(self) -> Iterator[None]:
        printed = io.StringIO()
        with redirect_stdout(printed), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
        self.prints = self.prints or bool(printed.getvalue())
        self.warned.update(dict.fromkeys(str(warning.message) for warning in caught))


def seed_all(seed: int) -> None:
    """Seed the global generators that a loss may draw from."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  (the user's loss may use the global one)
    torch.manual_seed(seed)


@contextmanager
def random_state_kept() -> Iterator[None]:
    """Restore every global generator at the end of this context."""
    python, of_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng():
            yield
    finally:
        random.setstate(python)
        np.random.set_state(of_numpy)  # noqa: NPY002


@dataclass(frozen=True, eq=False)
class Batch:
    """Logits and labels for the trials.

    Args:
        labels: bool (N, C, H, W), thin strokes and dots, 5 to 10 % positive in every mask of every image.
        logits: float32, the same shape, standard normal: a network that knows nothing.
        order: Places of the shuffled pixels, (H·W,).
    """

    labels: Tensor
    logits: Tensor
    order: Tensor

    def perfect(self, scale: float) -> Tensor:
        """Return logits of this size with the right sign everywhere."""
        return scale * (2.0 * self.labels - 1.0)

    def shuffled(self, scale: float) -> Tensor:
        """Return the perfect logits at random pixels: the same values without any information."""
        return self.perfect(scale).flatten(2)[..., self.order].reshape(self.labels.shape)


def make_batch(images: int, masks: int, side: int, device: torch.device, *, exclusive: bool = False) -> Batch:
    """Draw a batch; the same shape always gives the same batch.

    Args:
        images: N.
        masks: C.
        side: H and W, in pixels.
        device: Where it goes.
        exclusive: Whether a pixel belongs to one mask at most.
    """
    generator = torch.Generator().manual_seed(0)
    shape = (images, masks, side, side)
    labels = torch.rand(shape, generator=generator) < 0.02
    for place in range(images * masks):
        row = (7 + 5 * place) % (side - 2)
        labels.view(-1, side, side)[place, row : row + 2, 3 : side - 3] = True
    if exclusive:
        labels &= labels.cumsum(dim=1) == 1
    logits = torch.randn(shape, generator=generator)
    order = torch.randperm(side * side, generator=generator)
    return Batch(labels.to(device), logits.to(device), order.to(device))
