"""Write a practitioner's checklist from one or several studies: what their results suggest to do next.

    python -m experiments.checklist study_dirs=[outputs/losses]
    python -m experiments.checklist study_dirs=[outputs/losses,outputs/seesaw,outputs/sampling]
    python -m experiments.checklist study_dirs=[outputs/losses,outputs/seesaw] report_dir=outputs/checklist

Is the imbalance per example or by count? Has F1 stopped rising with the weight? Which lever lifted the frontier most
per unit of training time? What should be tried next? Every sentence has its numbers, and leaves out what the runs
cannot tell. Prints the list and writes checklist.md to report/ of the first study. Nothing is trained; torch is not
needed.
"""

from __future__ import annotations

from pathlib import Path

import hydra
from omegaconf import DictConfig

from experiments.checks.flags import Check
from experiments.checks.problems import raise_if_any
from experiments.cli import exit_on_bad_input, run_command
from experiments.report.refusals import checklist_problems


@hydra.main(version_base="1.3", config_path="pkg://experiments.conf", config_name="checklist")
def checklist(cfg: DictConfig) -> None:
    """Write the checklist over `study_dirs`."""
    from experiments.report.checklist.report import report_checklist

    with exit_on_bad_input():
        raise_if_any(checklist_problems(cfg))
        folders = [Path(folder) for folder in cfg.study_dirs]
        report_checklist(folders, Path(cfg.report_dir or folders[0] / "report"), cfg.report)


def main() -> None:
    """Run the command; see `python -m experiments.checklist --help`."""
    run_command(checklist, __doc__ or "", groups=("report",), check=Check("checklist", checklist_problems))


if __name__ == "__main__":
    main()
