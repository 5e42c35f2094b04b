"""Checks of the commands that read finished studies, made before they read a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from experiments.checks.folders import folder_problems
from experiments.checks.values import read_values
from experiments.config import ChecklistSchema, CompareSchema, ReportSchema
from experiments.tracking.problems import tracker_problems


def compare_problems(cfg: DictConfig) -> list[str]:
    """List the problems of the configuration of `python -m experiments.compare`."""
    values, problems = read_values(cfg, {"": CompareSchema, "report": ReportSchema})
    typed = OmegaConf.to_container(cfg, resolve=False)["study_dir"]  # type: ignore[call-overload,index]
    if "study_dir" in values or isinstance(typed, dict):
        problems += _place_problems(values.get("study_dir", typed), values.get("report_dir"))
    return problems + tracker_problems(cfg) + _report_dir(values) + _report(cfg)


def study_folders(study_dir: Any) -> list[Path]:
    """Return the folders that `study_dir` names, one or several."""
    return [Path(folder) for folder in ([study_dir] if isinstance(study_dir, str) else study_dir)]


def _place_problems(study_dir: Any, report_dir: Any) -> list[str]:
    """List the problems of the folder, or of the parts, that `compare` reads."""
    parts = study_dir if isinstance(study_dir, list) else [study_dir]
    if not parts or not all(isinstance(part, str) and part for part in parts):
        return [f"study_dir: expected a study's folder, or a list of such folders, got {study_dir!r}"]
    problems = _several_problems("study_dir", parts)
    if len(parts) > 1 and report_dir is None:
        problems.append("report_dir: expected a folder, since study_dir names several: report_dir=outputs/joined")
    return problems


def checklist_problems(cfg: DictConfig) -> list[str]:
    """List the problems of the configuration of `python -m experiments.checklist`."""
    values, problems = read_values(cfg, {"": ChecklistSchema, "report": ReportSchema})
    folders = values.get("study_dirs")
    if folders is not None and not folders:
        problems.append("study_dirs: expected at least one study's folder, got an empty list")
    problems += _several_problems("study_dirs", folders or [])
    return problems + _report_dir(values) + _report(cfg)


def _several_problems(key: str, folders: list[str]) -> list[str]:
    problems: list[str] = []
    seen: list[Path] = []
    for folder in folders:
        problems += _study_problems(key, folder)
        if Path(folder).resolve() in seen:
            problems.append(f"{key}: expected every study once, got {folder} more than once")
        seen.append(Path(folder).resolve())
    return problems


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
