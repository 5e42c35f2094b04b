"""The layout of figures: titles and names that are longer than their panel are broken into lines."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator


class FittedLayout(ConstrainedLayoutEngine):
    """The constrained layout, which first breaks titles and names of axes that are longer than their panel."""

    def execute(self, fig: Figure) -> None:
        """Lay out a figure; once more if a name had to be broken, since it takes more lines then."""
        super().execute(fig)
        if sum(_fit(ax, fig) for ax in fig.axes):
            for _ in range(2):  # panels of a fixed shape take one more round
                super().execute(fig)


def broken(text: str, letters: int) -> str:
    """Break lines that are longer than `letters`, behind a space or a mark, and within a word only where there is none.

    >>> print(broken("weighted_bce_of_the_thesis", 14))
    weighted_bce_
    of_the_thesis
    """
    lines: list[str] = []
    for line in text.split("\n"):
        start = len(lines)
        lines.append("")
        for piece in re.findall(r"[^\s_=,;:/.-]*[\s_=,;:/.-]?", line):
            while piece:
                room = letters - len(lines[-1])
                if len(piece.rstrip()) > room and lines[-1] and len(piece.rstrip()) <= letters:
                    lines.append("")
                elif len(piece.rstrip()) > room:
                    lines[-1], piece = lines[-1] + piece[:room], piece[room:]
                    lines.append("")
                else:
                    lines[-1], piece = lines[-1] + piece, ""
        lines[start:] = [part.rstrip() for part in lines[start:]]
    return "\n".join(lines)


def _fit(ax: Axes, figure: Figure) -> bool:
    """Break what is too long for a panel; whether anything was."""
    own = ax.get_position()
    others = [other.get_position() for other in figure.axes if other is not ax]
    row = [place.x0 for place in others if min(place.y1, own.y1) > max(place.y0, own.y0)]
    column = [place.y0 for place in others if min(place.x1, own.x1) > max(place.x0, own.x0)]
    width, height = figure.bbox.size
    across, along = width * _room(own.x0, own.x1, row), height * _room(own.y0, own.y1, column)
    lengths = [(ax.title, across, 0), (ax.xaxis.label, across, 0), (ax.yaxis.label, along, 1)]
    found = [_break(text, room - _GAP / 72 * figure.dpi, axis) for text, room, axis in lengths]
    return any([*found, _break_ticks(ax, max(_NAMES * width, _SHORTEST * figure.dpi))])


_GAP = 6.0  # points, between the names of two panels
_NAMES, _SHORTEST = 0.22, 0.9  # names of rows take this share of a figure's width at most, and may take so many inches


def _room(start: float, end: float, starts: Sequence[float]) -> float:
    """Return how long a name in the middle of a panel can be, between its neighbours and the edges of the figure."""
    middle = 0.5 * (start + end)
    steps = [abs(other - start) for other in starts if abs(other - start) > 0.01]
    return min([2 * middle, 2 * (1 - middle), *steps])


def _break(text: Text, room: float, axis: int) -> bool:
    length = text.get_window_extent().size[axis]
    if not text.get_text() or length <= room:
        return False
    text.set_text(broken(text.get_text(), _letters(text, room / length)))
    return True


def _break_ticks(ax: Axes, room: float) -> bool:
    """Break the names of rows, which are ticks at fixed places, into no more lines than a row is high."""
    names = ax.get_yticklabels() if isinstance(ax.yaxis.get_major_locator(), FixedLocator) else []
    widths = [text.get_window_extent().width for text in names]
    if not names or max(widths) <= room:
        return False
    line = _LINE * float(names[0].get_fontsize()) / 72 * ax.figure.dpi
    most = max(1, int(ax.bbox.height / len(names) / line))
    told = []
    for text, width in zip(names, widths, strict=True):
        letters = max(_letters(text, room / width), math.ceil(_UNEVEN * len(text.get_text()) / most)) if width else 1
        told.append(broken(text.get_text(), letters) if width > room else text.get_text())
    ax.set_yticks(ax.get_yticks(), told)
    return told != [text.get_text() for text in names]


_LINE, _UNEVEN = 1.5, 1.2  # height of a line by its letters, room included; lines that break at marks are unequal


def _letters(text: Text, share: float) -> int:
    """Return how many letters make up a share of a text's longest line, which may have narrower ones."""
    return max(4, int(0.95 * share * max(map(len, text.get_text().split("\n")))))
