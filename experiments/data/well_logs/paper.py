"""The printed form of a well log: tracks with grids, depth numbers, and writing that belongs to no curve."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

_WORDS = ("GR", "SP", "ILD", "CALI", "RHOB", "NPHI", "MD", "TVD", "DT", "CSG", "API", "OHM", "IN", "2-7-61", "X10")


@dataclass(frozen=True)
class Layout:
    """Positions on the paper.

    Args:
        size: (H, W) in pixels.
        tracks: Left and right edge of each track in pixels.
        depth_track: Left and right edge of the column of depth numbers.
        row_step: Distance between thin horizontal lines in pixels.
        first_row: Row of the first heavy line.
        slope: Tangent of the paper's rotation.
    """

    size: tuple[int, int]
    tracks: tuple[tuple[float, float], ...]
    depth_track: tuple[float, float]
    row_step: float
    first_row: float
    slope: float


def draw_layout(rng: np.random.Generator, size: tuple[int, int], skew: float) -> Layout:
    """Place the tracks on both sides of the depth numbers, or all on one side.

    Args:
        rng: Source of randomness.
        size: (H, W) in pixels.
        skew: Greatest rotation in degrees.
    """
    width = size[1]
    edge = rng.uniform(1, 4, size=2)
    left, right = edge[0], width - edge[1]
    column = min(24.0, 0.3 * width)
    place = rng.integers(3)
    if place == 0:
        depth, tracks = (left, left + column), [(left + column, right)]
    elif place == 1:
        depth, tracks = (right - column, right), [(left, right - column)]
    else:
        middle = left + rng.uniform(0.3, 0.6) * (right - left - column)
        depth, tracks = (middle, middle + column), [(left, middle), (middle + column, right)]
    row_step = rng.uniform(5.0, 10.0)
    return Layout(
        size=size,
        tracks=tuple(tracks),
        depth_track=depth,
        row_step=row_step,
        first_row=rng.uniform(0, 5 * row_step),
        slope=float(np.tan(np.radians(rng.uniform(-skew, skew)))),
    )


def draw_grid(rng: np.random.Generator, layout: Layout) -> NDArray[np.float32]:
    """Draw thin and heavy lines of the tracks.

    Returns:
        float32 (H, W), how much of the pixel is printed, 0 ... 1.
    """
    height, width = layout.size
    x = np.arange(width, dtype=np.float32)[None, :] + np.float32(0.5)
    y = np.arange(height, dtype=np.float32)[:, None] + np.float32(0.5)
    # Positions on the paper, which is slightly rotated in the scanner.
    across = x - layout.slope * (y - height / 2)
    down = y + layout.slope * (x - width / 2)
    thin, heavy, edge = rng.uniform((0.1, 0.25, 0.4), (0.3, 0.5, 0.7))
    heavy_width = rng.uniform(1.0, 2.0)
    grid = thin * _lines(down, layout.first_row, layout.row_step, 0.8)
    grid = np.maximum(grid, heavy * _lines(down, layout.first_row, 5 * layout.row_step, heavy_width))
    in_track = np.zeros((height, width), bool)
    upright = np.zeros((height, width), np.float32)
    for left, right in layout.tracks:
        inside = (across >= left) & (across <= right)
        in_track |= inside
        if rng.random() < 0.3:  # resistivity is plotted on a logarithmic scale
            decades = max(1, round((right - left) / 40))
            ticks = np.concatenate([d + np.log10(np.arange(1, 10)) for d in range(decades)]) / decades
            places = [(left + tick * (right - left), heavy if i % 9 == 0 else thin) for i, tick in enumerate(ticks)]
        else:
            count = max(2, round((right - left) / rng.uniform(7, 13)))
            places = [(left + i * (right - left) / count, heavy if i % 5 == 0 else thin) for i in range(1, count)]
        for place, strength in places:
            np.maximum(upright, strength * _line(across, place, 0.8), out=upright)
        for place in (left, right):
            np.maximum(upright, edge * _line(across, place, 1.5), out=upright)
    return np.maximum(np.where(in_track, grid, 0), upright).astype(np.float32)


def draw_writing(rng: np.random.Generator, layout: Layout, clutter: float) -> NDArray[np.float32]:
    """Draw depth numbers, and `clutter` times the usual words, ticks, stamps and straight reference lines.

    Returns:
        float32 (H, W), how much of the pixel is inked, 0 ... 1.
    """
    height, width = layout.size
    sheet = Image.new("L", (width, height))
    pen = ImageDraw.Draw(sheet)
    _number_depths(rng, sheet, layout)
    for _ in range(rng.poisson(clutter * height * width / 14_000)):
        kind = rng.choice(4, p=(0.4, 0.25, 0.2, 0.15))
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        if kind == 0:
            _write(
                sheet, _WORDS[rng.integers(len(_WORDS))], x, y, size=int(rng.integers(8, 12)), turned=rng.random() < 0.4
            )
        elif kind == 1:
            dx, dy = rng.uniform(-12, 12), rng.uniform(-12, 12)
            pen.line([(x, y), (x + dx, y + dy)], fill=255, width=int(rng.integers(1, 3)))
        elif kind == 2:
            rx, ry = rng.uniform(4, 14, size=2)
            pen.ellipse([x - rx, y - ry, x + rx, y + ry], outline=255, width=int(rng.integers(1, 3)))
        else:
            _reference_line(rng, pen, layout, x, y)
    return np.asarray(sheet, dtype=np.float32) / np.float32(255)


def _number_depths(rng: np.random.Generator, sheet: Image.Image, layout: Layout) -> None:
    depth = int(rng.integers(10, 140)) * 100
    increment = int(rng.choice([2, 10, 50, 100]))
    size = int(rng.integers(8, 11))
    turned = rng.random() < 0.3
    left, right = layout.depth_track
    every = 10 * layout.row_step if layout.row_step < 7 else 5 * layout.row_step
    for row in np.arange(layout.first_row, layout.size[0], every):
        _write(sheet, str(depth), left + 2, row - size / 2, size=size, turned=turned)
        depth += increment
        for x in (left, right - 3):
            ImageDraw.Draw(sheet).line([(x, row), (x + 3, row)], fill=255)


def _reference_line(rng: np.random.Generator, pen: ImageDraw.ImageDraw, layout: Layout, x: float, y: float) -> None:
    """Draw a straight upright line, broken or dotted like a curve: only its path shows that it is not one."""
    length = rng.uniform(20, 90)
    mark, gap = ((2, 3), (6, 4), (length, 0))[rng.integers(3)]
    for start in np.arange(0, length, mark + gap):
        top, bottom = y + start, y + min(start + mark, length) - 1
        lean = -layout.slope
        pen.line([(x + lean * top, top), (x + lean * bottom, bottom)], fill=255)


def _write(sheet: Image.Image, text: str, x: float, y: float, *, size: int, turned: bool) -> None:
    letters = _letters(text, size)
    if turned:
        letters = letters.transpose(Image.Transpose.ROTATE_90)
    sheet.paste(255, (round(x), round(y)), letters)


@cache
def _letters(text: str, size: int) -> Image.Image:
    font = ImageFont.load_default(size)
    left, top, right, bottom = font.getbbox(text)
    image = Image.new("L", (max(1, int(right - left) + 1), max(1, int(bottom - top) + 1)))
    ImageDraw.Draw(image).text((-left, -top), text, fill=255, font=font)
    return image


def _line(place: NDArray[np.float32], at: float, width: float) -> NDArray[np.float32]:
    return np.clip((width + 1) / 2 - np.abs(place - np.float32(at)), 0, min(width, 1.0))


def _lines(place: NDArray[np.float32], first: float, step: float, width: float) -> NDArray[np.float32]:
    distance = np.abs(np.mod(place - np.float32(first) + np.float32(step / 2), np.float32(step)) - np.float32(step / 2))
    return np.clip((width + 1) / 2 - distance, 0, min(width, 1.0))
