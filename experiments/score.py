"""Turn score maps that were made elsewhere into runs on disk, which compare reads like any run.

    python -m experiments.score predictions=maps truth=masks study_dir=outputs/mine
    python -m experiments.score predictions=maps truth=masks pattern='{arm}/fold_{seed}/{image}.npz' baseline=unet
    python -m experiments.score predictions=maps data=image_folder data.root=photos study_dir=outputs/losses

Maps are .npy, .npz, .png or .tif at {arm}/{seed}/{image}: probabilities, 0-255, 0-65535, or kind=logits. The truth is a
folder of masks, or the test images of a data set, whose trained runs they can then be compared with. Nothing is
trained; torch is not needed. Every option: docs/predictions.md.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import hydra
from omegaconf import DictConfig

from experiments.checks.flags import Check
from experiments.checks.problems import raise_if_any
from experiments.checks.score_check import score_problems, with_quotes
from experiments.cli import exit_on_bad_input, run_command
from experiments.config import ConfigError, instantiate, to_plain
from experiments.data.data_error import DataError


@hydra.main(version_base="1.3", config_path="pkg://experiments.conf", config_name="score")
def score(cfg: DictConfig) -> None:
    """Score the maps below `predictions`."""
    with exit_on_bad_input():
        raise_if_any(score_problems(cfg))
        from experiments.predictions.score_folder import score_folder
        from experiments.report.scored_runs import scored_text

        plain = to_plain(cfg)
        arguments = {key: value for key, value in plain.items() if key != "data"}
        runs = score_folder(
            **arguments,
            data=None if cfg.data is None else _loaded(cfg),
            config={"data": plain["data"], "predictions": arguments},
            command=shlex.join(["python", "-m", "experiments.score", *sys.argv[1:]]),
        )
        print(scored_text(runs, Path(cfg.study_dir), cfg.baseline))


def _loaded(cfg: DictConfig):  # type: ignore[no-untyped-def]  # its type would load numpy
    from experiments.data.split import SegmentationData

    try:
        data = instantiate(cfg, "data")
    except ConfigError as error:
        if isinstance(error.__cause__, DataError):  # names its keys and files itself
            raise ConfigError(str(error.__cause__)) from error
        raise
    if not isinstance(data, SegmentationData):
        raise ConfigError(f"data: expected SegmentationData, got {type(data).__name__}")
    return data


def main() -> None:
    """Run the command; see `python -m experiments.score --help`."""
    sys.argv[1:] = with_quotes(sys.argv[1:])
    run_command(score, __doc__ or "", groups=("data",), check=Check("score", score_problems))


if __name__ == "__main__":
    main()
