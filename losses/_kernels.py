"""The loops over pixels of the losses, for a CPU and float32: compiled by numba, one pass over the memory.

torch does one operation after the other, each through all pixels, and its exponentials and logarithms take most of
the time. Here a pixel's value and slope are computed while it is in a register, several pixels at once, with one
exponential and at most a root or a power besides. A loop over pieces of planes does those from `first` to before
`last`; its twin in threads does one such part a thread, from each of `bounds` to before the next.

All of it is in this one file, because numba takes what it kept on disk for up to date as long as the file that holds a
function is, whatever that function calls elsewhere. :mod:`losses._planes` calls the loops.
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

_STRETCH = 2048  # pixels whose temporaries stay in the nearest cache
PIECE = 16 * _STRETCH  # pixels summed by one thread

_ZERO, _ONE, _TWO = np.float32(0), np.float32(1), np.float32(2)
_LOG2_E = np.float32(np.log2(np.e))
# ln 2 in two parts, the first with so few digits that its multiples are exact.
_LN2_HIGH = np.float32(355 / 512)
_LN2_LOW = np.float32(np.log(2) - 355 / 512)
_ROUNDER = np.float32(1.5 * 2**23)  # added, it leaves no bits behind the point: the sum ends in the rounded integer
_ROUNDER_BITS = np.int32(0x4B400000)
_SURE = np.float32(1e6)  # a loss at which q is 1, so that (1 − q) · loss is 0, and stays so where the loss is infinite
_LEAST = np.float32(np.log(np.finfo(np.float32).tiny))  # below it e^y has no full precision, and is called 0


def _coefficients(function: Callable[[Any], Any], degree: int, low: float, high: float) -> tuple[np.float32, ...]:
    """Return a polynomial that is as close to a function on [low, high] as float32 can tell, lowest power first."""
    series = Chebyshev.interpolate(function, degree, domain=[low, high])
    return tuple(np.float32(value) for value in series.convert(kind=Polynomial).coef)


_EXP = _coefficients(np.exp, 6, -np.log(2) / 2, np.log(2) / 2)
_LOG1P_OVER_X = _coefficients(lambda x: np.log1p(x) / x, 9, 0.0, 1.0)


def _compiled(*, reorder: bool = False, threads: bool = False) -> Callable[[Any], Any]:
    """Compile with numba at the first call and keep the result on disk, if there is a folder where that can be.

    Args:
        reorder: whether sums may be taken in another order, as vectors need it. Infinities and NaN stay what they are.
        threads: whether loops over `numba.prange` are shared by threads; two calls at once are not safe.
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

    Far below _LEAST, k does not fit and r is no number; the answer 0 does not use them.
    """
    rounded = np.float32(y * _LOG2_E + _ROUNDER)
    multiple = rounded - _ROUNDER
    r = y - multiple * _LN2_HIGH - multiple * _LN2_LOW
    power_of_two = np.int32((rounded.view(np.int32) - _ROUNDER_BITS + 127) << 23).view(np.float32)
    return _ZERO if y < _LEAST else _polynomial(_EXP, r) * power_of_two


@_compiled()
def _sigmoid_parts(z: np.float32) -> tuple[np.float32, np.float32, np.float32]:
    """Return the probability of the rarer of two answers, e^−|z| / (1 + e^−|z|), that of the other, and e^−|z|.

    No digit of either is lost at any z.
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
    """Return the label, and the logit z of the wrong answer: x where the label is 0 and −x where it is 1.

    An ignored pixel has label 0 and z = −∞, at which every loss here and its slope are exactly 0.
    """
    label = np.float32(t[i])
    z = x[i] * (_ONE - _TWO * label)
    if valid is not None:
        label = label if valid[i] else _ZERO
        z = z if valid[i] else np.float32(-np.inf)
    return label, z


@_compiled(reorder=True)
def _sum(values: Floats) -> Any:
    """Sum in float64: in float32 the digits lost would depend on how many lanes the processor's vectors have.

    It is a loop of its own because float64 in a loop that computes pixels would halve the pixels computed at once.
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
    """Write base^exponent: by products and a root where they suffice, because no vector holds a general power."""
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
    positives, excess = _ZERO, _ZERO  # of labels 0 and 1 float32 counts as many as a stretch has without an error
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
