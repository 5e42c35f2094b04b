"""Plans a single run or all runs of a study, and finds every problem that the configuration alone shows."""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from experiments.checks.composing import COMPOSING_ERRORS, compose_problem
from experiments.checks.folders import folder_problems, place_problems
from experiments.checks.jobs import Job, job_composer, may_read_seed, split_seed
from experiments.checks.overrides import is_below, key_of, options_of
from experiments.checks.sweeps import (
    equal_arms,
    launcher_problems,
    parse_sweep,
    stage_problems,
    study_key_problems,
    sweep_problems,
    swept_seeds,
)
from experiments.checks.targets import target_problems
from experiments.checks.values import is_number, parts_named, read_values, seed_problems, value_problems
from experiments.config import PARTS, ConfigError, ReportSchema, RootSchema, StudySchema, to_plain
from experiments.data.known_masks import known_masks
from experiments.launch.clusters.settings import cluster_of, cluster_problems
from experiments.launch.refusals import (
    refuse_missing_baseline,
    refuse_other_configuration,
    refuse_other_stages,
    sweep_axes,
    with_baseline,
    with_folds,
)
from experiments.process import processes
from experiments.tracking.problems import tracker_problems

_FIXED = ("run.dir", "sweep.dir", "sweep.subdir", "job.chdir")
_IDLE_ALONE = ("report", "study.source", "study.conditions", "study.nuisance")


@dataclass
class Plan:
    """The runs of a command.

    Args:
        overrides: The task's overrides, with the baseline added if it was missing.
        axes: The swept keys.
        jobs: The runs without known problems.
        parts: A configuration for each combination of parts and trainer, of the jobs and of runs with wrong keys.
        problems: A sentence for every problem, in the order in which they were found.
        is_refused: Whether problems are known that are not listed here, of overrides that could not be composed.
    """

    overrides: list[str] = field(default_factory=list)
    axes: list[str] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    parts: list[DictConfig] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    is_refused: bool = False

    @property
    def worth_building(self) -> bool:
        """Whether to import torch and build the parts.

        A command that is refused anyway skips this if all parts are built-in options as shipped: these are known to
        work.
        """
        is_refused = self.is_refused or bool(self.problems)
        return not is_refused or any(is_below(key_of(o), PARTS) and not _is_shipped(o) for o in self.overrides)

    def add(self, problems: Sequence[str]) -> None:
        """Add problems, each only once."""
        self.problems += [problem for problem in dict.fromkeys(problems) if problem not in self.problems]


def plan_run(config: DictConfig, is_refused: bool = False) -> Plan:
    """Plan a single run.

    Args:
        config: As Hydra composed it, its own part included.
        is_refused: As in `Plan`.
    """
    overrides = _overrides(config)
    plan = Plan(overrides, is_refused=is_refused)
    if config.hydra.sweeper.get("params"):
        name = f"study={config.study.name}"
        plan.add([f"hydra.mode: expected MULTIRUN for {name}, which is more than one run; leave hydra.mode as it is"])
    plan.add([*_source_of_training(config), *tracker_problems(config)])
    idle = [override for override in overrides if is_below(key_of(override), _IDLE_ALONE)]
    if idle:
        plan.add(
            [f"{', '.join(idle)}: no effect on a single run, only on a study and on python -m experiments.compare"]
        )
    if config.study.stages is not None and config.study.axes is None:
        plan.add(["study.stages: no effect on a single run, only on a study"])
    if (cluster := cluster_of(config.hydra.launcher)) is not None:
        plan.add([f"hydra/launcher={cluster}: no effect on a single run, only on a study (study=losses and the like)"])
    plan.add(_folder_settings(config.hydra))
    job = _without_hydra(config)
    plan.add(value_problems(job))
    plan.parts.append(job)
    _check_targets(plan)
    if not plan.problems:
        folder = Path(config.hydra.run.dir)
        plan.add(place_problems("study_dir", folder, writes=False))  # enough for a run that is finished
        plan.jobs.append(Job(folder, folder.parent.name, job, job.seed, overrides))
    return plan


def plan_study(config: DictConfig, is_refused: bool = False) -> Plan:
    """Plan every run of a study.

    Args:
        config: As Hydra composed it for a sweep, including Hydra's own part. Its overrides and axes are set to the
            plan's.
        is_refused: As in `Plan`.
    """
    plan = Plan(_overrides(config), is_refused=is_refused)
    plan.add(
        [
            *launcher_problems(config.hydra),
            *processes.launcher_problems(str(config.hydra.launcher.get("_target_", ""))),
            *cluster_problems(config.hydra.launcher),
            *_folder_settings(config.hydra),
            *_source_of_training(config),
            *tracker_problems(config),
        ]
    )
    params = dict(config.hydra.sweeper.get("params") or {})
    loader = GlobalHydra.instance().config_loader()
    if not params and not any(is_below(key_of(o), ("study", "study_dir", "experiment")) for o in plan.overrides):
        plan.add(["--multirun: expected a study (study=losses and the like), or a study_dir for runs of your own"])
    try:
        plan.overrides = with_baseline(params, plan.overrides, config.study, loader)
        plan.overrides = with_folds(params, plan.overrides, config.data)
        parsed = parse_sweep(params, plan.overrides, loader)
        # Set when a run of a wider sweep is run again, because that sweep's axes name its folder.
        plan.axes = list(config.study.axes or sweep_axes(params, plan.overrides))
    except COMPOSING_ERRORS as error:
        plan.add([compose_problem(error)])
        return plan
    unset = [axis for axis in plan.axes if axis not in {override.key_or_group for override in parsed}]
    if unset:
        plan.add([f"study.axes: expected keys that are swept or set, got {', '.join(unset)}"])
    wrong_sweep = sweep_problems(parsed)
    plan.add(
        [
            *wrong_sweep,
            *study_key_problems(config.study, plan.axes),
            *_report_problems(config.report, known_masks(config.data)),
        ]
    )
    if not wrong_sweep:
        swept = swept_seeds(parsed, config.seed)
        plan.add(stage_problems(config.study, swept))
        if config.study.stages is not None and config.study.seeds is None:
            with open_dict(config):
                config.study.seeds = swept
                config.hydra.overrides.hydra.append(f"study.seeds=[{','.join(map(str, swept))}]")
    with open_dict(config):
        config.study.axes = plan.axes
        # Hydra composes every job anew from these overrides, so changes must be made in them.
        config.hydra.overrides.task = plan.overrides
        config.hydra.overrides.hydra.append(f"study.axes=[{','.join(plan.axes)}]")
    if wrong_sweep:
        plan.add(value_problems(_without_hydra(config)))
    else:
        _add_jobs(plan, config, _grid(parsed), loader)
    return plan


def training_problems(config: DictConfig, is_refused: bool = False) -> list[str]:
    """List the problems of a command that trains, single run or study, except those of its data.

    Args:
        config: As Hydra composed it, its own part included.
        is_refused: As in `Plan`.
    """
    if trains_nothing(config):
        return source_problems(config)
    plan = (plan_study if config.hydra.mode == RunMode.MULTIRUN else plan_run)(config, is_refused)
    build_parts(plan)
    return plan.problems


def trains_nothing(config: DictConfig) -> bool:
    """Say whether the command is `python -m experiments.thresholding`."""
    return bool(config.hydra.job.config_name == "thresholding")


def _source_of_training(config: DictConfig) -> list[str]:
    if config.study.source is None:
        return []
    return ["study.source: no effect on training; python -m experiments.thresholding treats the runs of a study"]


def source_problems(config: DictConfig) -> list[str]:
    """List the problems of a study that trains nothing but treats the scores of another study.

    Args:
        config: As Hydra composed it, its own part included.
    """
    used = ("study", "study_dir", "report", "hydra")
    idle = [override for override in _overrides(config) if not is_below(key_of(override), used)]
    problems = []
    if config.hydra.mode == RunMode.MULTIRUN:
        problems.append("--multirun: nothing to run more than once; leave it, and hydra.mode, as they are")
    if idle:
        problems.append(
            f"study={config.study.name} trains nothing: expected study.source, study_dir and report.* only, got "
            f"{', '.join(idle)}"
        )
    values, wrong = read_values(_without_hydra(config), {"": RootSchema, "report": ReportSchema, "study": StudySchema})
    source, study_dir = values.get("study.source"), values.get("study_dir")
    problems += [*wrong, *_report_problems(config.report)]
    if isinstance(study_dir, str):
        problems += folder_problems("study_dir", study_dir, below_only=True)
        if isinstance(source, str) and Path(study_dir).absolute() == Path(source).absolute():
            problems.append(f"study_dir: expected another folder than study.source, got {source}")
    if isinstance(source, str) and not Path(source).is_dir():
        problems.append(f"study.source: expected the folder of a finished study, got {source}, which is not there")
    return problems


def _grid(parsed: Sequence[Any]) -> list[list[str]]:
    """List the overrides of every run of a grid sweep, as Hydra's basic sweeper makes them."""
    values: dict[str, list[str]] = {}
    for override in parsed:
        swept = override.is_sweep_override()
        found = override.sweep_string_iterator() if swept else [override.get_value_element_as_str()]
        values[override.get_key_element()] = [f"{override.get_key_element()}={value}" for value in found]
    return [list(run) for run in itertools.product(*values.values())]


@dataclass(frozen=True)
class _Examined:
    """A run of a sweep: the job, its configuration with every value resolved, and its problems."""

    job: Job | None
    plain: dict[str, Any]
    problems: list[str]

    def with_seed(self, seed: int, overrides: list[str]) -> _Examined:
        """Return the run of the same arm with another seed; valid only if no other value depends on the seed."""
        assert self.job is not None
        job = replace(self.job, folder=self.job.folder.with_name(f"seed={seed}"), seed=seed, overrides=overrides)
        return _Examined(job, {**self.plain, "seed": seed}, [*self.problems, *seed_problems(seed)])


def _examine(compose: Callable[[list[str]], DictConfig], overrides: list[str]) -> _Examined:
    problems: list[str] = []
    try:
        cfg = compose(overrides)
        folder = _resolved_folder(cfg.hydra.sweep)
        with open_dict(cfg):
            del cfg["hydra"]  # composed for this run alone, and costly to copy
        problems = value_problems(cfg)
        plain = to_plain(cfg)
    except OmegaConfBaseException:  # a value that cannot be resolved; it is among the problems
        return _Examined(None, {}, problems)
    except COMPOSING_ERRORS as error:
        swept = [override for override in overrides if override in str(error) or key_of(override) in str(error)]
        return _Examined(None, {}, [compose_problem(error, swept[-1] if swept else None)])
    if folder is None:
        return _Examined(None, {}, problems)
    return _Examined(Job(folder, folder.parent.name, cfg, cfg.seed, overrides), plain, problems)


def _resolved_folder(sweep: DictConfig) -> Path | None:
    """Return the folder of a run, or None where a value that it is made of cannot be resolved."""
    try:
        return Path(sweep.dir) / sweep.subdir
    except OmegaConfBaseException:
        return None


def _add_jobs(plan: Plan, config: DictConfig, grid: Sequence[list[str]], loader: Any) -> None:
    contents: dict[str, tuple[str, str]] = {}
    distinct: dict[str, DictConfig] = {}
    arms: dict[str, None] = {}
    first: dict[tuple[str, ...], _Examined] = {}  # one run of each arm whose runs differ only in the seed
    plain: dict[str, Any] = {}
    compose = job_composer(config, grid, loader)
    for overrides in grid:
        others, seed = split_seed(overrides)
        if seed is not None and others in first:
            run = first[others].with_seed(seed, overrides)
        else:
            run = _examine(compose, overrides)
            if run.job is not None:
                built = {part: run.plain[part] for part in (*PARTS, "trainer")}
                distinct.setdefault(json.dumps(built, default=str), run.job.shared)
                if not may_read_seed(OmegaConf.to_container(run.job.shared, resolve=False)):
                    first[others] = run
        plan.add(run.problems)
        if run.job is None:
            continue
        plain = run.plain
        arms[run.job.arm] = None
        if run.problems:
            continue
        folder = str(run.job.folder)
        if folder in contents:
            plan.add([f"{folder}: two runs of the sweep would share this folder; give their values other names"])
        plan.add(place_problems("study_dir", run.job.folder, writes=False))
        content = json.dumps(_as_floats({key: value for key, value in plain.items() if key != "study"}), default=str)
        contents[folder] = (hashlib.sha256(content.encode()).hexdigest(), run.job.arm)
        plan.jobs.append(run.job)
    plan.add(list(equal_arms(contents)))
    plan.parts += distinct.values()
    if arms:
        _check_folder(plan, config, list(arms), plain)
    _check_targets(plan)


def _as_floats(value: Any) -> Any:
    """Make every number a float, so that 1 and 1.0 are one value."""
    if isinstance(value, Mapping):
        return {key: _as_floats(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_as_floats(entry) for entry in value]
    return float(value) if is_number(value) and abs(value) < 2**53 else value


def _check_folder(plan: Plan, config: DictConfig, arms: list[str], plain: dict[str, Any]) -> None:
    """Check that some arm is the baseline, and that the study's folder holds no runs of another configuration."""
    study_dir = Path(config.study_dir)
    if any(problem.startswith("study_dir:") for problem in plan.problems):
        study_dir = Path(os.devnull)  # which holds no runs
    try:
        refuse_missing_baseline(arms, study_dir, config.study)
    except ConfigError as error:
        plan.add([str(error)])
    try:
        if not config.overwrite and not plan.problems:
            refuse_other_stages(config.study, study_dir)
            refuse_other_configuration(plain, study_dir, plan.axes)
    except ConfigError as error:
        plan.add([str(error)])


def _check_targets(plan: Plan) -> None:
    if plan.worth_building:
        in_doubt = parts_named(plan.problems)
        for cfg in plan.parts:
            plan.add(target_problems(cfg, in_doubt))


def build_parts(plan: Plan) -> None:
    """Build every part that does not depend on the data, and add errors to the plan; this imports torch.

    If anything is wrong, data and losses are tried too, so that one message lists all problems.
    """
    if not plan.worth_building:
        return
    from experiments.training.parts import part_problems
    from experiments.training.setup import check_data

    in_doubt = parts_named(plan.problems)
    failed = [part_problems(cfg, in_doubt) for cfg in plan.parts]
    plan.add([problem for found in failed for problem in found])
    if plan.problems or plan.is_refused:
        for cfg, found in zip(plan.parts, failed, strict=True):
            plan.add(check_data(cfg, in_doubt | parts_named(found), draw=False)[1])


def _report_problems(report: DictConfig, masks: Sequence[str] | None = None) -> list[str]:
    from experiments.report.settings import report_problems

    return report_problems(report, masks)


def _without_hydra(config: DictConfig) -> DictConfig:
    """Copy a configuration without Hydra's own part."""
    cfg = copy.deepcopy(config)
    with open_dict(cfg):
        del cfg["hydra"]
    return cfg


def _is_shipped(override: str) -> bool:
    """Return whether an override chooses built-in options, which are known to work."""
    key, _, value = override.partition("=")
    return bool(value) and set(value.split(",")) <= set(options_of(key)) - {"custom", "image_folder"}


def _overrides(config: DictConfig) -> list[str]:
    """Read the overrides of the command line as typed, with `seed=${x}` as text."""
    return [str(text) for text in OmegaConf.to_container(config.hydra.overrides.task, resolve=False) or ()]


def _folder_settings(hydra: DictConfig) -> list[str]:
    """Find Hydra settings that a user's option has changed although folders, checks and reports depend on them."""
    problems = []
    for name in _FIXED:
        group, key = name.split(".")
        found = OmegaConf.to_container(hydra[group], resolve=False)[key]  # type: ignore[call-overload,index]
        if found != _built_in()[group][key]:
            problems.append(f"hydra.{name}: expected {_built_in()[group][key]}, got {found}")
    return problems


@lru_cache(maxsize=1)
def _built_in() -> Any:
    config = OmegaConf.load(str(files("experiments.conf").joinpath("config.yaml")))
    return OmegaConf.to_container(config, resolve=False)["hydra"]  # type: ignore[call-overload,index]
