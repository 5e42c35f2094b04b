"""Checks of `python -m experiments.score` before it reads a map; none of them needs numpy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from experiments.checks.folders import folder_problems
from experiments.checks.values import read_values
from experiments.config import ScoreSchema

_WITH_BRACES = ("pattern=", "group_pattern=")


def score_problems(cfg: DictConfig) -> list[str]:
    """List the problems of the command's configuration that need no file of the user's."""
    values, problems = read_values(cfg, {"": ScoreSchema})
    for key in ("predictions", "truth", "val_predictions", "val_truth"):
        folder = values.get(key)
        if isinstance(folder, str) and not Path(folder).expanduser().is_dir():
            state = "a file" if Path(folder).exists() else "which is not there"
            problems.append(f"{key}: expected a folder, got {folder}, {state}")
    study_dir, predictions = values.get("study_dir"), values.get("predictions")
    if isinstance(study_dir, str):
        apart = predictions if isinstance(predictions, str) else None
        problems += folder_problems("study_dir", study_dir, apart_from=apart, below_only=True)
    return problems


def with_quotes(arguments: Sequence[str], keys: Sequence[str] = _WITH_BRACES) -> list[str]:
    """Quote patterns and paths for Hydra, which would read braces as a mapping and stumble over `=` and brackets.

    Args:
        arguments: A command line.
        keys: Beginnings of the arguments to quote, such as "pattern=".

    >>> with_quotes(["run=losses/loss=dice/seed=0", "files=png"], ["run="])
    ['run="losses/loss=dice/seed=0"', 'files=png']
    """
    quoted = []
    for argument in arguments:
        key = next((each for each in keys if argument.startswith(each)), None)
        value = argument.removeprefix(key or "")
        if key is not None and value and value[0] not in "\"'" and value != "null":
            value = value.replace("\\", "\\\\") if value.endswith("\\") else value
            escaped = value.replace('"', '\\"')
            argument = f'{key}"{escaped}"'
        quoted.append(argument)
    return quoted
