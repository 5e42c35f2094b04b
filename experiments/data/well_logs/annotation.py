"""Annotations of a log's curves, and the exact probability that a pixel is marked.

The annotation of each curve is displaced as a whole by (row, column), two independent draws from one known
distribution. The image does not show the displacement. With m_c the ink of curve c and p the distribution,

    eta_c(y, x) = sum_ij p(i) p(j) m_c(y - i, x - j),      eta(mask) = 1 - prod over its curves (1 - eta_c).

No model of the image can rank pixels better than eta does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from experiments.data.well_logs.curve import CurveInk
from experiments.data.well_logs.style import PENS

Scalar = TypeVar("Scalar", bound=np.generic)


def jitter_reach(jitter: float) -> int:
    """Return the greatest displacement along an axis in whole pixels: twice the standard deviation, rounded up."""
    return int(np.ceil(2 * jitter))


def jitter_probabilities(jitter: float) -> NDArray[np.float64]:
    """Return the distribution of the displacement along an axis: a normal density at whole pixels, cut and normalised.

    For a jitter of half a pixel or more its standard deviation is 0.91 to 1 times `jitter`; below that it is smaller.

    Args:
        jitter: Standard deviation of the normal density in pixels, at least 0.

    Returns:
        float64 (2 reach + 1,), probabilities of -reach ... reach; sums to 1.
    """
    if jitter == 0:
        return np.ones(1)
    offsets = np.arange(-jitter_reach(jitter), jitter_reach(jitter) + 1)
    weights = np.exp(-0.5 * (offsets / jitter) ** 2)
    return weights / weights.sum()


@dataclass(frozen=True)
class LabelNoise:
    """Mistakes in the labels of training logs, beside the annotation's own jitter.

    Args:
        jitter: Standard deviation of one more displacement of each curve's label, as in `jitter_probabilities`, pixels.
        dropped: Probability that a curve is not labelled at all, 0 ... 1.
    """

    jitter: float
    dropped: float


def annotate(
    rng: np.random.Generator,
    curves: Sequence[CurveInk],
    jitter: float,
    size: tuple[int, int],
    *,
    noise: LabelNoise | None = None,
    noise_rng: np.random.Generator | None = None,
) -> NDArray[np.bool_]:
    """Draw one annotation of a log.

    Args:
        rng: Source of the displacements.
        curves: The inked curves, with a margin of at least `jitter_reach(jitter)`, and that of the noise beyond it.
        jitter: As in `jitter_probabilities`, pixels.
        size: (H, W) of the image.
        noise: Mistakes on top; None makes none.
        noise_rng: Their source. The same source drops at a higher rate what it drops at a lower one, and more.

    Returns:
        bool (3, H, W), one mask per pen.
    """
    moves = _displacements(rng, len(curves), jitter)
    labelled = np.ones(len(curves), bool)
    if noise is not None and noise_rng is not None:
        labelled = noise_rng.random(len(curves)) >= noise.dropped
        moves = moves + _displacements(noise_rng, len(curves), noise.jitter)
    target = np.zeros((len(PENS), *size), bool)
    for curve, (down, right), kept in zip(curves, moves, labelled, strict=True):
        if kept:
            target[curve.pen] |= _window(curve.mask, curve.margin - down, curve.margin - right, size)
    return target


def _displacements(rng: np.random.Generator, count: int, jitter: float) -> NDArray[np.intp]:
    """Draw how far the label of each curve lies down and to the right, (count, 2) in whole pixels."""
    probabilities = jitter_probabilities(jitter)
    return rng.choice(len(probabilities), size=(count, 2), p=probabilities) - jitter_reach(jitter)


def annotation_probability(curves: Sequence[CurveInk], jitter: float, size: tuple[int, int]) -> NDArray[np.float32]:
    """Return the probability that `annotate` marks each pixel, exact up to rounding to float32.

    Args:
        curves: As in `annotate`.
        jitter: As in `annotate`, pixels.
        size: (H, W) of the image.

    Returns:
        float32 (3, H, W), 0 ... 1.
    """
    probabilities = jitter_probabilities(jitter)
    reach = jitter_reach(jitter)
    unmarked = np.ones((len(PENS), *size))
    for curve in curves:
        mask = curve.mask.astype(np.float64)
        tall = (size[0], mask.shape[1])
        by_row = sum(
            p * _window(mask, curve.margin - offset, 0, tall)
            for offset, p in zip(range(-reach, reach + 1), probabilities, strict=True)
        )
        eta = sum(
            p * _window(np.asarray(by_row), 0, curve.margin - offset, size)
            for offset, p in zip(range(-reach, reach + 1), probabilities, strict=True)
        )
        unmarked[curve.pen] *= 1 - np.asarray(eta)
    return np.clip(1 - unmarked, 0.0, 1.0).astype(np.float32)


def _window(sheet: NDArray[Scalar], top: int, left: int, size: tuple[int, int]) -> NDArray[Scalar]:
    return sheet[top : top + size[0], left : left + size[1]]
