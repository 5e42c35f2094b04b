"""Checks of the commands that read finished studies, made before they read a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from experiments.checks.folders import folder_problems
from experiments.checks.values import read_values
from experiments.config import ChecklistSchema, CompareSchema, ReportSchema
from experiments.tracking.problems import tracker_problems


def compare_problems(cfg: DictConfig) -> list[str]:
    """List the problems of the configuration of `python -m experiments.compare`."""
    values, problems = read_values(cfg, {"": CompareSchema, "report": ReportSchema})
    study_dir = values.get("study_dir")
    if isinstance(study_dir, str):
        problems += _study_problems("study_dir", study_dir)
    return problems + tracker_problems(cfg) + _report_dir(values) + _report(cfg)


def checklist_problems(cfg: DictConfig) -> list[str]:
    """List the problems of the configuration of `python -m experiments.checklist`."""
    values, problems = read_values(cfg, {"": ChecklistSchema, "report": ReportSchema})
    folders = values.get("study_dirs")
    if folders is not None and not folders:
        problems.append("study_dirs: expected at least one study's folder, got an empty list")
    seen: list[Path] = []
    for folder in folders or []:
        problems += _study_problems("study_dirs", folder)
        if Path(folder).resolve() in seen:
            problems.append(f"study_dirs: expected every study once, got {folder} more than once")
        seen.append(Path(folder).resolve())
    return problems + _report_dir(values) + _report(cfg)


def _study_problems(key: str, folder: str) -> list[str]:
    path = Path(folder)
    if path.is_dir():
        return []
    state = "a file" if path.exists() else "which is not there"
    return [f"{key}: expected a folder of runs, got {folder}, {state}"]


def _report_dir(values: dict[str, Any]) -> list[str]:
    report_dir = values.get("report_dir")
    return folder_problems("report_dir", report_dir) if isinstance(report_dir, str) else []


def _report(cfg: DictConfig) -> list[str]:
    from experiments.report.settings import report_problems

    return report_problems(cfg.report)
