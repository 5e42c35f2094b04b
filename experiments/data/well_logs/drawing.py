"""One synthetic well log: its image and the ink of its curves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.data.well_logs.annotation import jitter_reach
from experiments.data.well_logs.curve import CurveInk, draw_stroke, lay_ink, trace
from experiments.data.well_logs.paper import Layout, draw_grid, draw_layout, draw_writing
from experiments.data.well_logs.scanner import scan
from experiments.data.well_logs.style import PENS, LogStyle


@dataclass(frozen=True)
class LogDrawing:
    """A log before it is annotated.

    Args:
        image: uint8 (H, W, K), the scan.
        curves: Ink of each curve; its annotation is `annotation.annotate`'s.
    """

    image: NDArray[np.uint8]
    curves: tuple[CurveInk, ...]

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        return self.image.shape[0], self.image.shape[1]


def draw_log(rng: np.random.Generator, style: LogStyle) -> LogDrawing:
    """Draw a log: the form, crossing curves of three pens in one ink, writing, and the scan of it all.

    Args:
        rng: Source of randomness.
        style: What logs look like; jitter of the annotation or of labels does not change the image.

    Returns:
        The drawing.
    """
    height, width = (int(rng.integers(low, high + 1)) for low, high in (style.height, style.width))
    layout = draw_layout(rng, (height, width), style.skew)
    grid = draw_grid(rng, layout)
    curves: list[CurveInk] = []
    for pen in range(len(PENS)):
        curves += _draw_curves(rng, pen, layout, style)
    ink = draw_writing(rng, layout, style.clutter) * np.float32(rng.uniform(0.8, 1.0))
    for curve in curves:
        inside = slice(curve.margin, curve.margin + height), slice(curve.margin, curve.margin + width)
        ink = np.maximum(ink, curve.coverage[inside] * np.float32(rng.uniform(0.8, 1.0)))
    return LogDrawing(scan(rng, grid, ink, style), tuple(curves))


def _draw_curves(rng: np.random.Generator, pen: int, layout: Layout, style: LogStyle) -> list[CurveInk]:
    """Draw curves of one pen until the intended share of ink, varied from log to log, is reached."""
    height, width = layout.size
    intended = style.prevalence[pen] * height * width * rng.uniform(0.6, 1.4)
    left = intended
    curves: list[CurveInk] = []
    margin = jitter_reach(style.annotation_jitter) + jitter_reach(style.label_jitter)
    # Covers what skew and jitter bring into view. It is the same for every jitter, because the image must not show it.
    overrun = 16 + int(np.ceil(abs(layout.slope) * width / 2))
    for _ in range(style.curves):
        if left < max(0.1 * intended, 20):  # less would be a blot
            break
        track = layout.tracks[rng.integers(len(layout.tracks))]
        stroke = draw_stroke(rng, pen, style.line_width)
        columns = trace(rng, height + 2 * overrun, *track)
        coverage = lay_ink(rng, columns, stroke, most_ink=left, size=layout.size, margin=margin, slope=layout.slope)
        curve = CurveInk(pen, coverage, margin)
        left -= np.count_nonzero(curve.mask[margin : margin + height, margin : margin + width])
        curves.append(curve)
    return curves
