"""Train one run, or with `study=...` many, and tell which loss moved the precision-recall frontier.

Choose a part with GROUP=OPTION, change a key with KEY=VALUE, sweep over a key with KEY=A,B,C:

    python -m experiments.train                                   one run of plain BCE on synthetic well logs
    python -m experiments.train study=losses                      the main study, then its comparison
    python -m experiments.train study=losses loss=dice,tversky seed=0,1,2,3,4
    python -m experiments.train study=losses seed=0,1,2,3,4,5,6 study.stages=[3,7]    more where undecided
    python -m experiments.train study=losses data=image_folder data.root=DIR      your own images
    python -m experiments.train loss=custom loss._target_=torch.nn.BCEWithLogitsLoss
    python -m experiments.train --cfg job                         the whole configuration, nothing is run
    python -m experiments.compare study_dir=outputs/losses        compare runs on disk
"""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

import experiments.config  # noqa: F401  (schemas and resolver, also in the processes of a launcher)
from experiments.checks.flags import Check
from experiments.cli import exit_on_bad_input, run_command, storage_text
from experiments.config import to_plain
from experiments.launch.clusters.settings import cluster_of
from experiments.launch.plan import training_problems
from experiments.launch.rerun import rerun_command
from experiments.launch.shared_study import BUSY
from experiments.launch.study_callback import close_progress, parallel_jobs, print_data, train_with
from experiments.process import stop_signals
from experiments.process.progress_bar import make_bar
from experiments.runs.lock import HeldError
from experiments.runs.progress_note import progress_writer
from experiments.thresholding import main as thresholding_main
from experiments.training.duration import duration_warning


@hydra.main(version_base="1.3", config_path="pkg://experiments.conf", config_name="config")
def train(cfg: DictConfig) -> str:
    """Train and score one run; return its status, or that it was done before or that another process trains it."""
    try:
        # Hydra would print the overrides first and continue with the study's next run, which would fail likewise.
        with stop_signals.run_signals(), exit_on_bad_input() if stop_signals.is_command() else nullcontext():
            try:
                return _train(cfg)
            except BaseException:
                close_progress()
                raise
    except stop_signals.Terminated:
        if stop_signals.is_command():
            raise
        return "stopped"  # on an error the launcher would kill its other processes before they end their runs
    except OSError as error:  # such as a full disk, in a launcher's process: the other runs would fail too
        raise SystemExit(f"error: {storage_text(error)}") from None  # Hydra keeps an Exception until the end


def _train(cfg: DictConfig) -> str:
    from experiments.runs.store import FINISHED
    from experiments.training.device import set_threads
    from experiments.training.run import execute, is_finished
    from experiments.training.setup import check, load_data, projected_seconds

    hydra_cfg = HydraConfig.get()
    folder = Path(hydra_cfg.runtime.output_dir)
    alone = hydra_cfg.mode == RunMode.RUN
    # First of all: the check sends a tile through the network, and runs side by side must not share their threads.
    set_threads(cfg.trainer.threads, 1 if alone else parallel_jobs(hydra_cfg.launcher))
    # A study has checked all its runs on this machine; a cluster's machine may have other packages and devices.
    checked = not alone and cluster_of(hydra_cfg.launcher) is None
    loaded = (load_data if checked else check)(cfg)
    finished = is_finished(folder, to_plain(cfg), loaded)
    if finished:
        if alone:
            print(f"{folder}: already done with this configuration; overwrite=true runs it again")
        return "skipped"
    command = rerun_command(hydra_cfg, cfg)
    if not alone:
        try:
            return execute(cfg, folder, folder.parent.name, loaded, progress_writer(folder), command)
        except HeldError:
            return BUSY

    print_data(loaded)
    if warning := duration_warning([projected_seconds(cfg, loaded)]):
        print(warning, file=sys.stderr, flush=True)
    with make_bar(cfg.trainer.max_steps, "training") as bar:
        status = execute(cfg, folder, folder.parent.name, loaded, lambda update: bar.update(update - bar.n), command)
    from experiments.report.summary.run import print_run

    print_run(folder)
    if status not in (*FINISHED, "skipped"):
        raise SystemExit(1)
    return status


def main() -> None:
    """Run the command; see `python -m experiments.train --help`."""
    if "study=thresholding" in sys.argv[1:]:  # the one study that trains nothing
        thresholding_main()
        return

    train_with(train.__wrapped__)
    try:
        run_command(train, __doc__ or "", check=Check("config", training_problems, trains=True))
    finally:
        close_progress()


if __name__ == "__main__":
    # Through the package, so that a launcher's processes can import the task by name.
    from experiments.train import main as packaged_main

    packaged_main()
