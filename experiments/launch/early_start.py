"""Processes of joblib that start while the command still checks a study, and meanwhile import what a run needs.

Imports are most of what a run's process does before its first update. A command needs as long to check a study.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from omegaconf import DictConfig, OmegaConf

from experiments.checks.targets import target_problems

_NUMBERS = ("pre_dispatch", "batch_size", "max_nbytes")  # or expressions, such as 2*n_jobs


def parallel_settings(launcher: DictConfig) -> dict[str, Any]:
    """Return joblib's settings as Hydra's launcher passes them: with others, joblib would start other processes."""
    container: Any = OmegaConf.to_container(launcher, resolve=True)
    settings = {str(key): value for key, value in container.items() if key != "_target_"}
    numbers = {key: int(settings[key]) for key in _NUMBERS if str(settings.get(key) or "").isdigit()}
    return {**settings, **numbers, "backend": "loky"}


@contextmanager
def processes_start(launcher: DictConfig, jobs: int, cfg: DictConfig) -> Iterator[None]:
    """Start the processes of a launcher, which import what training needs while the code inside this context runs.

    At its end they are ready, and joblib trains in them. After an error inside they are ended.

    Args:
        launcher: `hydra.launcher`, of joblib.
        jobs: How many there are.
        cfg: The configuration of one of the runs.
    """
    from joblib import Parallel, delayed

    parallel = Parallel(**parallel_settings(launcher), return_as="generator_unordered")
    started = parallel(delayed(import_parts)(cfg) for _ in range(jobs))
    try:
        yield
    except BaseException:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # joblib warns that tasks are cancelled
            started.close()
        raise
    for _ in started:
        pass


def import_parts(cfg: DictConfig) -> None:
    """Import what trains a run, and the packages of its parts; whatever is wrong with them, the command reports."""
    import experiments.training.run  # noqa: F401

    target_problems(cfg)
