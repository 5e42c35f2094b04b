"""The whole calibration: parts in order, their tables on disk, and the page about them."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pandas as pd
from omegaconf import DictConfig

from experiments.audit.coverage import coverage_tasks, floor_tasks
from experiments.audit.decisive_size import advice_tasks
from experiments.audit.error_rates.collapse import collapse_tasks
from experiments.audit.error_rates.families import family_tasks
from experiments.audit.error_rates.ugly import ugly_tasks
from experiments.audit.page import page
from experiments.audit.power import power_tasks
from experiments.audit.pure_slide import real_slide_tasks, simulated_slide_tasks, slide_summary
from experiments.audit.same_arm import complete_runs, same_arm_tasks, slide_splits
from experiments.audit.settings import PARTS, check_settings
from experiments.audit.simulation.looks import look_tasks
from experiments.audit.tables import CalibrationTables, summary_lines
from experiments.audit.task import Task, run_tasks
from experiments.comparison.checked_runs import RunScores
from experiments.comparison.settings import CompareSettings
from experiments.runs import store

PAGE = "calibration.md"


def run_calibration(cfg: DictConfig) -> CalibrationTables:
    """Run the parts that `cfg.parts` names, print a line about each, and write the page and the tables.

    Raises:
        ConfigError: settings are out of range, or the folder of real runs cannot be used.
    """
    settings = check_settings(cfg)
    runs = None
    if {"same_arm", "slides"} & set(cfg.parts) and Path(cfg.same_arm.study_dir).is_dir():
        runs = complete_runs(Path(cfg.same_arm.study_dir))
    tables: dict[str, pd.DataFrame] = {}
    started, cpu_started = time.perf_counter(), time.process_time()
    for part in (part for part in PARTS if part in cfg.parts):
        tasks = _tasks(part, cfg, settings, runs)
        if not tasks:
            print(f"{part}: left out, there is no folder {cfg.same_arm.study_dir}")
            continue
        table = run_tasks(tasks, seed=(cfg.seed, PARTS.index(part)), threads=cfg.threads, description=part)
        tables[part] = slide_summary(table, settings) if part == "slides" else table
        store.write_table(Path(cfg.out_dir) / f"{part}.csv", tables[part])
    result = CalibrationTables(
        tables=tables,
        level=settings.level,
        margin=settings.margin,
        point_margin=settings.point_margin,
        study_dir=str(cfg.same_arm.study_dir),
        n_real_runs=0 if runs is None else len(runs),
        seconds=time.perf_counter() - started,
        cpu_seconds=time.process_time() - cpu_started,
        cores=os.cpu_count() or 1,
    )
    text = page(result)
    store.write_text(Path(cfg.out_dir) / PAGE, text)
    print("\n".join(summary_lines(result)))
    print(f"page: {Path(cfg.out_dir) / PAGE}")
    return result


def _tasks(part: str, cfg: DictConfig, settings: CompareSettings, runs: dict[int, RunScores] | None) -> list[Task]:
    level, margin = settings.level, settings.margin
    if part == "coverage":
        options = cfg.coverage
        return coverage_tasks(
            seeds=list(options.seeds),
            groups=list(options.groups),
            n_gaussian=options.n_gaussian,
            n_histogram=options.n_histogram,
            level=level,
        )
    if part == "floor":
        options = cfg.coverage
        return floor_tasks(
            seeds=list(options.seeds), n_groups=max(options.groups), n_studies=options.n_floor, level=level
        )
    if part == "ugly":
        ugly = cfg.ugly
        sizes = {"seeds": list(ugly.seeds), "groups": list(ugly.groups)}
        return ugly_tasks(**sizes, n_gaussian=ugly.n_gaussian, n_histogram=ugly.n_histogram, level=level)
    if part == "collapse":
        options = cfg.collapse
        return collapse_tasks(
            seeds=list(options.seeds), n_groups=options.groups, n_studies=options.n_studies, level=level
        )
    if part == "families":
        options = cfg.families
        return family_tasks(
            seeds=list(options.seeds),
            n_groups=options.groups,
            n_studies=options.n_studies,
            level=level,
            margin=margin,
        )
    if part == "looks":
        return look_tasks(n_studies=cfg.looks.n_studies, level=level, margin=margin)
    if part == "same_arm":
        return [] if runs is None else same_arm_tasks(runs, n_splits=cfg.same_arm.n_splits, settings=settings)
    if part == "slides":
        tasks = simulated_slide_tasks(n_studies=cfg.slides.n_studies, settings=settings)
        if runs is not None:
            tasks += real_slide_tasks(runs, slide_splits(runs, cfg.slides.n_splits), settings)
        return tasks
    if part == "power":
        return power_tasks(
            seeds=list(cfg.power.seeds),
            n_groups=cfg.power.groups,
            n_gaussian=cfg.power.n_gaussian,
            n_histogram=cfg.power.n_histogram,
            level=level,
            margin=margin,
        )
    return advice_tasks(n_studies=cfg.advice.n_studies, n_per_size=cfg.advice.n_per_size, level=level, margin=margin)
