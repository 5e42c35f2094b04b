"""A study around its runs: find the arms, check everything first, show progress, compare at the end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, open_dict

from experiments import stop_signals
from experiments.command_line import stop_on_error
from experiments.config import ConfigError, to_plain
from experiments.shared_study import finish_runs, launch_again
from experiments.study_checks import refuse_missing_baseline, refuse_other_configuration, sweep_axes, with_baseline

if TYPE_CHECKING:
    from experiments.progress import StudyProgress
    from experiments.training.preflight import LoadedData


def parallel_jobs(launcher: Any) -> int:
    """Return how many runs a launcher (`hydra.launcher`) has at once on this machine."""
    from joblib import cpu_count  # the cores that this process may use, as the launcher counts them

    jobs = int(launcher.get("n_jobs") or 1)
    return jobs if jobs > 0 else max(1, cpu_count() + 1 + jobs)


def print_data(loaded: LoadedData) -> None:
    """Print the splits, the prevalence of each mask and the foreground share."""
    from experiments.data.split import summary_table

    print(summary_table(loaded.data), flush=True)


def job_overrides(params: dict[str, Any], overrides: list[str]) -> list[list[str]]:
    """List the overrides of every run of a grid sweep, as Hydra's basic sweeper makes them."""
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

    parsed = OverridesParser.create().parse_overrides([*(f"{k}={v}" for k, v in params.items()), *overrides])
    return BasicSweeper.split_arguments(parsed, None)[0]


@dataclass
class _Running:
    """The study that this process has started. Not held by the callback, which launchers send to other processes."""

    folders: list[Path] = field(default_factory=list)
    to_do: dict[Path, list[str]] = field(default_factory=dict)  # the overrides of each run that has not ended
    is_ended: Callable[[Path], bool] = Path.exists
    progress: StudyProgress | None = None


_running = _Running()


class StudyCallback(Callback):
    """Hydra callback of conf/config.yaml; does nothing for a single run."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check every run of the study before the first one trains."""
        with stop_on_error():
            _running.folders, _running.to_do, _running.progress = [], {}, None
            if config.study.source is not None:
                _treat_source(config)
                raise SystemExit(0)
            params = dict(config.hydra.sweeper.get("params") or {})
            with open_dict(config):
                overrides = with_baseline(params, list(config.hydra.overrides.task), config.study)
                # Given where a run of a wider sweep is run again: its folder is named by that sweep's axes.
                axes = list(config.study.axes or sweep_axes(params, overrides))
                config.study.axes = axes
                # Hydra composes every job anew from these overrides: the only way to tell all of them.
                config.hydra.overrides.task = overrides
                config.hydra.overrides.hydra.append(f"study.axes=[{','.join(axes)}]")
            if config.hydra.sweeper._target_.endswith("BasicSweeper"):
                self._check_jobs(config, job_overrides(params, overrides))

    def _check_jobs(self, config: DictConfig, jobs: list[list[str]]) -> None:
        from experiments.progress import StudyProgress
        from experiments.report.published import published_points
        from experiments.report.study_report import settings_of
        from experiments.training.device import set_threads
        from experiments.training.preflight import check
        from experiments.training.run import is_finished

        settings_of(config.report)
        published_points(config.report)
        set_threads(config.trainer.threads, 1)
        loader = GlobalHydra.instance().config_loader()
        problems: dict[str, None] = {}
        to_do: dict[Path, int] = {}
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
                    to_do[folder] = job.trainer.max_steps
                    _running.to_do[folder] = overrides
            except ConfigError as error:
                problems[str(error)] = None
        if problems:
            raise ConfigError("\n".join(problems))
        study_dir = Path(config.study_dir)
        refuse_missing_baseline(list(checked), study_dir, config.study)
        if not config.overwrite:
            refuse_other_configuration(plain, study_dir, list(config.study.axes))
        for loaded in list(dict.fromkeys(checked.values())):
            if loaded is not None:
                print_data(loaded)
        done = len(_running.folders) - len(to_do)
        already = f", {done} of them done before" if done else ""
        print(f"{config.study.name}: {len(checked)} arms, {len(_running.folders)} runs{already}", flush=True)
        if not to_do:  # no need to start a launcher's processes for runs that are there
            self.on_multirun_end(config)
            raise SystemExit(0)
        _running.is_ended = _ended_since_now(to_do)
        _running.progress = StudyProgress(to_do, _running.is_ended)
        stop_signals.launching(True)

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Train what other processes left, then compare the runs; exit with 1 when a run has failed."""
        stop_signals.launching(False)
        stop_signals.raise_if_received()  # the launcher's processes have ended their runs: leave
        with stop_on_error():
            if _running.to_do:
                launch = launch_again(config, GlobalHydra.instance().config_loader())
                finish_runs(_running.to_do, _running.is_ended, launch)
        if _running.progress is not None:
            _running.progress.close()
        from experiments.report.study_report import report_study

        failures = _failures(_running.folders)
        try:
            with stop_on_error():
                study_dir = Path(config.study_dir)
                report_study(study_dir, study_dir / "report", config.report, baseline=config.study.baseline)
        finally:  # where the baseline failed there is no comparison, and the failures say why
            if failures:
                print("\n".join(failures), file=sys.stderr)
                raise SystemExit(1)


def _failures(folders: Sequence[Path]) -> list[str]:
    """Say which runs failed, why, and how to run each again."""
    from experiments import run_store as store

    lines = []
    for folder in folders:
        info = store.read_info(folder) or {"status": "missing"}
        if info.get("status") not in store.FINISHED:
            lines.append(f"  {folder}: {info.get('status')}: {info.get('reason', '')}".rstrip(": "))
            lines += [f"    run it again: {info['command']}"] if info.get("command") else []
    count = sum(not line.startswith("    ") for line in lines)
    return [f"error: {count} of {len(folders)} runs failed:", *lines] if lines else []


def _treat_source(config: DictConfig) -> None:
    """Report on the runs of another study; nothing is trained.

    Raises:
        ConfigError: Naming the overrides that would have no effect.
    """
    from experiments.report.thresholding_report import report_thresholding

    keys = {override: override.lstrip("+~").split("=", 1)[0] for override in config.hydra.overrides.task}
    idle = [override for override, key in keys.items() if key.split(".", 1)[0] not in ("study", "study_dir", "report")]
    if idle:
        raise ConfigError(
            f"study={config.study.name} trains nothing: expected study.source, study_dir and report.* only, got "
            f"{', '.join(idle)}"
        )
    report_thresholding(Path(config.study.source), Path(config.study_dir) / "report", config.report)


def _ended_since_now(folders: Iterable[Path]) -> Callable[[Path], bool]:
    """Return a function that says whether the run of a folder has ended after this call, whatever became of it."""
    from experiments import run_store as store

    known = {folder: store.read_info(folder) for folder in folders}

    def is_ended(folder: Path) -> bool:
        info = store.read_info(folder)
        unfinished = (None, "running", "stopped", store.DAMAGED)
        return info != known[folder] and (info or {}).get("status") not in unfinished

    return is_ended
