"""Curves of a well log: their path down the paper, and the ink that a pen leaves along it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SUBPIXELS = 4  # ink is drawn on a grid this many times finer, then averaged: smooth edges, exact masks
_STEP = 0.25  # distance between two touches of the pen, pixels


@dataclass(frozen=True)
class CurveInk:
    """Ink of one curve on a sheet that is `margin` pixels larger than the image on each side.

    Args:
        pen: Index into `PENS`.
        coverage: float32 (H + 2 margin, W + 2 margin), inked share of each pixel.
        margin: Pixels around the image, so that a displaced curve brings in what lay just outside it.
    """

    pen: int
    coverage: NDArray[np.float32]
    margin: int

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Pixels with at least half of their area inked, margin included; bool, as `coverage`."""
        return self.coverage >= 0.5


@dataclass(frozen=True)
class Stroke:
    """Line width and rhythm of a pen, all in pixels along the curve; `mark` of every `period` is inked."""

    width: float
    mark: float
    period: float

    @property
    def ink_per_pixel(self) -> float:
        """Inked area for each pixel of curve length, in pixels."""
        if self.mark == self.period:
            return self.width
        round_ends = (1 - np.pi / 4) * self.width**2
        return (self.width * self.mark - round_ends) / self.period


def draw_stroke(rng: np.random.Generator, pen: int, line_width: tuple[float, float]) -> Stroke:
    """Draw a line width and the rhythm that makes a pen solid, dashed or dotted."""
    width = line_width[0] + (line_width[1] - line_width[0]) * rng.beta(2.0, 1.4)
    if pen == 0:
        return Stroke(width, 1.0, 1.0)
    if pen == 1:
        mark = rng.uniform(6.0, 10.0)
        return Stroke(width, mark, mark + rng.uniform(3.5, 6.0))
    width = max(width, 2.0)  # a dot needs some body to cover half of a pixel
    return Stroke(width, width + 0.5, width + rng.uniform(3.0, 4.5))


def trace(rng: np.random.Generator, height: int, left: float, right: float) -> NDArray[np.float64]:
    """Draw the path of a curve: its column at each row.

    It has slow drift, beds with sharp boundaries and fine wiggles, and is folded back at the edges of the track, as a
    plotter does with values that run over.

    Args:
        rng: Source of randomness.
        height: Number of rows.
        left: Left edge of the track in pixels.
        right: Right edge.

    Returns:
        float64 (height,), columns in [left, right].
    """
    span = right - left
    drift = _smooth_noise(rng, height, rng.uniform(25, 60)) * rng.uniform(0.10, 0.25)
    wiggle = _smooth_noise(rng, height, rng.uniform(5, 12)) * rng.uniform(0.02, 0.12)
    jitter = _smooth_noise(rng, height, rng.uniform(1.2, 2.5)) * rng.uniform(0.0, 0.03)
    beds = np.cumsum(rng.random(height) < 1 / rng.uniform(25, 90))
    level = rng.normal(0.0, rng.uniform(0.0, 0.12), size=beds[-1] + 1)[beds]
    level = np.convolve(np.pad(level, 2, mode="edge"), [0.1, 0.25, 0.3, 0.25, 0.1], mode="valid")
    place = rng.uniform(0.1, 0.9) + drift + wiggle + jitter + level
    folded = 1 - np.abs(np.mod(place, 2.0) - 1)
    return left + span * (0.03 + 0.94 * folded)


def lay_ink(
    rng: np.random.Generator,
    columns: NDArray[np.float64],
    stroke: Stroke,
    *,
    most_ink: float,
    size: tuple[int, int],
    margin: int,
    slope: float,
) -> NDArray[np.float32]:
    """Draw a stroke along a trace, or along a random part of it if the ink does not last.

    Args:
        rng: Source of randomness.
        columns: float64 (n,), the trace, centred on the middle row of the image.
        stroke: Width and rhythm.
        most_ink: Approximate inked area at which the curve stops, in pixels.
        size: (H, W) of the image.
        margin: Pixels around the image that are drawn too.
        slope: Tangent of the paper's rotation.

    Returns:
        Coverage as in `CurveInk`.
    """
    rows = np.arange(len(columns)) - (len(columns) - size[0]) / 2 + 0.5
    length = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(columns), 1.0))])
    wanted = min(length[-1], most_ink / stroke.ink_per_pixel)
    start = rng.uniform(0.0, length[-1] - wanted)
    along = np.arange(start, start + wanted, _STEP)
    phase = rng.uniform(0.0, stroke.period)
    if stroke.mark < stroke.period:
        # The pen's round tip adds half a line width at each end of a mark.
        along = along[(along + phase) % stroke.period <= max(stroke.mark - stroke.width, 0.5 * _STEP)]
    x = np.interp(along, length, columns)
    y = np.interp(along, length, rows)
    across = x + slope * (y - size[0] / 2)
    down = y - slope * (x - size[1] / 2)
    return stamp(across, down, stroke.width, size=size, margin=margin)


def stamp(
    x: NDArray[np.float64], y: NDArray[np.float64], diameter: float, *, size: tuple[int, int], margin: int
) -> NDArray[np.float32]:
    """Stamp a disc at each point and measure the covered share of every pixel.

    Args:
        x: float64 (n,), columns of the centres in pixels; column 0 spans 0 ... 1.
        y: float64 (n,), rows.
        diameter: Of the disc in pixels.
        size: (H, W) of the image.
        margin: Pixels around the image that are drawn too.

    Returns:
        float32 (H + 2 margin, W + 2 margin), 0 ... 1.
    """
    radius = diameter * SUBPIXELS / 2
    reach = int(np.ceil(radius))
    pad = -(-2 * reach // SUBPIXELS) * SUBPIXELS  # a disc centred outside may still reach in
    height, width = ((length + 2 * margin) * SUBPIXELS + 2 * pad for length in size)
    column = np.rint((x + margin) * SUBPIXELS).astype(np.intp) + pad
    row = np.rint((y + margin) * SUBPIXELS).astype(np.intp) + pad
    inside = (column >= reach) & (column <= width - reach) & (row >= reach) & (row <= height - reach)
    centres = np.unique(row[inside] * width + column[inside])
    around = np.arange(-reach, reach)
    disc_rows, disc_columns = np.nonzero(np.hypot(around[:, None] + 0.5, around[None, :] + 0.5) <= radius)
    offsets = (disc_rows - reach) * width + disc_columns - reach
    sheet = np.zeros(height * width, np.uint8)
    sheet[(centres[:, None] + offsets[None, :]).ravel()] = 255
    fine = sheet.reshape(height, width)[pad : height - pad, pad : width - pad]
    coarse = Image.fromarray(np.ascontiguousarray(fine)).reduce(SUBPIXELS)
    return np.asarray(coarse, dtype=np.float32) / np.float32(255)


def _smooth_noise(rng: np.random.Generator, length: int, scale: float) -> NDArray[np.float64]:
    """Draw noise of unit variance with a correlation length of about `scale` samples."""
    knots = rng.normal(size=int(np.ceil(length / scale)) + 3)
    place = (np.arange(length) + rng.uniform(0, scale)) / scale
    index = place.astype(np.intp)
    t = place - index
    smooth = t * t * (3 - 2 * t)
    return (knots[index] * (1 - smooth) + knots[index + 1] * smooth) * 1.2
