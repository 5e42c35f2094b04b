"""Published points of other systems, read from the configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from experiments.config import ConfigError
from experiments.report.published_point import PublishedPoint


def published_points(report: DictConfig, masks: Sequence[str] | None = None) -> tuple[PublishedPoint, ...]:
    """Read `report.published`, a list of `{label, recall, f1, weight (optional), mask (optional)}`.

    Args:
        report: The `report` group.
        masks: Names of the study's masks; a point's `mask` must be one of them. None does not check.

    Raises:
        ConfigError: Naming the entry, what was expected and what came.
    """
    problems = point_problems(report, masks)
    if problems:
        raise ConfigError("\n".join(problems))
    return tuple(_point(where, entry, masks) for where, entry in _listed(report))


def point_problems(report: DictConfig, masks: Sequence[str] | None = None) -> list[str]:
    """List what is wrong with `report.published`, a sentence for each entry that cannot be read."""
    problems = []
    for where, entry in _listed(report):
        try:
            _point(where, entry, masks)
        except ConfigError as error:
            problems.append(str(error))
    return problems


def _listed(report: DictConfig) -> list[tuple[str, Any]]:
    listed = report.get("published") or []
    return [
        (f"report.published[{i}]", OmegaConf.to_container(entry) if OmegaConf.is_config(entry) else entry)
        for i, entry in enumerate(listed)
    ]


def _point(where: str, entry: Any, masks: Sequence[str] | None) -> PublishedPoint:
    known = ("label", "recall", "f1", "weight", "mask")
    given = {k for k, v in entry.items() if v != "???"} if isinstance(entry, Mapping) else set()
    if not isinstance(entry, Mapping) or not {"label", "recall", "f1"} <= given <= set(known):
        raise ConfigError(f"{where}: expected label, recall, f1 and optionally weight and mask, got {entry}")
    numbers = {name: entry[name] for name in ("recall", "f1", "weight") if entry.get(name) is not None}
    wrong = {n: v for n, v in numbers.items() if isinstance(v, bool) or not isinstance(v, int | float)}
    if wrong:
        raise ConfigError(f"{where}.{next(iter(wrong))}: expected a number, got {next(iter(wrong.values()))!r}")
    mask = entry.get("mask")
    if masks is not None and mask is not None and mask not in masks:
        raise ConfigError(f"{where}.mask: expected one of {', '.join(masks)}, got {mask}")
    try:
        return PublishedPoint(str(entry["label"]), mask=mask, **{name: float(v) for name, v in numbers.items()})
    except ValueError as error:
        raise ConfigError(f"{where}.{error}") from error


def published_caption(points: Sequence[PublishedPoint]) -> str:
    """Say whose the published points are; empty without any."""
    if not points:
        return ""
    listed = "; ".join(point.text for point in points)
    return (
        " Published points of other systems, on other images, shown for orientation only and part of no number of ours "
        f"(precision from P = F1 R / (2 R - F1)): {listed}."
    )
