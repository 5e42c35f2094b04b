"""Speed and memory beside what a user would otherwise pick.

python -m benchmarks                 all tables; writes docs/performance.md
python -m benchmarks losses study    some tables; prints them, writes nothing
python -m benchmarks --update report some tables; puts them into docs/performance.md in place of the old ones
python -m benchmarks --gpu           the table of a GPU, printed last
python -m benchmarks --quick losses  small and few: shows that a table runs, its numbers say nothing
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from pathlib import Path

from benchmarks.machine import load_text
from benchmarks.page import page_text, read_numbers, table_text, with_kept_sections, with_tables, write_numbers
from benchmarks.result import Settings, Table

# In the order of the page; a table's module is imported only when it is measured.
TABLES = {
    "start_up": "benchmarks.start_up",
    "histogram": "benchmarks.histogram",
    "test_set": "benchmarks.test_set",
    "losses": "benchmarks.loss_speed",
    "training": "benchmarks.training",
    "profile": "benchmarks.run_profile",
    "study": "benchmarks.study_speed",
    "compare": "benchmarks.compare_speed",
    "report": "benchmarks.report_speed",
    "growth": "benchmarks.growth",
}

ROOT = Path(__file__).resolve().parents[1]
NUMBERS = ROOT / "outputs" / "benchmarks" / "numbers.json"
PAGE = ROOT / "docs" / "performance.md"


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, and after a full run write the page; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"{', '.join(TABLES)}; all when none is named")
    parser.add_argument("--gpu", action="store_true", help="measure on a GPU")
    parser.add_argument("--update", action="store_true", help="put the named tables into the page")
    parser.add_argument("--quick", action="store_true", help="small and few")
    chosen = parser.parse_args(arguments)
    unknown = [name for name in chosen.tables if name not in TABLES]
    if unknown:
        parser.error(f"TABLE: expected {', '.join(TABLES)}, got {', '.join(unknown)}")
    settings = Settings(quick=chosen.quick)
    if chosen.gpu:
        return run_on_gpu(settings)

    started, load, before = time.perf_counter(), load_text(), read_numbers(NUMBERS)
    tables: list[Table] = []
    for name in chosen.tables or TABLES:
        since = time.perf_counter()
        print(f"{name} ...", file=sys.stderr, flush=True)
        tables.append(importlib.import_module(TABLES[name]).measure(settings))
        print(table_text(tables[-1], before), flush=True)
        print(f"{name}: {time.perf_counter() - since:.0f} s", file=sys.stderr, flush=True)
    if chosen.tables and chosen.update and not chosen.quick:
        PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8"), tables, before), encoding="utf-8")
        _draw(tables)
        write_numbers(NUMBERS, tables, before)
    if not chosen.tables and not chosen.quick:
        minutes = (time.perf_counter() - started) / 60
        page = page_text(tables, command="make bench", minutes=minutes, load=load, before=before)
        earlier = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
        PAGE.write_text(with_kept_sections(page, earlier), encoding="utf-8")
        _draw(tables)
        write_numbers(NUMBERS, tables)
        print(f"wrote {PAGE.relative_to(ROOT)}, {minutes:.1f} minutes", file=sys.stderr)
    return 0


def _draw(tables: list[Table]) -> None:
    for table in tables:
        if table.draw is not None:
            table.draw(PAGE.parent)


def run_on_gpu(settings: Settings) -> int:
    """Measure on a GPU and print the table last; 2 and a clear message where there is none."""
    import torch

    if not torch.cuda.is_available():
        print(f"error: --gpu: torch {torch.__version__} finds no CUDA GPU here; nothing was measured", file=sys.stderr)
        return 2
    from benchmarks.gpu import measure

    print(table_text(measure(settings)), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
