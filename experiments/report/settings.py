"""Reads the settings of a comparison from the `report` group, naming every one that is out of range."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from experiments.comparison.settings import CompareSettings
from experiments.comparison.subgroups.values import by_problem
from experiments.config import ConfigError, tolerance_problem
from experiments.report.published import point_problems

_NAMES = ("margin", "point_margin", "level", "headline", "beta", "recall_band", "tolerance", "curve_scale")


def settings_of(report: DictConfig) -> CompareSettings:
    """Read the settings of a comparison.

    Raises:
        ConfigError: Settings are out of range; the message names all of them.
    """
    problems = _setting_problems(report)
    if problems:
        raise ConfigError("\n".join(problems))
    return CompareSettings(**{name: _value(report, name) for name in _NAMES})


def report_problems(report: DictConfig, masks: Sequence[str] | None = None) -> list[str]:
    """List the problems of the `report` group: settings out of range, and impossible published points.

    Args:
        report: The group.
        masks: Names of the study's masks, if known.
    """
    by = by_problem(report.get("by"))
    return [*_setting_problems(report), *([f"report.by: {by}"] if by else []), *point_problems(report, masks)]


def _setting_problems(report: DictConfig) -> list[str]:
    problems = []
    for name in _NAMES:
        try:
            within = {"tolerance": _valid_tolerance(report)} if name == "headline" else {}  # which some headlines need
            CompareSettings(**{**within, name: _value(report, name)})
        except (ValueError, TypeError) as error:
            problems.append(f"report.{error}")
        except OmegaConfBaseException as error:
            problems.append(f"report.{name}: {str(error).splitlines()[0]}")
    return problems


def _valid_tolerance(report: DictConfig) -> int | None:
    """Return the tolerance, or 0 in place of a wrong one, which is a problem of its own."""
    radius = _value(report, "tolerance")
    return radius if radius is None or not tolerance_problem(radius) else 0


def _value(report: DictConfig, name: str) -> Any:
    # Runs from before these keys go without.
    value = report.get(name) if name in ("tolerance", "curve_scale") else report[name]
    if not OmegaConf.is_list(value):
        return value
    pair = tuple(value)
    if len(pair) != 2:
        raise ValueError(f"{name}: expected [lowest, highest], got {list(pair)}")
    return pair
