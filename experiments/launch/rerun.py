"""The command that runs one run of a study again."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from hydra.types import RunMode
from omegaconf import DictConfig

from experiments.launch.refusals import sweep_axes

_SET_HERE = ("seed", "study_dir", "overwrite", "study.axes", "study.seeds")


def rerun_command(hydra_cfg: Any, cfg: DictConfig) -> str:
    """Write the command for the current run; it resumes from the checkpoint or starts over.

    Args:
        hydra_cfg: Hydra's own configuration of the run.
        cfg: The run's configuration.

    Returns:
        A line for a shell: `python -m experiments.train study=losses loss=dice seed=1 study_dir=outputs/losses`.
    """
    sources = hydra_cfg.runtime.config_sources
    return write_command(
        list(hydra_cfg.overrides.task),
        config_dir=next((source.path for source in sources if source.provider == "command-line"), None),
        seed=cfg.seed,
        study_dir=cfg.study_dir,
        axes=list(cfg.study.axes or []) if hydra_cfg.mode == RunMode.MULTIRUN else None,
        study_params=dict(hydra_cfg.sweeper.get("params") or {}) if hydra_cfg.runtime.choices.get("study") else None,
        study_seeds=cfg.study.seeds,
    )


def write_command(
    overrides: Sequence[str],
    *,
    config_dir: str | None,
    seed: int,
    study_dir: str,
    axes: Sequence[str] | None,
    study_params: dict[str, Any] | None,
    study_seeds: Sequence[int] | None = None,
) -> str:
    """Write the command for one run.

    Args:
        overrides: The run's overrides, one value per key.
        config_dir: `--config-dir` of the study's command.
        seed: The run's seed.
        study_dir: The study's folder.
        axes: The keys that make an arm of the study; None for a run outside a sweep.
        study_params: The sweep that `study=` declares; None without `study=`.
        study_seeds: All seeds of a study in stages; else None.
    """
    kept = [override for override in overrides if override.lstrip("+~").split("=", 1)[0] not in _SET_HERE]
    words = ["python", "-m", "experiments.train"]
    if config_dir is not None:
        words += ["--config-dir", config_dir]
    words += [*kept, f"seed={seed}", f"study_dir={study_dir}"]
    # With one value per key there is no sweep, and without its axes the run would go to another folder.
    narrowed = None if study_params is None else sweep_axes(study_params, kept)
    if axes is not None and list(axes) != narrowed:
        words.append(f"study.axes=[{','.join(axes)}]")
    if study_seeds is not None:  # the looks are declared by the whole sweep
        words.append(f"study.seeds=[{','.join(map(str, study_seeds))}]")
    return shlex.join(words)
