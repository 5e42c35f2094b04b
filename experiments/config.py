"""The configuration: its schema, the check for missing keys, and the function that instantiates its parts."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.errors import InstantiationException
from hydra.utils import instantiate as hydra_instantiate
from omegaconf import MISSING, DictConfig, ListConfig, OmegaConf


class ConfigError(ValueError):
    """A configuration that cannot run; the message names the key, what was expected and what came."""


# The parts that a `_target_` builds, in the order in which they are checked.
PARTS = ("data", "sampling", "augmentation", "model", "loss", "optimizer", "scheduler")

FOLD, FOLDS = "data.fold", "data.folds"
"""The keys of a configuration that say which fold tests, and how many there are."""


@dataclass
class TrainerSchema:
    """Budget, batches, device and precision of one training; see conf/trainer/default.yaml for the units."""

    max_steps: int = MISSING
    batch_size: int = MISSING
    tile: int = MISSING
    eval_tile: int = MISSING
    eval_overlap: int = MISSING
    eval_batch_size: int = MISSING
    accelerator: str = MISSING
    precision: str = MISSING
    compile: bool = False
    channels_last: bool = MISSING
    prior_bias: bool = MISSING
    workers: int = MISSING
    data_on_device: str = "auto"
    threads: int | None = None
    log_every: int = MISSING
    checkpoint_every: int = MISSING
    checkpoint_minutes: float | None = 5.0
    deterministic: bool = False
    example_pixels: int = MISSING
    tolerances: list[int] = field(default_factory=list)
    cldice: bool = False
    curve: str | None = None


@dataclass
class StudySchema:
    """Arms x seeds under one name. `axes`, the swept keys that make an arm, are found from the sweep itself.

    Each arm uses the values of the `nuisance` keys that validate best for it. The comparison is repeated for each
    combination of values of the `conditions` keys, with the baseline of the same condition. With `source`, the folder
    of a finished study, nothing is trained: the scores of its runs are treated instead.

    With `stages`, ascending numbers of seeds such as [3, 7], every arm gets 3 seeds; then the baseline and the arms
    that are still undecided go on to 7. `seeds`, those of the whole sweep, are found from the sweep itself.
    """

    name: str = "single"  # of the study, and of its folder in outputs/
    question: str = ""  # what it asks: the title of its report
    baseline: str = "loss=bce"  # the arm that all others are compared with
    axes: list[str] | None = None  # swept keys that make an arm; null: found from the sweep
    nuisance: list[str] = field(default_factory=list)  # swept keys of which each arm uses the value that validates best
    conditions: list[str] = field(default_factory=list)  # swept keys under whose values the comparison is repeated
    stages: list[int] | None = None  # seeds of each look, such as [3, 7]; undecided arms alone go on to the next
    seeds: list[int] | None = None  # of the whole sweep; null: found from the sweep
    source: str | None = None  # folder of a finished study whose scores are treated; nothing is trained
    trials: int | None = None  # settings tried for this arm on other seeds; set by python -m experiments.tune


@dataclass
class PublishedSchema:
    """An operating point reported elsewhere; see conf/report/default.yaml."""

    label: str = MISSING
    recall: float = MISSING
    f1: float = MISSING
    weight: float | None = None
    mask: str | None = None


@dataclass
class ReportSchema:
    """Margin, level and headline of the verdict; see conf/report/default.yaml."""

    margin: float = MISSING
    point_margin: float = MISSING
    level: float = MISSING
    headline: str = MISSING
    beta: float = MISSING
    recall_band: list[float] = MISSING
    tolerance: int | None = None
    by: str | None = None
    curve_scale: float | None = None
    one_column: bool = False
    published: list[PublishedSchema] = field(default_factory=list)


@dataclass
class RootSchema:
    """The configuration of `python -m experiments.train`; swappable parts accept any `_target_`."""

    data: Any = MISSING
    sampling: Any = MISSING
    augmentation: Any = MISSING
    model: Any = MISSING
    loss: Any = MISSING
    optimizer: Any = MISSING
    scheduler: Any = MISSING
    trainer: TrainerSchema = field(default_factory=TrainerSchema)
    report: ReportSchema = field(default_factory=ReportSchema)
    study: StudySchema = field(default_factory=StudySchema)
    tracker: Any = MISSING
    tune: Any = None
    seed: int = 0
    study_dir: str = MISSING
    overwrite: bool = False


@dataclass
class CompareSchema:
    """The configuration of `python -m experiments.compare`."""

    study_dir: Any = MISSING  # a folder, or a list of folders
    baseline: str | None = None
    report_dir: str | None = None
    report: ReportSchema = field(default_factory=ReportSchema)
    tracker: Any = MISSING


@dataclass
class CheckLossSchema:
    """The configuration of `python -m experiments.check_loss`; see conf/check_loss.yaml."""

    loss: Any = MISSING
    masks: int = MISSING
    prevalence: float = MISSING
    ignores_pixels: bool = MISSING
    batch_size: int = MISSING
    tile: int = MISSING
    device: str = MISSING


@dataclass
class ScoreSchema:
    """The configuration of `python -m experiments.score`; see conf/score.yaml."""

    predictions: str = MISSING
    truth: str | None = None
    data: Any = None
    val_predictions: str | None = None
    val_truth: str | None = None
    pattern: str = MISSING
    arm: str | None = None
    kind: str | None = None
    array: str | None = None
    axes: str | None = None
    channels: list[str] | None = None
    group_pattern: str | None = None
    resize: bool = MISSING
    allow_constant: bool = MISSING
    tolerances: list[int] = field(default_factory=list)
    curve: str | None = None
    baseline: str | None = None
    study_dir: str = MISSING
    overwrite: bool = MISSING


@dataclass
class InspectSchema:
    """The configuration of `python -m experiments.inspect`; see conf/inspect.yaml."""

    data: Any = MISSING
    out_dir: str = MISSING
    overlays: int = MISSING


@dataclass
class PredictSchema:
    """The configuration of `python -m experiments.predict`; see conf/predict.yaml."""

    run: str = MISSING
    images: str = MISSING
    out_dir: str = MISSING
    threshold: str = MISSING
    files: str = MISSING
    kind: str | None = None
    accelerator: str = MISSING
    batch_size: int | None = None
    threads: int | None = None
    max_pixels: int = MISSING
    overwrite: bool = MISSING


@dataclass
class ChecklistSchema:
    """The configuration of `python -m experiments.checklist`."""

    study_dirs: list[str] = MISSING
    report_dir: str | None = None
    report: ReportSchema = field(default_factory=ReportSchema)


# Overrides that say where or how often to run, not what is run: never part of an arm's name.
_NOT_AN_ARM = (
    *("seed", "study", "study_dir", "overwrite", "experiment", "size", "report", "tracker"),
    *("trainer.tolerances", "trainer.cldice", "trainer.curve"),
)
_ODD_CHARACTERS = re.compile(r"[^\w.,=+\-\[\]]+")  # what does not belong in a folder's name
_MOST_NAME = 240  # bytes; a folder's name has at most 255
_MOST_ALONE = 150  # characters of a single run's name
_MOST_OTHERS = 145  # bytes of the keys of a study's arm that are not swept
_MOST_VALUE = 32  # bytes of a swept value, where the name would be too long with all of it
_HASH_DIGITS = 8


def arm_name(overrides: list[str], axes: list[str] | None) -> str:
    """Name an arm by the overrides that make it.

    In a study these are the overrides of the swept keys (`axes`) and of keys below them; outside a study all but
    the seed and the folder. Characters that do not belong in a folder name become `_`. Where the name would be too long
    for a folder, the swept keys stay and the others become one part `others=HASH`.

    Args:
        overrides: The job's overrides, such as `["loss=dice", "seed=0"]`.
        axes: The swept keys, or None outside a study.

    Returns:
        The name, such as `loss=dice`; `default` where nothing is overridden.
    """
    swept: list[tuple[int, str]] = []
    others: list[tuple[int, str]] = []
    for override in overrides:
        key = override.lstrip("+~").split("=", 1)[0].split("@", 1)[0]
        if key in _NOT_AN_ARM or key.startswith(("hydra.", "hydra/", "study.", "report.", "tracker.")):
            continue
        if axes is None or any(key == axis or key.startswith(f"{axis}.") for axis in axes):
            part = _ODD_CHARACTERS.sub("_", override.lstrip("+"))
            (swept if axes is not None and key in axes else others).append((len(swept) + len(others), part))
    name = ",".join(part for _, part in sorted(swept + others)) or "default"
    if axes is None:
        return name if len(name) <= _MOST_ALONE and _size(name) <= _MOST_NAME else f"{_start(name)}-{_hash(name)}"
    # Told from the others alone, which all arms share, so that a long name and a short one have the same part.
    rest = ",".join(part for _, part in others)
    if _size(rest) <= _MOST_OTHERS and _size(name) <= _MOST_NAME:
        return name
    keys = [part for _, part in swept]
    if _size(",".join(keys)) + len(",others=") + _HASH_DIGITS > _MOST_NAME:
        keys = [_short_part(part) for part in keys]
    return ",".join([*keys, *([f"others={_hash(rest)}"] if rest else [])])


def _short_part(part: str) -> str:
    """Put a hash in the place of a long value; the key stays, for studies that compare by it."""
    key, _, value = part.partition("=")
    return part if _size(value) <= _MOST_VALUE else f"{key}={_hash(value)}"


def _size(name: str) -> int:
    return len(os.fsencode(name))


def _start(name: str) -> str:
    return os.fsencode(name)[:140].decode(errors="ignore")


def _hash(name: str) -> str:
    return hashlib.sha256(os.fsencode(name)).hexdigest()[:_HASH_DIGITS]


def register() -> None:
    """Make the schemas and the resolver `arm_name` known to Hydra; safe to call again."""
    store = ConfigStore.instance()
    store.store(name="schema", node=RootSchema)
    store.store(name="compare_schema", node=CompareSchema)
    store.store(name="check_loss_schema", node=CheckLossSchema)
    store.store(name="checklist_schema", node=ChecklistSchema)
    store.store(name="score_schema", node=ScoreSchema)
    store.store(name="inspect_schema", node=InspectSchema)
    store.store(name="predict_schema", node=PredictSchema)
    OmegaConf.register_new_resolver("arm_name", arm_name, replace=True)


def missing_keys(cfg: DictConfig) -> list[str]:
    """List the keys that are still `???`, sorted; an interpolation, which may have no value either, is not followed."""
    return sorted(_missing(cfg, ""))


def _missing(node: DictConfig | ListConfig, prefix: str) -> Iterator[str]:
    for key in range(len(node)) if isinstance(node, ListConfig) else list(node):
        name = f"{prefix}[{key}]" if isinstance(node, ListConfig) else f"{prefix}.{key!s}".lstrip(".")
        if OmegaConf.is_missing(node, key):
            yield name
        elif not OmegaConf.is_interpolation(node, key) and isinstance(node[key], DictConfig | ListConfig):
            yield from _missing(node[key], name)


def require_study_folder(study_dir: Path) -> None:
    """Refuse a study folder that is not there.

    Raises:
        ConfigError: Naming it.
    """
    if not study_dir.is_dir():
        raise ConfigError(f"study_dir: expected a folder of runs, got {study_dir}, which is not there")


def require_complete(cfg: DictConfig) -> None:
    """Raise when a mandatory key has no value.

    Raises:
        ConfigError: Naming every missing key and how to set it.
    """
    missing = missing_keys(cfg)
    if missing:
        wanted = ", ".join(f"{key}=..." for key in missing)
        raise ConfigError(f"{', '.join(missing)}: no value given. Add to the command line: {wanted}")


def instantiate(cfg: DictConfig, key: str, **arguments: Any) -> Any:
    """Build the part of the configuration at `key` from its `_target_`.

    Args:
        cfg: The root configuration.
        key: A top-level group such as `loss`.
        arguments: Values known only at run time, such as `in_channels`.

    Returns:
        What the target returns.

    Raises:
        ConfigError: It cannot be built; the message names the key, the target and the reason.
    """
    node = cfg[key]
    if not OmegaConf.is_config(node) or "_target_" not in node:
        raise ConfigError(f"{key}: expected a group option with a _target_, got {node!r}")
    try:
        return hydra_instantiate(node, _convert_="all", **arguments)
    except InstantiationException as error:
        cause = error.__cause__ or error
        reason = str(cause).strip() or type(cause).__name__
        refused = re.search(r"unexpected keyword argument '(\w+)'", reason)
        if isinstance(cause, TypeError) and refused and refused[1] in node:
            name = refused[1]
            raise ConfigError(
                f"{key}.{name}: expected an argument that {node._target_} takes, got {name}={node[name]!r}; remove it"
            ) from cause
        raise ConfigError(f"{key} ({node._target_}): {reason}") from cause
    except SystemExit as error:  # a target that ends the process cannot be part of a run
        raise ConfigError(f"{key} ({node._target_}): calls sys.exit({error.code!r}) when it is built") from error


def to_plain(cfg: DictConfig) -> dict[str, Any]:
    """Return the configuration as plain dicts and lists with every interpolation resolved."""
    plain = OmegaConf.to_container(cfg, resolve=True, enum_to_str=True)
    if not isinstance(plain, dict):
        raise TypeError(f"cfg: expected a mapping, got {type(plain).__name__}")
    return {str(key): value for key, value in plain.items()}


register()


CURVE_AXES = ("rows", "columns")
"""Along which masks may be read as curves."""

MOST_TOLERANCE = 32
"""Largest distance in pixels."""


def tolerance_problem(value: object) -> str:
    """Say what is wrong with a distance; empty if nothing is.

    >>> tolerance_problem(2), tolerance_problem(2.5)
    ('', 'expected a whole number from 0 to 32 (pixels), got 2.5')
    """
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TOLERANCE:
        return ""
    return f"expected a whole number from 0 to {MOST_TOLERANCE} (pixels), got {value!r}"


def tolerances_to_record(config: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the distances that a run's configuration asks for, ascending: `trainer.tolerances`, `report.tolerance`.

    >>> tolerances_to_record({"trainer": {"tolerances": [5, 1]}, "report": {"tolerance": 2}})
    (1, 2, 5)
    """
    asked: Sequence[int] = (config.get("trainer") or {}).get("tolerances") or ()
    reported = (config.get("report") or {}).get("tolerance")
    return tuple(sorted({*asked, *(() if reported is None else (reported,))}))
