"""Hydra's hooks of a study: find the arms, check everything first, show progress, compare at the end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.global_hydra import GlobalHydra
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, open_dict

from experiments.checks.folders import place_problems
from experiments.checks.jobs import Job
from experiments.checks.overrides import key_of
from experiments.checks.problems import raise_if_any
from experiments.cli import stop_on_error
from experiments.config import ConfigError, to_plain
from experiments.launch.clusters.settings import cluster_of
from experiments.launch.early_start import processes_start
from experiments.launch.plan import Plan, build_parts, plan_run, plan_study, source_problems, trains_nothing
from experiments.launch.shared_study import finish_runs, launch_again
from experiments.launch.side_by_side import begin_process, folder_of_places, gpus_here, runs_at_once
from experiments.launch.stages import arms_going_on, declaration, narrow_sweep, split_by_look, study_looks
from experiments.process import stop_signals
from experiments.runs.arms import fold_in_name, without_fold
from experiments.runs.lock import why_no_locks
from experiments.training.duration import duration_warning

if TYPE_CHECKING:
    from experiments.launch.progress import StudyProgress
    from experiments.training.setup import LoadedData


def parallel_jobs(launcher: Any) -> int:
    """Return how many runs a launcher (`hydra.launcher`) trains at once on this machine."""
    from joblib import cpu_count  # the cores that this process may use, as the launcher counts them

    jobs = int(launcher.get("n_jobs") or 1)
    return jobs if jobs > 0 else max(1, cpu_count() + 1 + jobs)


def print_data(loaded: LoadedData) -> None:
    """Print the splits, the prevalence of each mask and the foreground share."""
    from experiments.data.split import summary_table

    print(summary_table(loaded.data), flush=True)


@dataclass
class _Running:
    """The study that this process has started. The callback does not hold it, because launchers pickle the callback."""

    folders: list[Path] = field(default_factory=list)
    to_do: dict[Path, list[str]] = field(default_factory=dict)  # the overrides of each run that has not ended
    unfinished: set[Path] = field(default_factory=set)  # among the runs of all stages, when the command started
    later: list[list[Job]] = field(default_factory=list)  # the runs of each stage after the first
    is_ended: Callable[[Path], bool] = Path.exists
    progress: StudyProgress | None = None
    train: Callable[[DictConfig], str] | None = None


_running = _Running()


def train_with(train: Callable[[DictConfig], str]) -> None:
    """Set the function that trains one run; runs that another process leaves are trained with it too."""
    _running.train = train


def is_to_do(folder: Path) -> bool:
    """Return whether the run of a folder had not ended when this process started its stage of the study."""
    return folder in _running.to_do


class StudyCallback(Callback):
    """Hydra callback of conf/config.yaml: refuses a command that cannot work before any folder or run is made."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check a single run before its folder is made."""
        from experiments.data.well_logs.cache import removed_on

        if config.hydra.job.config_name == "tune":  # plans its runs itself
            return
        with stop_on_error(), removed_on(ConfigError):
            if trains_nothing(config):
                raise_if_any(source_problems(config))
                return
            plan = plan_run(config)
            _check_parts(plan, config, 1)
            for job in plan.jobs:
                from experiments.training.run import is_finished
                from experiments.training.setup import check

                if not is_finished(job.folder, to_plain(job.cfg), check(job.cfg)):
                    raise_if_any(place_problems("study_dir", job.folder))

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check every run of the study before the first one trains."""
        from experiments.data.well_logs.cache import removed_on

        with stop_on_error(), removed_on(ConfigError):
            _running.folders, _running.to_do, _running.progress, _running.later = [], {}, None, []
            raise_if_any(source_problems(config) if trains_nothing(config) else [])
            plan = plan_study(config)
            if not plan.problems:
                _count_jobs(config, len(plan.jobs))
            with _launcher_starts(config, plan):
                _check_parts(plan, config, parallel_jobs(config.hydra.launcher) if not plan.problems else 1)
                self._check_jobs(config, plan)

    def _check_jobs(self, config: DictConfig, plan: Plan) -> None:
        from experiments.report.published import point_problems
        from experiments.training.run import is_finished
        from experiments.training.setup import check_data, projected_seconds

        problems: list[str] = []
        elsewhere = cluster_of(config.hydra.launcher) is not None  # on machines that may be faster
        unfinished: set[Path] = set()
        checked: dict[str, LoadedData | None] = {}
        seconds: dict[str, float] = {}
        for job in plan.jobs:
            cfg = job.cfg
            if job.arm not in checked:
                loaded, found = check_data(cfg)
                problems += found
                checked[job.arm] = None if found else loaded
                if loaded is not None and not found and not elsewhere:
                    seconds[job.arm] = projected_seconds(cfg, loaded)
            loaded = checked[job.arm]
            try:
                if loaded is not None and not is_finished(job.folder, to_plain(cfg), loaded):
                    problems += place_problems("study_dir", job.folder)
                    unfinished.add(job.folder)
            except ConfigError as error:
                problems.append(str(error))
        for loaded in list(dict.fromkeys(checked.values())):
            if loaded is not None:
                problems += point_problems(config.report, loaded.data.masks)
        for folder in ("report", "report/figures"):  # written at the end of every study
            problems += place_problems("study_dir", Path(config.study_dir) / folder)
        raise_if_any(list(dict.fromkeys(problems)))
        for loaded in list(dict.fromkeys(checked.values())):
            if loaded is not None:
                print_data(loaded)
        looks = study_looks(config)
        first, *_running.later = split_by_look(plan.jobs, looks)
        done = len(plan.jobs) - len(unfinished)
        already = f", {done} of them done before" if done else ""
        most = "" if looks is None else "at most "
        arms, folds = {without_fold(arm) for arm in checked}, {fold_in_name(arm) for arm in checked} - {None}
        cut = f" x {len(folds)} folds" if folds else ""
        print(f"{config.study.name}: {len(arms)} arms{cut}, {most}{len(plan.jobs)} runs{already}", flush=True)
        if looks is not None:
            print(declaration(looks, len(first), len(plan.jobs) - len(first), config.report.level), flush=True)
        hours = [] if elsewhere else [seconds[job.arm] for job in plan.jobs if job.folder in unfinished]
        if warning := duration_warning(hours):
            print(warning, file=sys.stderr, flush=True)
        if unfinished and (reason := why_no_locks(Path(config.study_dir))):
            print(
                f"warning: study_dir={config.study_dir}: no locks on this file system ({reason}). Start this study "
                "only once at a time, as two commands could train the same run; or have it mounted with locks (Lustre: "
                "flock; NFS: without nolock and local_lock)",
                file=sys.stderr,
                flush=True,
            )
        _running.unfinished = unfinished
        _begin(first)
        if not _running.to_do:  # all runs exist, so no launcher's processes are needed; or those of later stages do not
            self.on_multirun_end(config)
            raise SystemExit(0)
        if looks is not None:
            narrow_sweep(config, first)
        stop_signals.launching(True)

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Train what other processes left, then compare the runs; exit with 1 if a run has failed."""
        stop_signals.launching(False)
        stop_signals.raise_if_received()  # the launcher's processes have ended their runs by now
        with stop_on_error():
            try:
                if (_running.to_do or _running.later) and _running.train is not None:
                    launch = launch_again(config, GlobalHydra.instance().config_loader(), _running.train)
                    finish_runs(_running.to_do, _running.is_ended, launch)
                    for look, jobs in enumerate(_running.later, 1):
                        close_progress()
                        arms = arms_going_on(config, look)
                        _begin([job for job in jobs if without_fold(job.arm) in arms])
                        finish_runs(_running.to_do, _running.is_ended, launch)
            finally:
                close_progress()
        from experiments.report.study import report_study

        failures = _failures(_running.folders)
        try:
            with stop_on_error():
                study_dir = Path(config.study_dir)
                report_study(study_dir, study_dir / "report", config.report, baseline=config.study.baseline)
                if config.tracker.name is not None:
                    from experiments.tracking.verdicts import log_verdicts

                    log_verdicts(to_plain(config.tracker), study_dir, study_dir / "report")
        finally:  # without the baseline there is no comparison, and the failures say why
            if failures:
                print("\n".join(failures), file=sys.stderr)
                raise SystemExit(1)


def _begin(jobs: Sequence[Job]) -> None:
    """Note the runs of a stage, those that are to be done, and show their progress."""
    from experiments.launch.progress import StudyProgress

    to_do = [job for job in jobs if job.folder in _running.unfinished]
    _running.folders += [job.folder for job in jobs]
    _running.to_do = {job.folder: job.overrides for job in to_do}
    _running.is_ended = _ended_since_now(_running.to_do)
    if to_do:
        updates = {job.folder: int(job.shared.trainer.max_steps) for job in to_do}
        _running.progress = StudyProgress(updates, _running.is_ended)


def close_progress() -> None:
    """Close the study's progress bar, if there is one, so that a message gets a line of its own."""
    progress, _running.progress = _running.progress, None
    if progress is not None:
        progress.close()


def _count_jobs(config: DictConfig, runs: int) -> None:
    """Replace `hydra.launcher.n_jobs=auto` by a number, for the launcher and for the processes of its runs."""
    if config.hydra.launcher.get("n_jobs") != "auto":
        return
    from joblib import cpu_count

    jobs = runs_at_once(runs, cpu_count(), len(gpus_here(config.trainer.accelerator)))
    others = [text for text in config.hydra.overrides.hydra if key_of(text) != "hydra.launcher.n_jobs"]
    with open_dict(config):
        config.hydra.launcher.n_jobs = jobs
        config.hydra.overrides.hydra = [*others, f"hydra.launcher.n_jobs={jobs}"]


def _launcher_starts(config: DictConfig, plan: Plan) -> AbstractContextManager[None]:
    """Return a context in which a launcher of processes starts them, if there is a run for them."""
    if plan.problems or "n_jobs" not in config.hydra.launcher:
        return nullcontext()
    from experiments.runs import store

    _prepare_joblib(config)
    jobs = parallel_jobs(config.hydra.launcher)
    ended = all((store.read_info(job.folder) or {}).get("status") in store.FINISHED for job in plan.jobs)
    if jobs < 2 or not plan.jobs or (ended and not config.overwrite):
        return nullcontext()
    return processes_start(config.hydra.launcher, jobs, plan.jobs[0].cfg)


def _prepare_joblib(config: DictConfig) -> None:
    """Make joblib's processes handle from their start that this process is stopped or killed, and share the GPUs."""
    from joblib.parallel import LokyBackend, register_parallel_backend

    names = [gpu.name for gpu in gpus_here(config.trainer.accelerator)]
    begin = partial(begin_process, names, folder_of_places().name if len(names) > 1 else "")
    register_parallel_backend("loky", partial(LokyBackend, initializer=begin))


def _failures(folders: Sequence[Path]) -> list[str]:
    """Say which runs failed, why, and how to run each again."""
    from experiments.runs import store

    lines = []
    for folder in folders:
        info = store.read_info(folder) or {"status": "missing"}
        if info.get("status") not in store.FINISHED:
            lines.append(f"  {folder}: {info.get('status')}: {info.get('reason', '')}".rstrip(": "))
            lines += [f"    run it again: {info['command']}"] if info.get("command") else []
    count = sum(not line.startswith("    ") for line in lines)
    return [f"error: {count} of {len(folders)} runs failed:", *lines] if lines else []


def _check_parts(plan: Plan, config: DictConfig, jobs: int) -> None:
    """Refuse a configuration that is wrong by itself, before the data are loaded.

    Raises:
        ConfigError: The message lists every problem of the plan and of building the parts.
    """
    if not plan.worth_building:
        raise_if_any(plan.problems)
    from experiments.training.device import set_threads

    # First of all: the check sends a tile through the network, and runs side by side must not share their threads.
    set_threads(None if plan.problems else config.trainer.threads, jobs)
    build_parts(plan)
    raise_if_any(plan.problems)


def _ended_since_now(folders: Iterable[Path]) -> Callable[[Path], bool]:
    """Return a function that tells whether the run of a folder has ended since this call, in whatever way."""
    from experiments.runs import store

    known = {folder: store.read_info(folder) for folder in folders}

    def is_ended(folder: Path) -> bool:
        info = store.read_info(folder)
        unfinished = (None, "running", "stopped", store.DAMAGED)
        return info != known[folder] and (info or {}).get("status") not in unfinished

    return is_ended
