"""A study in stages: every arm gets the seeds of the first look, then the arms that are undecided go on to the next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig, open_dict

from experiments.checks.jobs import Job
from experiments.checks.overrides import key_of
from experiments.config import ConfigError
from experiments.inference.looks import Looks


def study_looks(config: DictConfig) -> Looks | None:
    """Return the looks that a planned study declares; None in a study without stages."""
    study = config.study
    return None if study.stages is None else Looks.of(list(study.stages), list(study.seeds))


def split_by_look(jobs: Sequence[Job], looks: Looks | None) -> list[list[Job]]:
    """Return the jobs that each look adds; all of them at once without stages."""
    if looks is None:
        return [list(jobs)]
    return [[job for job in jobs if job.seed in looks.added(look)] for look in range(len(looks.seeds))]


def narrow_sweep(config: DictConfig, jobs: Sequence[Job]) -> None:
    """Make Hydra's sweep name the seeds of some jobs only; the command line's overrides replace those of the study."""
    task = [text for text in config.hydra.overrides.task if key_of(text) != "seed"]
    seeds = ",".join(dict.fromkeys(str(job.seed) for job in jobs))
    with open_dict(config):
        config.hydra.overrides.task = [*task, f"seed={seeds}"]


def declaration(looks: Looks, n_first: int, n_later: int, level: float) -> str:
    """Say what a study in stages will do, before it does."""
    seeds = " and ".join(", ".join(map(str, looks.stages)).rsplit(", ", 1))
    return (
        f"stages of {seeds} seeds: {n_first} runs first; then at most {n_later} more, of the baseline and of the arms "
        f"that are undecided. Each of {len(looks.seeds)} looks has level {level / len(looks.seeds):g} of {level:g}"
    )


def arms_going_on(config: DictConfig, look: int) -> list[str]:
    """Make the looks so far, print what look number `look` decided, and return the arms of the next stage.

    Args:
        config: the study's configuration.
        look: number of the look, from 1.

    Returns:
        The undecided arms that have all seeds of this look, with the baseline before them; empty if there is none, or
        if the runs cannot be compared, which the report says.
    """
    from experiments.inference.words import UNDECIDED
    from experiments.report.study import compare
    from experiments.runs.study import is_from_elsewhere, load_study, short_names

    try:
        study = load_study(Path(config.study_dir), config.study.baseline)
        table = compare(study, config.report).arm_verdicts
    except ConfigError:
        return []
    looks, base = study.looks, study.baseline
    if looks is None or not len(table):
        return []
    names = short_names(list(study.complete))
    there = {arm: looks.are_there(arm, seeds, look - 1) for arm, seeds in study.complete.items()}
    rows = {str(row["arm"]): row for _, row in table.iterrows()}
    trained = [arm for arm, seeds in study.complete.items() if not any(map(is_from_elsewhere, seeds.values()))]
    undecided = [a for a, row in rows.items() if row["verdict"] == UNDECIDED and row["n_seeds"] > 0 and a in trained]
    begun = [arm for arm, row in rows.items() if row["look"] > look and arm in trained]
    going = [arm for arm in rows if arm in begun or (arm in undecided and there[arm] and there[base])]
    said = [f"{names[arm]} {row['verdict']}" for arm, row in rows.items() if row["look"] == look and arm not in going]
    on = f"going on to {looks.stages[look]} seeds: {', '.join(names[arm] for arm in (base, *going))}"
    print(
        f"look {look} of {len(looks.seeds)}, {looks.stages[look - 1]} seeds: {', '.join(said) or 'no arm decided'}; "
        f"{on if going else 'no arm goes on'}",
        flush=True,
    )
    return [base, *going] if going else []
