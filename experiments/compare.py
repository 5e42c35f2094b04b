"""Compare the runs of a study on disk: verdict table, metrics, figures.

    python -m experiments.compare study_dir=outputs/losses
    python -m experiments.compare study_dir=outputs/losses baseline=dice report.margin=0.02
"""

from __future__ import annotations

from pathlib import Path

import hydra
from omegaconf import DictConfig

import experiments.config  # noqa: F401  (schemas)
from experiments.command_line import exit_on_bad_input, run_command


def compare_study(study_dir: Path, report_dir: Path, report: DictConfig, *, baseline: str | None = None) -> None:
    from experiments.comparable import load_study
    study = load_study(study_dir, baseline)
    print(study.baseline, {a: list(s) for a, s in study.complete.items()}, study.holes, study.differences)


@hydra.main(version_base="1.3", config_path="pkg://experiments.conf", config_name="compare")
def compare(cfg: DictConfig) -> None:
    """Compare the runs below `study_dir`."""
    from experiments.config import require_complete

    with exit_on_bad_input():
        require_complete(cfg)
        compare_study(Path(cfg.study_dir), Path(cfg.report_dir), cfg.report, baseline=cfg.baseline)


def main() -> None:
    """Run the command; see `python -m experiments.compare --help`."""
    run_command(compare, __doc__ or "", groups=("report",))


if __name__ == "__main__":
    main()
