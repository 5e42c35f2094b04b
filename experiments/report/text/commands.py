"""Commands that a report proposes, made from the one that its runs recorded."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from experiments.runs.arms import name_parts
from experiments.runs.store import CHECKPOINT_FILE, Run
from experiments.runs.study import StudyRuns

_TRAIN = ["python", "-m", "experiments.train"]
_SET_HERE = ("seed", "study_dir", "overwrite", "study.axes", "study.seeds", "study.stages")
_MOST_LISTED = 12


def tune_command(study: StudyRuns) -> str:
    """Write the command that tunes the thresholds of finished runs; empty for runs that are not on disk."""
    folder = _folder(study)
    return "" if folder is None else shlex.join(["python", "-m", "experiments.thresholding", f"study.source={folder}"])


def predict_command(run: Run, threshold: str) -> str:
    """Write the command that sends images through a trained run; empty for a run whose weights are not on disk.

    Args:
        run: The run.
        threshold: Of `python -m experiments.predict`: tuned, or natural.
    """
    if CHECKPOINT_FILE not in (run.info.get("artifacts") or {}):
        return ""
    words = ["python", "-m", "experiments.predict", f"run={run.folder}", "images=IMAGES", "out_dir=outputs/predicted"]
    return shlex.join([*words, *([] if threshold == "tuned" else [f"threshold={threshold}"])])


def train_command(run: Run, study_dir: str, *changes: str) -> str:
    """Write the command that trains a run's arm in another folder; empty if the run did not record its own.

    Args:
        run: A run of the arm.
        study_dir: The other folder.
        changes: Overrides to add, `key=value`.
    """
    words = _recorded(run)
    if not words:
        return ""
    changed = [change.split("=", 1)[0] for change in changes]
    return shlex.join(
        [*_without(words, (*_SET_HERE, *changed)), *changes, f"seed={run.seed}", f"study_dir={study_dir}"]
    )


def seeds_command(study: StudyRuns, seeds: Sequence[int], arms: Iterable[str] = (), *, study_dir: str = "") -> str:
    """Write the study's command with a list of seeds; empty if its runs did not record one with `study=`.

    Args:
        study: The study.
        seeds: All seeds to train; runs that are complete are kept.
        arms: Those to train, besides the baseline, where one key makes them; none means all.
        study_dir: Another folder than the study's own.
    """
    words = _recorded(study.reference)
    folder = study_dir or _folder(study)
    if folder is None or study.condition or not any(word.startswith("study=") for word in words):
        return ""
    nuisance = study.reference.info.get("nuisance") or []
    kept = _without(words, (*_SET_HERE, *study.axes, *nuisance))
    return shlex.join([*kept, *_swept(study, list(arms) or list(study.complete)), _seeds(seeds), f"study_dir={folder}"])


def _swept(study: StudyRuns, arms: Sequence[str]) -> list[str]:
    """Name the arms as one override; none where several keys make an arm, and the study's own sweep stands."""
    parts = [name_parts(arm) for arm in dict.fromkeys([study.baseline, *arms])]
    values = [part[0].partition("=")[2] for part in parts]
    simple = all(len(part) == 1 and re.fullmatch(r"[\w.-]+", value) for part, value in zip(parts, values, strict=True))
    axes = [axis for axis in study.axes if axis not in (study.reference.info.get("nuisance") or [])]
    return [f"{axes[0]}={','.join(values)}"] if len(axes) == 1 and simple else []


def _seeds(seeds: Sequence[int]) -> str:
    whole = list(seeds) == list(range(seeds[0], seeds[-1] + 1))
    if whole and len(seeds) > _MOST_LISTED:
        return f"seed=range({seeds[0]},{seeds[-1] + 1})"
    return f"seed={','.join(map(str, seeds))}"


def _recorded(run: Run) -> list[str]:
    """Split the command that a run recorded; empty if it is not one that trains."""
    try:
        words = shlex.split(str(run.info.get("command") or ""))
    except ValueError:
        return []
    return words if words[: len(_TRAIN)] == _TRAIN else []


def _without(words: Sequence[str], keys: Sequence[str]) -> list[str]:
    return [word for word in words if "=" not in word or word.lstrip("+~").split("=", 1)[0] not in keys]


def _folder(study: StudyRuns) -> Path | None:
    """Return the one folder that holds the study's runs; None where they lie in parts, or are in memory."""
    runs = [run for seeds in study.complete.values() for run in seeds.values()]
    folders = {run.folder.parent.parent if len(run.folder.parts) > 1 else None for run in runs}
    return folders.pop() if len(folders) == 1 else None
