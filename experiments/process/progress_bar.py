"""A progress bar with an estimate, which becomes a line now and then where there is no terminal."""

from __future__ import annotations

import sys
from typing import Any, TextIO

from tqdm import tqdm


class _Lines:
    """A stream that is not a terminal: each state of the bar becomes a line of its own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Write the state of the bar as a line."""
        line = text.replace("\r", "").rstrip()
        if line:
            self._stream.write(f"{line}\n")

    def flush(self) -> None:
        """Flush the underlying stream."""
        self._stream.flush()


def make_bar(total: int, description: str, initial: int = 0, stream: TextIO | None = None, unit: str = "update") -> Any:
    """Make a progress bar; outside a terminal it prints a line with the time left now and then.

    Args:
        total: Updates in all.
        description: Text before the bar.
        initial: Updates that were done before; they do not count for the time left.
        stream: Where to write; None is stderr.
        unit: What is counted.
    """
    stream = stream or sys.stderr
    common: dict[str, Any] = {"total": total, "desc": description, "unit": unit, "initial": initial}
    common["position"] = 0  # an earlier bar that an error left open would push this one down
    # Averaged over the whole time so far, which includes scoring: it counts no updates but takes time.
    common["smoothing"] = 0
    if stream.isatty():
        return tqdm(**common, file=stream, mininterval=0.2, dynamic_ncols=True)
    line = f"{{desc}}: {{n_fmt}}/{{total_fmt}} {unit}s, {{elapsed}} so far, {{remaining}} left"
    return tqdm(**common, file=_Lines(stream), mininterval=30.0, maxinterval=60.0, bar_format=line)
