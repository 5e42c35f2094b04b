"""Places names beside their points, in the figures and on the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from numpy.typing import NDArray

from experiments.report.figures.style import text_colour

Place = tuple[float, float]

_SIDES = sorted({(side, along) for side in (-1, 1) for along in (-1, -0.5, 0, 0.5, 1)})
_ASIDE = np.array([*_SIDES, *[(along, side) for side, along in _SIDES if abs(along) < 1]])
_RINGS = (1.0, 2.0, 3.5, 5.5, 8.0, 11.0)  # gaps between a point and its name, the nearest first
_CLEAR = 0.7  # of a gap: names keep this far from every point
_FAR, _MISTAKEN, _CROSSED = 3.0, 40.0, 60.0  # cost of a gap, of a doubtful owner, of crossed leaders; of ink 1 a place
_SWEEPS, _ORDERS = 3, 4  # rounds in which names move; orders that are tried until all have a place
_ALONG = 24  # places along a leader
_STEP = 4.0  # between places of ink along a line, pixels
_GAP = 5.0  # in figures, points


@dataclass(frozen=True)
class Box:
    """A rectangle on the screen, in pixels, y down."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Label:
    """Where a name stands.

    Args:
        box: Of its text.
        leader: Ends of the line from the name to its point; None where the name stands right beside it.
    """

    box: Box
    leader: tuple[Place, Place] | None


def place_names(
    points: Mapping[str, Sequence[Place]],
    sizes: Mapping[str, Place],
    frame: Box,
    *,
    gap: float,
    ink: NDArray[np.float64] | None = None,
    taken: Sequence[Box] = (),
) -> dict[str, Label]:
    """Find a place for each name beside one of its points.

    No name covers another, what is taken, any point, or the edge of the frame; one that fits nowhere is left out. Of
    the places that remain, a name takes the one that is near and covers the least ink.

    Args:
        points: Name -> its points on the screen, pixels.
        sizes: Name -> width and height of its text, pixels.
        frame: Where names may stand.
        gap: Between a point and its name, pixels.
        ink: (n, 2), places on the screen that are better not covered; None where there are none.
        taken: Where names must not stand, such as other text.
    """
    places = np.empty((0, 2)) if ink is None else ink
    spots = {
        name: _free(_around(own, sizes[name], gap), frame, taken, points, gap).priced(name, points, places, gap)
        for name, own in points.items()
    }
    order, best = list(points), dict[str, int]()
    for _ in range(_ORDERS):
        placed = _arranged(order, spots)
        if len(placed) > len(best):
            best = placed
        missing = [name for name in order if name not in placed and len(spots[name].cost)]
        if not missing:
            break
        order = [*missing, *[name for name in order if name not in missing]]
    return {name: spots[name].label(best[name]) for name in points if name in best}


@dataclass(frozen=True)
class _Spots:
    """Places where a name could stand.

    Args:
        boxes: (n, 4), left, top, right and bottom.
        leaders: (n, 2, 2), ends of the lines from the names to their points; NaN where none is needed.
        cost: (n,), what there is against a place by itself.
    """

    boxes: NDArray[np.float64]
    leaders: NDArray[np.float64]
    cost: NDArray[np.float64]

    @property
    def along(self) -> NDArray[np.float64]:
        """Places along the leaders, (n, _ALONG, 2)."""
        share = np.linspace(0.0, 1.0, _ALONG)[:, None]
        return self.leaders[:, :1] + (self.leaders[:, 1:] - self.leaders[:, :1]) * share

    def label(self, at: int) -> Label:
        """Return one place."""
        start, end = ((float(x), float(y)) for x, y in self.leaders[at])
        box = Box(*(float(value) for value in self.boxes[at]))
        return Label(box, None if np.isnan(start[0]) else (start, end))

    def where(self, keep: NDArray[Any]) -> _Spots:
        """Return some of the places."""
        return _Spots(self.boxes[keep], self.leaders[keep], self.cost[keep])

    def priced(self, name: str, points: Mapping[str, Sequence[Place]], ink: NDArray[np.float64], gap: float) -> _Spots:
        """Count what a name covers, how far off it stands, and whether it could be taken for another's."""
        cost = _inside(self.boxes[:, None], ink).sum(axis=1, dtype=np.float64)
        cost += _FAR / gap * np.nan_to_num(np.hypot(*(self.leaders[:, 1] - self.leaders[:, 0]).T))
        others = _marks([own for other, own in points.items() if other != name])
        if len(others) and len(cost):
            nearer = _distance(self.boxes, others) < _distance(self.boxes, _marks([points[name]])) + 0.5 * gap
            passed = np.hypot(*np.moveaxis(self.along[:, :, None] - others, -1, 0)) < _CLEAR * gap
            cost += _MISTAKEN * np.where(np.isnan(self.leaders[:, 0, 0]), nearer, passed.any(axis=1).sum(axis=1))
        return _Spots(self.boxes, self.leaders, cost)

    def beside(self, other: _Spots) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Say of each place whether its name or leader and those of another place collide, and if leaders cross."""
        overlap = (self.boxes[:, :2] < other.boxes[:, 2:]) & (other.boxes[:, :2] < self.boxes[:, 2:])
        covered = _inside(other.boxes, self.along).any(axis=1) | _inside(self.boxes[:, None], other.along).any(axis=1)
        one, two = self.leaders, np.broadcast_to(other.leaders, self.leaders.shape)
        sides = [_side(a, b[:, end]) for a, b in ((one, two), (two, one)) for end in (0, 1)]
        return np.asarray(overlap.all(axis=1) | covered), (sides[0] * sides[1] < 0) & (sides[2] * sides[3] < 0)


def _around(points: Sequence[Place], size: Place, gap: float) -> _Spots:
    """List the places around some points, with a leader to all but the nearest."""
    half = 0.5 * np.asarray(size)
    at = np.repeat(np.asarray(points, dtype=np.float64), len(_ASIDE) * len(_RINGS), axis=0)
    ring = np.tile(np.repeat(_RINGS, len(_ASIDE)), len(points))[:, None]
    middle = at + np.tile(_ASIDE, (len(_RINGS) * len(points), 1)) * (half + ring * gap)
    boxes = np.concatenate([middle - half, middle + half], axis=1)
    leaders = np.stack([np.clip(at, boxes[:, :2], boxes[:, 2:]), at], axis=1)
    leaders[ring[:, 0] == 1] = np.nan
    return _Spots(boxes, leaders, np.zeros(len(boxes)))


def _free(spots: _Spots, frame: Box, taken: Sequence[Box], points: Mapping[str, Sequence[Place]], gap: float) -> _Spots:
    """Leave out places beyond the frame, on what is taken, and on or close to any point."""
    inside = (spots.boxes[:, :2] >= (frame.left, frame.top)) & (spots.boxes[:, 2:] <= (frame.right, frame.bottom))
    wide = spots.boxes + _CLEAR * gap * np.array([-1.0, -1.0, 1.0, 1.0])
    keep = np.asarray(inside.all(axis=1)) & ~_inside(wide[:, None], _marks(list(points.values()))).any(axis=1)
    for box in taken:
        across = (spots.boxes[:, 0] < box.right) & (box.left < spots.boxes[:, 2])
        keep &= ~(across & (spots.boxes[:, 1] < box.bottom) & (box.top < spots.boxes[:, 3]))
    return spots.where(keep)


def _arranged(order: Sequence[str], spots: Mapping[str, _Spots]) -> dict[str, int]:
    """Give each name its cheapest place beside those of the others, and then each again, now that all others stand."""
    placed: dict[str, int] = {}
    for _ in range(_SWEEPS):
        for name in order:
            free, left = spots[name], np.arange(len(spots[name].cost))
            for other, at in placed.items():
                if other != name:
                    collides, crosses = free.beside(spots[other].where(np.array([at])))
                    free = _Spots(free.boxes, free.leaders, free.cost + _CROSSED * crosses).where(~collides)
                    left = left[~collides]
            if len(left):
                placed[name] = int(left[np.argmin(free.cost)])
    return placed


def _marks(points: Sequence[Sequence[Place]]) -> NDArray[np.float64]:
    return np.array([point for own in points for point in own], dtype=np.float64).reshape(-1, 2)


def _inside(boxes: NDArray[np.float64], places: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Say which places, (..., 2), lie inside boxes, (..., 4)."""
    return np.asarray(((places > boxes[..., :2]) & (places < boxes[..., 2:])).all(axis=-1))


def _distance(boxes: NDArray[np.float64], places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far the nearest place lies from each box, (n,)."""
    nearest = np.clip(places, boxes[:, None, :2], boxes[:, None, 2:])
    return np.asarray(np.hypot(*np.moveaxis(nearest - places, -1, 0)).min(axis=1))


def _side(lines: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return on which side of each line, (n, 2, 2), a point lies, (n, 2): below or above 0."""
    (across, down), (x, y) = (lines[:, 1] - lines[:, 0]).T, (points - lines[:, 0]).T
    return np.asarray(across * y - down * x)


def write_names(
    ax: Axes, points: Mapping[str, NDArray[np.float64]], names: Mapping[str, str], colours: Mapping[str, Any]
) -> list[str]:
    """Write names into a panel in which all else is drawn and whose limits are set; return those with no room.

    Args:
        ax: The panel.
        points: Arm -> (n, 2), its points in the units of the axes.
        names: Arm -> what to call it.
        colours: Arm -> colour of its name.
    """
    figure = ax.figure.get_figure(root=True)
    assert figure is not None  # axes that are drawn into have one
    figure.draw_without_rendering()  # lays out: where points are on the screen depends on it
    pixel = figure.dpi / 72.0
    ground = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0}  # an outline would turn it into paths
    look: dict[str, Any] = {"fontsize": 7.5, "fontweight": "bold", "zorder": 4.9, "bbox": ground}
    reach = _CLEAR * _GAP * pixel
    taken = [_box(text) for text in ax.texts] + [
        Box(x - reach, -y - reach, x + reach, -y + reach)
        for line in ax.lines
        if line.get_linestyle() == "None"
        for x, y in line.get_transform().transform(line.get_xydata())
    ]
    at, texts = dict[str, list[Place]](), dict[str, Any]()
    for arm, own in points.items():
        if np.isfinite(own).all(axis=1).any():
            at[arm] = [(float(x), -float(y)) for x, y in ax.transData.transform(own[np.isfinite(own).all(axis=1)])]
            texts[arm] = ax.text(0, 0, names[arm], color=text_colour(colours[arm]), va="bottom", **look)
    boxes = {arm: _box(text) for arm, text in texts.items()}
    sizes = {arm: (box.right - box.left, box.bottom - box.top) for arm, box in boxes.items()}
    placed = place_names(at, sizes, _box(ax), gap=_GAP * pixel, ink=_ink(ax), taken=taken)
    to_data = ax.transData.inverted().transform
    for arm, text in texts.items():
        if arm not in placed:
            text.remove()
            continue
        label = placed[arm]
        text.set_position(to_data((label.box.left, -label.box.bottom)))
        if label.leader is not None:
            ends = to_data([(x, -y) for x, y in label.leader])
            ax.plot(*ends.T, color=colours[arm], linewidth=0.6, zorder=4.8, clip_on=False)
    return [arm for arm in points if arm not in placed]


def _box(artist: Any) -> Box:
    extent = artist.get_window_extent()
    return Box(extent.x0, -extent.y1, extent.x1, -extent.y0)


def _along(path: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return places along a line through corners, a step apart, (n, 2)."""
    at = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    where = np.linspace(0.0, at[-1], int(at[-1] / _STEP) + 2)
    return np.stack([np.interp(where, at, path[:, axis]) for axis in (0, 1)], axis=1)


def _ink(ax: Axes) -> NDArray[np.float64]:
    """Return places on the screen along all lines of a panel, and at its markers, (n, 2)."""
    places = [np.empty((0, 2))]
    lines = [(line.get_xydata(), line.get_transform()) for line in ax.lines]
    for group in ax.collections:
        if isinstance(group, LineCollection):
            lines += [(segment, group.get_transform()) for segment in group.get_segments()]
    for corners, transform in lines:
        path = np.asarray(corners, dtype=np.float64).reshape(-1, 2)  # one without a length has no corner
        path = transform.transform(path[np.isfinite(path).all(axis=1)])
        if len(path):
            places.append(_along(path) if len(path) > 1 else path)
    return np.concatenate(places) * (1.0, -1.0)
