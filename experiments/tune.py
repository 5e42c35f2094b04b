"""Tune one loss by validation AP, then compare its best setting with the baseline, on seeds that tuned nothing.

    python -m experiments.tune loss=tversky                          20 trials, then 5 seeds of each arm
    python -m experiments.tune loss=focal tune.trials=40 tune.baseline_trials=40     the baseline is tuned as well
    python -m experiments.tune loss=dice 'tune.space={optimizer.lr:[1e-3,1e-1,log]}'

A search that was stopped goes on with the same command. Test scores never influence it; the report says how many
settings each arm had. Needs Optuna, the extra `tune`.
"""

from __future__ import annotations

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from experiments.checks.flags import Check
from experiments.checks.overrides import is_below, key_of
from experiments.checks.problems import raise_if_any
from experiments.cli import exit_on_bad_input, run_command
from experiments.config import to_plain
from experiments.process import stop_signals


@hydra.main(version_base="1.3", config_path="pkg://experiments.conf", config_name="tune")
def tune(cfg: DictConfig) -> None:
    """Tune, train the arms and compare them."""
    from experiments.launch.tuned_study import TunedStudy
    from experiments.report.study import report_study

    hydra_cfg = HydraConfig.get()
    task = [text for text in hydra_cfg.overrides.task if not is_below(key_of(text), ("tune", "study", "study_dir"))]
    with stop_signals.run_signals(), exit_on_bad_input():
        study = TunedStudy(cfg, task, str(hydra_cfg.runtime.choices["loss"]))
        raise_if_any(study.problems())
        from experiments.training.device import set_threads

        set_threads(cfg.trainer.threads, 1)
        study.run()
        report_study(study.folder, study.folder / "report", cfg.report, baseline=None)
        if cfg.tracker.name is not None:
            from experiments.tracking.verdicts import log_verdicts

            log_verdicts(to_plain(cfg.tracker), study.folder, study.folder / "report")


def main() -> None:
    """Run the command; see `python -m experiments.tune --help`."""
    run_command(tune, __doc__ or "", check=Check("tune", lambda cfg: []))


if __name__ == "__main__":
    main()
