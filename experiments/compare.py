"""Compare the runs of a study on disk: which arm moved the precision-recall frontier, and which slid along it.

    python -m experiments.compare study_dir=outputs/losses
    python -m experiments.compare study_dir=outputs/losses baseline=dice report.margin=0.02
    python -m experiments.compare study_dir=outputs/losses report.headline=f1
    python -m experiments.compare study_dir=outputs/losses tracker=mlflow      logs the verdicts too
    python -m experiments.compare 'study_dir=[outputs/here,outputs/there]' report_dir=outputs/joined

Prints the verdicts and writes report/ in the study's folder: verdicts.csv, metrics.csv and other tables, report.md,
report.html and figures/. Nothing is trained; torch is not needed.
"""

from __future__ import annotations

from pathlib import Path

import hydra
from omegaconf import DictConfig

from experiments.checks.flags import Check
from experiments.checks.problems import raise_if_any
from experiments.cli import exit_on_bad_input, run_command
from experiments.config import to_plain
from experiments.report.refusals import compare_problems, study_folders


@hydra.main(version_base="1.3", config_path="pkg://experiments.conf", config_name="compare")
def compare(cfg: DictConfig) -> None:
    """Compare the runs below `study_dir`."""
    with exit_on_bad_input():
        raise_if_any(compare_problems(cfg))
        parts = study_folders(cfg.study_dir)
        from experiments.report.study import report_study

        report_dir = Path(cfg.report_dir or parts[0] / "report")  # parts have a report_dir: refused otherwise
        report_study(parts[0] if len(parts) == 1 else parts, report_dir, cfg.report, baseline=cfg.baseline)
        if cfg.tracker.name is not None:
            from experiments.tracking.verdicts import log_verdicts

            log_verdicts(to_plain(cfg.tracker), parts[0] if len(parts) == 1 else report_dir, report_dir)


def main() -> None:
    """Run the command; see `python -m experiments.compare --help`."""
    run_command(compare, __doc__ or "", groups=("report", "tracker"), check=Check("compare", compare_problems))


if __name__ == "__main__":
    main()
