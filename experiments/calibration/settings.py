"""Schema of the calibration's configuration, and the checks that a type cannot make."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig

from experiments.config import ConfigError
from experiments.frontier.compare_settings import CompareSettings

PARTS = ("coverage", "floor", "same_arm", "slides", "power", "advice")


@dataclass
class CoverageSchema:
    """Sizes and numbers of simulated studies of the coverage table."""

    seeds: list[int] = MISSING
    groups: list[int] = MISSING
    n_gaussian: int = MISSING
    n_histogram: int = MISSING
    n_floor: int = MISSING


@dataclass
class SameArmSchema:
    """Where the real runs lie, and how many splits of them."""

    study_dir: str = MISSING
    n_splits: int = MISSING


@dataclass
class SlidesSchema:
    """Number of simulated studies and of splits of real runs."""

    n_studies: int = MISSING
    n_splits: int = MISSING


@dataclass
class PowerSchema:
    """Sizes and numbers of simulated studies of the power table."""

    seeds: list[int] = MISSING
    groups: int = MISSING
    n_gaussian: int = MISSING
    n_histogram: int = MISSING


@dataclass
class AdviceSchema:
    """Numbers of simulated studies of the advice table."""

    n_studies: int = MISSING
    n_per_size: int = MISSING


@dataclass
class CalibrateSchema:
    """Everything `python -m experiments.calibrate` is configured by; see conf/calibrate.yaml."""

    parts: list[str] = MISSING
    out_dir: str = MISSING
    seed: int = MISSING
    threads: int = MISSING
    level: float = MISSING
    margin: float = MISSING
    n_draws: int = MISSING
    coverage: CoverageSchema = field(default_factory=CoverageSchema)
    same_arm: SameArmSchema = field(default_factory=SameArmSchema)
    slides: SlidesSchema = field(default_factory=SlidesSchema)
    power: PowerSchema = field(default_factory=PowerSchema)
    advice: AdviceSchema = field(default_factory=AdviceSchema)


def register() -> None:
    """Make the schema known to Hydra; safe to call again."""
    ConfigStore.instance().store(name="calibrate_schema", node=CalibrateSchema)


def check_settings(cfg: DictConfig) -> CompareSettings:
    """Check what the schema cannot; return the settings of the comparison.

    Raises:
        ConfigError: Naming every key that is out of range.
    """
    problems = [f"parts: expected some of {', '.join(PARTS)}, got {part}" for part in cfg.parts if part not in PARTS]
    least = {
        "seed": 0,
        "threads": 1,
        "coverage.n_gaussian": 1,
        "coverage.n_histogram": 1,
        "coverage.n_floor": 1,
        "same_arm.n_splits": 1,
        "slides.n_studies": 1,
        "slides.n_splits": 1,
        "power.groups": 2,
        "power.n_gaussian": 1,
        "power.n_histogram": 1,
        "advice.n_studies": 1,
        "advice.n_per_size": 1,
    }
    for key, bound in least.items():
        value = _at(cfg, key)
        if value < bound:
            problems.append(f"{key}: expected at least {bound}, got {value}")
    for key in ("coverage.seeds", "coverage.groups", "power.seeds"):
        values = list(_at(cfg, key))
        if not values or min(values) < 2:
            problems.append(f"{key}: expected numbers of at least 2, got {values}")
    try:
        settings = CompareSettings(level=cfg.level, margin=cfg.margin, n_draws=cfg.n_draws, workers=1)
    except ValueError as error:
        problems.append(str(error))
    if problems:
        raise ConfigError("\n".join(problems))
    return settings


def _at(cfg: DictConfig, key: str) -> Any:
    node: Any = cfg
    for part in key.split("."):
        node = node[part]
    return node


register()
