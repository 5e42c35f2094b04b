"""The page: tables of measured numbers in Markdown, beside those of the run before."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.machine import machine_text, versions_text
from benchmarks.result import Row, Table, bytes_text, seconds_text

_HEAD = """# Performance

What it costs to use this package, beside what one would otherwise pick: measured in the same process on the same data,
in turn, on the logits of a network that was trained for it. `{command}` writes this page; `python -m benchmarks TABLE`
prints one of its tables.

A ratio is the peer's time (or memory) over ours unless a row says otherwise: above 1 is better than the peer. It is the
median of the rounds' ratios, with their quartiles in brackets (the range, for fewer than four rounds). **meets**: the
goal is reached. **misses**: it is not. **loses**: worse than the peer. "before" is the number of the run before this
one, for comparison.

**Another processor, other ratios.** On 26 November 2026, on another processor of the name AMD EPYC, plain BCE took
0.89 ms beside torch's 18.4 ms (20.7x); on that of 28 November, whose vectors are AVX2, 2.9 ms beside 10.8 ms (3.6x).
Commits of both days were timed in turn on the latter (best of 40 calls, one thread, other work beside): weighted BCE
2.6 ms and 3.1 ms, focal 3.1 ms and 3.6 ms, Dice 2.5 ms and 3.5 ms. What was added between them is that pixels are
summed in float64.

**A machine that others use.** Commands set `OMP_WAIT_POLICY=PASSIVE` (and `KMP_BLOCKTIME=0`) unless it is
set: threads that wait for work sleep instead of taking a core from somebody. Where the machine is idle when a command
starts they spin briefly first (`GOMP_SPINCOUNT=10000`), as to wake a thread between two layers takes longer there than
to keep it awake. An update of the demo's network (4 tiles of 96 x 96 pixels) beside processes that want a core each, on
2 virtual cores of an AMD EPYC, in OpenMP's default time (median of the rounds' ratios, 2026-11-27,
`python -m benchmarks.waiting`; **bold**: what a command chooses):

| other processes | asleep at once | asleep after 10,000 turns |
|---|---|---|
| 0 | 1.63 | **.91** (least time against least time 1.02) |
| 1 | **.64** | 1.31 |
| 3 | **.38** | .62 |

Runs take no more threads than the cores that the process may use, nor than `OMP_NUM_THREADS`.

- Machine: {machine}
- Versions: {versions}
- Measured: {date}, in {minutes:.0f} minutes; {load} at the start
"""

KEPT = ("On a GPU",)
"""Titles of the page's sections that are written by hand, from what `make bench-gpu` printed elsewhere."""


def table_text(table: Table, before: Mapping[str, float] | None = None) -> str:
    """Write a table with its heading in Markdown."""
    lines = [f"## {table.title}", "", table.about.strip(), ""]
    lines += [
        "| work | peer | ours | peer's | measured | goal | outcome | before |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [_row_text(row, (before or {}).get(row.key)) for row in table.rows]
    notes = list(
        dict.fromkeys(
            f"- {row.work}{f', {row.peer}' if row.peer else ''}: {row.note}" for row in table.rows if row.note
        )
    )
    if notes:
        lines += ["", *notes]
    if table.appendix:
        lines += ["", table.appendix.strip()]
    return "\n".join(lines) + "\n"


def page_text(tables: Sequence[Table], *, command: str, minutes: float, load: str, before: Mapping[str, float]) -> str:
    """Write the whole page."""
    head = _HEAD.format(
        command=command,
        machine=machine_text(),
        versions=versions_text(),
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
        minutes=minutes,
        load=load,
    )
    return "\n".join([head, *(table_text(table, before) for table in tables)])


def with_kept_sections(page: str, earlier: str) -> str:
    """Append to a new page those sections of the earlier one that no run on a CPU measures."""
    kept = [section for section in earlier.split("\n## ")[1:] if section.split("\n", 1)[0] in KEPT]
    return "\n## ".join([page, *(section.rstrip("\n") + "\n" for section in kept)])


def with_tables(page: str, tables: Sequence[Table], before: Mapping[str, float]) -> str:
    """Put tables into a page, in place of those of the same title or behind all others; each says when it was made."""
    head, *sections = page.split("\n## ")
    for table in tables:
        about = f"{table.about.strip()} Measured by itself on {datetime.now(UTC):%Y-%m-%d}."
        text = table_text(replace(table, about=about), before).removeprefix("## ")
        places = [place for place, section in enumerate(sections) if section.startswith(f"{table.title}\n")]
        if places:
            sections[places[0]] = text
        else:
            sections.append(text)
    return "\n## ".join([head, *(section.rstrip("\n") + "\n" for section in sections)])


def read_numbers(path: Path) -> dict[str, float]:
    """Read the numbers of an earlier run, row -> number; empty where there was none."""
    return dict(json.loads(path.read_text())) if path.exists() else {}


def write_numbers(path: Path, tables: Sequence[Table], before: Mapping[str, float] | None = None) -> None:
    """Keep the numbers for the next run to stand beside; those of `before` stay where no table has a newer one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    numbers = dict(before or {}) | {
        row.key: row.measured.middle for table in tables for row in table.rows if row.measured is not None
    }
    path.write_text(json.dumps(numbers, indent=1) + "\n")


def _row_text(row: Row, before: float | None) -> str:
    goal = (
        ""
        if row.goal is None
        else f"{'at most' if row.goal.at_most else 'at least'} {_number(row.goal.bound, row.unit)}"
    )
    measured = "" if row.measured is None else _number(row.measured.middle, row.unit)
    if row.measured is not None and row.measured.n > 1:
        low, high = (_number(value, row.unit) for value in (row.measured.low, row.measured.high))
        measured += f" ({low} to {high})"
    outcome = row.outcome if row.outcome in ("meets", "stated") else f"**{row.outcome}**"
    earlier = "" if before is None else _number(before, row.unit)
    return f"| {row.work} | {row.peer} | {row.ours} | {row.theirs} | {measured} | {goal} | {outcome} | {earlier} |"


def _number(value: float, unit: str) -> str:
    if unit == "s":
        return seconds_text(value)
    if unit == "bytes":
        return bytes_text(value)
    text = f"{value:.2g}" if abs(value) < 0.1 else f"{value:.3g}"
    return f"{text}{unit}" if unit in ("x", "%") else f"{text} {unit}".rstrip()
