"""Published (recall, F1) pairs of other systems, with the precision that follows from the two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from omegaconf import DictConfig, OmegaConf

from experiments.config import ConfigError
from experiments.frontier.theory import precision_from_f1


@dataclass(frozen=True)
class PublishedPoint:
    """One operating point that others reported, for other images and another model.

    Args:
        label: the system's name in legends.
        recall: in (0, 1].
        f1: in (0, 1], at most 2 recall / (1 + recall), its value at a precision of 1.
        weight: positive weight that it was trained with; None if unknown, which leaves it out of the weight sweep.
        mask: the mask of ours that it is shown with; None shows it with every mask.

    Raises:
        ValueError: a value is out of range, or no precision in (0, 1] gives the pair.
    """

    label: str
    recall: float
    f1: float
    weight: float | None = None
    mask: str | None = None

    def __post_init__(self) -> None:
        if not self.label.strip():
            raise ValueError("label: expected the name of the system, got an empty text")
        for name in ("recall", "f1"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name}: expected a number in (0, 1], got {getattr(self, name)}")
        if not self.f1 < 2 * self.recall:
            raise ValueError(f"f1: expected below 2 x recall = {2 * self.recall:g}, got {self.f1:g}: no precision fits")
        most = 2 * self.recall / (1 + self.recall)
        if self.f1 > most + 1e-9:
            raise ValueError(
                f"f1: expected at most 2 recall / (1 + recall) = {most:.4g} for recall {self.recall:g}, "
                f"got {self.f1:g}, which needs a precision above 1"
            )
        if self.weight is not None and not (np.isfinite(self.weight) and self.weight > 0):
            raise ValueError(f"weight: expected a finite number above 0, got {self.weight}")

    @property
    def precision(self) -> float:
        """P = F1 R / (2 R - F1), for pooled counts; a mean of per-image F1 does not obey it."""
        return min(1.0, float(precision_from_f1(self.recall, self.f1)))

    @property
    def text(self) -> str:
        """Label and numbers."""
        weight = "" if self.weight is None else f"weight {self.weight:g}, "
        return f"{self.label}: {weight}recall {self.recall:g} and F1 {self.f1:g}, hence precision {self.precision:.2f}"

    def beside(self, mask: str) -> bool:
        """Return whether to show it with a mask of ours."""
        return self.mask is None or self.mask == mask


def published_points(report: DictConfig, masks: Sequence[str] | None = None) -> tuple[PublishedPoint, ...]:
    """Read `report.published`, a list of `{label, recall, f1, weight (optional), mask (optional)}`.

    Args:
        report: The `report` group.
        masks: Names of the study's masks; a point's `mask` must be one of them. None does not check.

    Raises:
        ConfigError: An entry cannot be read; the message names it, what was expected and what came.
    """
    problems = point_problems(report, masks)
    if problems:
        raise ConfigError("\n".join(problems))
    return tuple(_point(where, entry, masks) for where, entry in _listed(report))


def point_problems(report: DictConfig, masks: Sequence[str] | None = None) -> list[str]:
    """List the problems of `report.published`, a sentence for each entry that cannot be read."""
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
    """Name the systems of the published points; empty without any."""
    if not points:
        return ""
    listed = "; ".join(point.text for point in points)
    return (
        " Published points of other systems, on other images, shown for orientation only and part of no number of ours "
        f"(precision from P = F1 R / (2 R - F1)): {listed}."
    )
