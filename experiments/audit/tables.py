"""The results of a calibration: a table per part, facts about the run for the page, and a line per part."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from experiments.inference.words import MOVES_IN, MOVES_OUT


@dataclass(frozen=True)
class CalibrationTables:
    """The tables of the parts that ran, and the facts that the page states about the run.

    Args:
        tables: part -> table.
        level: of the tests.
        margin: of the equivalence test.
        point_margin: of the natural point.
        study_dir: folder of the real runs.
        n_real_runs: number of complete runs in it.
        seconds: wall time.
        cpu_seconds: CPU time.
        cores: number of cores of the machine.
    """

    tables: Mapping[str, pd.DataFrame]
    level: float
    margin: float
    point_margin: float
    study_dir: str
    n_real_runs: int
    seconds: float
    cpu_seconds: float
    cores: int


MOVES = (MOVES_OUT, MOVES_IN)


_FLAGS = ("below_92", "claims_above_level", "above_level")  # of looks, only those that share the level
"""Columns that say that a row fails."""


def failures(result: CalibrationTables) -> list[str]:
    """Name the rows where coverage below .92, or more false claims than the level, are shown."""
    found = []
    for part, table in result.tables.items():
        for flag in set(_FLAGS) & set(table.columns):
            split = table["split"] if "split" in table.columns else pd.Series("", table.index)
            for _, row in table[table[flag].astype(bool) & (split != "whole level")].iterrows():
                found.append(f"{part}: {', '.join(f'{name} {row[name]}' for name in table.columns)}")
    return found


def summary_lines(result: CalibrationTables) -> list[str]:
    """Summarise each part in a line."""
    tables, lines = result.tables, []
    if "coverage" in tables:
        lowest = tables["coverage"].sort_values("coverage").iloc[0]
        shown = int(tables["coverage"]["below_92"].sum())
        lines.append(
            f"coverage: {lowest['coverage']:.3f} ± {lowest['coverage_error']:.3f} in the lowest of "
            f"{len(tables['coverage'])} rows; shown to be below .92 in {shown}"
        )
    if "floor" in tables:
        floor = tables["floor"].groupby("n_seeds")["coverage"].min()
        lines.append("floor: " + ", ".join(f"{value:.3f} with {seeds} seeds" for seeds, value in floor.items()))
    if "ugly" in tables:
        table = tables["ugly"]
        lines.append(
            f"ugly: coverage at least {table['coverage'].min():.3f}, false claims at most {table['claims'].max():.3f} "
            f"in {len(table)} rows; shown to be below .92 in {int(table['below_92'].sum())}, above the level in "
            f"{int(table['claims_above_level'].sum())}"
        )
    if "collapse" in tables:
        table = tables["collapse"]
        lines.append(f"collapse: coverage of clean studies at least {table['clean_coverage'].min():.3f}")
    if "families" in tables:
        table = tables["families"]
        lines.append(f"families: any false claim in at most {table['false_any'].max():.3f} of the studies")
    if "looks" in tables:
        table = tables["looks"]
        staged = table[table["split"] != "whole level"]
        most = max(staged["false_moves"].max(), staged["false_stays"].max())
        lines.append(f"looks: any false claim in at most {most:.3f}")
    if "same_arm" in tables:
        table = tables["same_arm"]
        moving = table.loc[table["verdict"].isin(MOVES), "split"].nunique()
        lines.append(f"same_arm: {moving} of {table['split'].nunique()} splits have a move in any mask")
    if "slides" in tables:
        table = tables["slides"]
        enough = table.loc[table["suffices"], "slides"]
        moves = float((table["moves"] * table["n"]).sum())
        lowest_share = f"{enough.min():.2f}" if len(enough) else "no row"
        lines.append(f"slides: {moves:.0f} moves in {table['n'].sum()}; lowest share of slides {lowest_share}")
    if "power" in tables:
        off = (tables["power"]["found"] - tables["power"]["promised"]).abs().max()
        lines.append(f"power: at most {off:.3f} from what is promised")
    if "advice" in tables:
        ratio = tables["advice"]["ratio"]
        lines.append(f"advice: median over needed from {ratio.min():.2f} to {ratio.max():.2f}")
    return lines
