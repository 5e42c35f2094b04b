"""Ask what can be had without training: tune thresholds, correct priors and recalibrate the runs of a finished study.

    python -m experiments.thresholding study.source=outputs/losses
    python -m experiments.thresholding study.source=outputs/losses report.margin=0.02 study_dir=outputs/treated
    python -m experiments.train study=thresholding study.source=outputs/losses        the same

Fits every treatment on validation and compares it with the untreated scores on test: F1, calibration, the verdict.
Prints what it found and writes report/ in study_dir (outputs/thresholding). Nothing is trained; torch is not needed.
"""

from __future__ import annotations

from pathlib import Path

import hydra
from omegaconf import DictConfig

import experiments.config  # noqa: F401  (schemas and resolver)
from experiments.checks.flags import Check
from experiments.cli import exit_on_bad_input, run_command
from experiments.launch.plan import training_problems


@hydra.main(version_base="1.3", config_path="pkg://experiments.conf", config_name="thresholding")
def thresholding(cfg: DictConfig) -> None:
    """Treat the runs of `study.source`; the study's callback has checked the configuration."""
    with exit_on_bad_input():
        from experiments.report.thresholding.report import report_thresholding

        report_thresholding(Path(cfg.study.source), Path(cfg.study_dir) / "report", cfg.report)


def main() -> None:
    """Run the command; see `python -m experiments.thresholding --help`."""
    check = Check("thresholding", training_problems, trains=True)
    run_command(thresholding, __doc__ or "", groups=("report",), check=check)


if __name__ == "__main__":
    main()
