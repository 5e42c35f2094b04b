"""The schema of the calibration's configuration, and checks beyond its types."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig

from experiments.checks.folders import folder_problems
from experiments.checks.values import read_values
from experiments.config import ConfigError

if TYPE_CHECKING:
    from experiments.comparison.settings import CompareSettings

PARTS = ("coverage", "floor", "ugly", "collapse", "families", "looks", "same_arm", "slides", "power", "advice")


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
    """The folder of the real runs, and the number of splits."""

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
class UglySchema:
    """Sizes and numbers of simulated studies of the table of ugly data."""

    seeds: list[int] = MISSING
    groups: list[int] = MISSING
    n_gaussian: int = MISSING
    n_histogram: int = MISSING


@dataclass
class CollapseSchema:
    """Sizes and number of simulated studies with collapsing seeds."""

    seeds: list[int] = MISSING
    groups: int = MISSING
    n_studies: int = MISSING


@dataclass
class FamiliesSchema:
    """Sizes and number of simulated studies with several arms and masks."""

    seeds: list[int] = MISSING
    groups: int = MISSING
    n_studies: int = MISSING


@dataclass
class LooksSchema:
    """Number of simulated studies in stages."""

    n_studies: int = MISSING


@dataclass
class CalibrateSchema:
    """The configuration of `python -m experiments.calibrate`; see conf/calibrate.yaml."""

    parts: list[str] = MISSING
    out_dir: str = MISSING
    seed: int = MISSING
    threads: int = MISSING
    level: float = MISSING
    margin: float = MISSING
    fail: bool = MISSING
    n_draws: int = MISSING
    coverage: CoverageSchema = field(default_factory=CoverageSchema)
    ugly: UglySchema = field(default_factory=UglySchema)
    collapse: CollapseSchema = field(default_factory=CollapseSchema)
    families: FamiliesSchema = field(default_factory=FamiliesSchema)
    looks: LooksSchema = field(default_factory=LooksSchema)
    same_arm: SameArmSchema = field(default_factory=SameArmSchema)
    slides: SlidesSchema = field(default_factory=SlidesSchema)
    power: PowerSchema = field(default_factory=PowerSchema)
    advice: AdviceSchema = field(default_factory=AdviceSchema)


_SCHEMAS: dict[str, type] = {
    "": CalibrateSchema,
    "coverage": CoverageSchema,
    "ugly": UglySchema,
    "collapse": CollapseSchema,
    "families": FamiliesSchema,
    "looks": LooksSchema,
    "same_arm": SameArmSchema,
    "slides": SlidesSchema,
    "power": PowerSchema,
    "advice": AdviceSchema,
}


def register() -> None:
    """Register the schema with Hydra; it may be called again."""
    ConfigStore.instance().store(name="calibrate_schema", node=CalibrateSchema)


# Least and greatest number of each.
_NUMBERS = {
    "seed": (0, 2**63 - 1),
    "threads": (1, 1_024),
    "coverage.n_gaussian": (1, 10**8),
    "coverage.n_histogram": (1, 10**8),
    "coverage.n_floor": (1, 10**8),
    "ugly.n_gaussian": (1, 10**8),
    "ugly.n_histogram": (1, 10**8),
    "collapse.groups": (2, 10**6),
    "collapse.n_studies": (1, 10**8),
    "families.groups": (2, 10**6),
    "families.n_studies": (1, 10**8),
    "looks.n_studies": (1, 10**8),
    "same_arm.n_splits": (1, 10**8),
    "slides.n_studies": (1, 10**8),
    "slides.n_splits": (1, 10**8),
    "power.groups": (2, 10**6),
    "power.n_gaussian": (1, 10**8),
    "power.n_histogram": (1, 10**8),
    "advice.n_studies": (1, 10**8),
    "advice.n_per_size": (1, 10**8),
    "n_draws": (100, 10**8),
}


# Lists of sizes: the greatest of each; the least is 2.
_SIZES = {
    "coverage.seeds": 10**4,
    "coverage.groups": 10**6,
    "ugly.seeds": 10**4,
    "ugly.groups": 10**6,
    "collapse.seeds": 10**4,
    "families.seeds": 10**4,
    "power.seeds": 10**4,
}


def check_settings(cfg: DictConfig) -> CompareSettings:
    """Check what the schema cannot, and return the settings of the comparison.

    Raises:
        ConfigError: Some keys are out of range; the message names all of them.
    """
    problems = calibrate_problems(cfg)
    if problems:
        raise ConfigError("\n".join(problems))
    from experiments.comparison.settings import CompareSettings

    return CompareSettings(level=cfg.level, margin=cfg.margin, n_draws=cfg.n_draws, workers=1)


def calibrate_problems(cfg: DictConfig) -> list[str]:
    """List the problems of a calibration's configuration: keys, numbers, folders."""
    values, problems = read_values(cfg, _SCHEMAS)
    parts = values.get("parts") or []
    problems += [f"parts: expected some of {', '.join(PARTS)}, got {part}" for part in parts if part not in PARTS]
    problems += [f"parts: expected each part once, got {p} more than once" for p in PARTS if parts.count(p) > 1]
    if "parts" in values and not parts:
        problems.append(f"parts: expected some of {', '.join(PARTS)}, got none")
    for key, (least, most) in _NUMBERS.items():
        value = values.get(key)
        if value is not None and not least <= value <= most:
            wanted = f"at least {least}" if value < least else f"at most {most}"
            problems.append(f"{key}: expected {wanted}, got {value}")
    for key, most in _SIZES.items():
        sizes = values.get(key)
        if sizes is not None and (not sizes or min(sizes) < 2 or max(sizes) > most):
            problems.append(f"{key}: expected numbers of at least 2 and at most {most}, got {sizes}")
    from experiments.comparison.settings import CompareSettings

    for name in ("level", "margin"):
        try:
            if name in values:
                CompareSettings(**{name: values[name]})
        except ValueError as error:
            problems.append(str(error))
    if isinstance(values.get("out_dir"), str):
        problems += folder_problems("out_dir", values["out_dir"])
    runs = values.get("same_arm.study_dir")
    if isinstance(runs, str) and Path(runs).exists() and not Path(runs).is_dir():
        problems.append(f"same_arm.study_dir: expected a study's folder, got {runs}, a file")
    return problems


register()
