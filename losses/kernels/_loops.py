"""The losses' loops over pixels for float32 on a CPU: compiled by numba, one pass over the memory.

torch runs each operation over all pixels before the next, and its exponentials and logarithms take most of the time.
These loops compute a pixel's value and slope while it is in a register, several pixels at once, with one exponential
and at most one root or power.

A loop over pieces of planes takes a range, `first` up to but not including `last`. Its version in threads gives thread
k the range from `bounds[k]` to `bounds[k + 1]`.

All loops are in one file because of numba's cache on disk: numba recompiles a function when its own file changes, but
not when a function that it calls in another file does. :mod:`losses.kernels.planes` calls the loops.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numpy.polynomial import Chebyshev, Polynomial
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Labels = NDArray[np.float32] | NDArray[np.uint8]
Valid = NDArray[np.uint8] | None
Bounds = NDArray[np.int64]

_STRETCH = 2048  # pixels; their temporaries fit into the first-level cache
PIECE = 16 * _STRETCH  # pixels that one thread sums

_ZERO, _ONE, _TWO = np.float32(0), np.float32(1), np.float32(2)
_LOG2_E = np.float32(np.log2(np.e))
# ln 2 in two parts. The first has so few digits that its multiples are exact.
_LN2_HIGH = np.float32(355 / 512)
_LN2_LOW = np.float32(np.log(2) - 355 / 512)
_ROUNDER = np.float32(1.5 * 2**23)  # adding it rounds: no bits are left for a fraction
_ROUNDER_BITS = np.int32(0x4B400000)
_SURE = np.float32(1e6)  # at this loss q is 1 and (1 − q) · loss is 0; the cap keeps it 0 for an infinite loss
_LEAST = np.float32(np.log(np.finfo(np.float32).tiny))  # below it e^y loses precision and is taken as 0


def _coefficients(function: Callable[[Any], Any], degree: int, low: float, high: float) -> tuple[np.float32, ...]:
    """Return a polynomial equal to a function on [low, high] up to float32's rounding, lowest power first."""
    series = Chebyshev.interpolate(function, degree, domain=[low, high])
    return tuple(np.float32(value) for value in series.convert(kind=Polynomial).coef)


_EXP = _coefficients(np.exp, 6, -np.log(2) / 2, np.log(2) / 2)
_LOG1P_OVER_X = _coefficients(lambda x: np.log1p(x) / x, 9, 0.0, 1.0)


def _compiled(*, reorder: bool = False, threads: bool = False) -> Callable[[Any], Any]:
    """Compile with numba at the first call, and cache the result on disk where there is a folder for it.

    Args:
        reorder: whether sums may be reordered, which vector instructions need. Infinities and NaN are kept.
        threads: whether threads share loops over `numba.prange`; two such calls at once are not safe.
    """
    fastmath = {"contract", "reassoc", "nsz"} if reorder else {"contract"}
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": fastmath, "parallel": threads}

    def compile_lazily(function: Any) -> Any:
        try:
            return numba.njit(cache=True, **options)(function)
        except RuntimeError:  # no such folder
            return numba.njit(**options)(function)

    return compile_lazily


@_compiled()
def _polynomial(coefficients: tuple[np.float32, ...], x: np.float32) -> np.float32:
    value = coefficients[-1]
    for power in range(len(coefficients) - 2, -1, -1):
        value = value * x + coefficients[power]
    return value


@_compiled()
def _exp(y: np.float32) -> np.float32:
    """e^y for y ≤ 0: 2^k · e^r with k the integer next to y / ln 2, so that |r| ≤ ln 2 / 2.

    Far below _LEAST, k overflows and r is NaN; the result 0 does not use them.
    """
    rounded = np.float32(y * _LOG2_E + _ROUNDER)
    multiple = rounded - _ROUNDER
    r = y - multiple * _LN2_HIGH - multiple * _LN2_LOW
    power_of_two = np.int32((rounded.view(np.int32) - _ROUNDER_BITS + 127) << 23).view(np.float32)
    return _ZERO if y < _LEAST else _polynomial(_EXP, r) * power_of_two


@_compiled()
def _sigmoid_parts(z: np.float32) -> tuple[np.float32, np.float32, np.float32]:
    """Return the smaller probability, e^−|z| / (1 + e^−|z|), the larger one, and e^−|z|.

    Both have full precision at every z.
    """
    e = _exp(-abs(z))
    surer = _ONE / (_ONE + e)
    return e * surer, surer, e


@_compiled()
def _softplus(z: np.float32, e: np.float32) -> np.float32:
    """Return ln(1 + e^z), given e = e^−|z|."""
    return max(z, _ZERO) + e * _polynomial(_LOG1P_OVER_X, e)


@_compiled()
def _label_and_wrong_logit(x: Floats, t: Labels, valid: Valid, i: int) -> tuple[np.float32, np.float32]:
    """Return the label and the logit z of the wrong answer: x where the label is 0, −x where it is 1.

    An ignored pixel gets label 0 and z = −∞, where every loss and its slope are exactly 0.
    """
    label = np.float32(t[i])
    z = x[i] * (_ONE - _TWO * label)
    if valid is not None:
        label = label if valid[i] else _ZERO
        z = z if valid[i] else np.float32(-np.inf)
    return label, z


@_compiled(reorder=True)
def _sum(values: Floats) -> Any:
    """Sum in float64: in float32, rounding would depend on the width of the processor's vectors.

    The sum has its own loop because float64 in the loop over pixels would halve the number of pixels computed at once.
    """
    total = 0.0
    for i in range(values.size):
        total += np.float64(values[i])
    return total


@_compiled(reorder=True)
def _cross_entropy(
    x: Floats,
    t: Labels,
    valid: Valid,
    weight: np.float32,
    scale: np.float32,
    slope: Floats,
    loss: Floats,
) -> tuple[Any, Any]:
    excess = _ZERO
    for i in range(x.size):
        label, z = _label_and_wrong_logit(x, t, valid, i)
        rarer, surer, e = _sigmoid_parts(z)
        excess += abs(label - label * label)
        weighted = weight if label > 0 else _ONE
        loss[i] = weighted * _softplus(z, e)
        slope[i] = (surer if z > 0 else rarer) * (scale * weighted * (_ONE - _TWO * label))
    return _sum(loss[: x.size]), excess


@_compiled(reorder=True)
def _focal(
    x: Floats,
    t: Labels,
    valid: Valid,
    weight: np.float32,
    gamma: np.float32,
    scale: np.float32,
    slope: Floats,
    scratch: Floats,
) -> tuple[Any, Any]:
    q, loss, power = scratch[0], scratch[1], scratch[2]
    excess = _ZERO
    for i in range(x.size):
        label, z = _label_and_wrong_logit(x, t, valid, i)
        rarer, surer, e = _sigmoid_parts(z)
        excess += abs(label - label * label)
        q[i] = surer if z > 0 else rarer
        loss[i] = _softplus(z, e)
        slope[i] = _ONE - _TWO * label
    _raise(q[: x.size], gamma, power)
    for i in range(x.size):
        factor = (weight if slope[i] < 0 else _ONE) * power[i]
        slope[i] *= scale * factor * (q[i] + gamma * (_ONE - q[i]) * min(loss[i], _SURE))
        loss[i] *= factor
    return _sum(loss[: x.size]), excess


@_compiled()
def _raise(base: Floats, exponent: np.float32, power: Floats) -> None:
    """Write base^exponent, by products and a root where these suffice: a general power cannot be vectorised."""
    whole = int(exponent)
    if exponent > 16 or (exponent != whole and exponent != whole + 0.5):
        for i in range(base.size):
            power[i] = base[i] ** exponent
        return
    for i in range(base.size):
        power[i] = _ONE if exponent == whole else np.sqrt(base[i])
    for _ in range(whole):
        for i in range(base.size):
            power[i] *= base[i]


@_compiled()
def pixel_sums(
    x: Floats,
    t: Labels,
    valid: Valid,
    weights: Floats,
    gamma: float,
    scale: float,
    slope: Floats,
    sums: Doubles,
    first: int,
    last: int,
) -> None:
    pieces = sums.shape[1]
    for index in range(first, last):
        plane, piece = index // pieces, index % pieces
        scratch = np.empty((3, _STRETCH), np.float32)
        for start in range(piece * PIECE, min((piece + 1) * PIECE, x.shape[1]), _STRETCH):
            part = slice(start, start + _STRETCH)
            logits, labels, slopes = x[plane, part], t[plane, part], slope[plane, part]
            kept = None if valid is None else valid[plane, part]
            if gamma == 0:
                total, excess = _cross_entropy(
                    logits, labels, kept, weights[plane], np.float32(scale), slopes, scratch[0]
                )
            else:
                total, excess = _focal(
                    logits, labels, kept, weights[plane], np.float32(gamma), np.float32(scale), slopes, scratch
                )
            sums[plane, piece, 0] += total
            sums[plane, piece, 1] += excess


@_compiled(threads=True)
def pixel_sums_in_threads(
    x: Floats,
    t: Labels,
    valid: Valid,
    weights: Floats,
    gamma: float,
    scale: float,
    slope: Floats,
    sums: Doubles,
    bounds: Bounds,
) -> None:
    for part in numba.prange(bounds.size - 1):
        pixel_sums(x, t, valid, weights, gamma, scale, slope, sums, bounds[part], bounds[part + 1])


@_compiled(reorder=True)
def _counts(x: Floats, t: Labels, valid: Valid, slope: Floats, scratch: Floats) -> tuple[Any, Any, Any, Any]:
    false_positives, false_negatives = scratch[0, : x.size], scratch[1, : x.size]
    positives, excess = _ZERO, _ZERO  # float32 counts the labels 0 and 1 of a stretch exactly
    for i in range(x.size):
        label, z = _label_and_wrong_logit(x, t, valid, i)
        rarer, surer, _ = _sigmoid_parts(z)
        excess += abs(label - label * label)
        q = surer if z > 0 else rarer
        false_positives[i] = q * (_ONE - label)
        false_negatives[i] = q * label
        positives += label
        slope[i] = rarer * surer * (_ONE - _TWO * label)
    return _sum(false_positives), _sum(false_negatives), np.float64(positives), np.float64(excess)


@_compiled()
def count_sums(x: Floats, t: Labels, valid: Valid, slope: Floats, sums: Doubles, first: int, last: int) -> None:
    pieces = sums.shape[1]
    for index in range(first, last):
        plane, piece = index // pieces, index % pieces
        scratch = np.empty((2, _STRETCH), np.float32)
        for start in range(piece * PIECE, min((piece + 1) * PIECE, x.shape[1]), _STRETCH):
            part = slice(start, start + _STRETCH)
            kept = None if valid is None else valid[plane, part]
            counts = _counts(x[plane, part], t[plane, part], kept, slope[plane, part], scratch)
            for count in range(4):
                sums[plane, piece, count] += counts[count]


@_compiled(threads=True)
def count_sums_in_threads(x: Floats, t: Labels, valid: Valid, slope: Floats, sums: Doubles, bounds: Bounds) -> None:
    for part in numba.prange(bounds.size - 1):
        count_sums(x, t, valid, slope, sums, bounds[part], bounds[part + 1])


@_compiled()
def _weigh(slope: Floats, if_negative: np.float32, if_positive: np.float32) -> None:
    for i in range(slope.size):
        slope[i] *= if_negative if slope[i] > 0 else if_positive


@_compiled()
def weigh_planes(slope: Floats, of_negative: Floats, of_positive: Floats, pieces: int, first: int, last: int) -> None:
    for index in range(first, last):
        plane, start = index // pieces, index % pieces * PIECE
        _weigh(slope[plane, start : start + PIECE], of_negative[plane], of_positive[plane])


@_compiled(threads=True)
def weigh_planes_in_threads(
    slope: Floats, of_negative: Floats, of_positive: Floats, pieces: int, bounds: Bounds
) -> None:
    for part in numba.prange(bounds.size - 1):
        weigh_planes(slope, of_negative, of_positive, pieces, bounds[part], bounds[part + 1])
