"""Use a loss on a small batch and say, clause by clause, whether training can work with it.

    python -m experiments.check_loss loss=dice
    python -m experiments.check_loss loss=custom loss._target_=torch.nn.BCELoss loss.input=probabilities
    python -m experiments.check_loss --config-dir mine loss=my_loss masks=1

Prints the measurements: value, gradient, sign, reaction to labels, empty and full masks. Needs no data and trains
nothing. The exit code is 0 if every clause passes (a note is not a failure) and 2 if one fails. Training refuses a loss
for the same clauses.
"""

from __future__ import annotations

import textwrap

import hydra
from omegaconf import DictConfig

from experiments.checks.flags import Check
from experiments.checks.loss_check import check_loss_problems
from experiments.checks.problems import raise_if_any
from experiments.cli import exit_on_bad_input, run_command
from experiments.report.text.tables import text_table

_WIDTH = 88  # characters in the column of measurements


@hydra.main(version_base="1.3", config_path="pkg://experiments.conf", config_name="check_loss")
def check_loss(cfg: DictConfig) -> None:
    """Print the contract of one loss as a table."""
    with exit_on_bad_input():
        wrong = check_loss_problems(cfg)
        import torch

        from experiments.criteria.before_training import measured_clauses
        from experiments.criteria.build import build_criterion
        from experiments.criteria.clauses import FAIL
        from experiments.criteria.contract import Setting

        try:
            device = torch.zeros(1, device=cfg.device).device
        except (RuntimeError, AssertionError) as error:
            wrong.append(f"device: expected one that torch finds here, got {cfg.device} ({error})")
        raise_if_any(wrong)
        setting = Setting([cfg.prevalence] * cfg.masks, cfg.ignores_pixels, cfg.batch_size, cfg.tile, device)
        criterion = build_criterion(cfg)
        clauses = measured_clauses(criterion, setting)
    rows = []
    for clause in clauses:
        lines = textwrap.wrap(clause.measured, _WIDTH) or [""]
        rows.append([clause.name, clause.verdict, lines[0]])
        rows += [["", "", line] for line in lines[1:]]
    name = getattr(criterion, "__name__", type(criterion).__name__)
    print(f"{name} on {cfg.masks} mask{'s' if cfg.masks > 1 else ''}\n")
    print(text_table(["clause", "", "measured"], rows))
    failed = sum(clause.verdict == FAIL for clause in clauses)
    print(f"\n{failed or 'none'} of {len(clauses)} clauses {'fails' if failed == 1 else 'fail'}")
    if failed:
        raise SystemExit(2)


def main() -> None:
    """Run the command; see `python -m experiments.check_loss --help`."""
    run_command(check_loss, __doc__ or "", groups=("loss",), check=Check("check_loss", check_loss_problems))


if __name__ == "__main__":
    main()
