"""Effects of paper, age and scanner on a drawing: tint, shading, fading, blur and noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from experiments.data.well_logs.style import LogStyle


def scan(
    rng: np.random.Generator, grid: NDArray[np.float32], ink: NDArray[np.float32], style: LogStyle
) -> NDArray[np.uint8]:
    """Scan a drawing.

    Args:
        rng: Source of randomness.
        grid: float32 (H, W), printed share of each pixel, 0 ... 1.
        ink: float32 (H, W), inked share of each pixel, 0 ... 1.
        style: Amount of fading, blur and noise, and the number of channels.

    Returns:
        uint8 (H, W, style.channels).
    """
    height, width = size = (ink.shape[0], ink.shape[1])
    kept = 1 - np.float32(style.fading) * _patches(rng, size)
    paper = rng.uniform(205, 250) * (1 - np.float32(rng.uniform(0.02, 0.12)) * _smooth_field(rng, size))
    crease = rng.uniform(0, height)
    rows = np.arange(height, dtype=np.float32)[:, None]
    paper = paper * (1 - rng.uniform(0, 0.25) * np.exp(-0.5 * ((rows - crease) / 1.5) ** 2))
    ink = ink * np.float32(rng.uniform(0.75, 1.0)) * kept
    grid = grid * (0.5 + 0.5 * kept)
    light = _blurred((1 - grid) * (1 - ink), rng.uniform(0.2, 1.0) * style.blur)
    deviation = style.noise * rng.uniform(0.6, 1.4)
    noise = np.float32(deviation) * rng.standard_normal(size, dtype=np.float32)
    noise += np.float32(0.3 * deviation) * rng.standard_normal((1, width), dtype=np.float32)
    floor = rng.uniform(10, 40)  # a scanner's black is not 0
    grey = floor + (paper - floor) * light + noise
    specks = rng.random(size, dtype=np.float32)
    share = 4e-5 * style.noise
    grey = np.where(specks < share, rng.uniform(20, 120), np.where(specks > 1 - share, 250.0, grey))
    if style.channels == 1:
        return np.clip(np.rint(grey), 0, 255).astype(np.uint8)[:, :, None]
    tint = np.array([1.0, rng.uniform(0.93, 0.98), rng.uniform(0.8, 0.95)], np.float32)  # old paper yellows
    return np.clip(np.rint(grey[:, :, None] * tint), 0, 255).astype(np.uint8)


def _smooth_field(rng: np.random.Generator, size: tuple[int, int], spacing: int = 64) -> NDArray[np.float32]:
    """Draw a field that varies over about `spacing` pixels, 0 ... 1."""
    coarse = rng.random((size[0] // spacing + 3, size[1] // spacing + 3), dtype=np.float32)
    left, top = rng.uniform(0, 1, size=2)
    box = (left, top, left + size[1] / spacing, top + size[0] / spacing)
    fine = Image.fromarray(coarse).resize((size[1], size[0]), Image.Resampling.BILINEAR, box=box)
    return np.asarray(fine)


def _patches(rng: np.random.Generator, size: tuple[int, int]) -> NDArray[np.float32]:
    """Draw faded patches with soft borders: 0 where no ink is lost, 1 where most is."""
    field = np.clip((_smooth_field(rng, size, 48) - np.float32(rng.uniform(0.3, 0.6))) * 3, 0, 1)
    return field * field * (3 - 2 * field)


def _blurred(image: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Convolve with a normal density of `sigma` pixels, edges repeated."""
    if sigma < 0.15:  # less than 1 % of the weight would leave the centre
        return image
    reach = int(np.ceil(3 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    for axis in (0, 1):
        pad = [(0, 0), (0, 0)]
        pad[axis] = (reach, reach)
        wide = np.pad(image, pad, mode="edge")
        total = np.zeros_like(image)
        for offset, weight in enumerate(kernel.astype(np.float32)):
            part = wide[offset : offset + image.shape[0]] if axis == 0 else wide[:, offset : offset + image.shape[1]]
            total += weight * part
        image = total
    return image
