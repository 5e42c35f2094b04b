"""The losses' fast ways to value and gradient; what they compute stands in :mod:`losses.formulas`.

This module is the only door. It sends a batch

- under torch.compile to the formulas themselves, which the compiler fuses;
- on a CPU, in float32 or less, to loops compiled by numba (:mod:`losses.kernels._loops`), if numba is installed;
- anywhere else to few of torch's own operations (:mod:`losses.kernels.elementwise`).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from functools import cache, partial
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from losses import formulas
from losses._inputs import full_precision, is_free_to_read
from losses.kernels import elementwise
from losses.kernels.autograd import Scaling, analytic_loss, times

Table = Any  # one number per mask, or per image and mask, in numpy or torch


def pixel_mean(
    logits: Tensor,
    target: Tensor,
    valid: Tensor | None,
    *,
    gamma: float,
    pos_weights: Sequence[float],
    factor: float = 1.0,
) -> Tensor:
    """Return :func:`losses.formulas.pixel_mean`, ready for a backward pass."""
    settings: dict[str, Any] = {"gamma": gamma, "pos_weights": pos_weights, "factor": factor}
    if torch.compiler.is_compiling():
        with full_precision(logits):
            return formulas.pixel_mean(logits, target, valid, **settings)
    kernels: Any = _kernels_for(logits) or elementwise
    return analytic_loss(logits, target, valid, partial(kernels.pixel_mean, **settings))


def overlap_mean(logits: Tensor, target: Tensor, valid: Tensor | None, **settings: Any) -> Tensor:
    """Return :func:`losses.formulas.overlap_mean`, which names the settings, ready for a backward pass."""
    if torch.compiler.is_compiling():
        with full_precision(logits):
            return formulas.overlap_mean(logits, target, valid, **settings)
    return analytic_loss(logits, target, valid, partial(_overlap_mean, **settings))


def _overlap_mean(
    logits: Tensor, target: Tensor, valid: Tensor | None, *, per_image: bool, **settings: float
) -> tuple[Tensor, Tensor, Scaling]:
    if (kernels := _kernels_for(logits)) is None:
        counts, slope, positive = elementwise.soft_counts(logits, target, valid)
        pooled = counts if per_image else counts.sum(1)
        share: Table = 1.0 / pooled[0].numel() if valid is None else formulas.share_of_mean(valid, pooled[0])
        value, of_positives, of_negatives = _by_counts(
            pooled, share, formulas.least_shortfall(slope.dtype), torch.where, **settings
        )

        def scaled(slope: Tensor, grad_value: Tensor) -> Tensor:
            factors = (torch.stack([of_positives, -of_negatives]) * grad_value).to(slope.dtype)[..., None, None]
            return slope.mul_(torch.where(positive, factors[1], factors[0]))

        return value.to(slope.dtype), slope, scaled
    counts, slope = kernels.soft_counts(logits, target, valid)
    pooled = counts if per_image else counts.sum(1)
    if valid is None:
        share = 1.0 / math.prod(pooled[0].shape)
    else:
        share = formulas.share_of_mean(valid, torch.from_numpy(pooled[0])).numpy()
    value, of_positives, of_negatives = _by_counts(
        pooled, share, formulas.least_shortfall(slope.dtype), kernels.np.where, **settings
    )
    kernels.weigh_slopes(slope, of_positives, of_negatives)
    return torch.tensor(value, dtype=slope.dtype), slope, times


def _by_counts(
    counts: Table,
    share: Table,
    floor: float,
    where: Callable[..., Table],
    *,
    fp_weight: float,
    fn_weight: float,
    gamma: float,
    smooth: float,
) -> tuple[Table, Table, Table]:
    """Return the mean of u^(1/gamma) with u = 1 − TI, and its derivatives by FP and by FN.

    With the cost E = fp_weight · FP + fn_weight · FN and D = TP + E + smooth, u = E / D, which needs no subtraction
    from 1, and 1 − u = (TP + smooth) / D. So du/dFP = fp_weight · (1 − u) / D. As TP = P − FN,
    du/dFN = (fn_weight · (1 − u) + u) / D.
    """
    false_positives, false_negatives, positives = counts
    cost = fp_weight * false_positives + fn_weight * false_negatives
    overlap = positives - false_negatives + smooth
    size = overlap + cost
    shortfall = cost / size
    power, by_shortfall = share, share
    if gamma != 1.0:
        # u^(1/gamma) = u · u^(1/gamma − 1), with the second factor kept finite. Near u = 0, saturated predictions
        # multiply the slope by 0 or nearly 0, and an infinite slope would give NaN.
        power = share * shortfall.clip(floor) ** (1.0 / gamma - 1.0)
        by_shortfall = where(shortfall > floor, power / gamma, power)
    return (
        (power * shortfall).sum(),
        by_shortfall * fp_weight * overlap / size**2,
        by_shortfall * (fn_weight * overlap + cost) / size**2,
    )


@cache
def _compiled_kernels() -> ModuleType | None:
    try:
        from losses.kernels import by_numba  # numba takes a third of a second to import, and a GPU does not need it
    except ModuleNotFoundError:
        return None
    except ImportError as error:
        warnings.warn(f"losses: numba cannot be used, torch's slower operations are: {error}", stacklevel=2)
        return None
    return by_numba


def _kernels_for(pixels: Tensor) -> Any:
    return _compiled_kernels() if is_free_to_read(pixels) and pixels.dtype != torch.float64 else None
