"""Send images through the network of a trained run, and write score maps and binary masks.

    python -m experiments.predict run=outputs/losses/loss=dice/seed=0 images=scans out_dir=outputs/predicted
    python -m experiments.predict run=... images='scans/*.tif' out_dir=... threshold=recall:0.9
    python -m experiments.predict run=... images=scans out_dir=... threshold=natural files=png kind=none

Thresholds come from the run's validation scores, one for each mask. TIFFs of any height are read and written in pieces.
Weights and thresholds are written beside the maps, to be used elsewhere. Every option: docs/predict.md.
"""

from __future__ import annotations

import sys

import hydra
from omegaconf import DictConfig

from experiments.application.settings import predict_problems
from experiments.checks.flags import Check
from experiments.checks.problems import raise_if_any
from experiments.checks.score_check import with_quotes
from experiments.cli import exit_on_bad_input, run_command
from experiments.config import to_plain

_PATHS = ("run=", "images=", "out_dir=")


@hydra.main(version_base="1.3", config_path="pkg://experiments.conf", config_name="predict")
def predict(cfg: DictConfig) -> None:
    """Predict the images of `images` by the run of `run`."""
    with exit_on_bad_input():
        raise_if_any(predict_problems(cfg))
        from experiments.application.predict_images import predict_images
        from experiments.application.report import prediction_text

        print(prediction_text(predict_images(**to_plain(cfg))))


def main() -> None:
    """Run the command; see `python -m experiments.predict --help`."""
    sys.argv[1:] = with_quotes(sys.argv[1:], _PATHS)
    run_command(predict, __doc__ or "", groups=(), check=Check("predict", predict_problems))


if __name__ == "__main__":
    main()
