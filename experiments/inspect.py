"""Show what the loader sees, before anyone trains: counts, prevalence, sizes, stroke widths, twelve overlays, warnings.

    python -m experiments.inspect                                               the synthetic well logs
    python -m experiments.inspect data=image_folder data.root=DIR               a folder laid out as for training
    python -m experiments.inspect data=image_folder data.root=DIR data.images='*.jpg' data.truth='{stem}_lab.png'

Prints tables, and writes them with a picture of overlays to out_dir. A folder needs neither splits nor truth. If it
cannot be read as asked, the message names the files and the option that would read them, and the exit code is 2.
"""

from __future__ import annotations

from pathlib import Path

import hydra
from omegaconf import DictConfig

from experiments.checks.flags import Check
from experiments.checks.inspect_check import inspect_problems
from experiments.checks.problems import raise_if_any
from experiments.cli import exit_on_bad_input, run_command
from experiments.config import require_complete, to_plain


@hydra.main(version_base="1.3", config_path="pkg://experiments.conf", config_name="inspect")
def inspect(cfg: DictConfig) -> None:
    """Look over the data of a configuration."""
    with exit_on_bad_input():
        require_complete(cfg)
        raise_if_any(inspect_problems(cfg))
        from experiments.inspection.command import look_at, write_inspection
        from experiments.inspection.report import inspection_text

        found = look_at(to_plain(cfg)["data"], cfg)
        print(inspection_text(found))
        written = write_inspection(found, Path(cfg.out_dir))
        print(f"\nwritten: {', '.join(str(path) for path in written)}")


def main() -> None:
    """Run the command; see `python -m experiments.inspect --help`."""
    run_command(inspect, __doc__ or "", groups=("data",), check=Check("inspect", inspect_problems))


if __name__ == "__main__":
    main()
