"""A study around its runs: find the arms, check everything first, show progress, compare at the end."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, open_dict

from experiments.command_line import stop_on_error
from experiments.config import ConfigError, to_plain

if TYPE_CHECKING:
    from experiments.progress import StudyProgress
    from experiments.training.preflight import LoadedData

_NOT_AXES = ("seed",)


def parallel_jobs(launcher: Any) -> int:
    """Return how many runs a launcher (`hydra.launcher`) has at once on this machine."""
    jobs = int(launcher.get("n_jobs") or 1)
    return jobs if jobs > 0 else max(1, (os.cpu_count() or 1) + 1 + jobs)


def print_data(loaded: LoadedData) -> None:
    """Print the splits, the prevalence of each mask and the foreground share."""
    from experiments.data.split import summary_table

    print(summary_table(loaded.data), flush=True)


def sweep_axes(params: dict[str, Any], overrides: list[str]) -> list[str]:
    """List the keys that make an arm: those of the study's sweep and those swept on the command line.

    Args:
        params: `hydra.sweeper.params`.
        overrides: The overrides of the command line.
    """
    swept = [o.key_or_group for o in OverridesParser.create().parse_overrides(overrides) if o.is_sweep_override()]
    axes = dict.fromkeys([*(key.lstrip("+") for key in params), *swept])
    return [key for key in axes if key not in _NOT_AXES]


def job_overrides(params: dict[str, Any], overrides: list[str]) -> list[list[str]]:
    """List the overrides of every run of a grid sweep, as Hydra's basic sweeper makes them."""
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

    parsed = OverridesParser.create().parse_overrides([*(f"{k}={v}" for k, v in params.items()), *overrides])
    return BasicSweeper.split_arguments(parsed, None)[0]


@dataclass
class _Running:
    """The study that this process has started. Not held by the callback, which launchers send to other processes."""

    folders: list[Path] = field(default_factory=list)
    progress: StudyProgress | None = None


_running = _Running()


class StudyCallback(Callback):
    """Hydra callback of conf/config.yaml; does nothing for a single run."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check every run of the study before the first one trains."""
        with stop_on_error():
            _running.folders, _running.progress = [], None
            params = dict(config.hydra.sweeper.get("params") or {})
            with open_dict(config):
                overrides = with_baseline(params, list(config.hydra.overrides.task), config.study)
                axes = sweep_axes(params, overrides)
                config.study.axes = axes
                # Hydra composes every job anew from these overrides: the only way to tell all of them.
                config.hydra.overrides.task = overrides
                config.hydra.overrides.hydra.append(f"study.axes=[{','.join(axes)}]")
            if config.hydra.sweeper._target_.endswith("BasicSweeper"):
                self._check_jobs(config, job_overrides(params, overrides))

    def _check_jobs(self, config: DictConfig, jobs: list[list[str]]) -> None:
        from experiments.report.study_report import settings_of
        from experiments.training.device import set_threads
        from experiments.training.preflight import check
        from experiments.training.run import is_finished

        settings_of(config.report)
        set_threads(config.trainer.threads, 1)
        loader = GlobalHydra.instance().config_loader()
        problems: dict[str, None] = {}
        to_do: list[Path] = []
        checked: dict[str, LoadedData | None] = {}
        plain: dict[str, Any] = {}
        for overrides in jobs:
            job = loader.load_sweep_config(config, overrides)
            folder = Path(job.hydra.sweep.dir) / job.hydra.sweep.subdir
            arm = folder.parent.name
            _running.folders.append(folder)
            with open_dict(job):
                del job["hydra"]
            try:
                if arm not in checked:
                    checked[arm] = None
                    checked[arm] = check(job)
                loaded = checked[arm]
                plain = to_plain(job)
                if loaded is not None and not is_finished(folder, plain, loaded):
                    to_do.append(folder)
            except ConfigError as error:
                problems[str(error)] = None
        if problems:
            raise ConfigError("\n".join(problems))
        study_dir = Path(config.study_dir)
        _refuse_missing_baseline(list(checked), study_dir, config.study)
        if not config.overwrite:
            _refuse_other_configuration(plain, study_dir, list(config.study.axes))
        for loaded in list(dict.fromkeys(checked.values())):
            if loaded is not None:
                print_data(loaded)
        done = len(_running.folders) - len(to_do)
        already = f", {done} of them done before" if done else ""
        print(f"{config.study.name}: {len(checked)} arms, {len(_running.folders)} runs{already}", flush=True)
        if not to_do:  # no need to start a launcher's processes for runs that are there
            self.on_multirun_end(config)
            raise SystemExit(0)
        _running.progress = _start_progress(to_do, config.trainer.max_steps)

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Compare the runs of the study; exit with 1 when a run has failed."""
        if _running.progress is not None:
            _running.progress.close()
        from experiments import run_store as store
        from experiments.report.study_report import report_study

        with stop_on_error():
            study_dir = Path(config.study_dir)
            report_study(study_dir, study_dir / "report", config.report, baseline=config.study.baseline)
        failed = [f for f in _running.folders if (store.read_info(f) or {}).get("status") not in store.FINISHED]
        if failed:
            print(f"error: {len(failed)} runs failed; their run.json says why:", file=sys.stderr)
            print("\n".join(f"  {folder}" for folder in failed), file=sys.stderr)
            raise SystemExit(1)


def with_baseline(params: dict[str, Any], overrides: list[str], study: DictConfig) -> list[str]:
    """Add the baseline to a sweep that was narrowed without it: every arm needs its pair.

    `study=losses loss=dice` becomes `loss=bce,dice`. Only where the baseline is one value of one swept key and no key
    below that is set; elsewhere the overrides stay as they are.
    """
    key, _, value = study.baseline.partition("=")
    below = any(override.lstrip("+~").startswith(f"{key}.") for override in overrides)
    other_axes = [k for k in sweep_axes(params, overrides) if k != key and k not in study.nuisance]
    changed = []
    for override in overrides:
        name, _, values = override.partition("=")
        if name == key and key in params and not below and not other_axes and value not in values.split(","):
            print(f"{study.baseline} added: the baseline that every arm is paired with", flush=True)
            override = f"{key}={value},{values}"
        changed.append(override)
    return changed


def _refuse_missing_baseline(arms: list[str], study_dir: Path, study: DictConfig) -> None:
    from experiments.comparable import find_arm, short_names
    from experiments.nuisance import without_nuisance
    from experiments.run_store import find_run_folders

    known = [*arms, *(folder.parent.name for folder in find_run_folders(study_dir))]
    names = list(dict.fromkeys(without_nuisance(arm, list(study.nuisance)) for arm in known))
    if find_arm(names, study.baseline) is None:
        raise ConfigError(
            f"study.baseline: expected one of the arms {', '.join(names)}; got {study.baseline}. Add its runs to the "
            f"sweep, or name another: study.baseline={short_names(names)[names[0]]}"
        )


def _refuse_other_configuration(plain: dict[str, Any], study_dir: Path, axes: list[str]) -> None:
    """Refuse to add runs of another configuration to a folder: a study keeps one beside its arms and seeds.

    Raises:
        ConfigError: Naming the keys, with both values.
    """
    from experiments import run_store as store

    for folder in store.find_run_folders(study_dir):
        there = store.read_info(folder) or {}
        without = ("seed", *dict.fromkeys([*axes, *there.get("axes", [])]))
        old, new = (store.result_config(config, without) for config in (store.read_config(folder), plain))
        changed = store.differing_keys(old, new)
        if old and changed:
            keys = "; ".join(f"{key}: {before!r} there, {now!r} now" for key, (before, now) in changed.items())
            raise ConfigError(
                f"{study_dir} already holds a run that differs from this study ({folder.parent.name}/{folder.name}: "
                f"{keys}). Give study_dir=ANOTHER_FOLDER, or overwrite=true to replace what is run again."
            )


def _start_progress(to_do: list[Path], max_steps: int) -> StudyProgress:
    from experiments import run_store as store
    from experiments.progress import StudyProgress

    known = {folder: store.read_info(folder) for folder in to_do}

    def is_ended(folder: Path) -> bool:
        info = store.read_info(folder)
        return info != known[folder] and (info or {}).get("status") not in (None, "running", "unreadable")

    return StudyProgress(to_do, max_steps, is_ended)
