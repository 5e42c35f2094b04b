"""Calibrate the verdict: measure how often it is right on runs whose truth is known.

    python -m experiments.calibrate                                   all of it: minutes on two cores
    python -m experiments.calibrate parts=[coverage,power]            some parts
    python -m experiments.calibrate same_arm.study_dir=DIR            A/A on the baseline runs of another study
    python -m experiments.calibrate coverage.n_histogram=5000         a smaller Monte Carlo error

    make calibrate-quick                                              some hundred studies a row; fails if any row does

Parts: coverage of the interval; floor, where coverage is lowest; ugly, few and unequal groups, heavy tails, empty
groups; collapse, seeds that do not train; families, claims of arms and masks together; same_arm, real trainings of one
arm split in two; slides, increasing maps of the logits; power, true improvements of known size; advice, the size that
"undecided" asks for. Writes a CSV table per part and calibration.md to out_dir. The real trainings come from

    python -m experiments.train study=same_arm hydra/launcher=joblib hydra.launcher.n_jobs=2

Without them, the parts that need them are left out, and the page says so. Torch is not needed.
"""

from __future__ import annotations

import hydra
from omegaconf import DictConfig

from experiments.audit.settings import calibrate_problems
from experiments.checks.flags import Check
from experiments.checks.problems import raise_if_any
from experiments.cli import exit_on_bad_input, run_command


@hydra.main(version_base="1.3", config_path="pkg://experiments.conf", config_name="calibrate")
def calibrate(cfg: DictConfig) -> None:
    """Run the parts and write their tables."""
    from experiments.audit.audit import run_calibration
    from experiments.audit.tables import failures

    with exit_on_bad_input():
        raise_if_any(calibrate_problems(cfg))
        shown = failures(run_calibration(cfg))
    if cfg.fail and shown:
        raise SystemExit("\n".join(["fail: not calibrated", *shown]))


def main() -> None:
    """Run the command; see `python -m experiments.calibrate --help`."""
    run_command(calibrate, __doc__ or "", groups=(), check=Check("calibrate", calibrate_problems))


if __name__ == "__main__":
    main()
