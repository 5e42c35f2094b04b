"""Reads a study and selects the runs that can be compared: complete ones on the same test images and labels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from experiments.config import ConfigError, require_study_folder
from experiments.inference.looks import Looks
from experiments.process.error_text import listed
from experiments.runs import store
from experiments.runs.arms import name_parts, only_keys, without_keys
from experiments.runs.fingerprint import differing_keys, result_config
from experiments.runs.foreign_files import check_folder_name, check_name
from experiments.runs.pooling.folds import pool_folds
from experiments.runs.pooling.parts import Place, folders_of, joined_runs, place_text
from experiments.runs.tuning import COLUMNS, choose

_START = "initial weights"
TRAINING = "training"
"""The key, among differences, of an arm or a baseline whose predictions were made elsewhere."""
_UNKNOWN = "not known"


@dataclass(frozen=True)
class StudyRuns:
    """The runs of a study that were found comparable.

    Args:
        baseline: Name of the baseline arm.
        axes: The keys that make an arm.
        complete: Runs with scores by arm and seed, including runs that collapsed to a constant output; the baseline
            first, the others by name.
        holes: A row per run that is missing or has no scores: arm, seed, status, reason, and the command that runs a
            failed one again.
        differences: A row per arm and configuration key, outside the axes, in which the arm differs from the baseline:
            arm, key, baseline value, arm value. A fair comparison has none.
        tuning: A row per arm and setting of the nuisance keys, with its validation AP; see `tuning.choose`.
        condition: The values of the condition keys in all of these runs, such as `trainer.max_steps=480`; empty in a
            study without conditions.
        looks: The looks that the study declared before it started; None in a study without stages.
        hard: Runs by arm and seed whose predictions are 0 and 1 alone: they have an operating point and no frontier,
            and are not among `complete`.
        folds: The number of folds that each run is pooled from; None where the images of a run were split once.
    """

    baseline: str
    axes: tuple[str, ...]
    complete: Mapping[str, Mapping[int, store.Run]]
    holes: pd.DataFrame
    differences: pd.DataFrame
    tuning: pd.DataFrame
    condition: str = ""
    looks: Looks | None = None
    hard: Mapping[str, Mapping[int, store.Run]] = field(default_factory=dict)
    folds: int | None = None

    @property
    def reference(self) -> store.Run:
        """The baseline's first run, for everything that all runs share."""
        return next(iter(self.complete[self.baseline].values()))


def load_study(study_dir: Place, baseline: str | None = None) -> StudyRuns:
    """Read every run below a study's folder and check that they can be compared.

    Args:
        study_dir: Holds `<arm>/seed=<k>/`; or several such folders, parts of one study.
        baseline: Name of the baseline arm, with or without the part that all arms share (`loss=`); None takes the one
            that the runs declare.

    Raises:
        ConfigError: There are no runs, there is no complete baseline, runs have other test images or labels, or the
            study repeats its comparison under several conditions.
    """
    studies = load_conditions(study_dir, baseline)
    if len(studies) > 1:
        found = "; ".join(study.condition for study in studies)
        raise ConfigError(f"study_dir: expected runs under one condition, got {place_text(study_dir)} with {found}")
    return studies[0]


def load_conditions(study_dir: Place, baseline: str | None = None) -> list[StudyRuns]:
    """Read a study that repeats its comparison under conditions; arm names leave the conditions out.

    Args:
        study_dir: As in `load_study`.
        baseline: As in `load_study`.

    Returns:
        A `StudyRuns` per condition, in ascending order of the values; a single one if there are no conditions.

    Raises:
        ConfigError: As in `load_study`; the message names the condition.
    """
    folders = folders_of(study_dir)
    for folder in folders:
        require_study_folder(folder)
    parts = {folder: [store.load_run(run) for run in store.find_run_folders(folder)] for folder in folders}
    empty = [folder for folder, found in parts.items() if not found]
    if empty:
        wanted = " and at ".join(f"{folder}/<arm>/seed=<k>/" for folder in empty)
        raise ConfigError(f"study_dir: expected runs at {wanted}, found none")
    where = place_text(study_dir)
    for folder, found in parts.items():
        _check_names(found, folder)
    runs = joined_runs(parts)
    runs, folds = pool_folds(runs)
    keys = _listed(runs, "conditions")
    if not keys:
        return [replace(_comparable(runs, where, baseline), folds=folds)]
    by_condition: dict[str, list[store.Run]] = {}
    for run in runs:
        arm = without_keys(run.arm, keys)
        by_condition.setdefault(only_keys(run.arm, keys), []).append(replace(run, arm=arm))
    studies = []
    for condition in sorted(by_condition, key=_sort_key):
        try:
            study = _comparable(by_condition[condition], where, baseline)
        except ConfigError as error:
            raise ConfigError(f"{condition}: {error}") from error
        studies.append(
            replace(study, condition=condition, folds=folds, axes=tuple(a for a in study.axes if a not in keys))
        )
    return studies


def _check_names(runs: Sequence[store.Run], study_dir: Path) -> None:
    """Refuse names of arms, or parts of them used as folders, that would lead elsewhere or break a line."""
    keys = _listed(runs, "conditions")
    for arm in dict.fromkeys(run.arm for run in runs):
        try:
            check_name(arm)
            check_folder_name(only_keys(arm, keys))
        except ValueError as error:
            raise ConfigError(f"study_dir: expected names of arms in {study_dir}, got {error}") from error


def condition_values(condition: str) -> dict[str, str]:
    """Split a condition into keys and values, as text."""
    return dict(part.split("=", 1) for part in condition.split(",") if "=" in part)


def _sort_key(condition: str) -> list[tuple[float, str]]:
    """Sort numbers by size and words alphabetically."""
    return [(_number(value), value) for value in condition_values(condition).values()]


def _by_number(arm: str) -> list[tuple[float, str]]:
    """Sort `pos_weight=2` before `pos_weight=12`."""
    return [(_number(part), part) for part in re.split(r"([0-9.]+)", arm)]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("inf")


def _listed(runs: Sequence[store.Run], name: str) -> tuple[str, ...]:
    """Collect the keys that the runs list under a name in their `run.json`."""
    return tuple(dict.fromkeys(key for run in runs for key in run.info.get(name, [])))


def _comparable(runs: Sequence[store.Run], where: str, baseline: str | None) -> StudyRuns:
    runs, hard = _hard_apart(runs)
    arms = sorted({run.arm for run in runs}, key=_by_number)
    if not arms or (baseline in hard and baseline not in arms):
        raise ConfigError(
            f"baseline: expected an arm with scores, got {baseline or ', '.join(hard)}, whose predictions are 0 and 1 "
            "alone: they have an operating point, in metrics.csv of each run, and no frontier"
        )
    found: dict[str, dict[int, store.Run]] = {
        arm: {run.seed: run for run in runs if run.arm == arm and run.scores} for arm in arms
    }
    nuisance = _listed(runs, "nuisance")
    tuned, tuning = choose(found, nuisance) if nuisance else (found, pd.DataFrame(columns=COLUMNS))
    name = _find_baseline(list(tuned), baseline or _declared(runs), where)
    complete = {arm: tuned[arm] for arm in [name, *(arm for arm in tuned if arm != name)]}
    if not complete[name]:
        mine = [run for run in runs if without_keys(run.arm, nuisance) == name]
        reasons = "; ".join(f"{run.folder.name}: {_reason(run)}" for run in mine)
        raise ConfigError(f"baseline {name}: expected at least one complete run, got none ({reasons})")
    _refuse_other_tests({**complete, **{arm: seeds for arm, seeds in hard.items() if arm not in complete}}, name)
    axes = _listed(runs, "axes")
    differences = _differences(complete, name, (*axes, *nuisance))
    looks = declared_looks([run.info for run in runs if "fingerprint" in run.info], where)
    holes = _holes(runs, arms)
    if looks is not None:
        holes = _due_holes(holes, runs, looks)
        lost = holes[holes["status"] == "diverged"]
        looks = replace(looks, ended_without_scores={arm: frozenset(lost["seed"][lost["arm"] == arm]) for arm in arms})
    return StudyRuns(name, axes, complete, holes, differences, tuning, looks=looks, hard=hard)


def _hard_apart(runs: Sequence[store.Run]) -> tuple[list[store.Run], dict[str, dict[int, store.Run]]]:
    """Separate runs of hard masks from all others."""
    hard: dict[str, dict[int, store.Run]] = {}
    others = []
    for run in runs:
        if run.scores and run.info.get(store.HARD_MASKS):
            hard.setdefault(run.arm, {})[run.seed] = run
        else:
            others.append(run)
    return others, hard


def short_names(arms: Sequence[str]) -> dict[str, str]:
    """Drop the key that all arms share: `loss=dice` becomes `dice` if every arm is `loss=...`.

    If a value is a number, the last part of the key stays: `loss.pos_weight=12` becomes `pos_weight=12`.
    """
    first = {arm.split("=", 1)[0] for arm in arms}
    if len(first) != 1 or any("=" not in arm for arm in arms):
        return {arm: arm for arm in arms}
    key = first.pop()
    values = {arm: arm.removeprefix(f"{key}=") for arm in arms}
    if any(_number(value) < float("inf") for value in values.values()):
        return {arm: f"{key.split('.')[-1]}={value}" for arm, value in values.items()}
    return values


def _declared(runs: Sequence[store.Run]) -> str:
    declared = dict.fromkeys(str(run.info["baseline"]) for run in runs if run.info.get("baseline"))
    if len(declared) != 1:
        raise ConfigError(f"baseline: expected one that all runs declare, got {list(declared)}; give baseline=ARM")
    return next(iter(declared))


def find_arm(arms: Sequence[str], wanted: str) -> str | None:
    """Find an arm by its name, with or without what all arms share; None if there is no such arm.

    Arms may share a key, such as `loss=`, or whole parts: with `data.val_logs=2`, every arm has that in its name.
    """
    short = short_names(arms)
    matches = [arm for arm in arms if wanted in (arm, short[arm])]
    if not matches:
        parts = {arm: set(name_parts(arm)) for arm in arms}
        shared = set.intersection(*parts.values()) if parts else set()
        asked = set(name_parts(wanted))
        matches = [arm for arm in arms if asked <= parts[arm] <= asked | shared]
    if not matches:  # beside arms without a key, as of predictions made elsewhere, no key is shared
        matches = [arm for arm in arms if arm.partition("=")[2] == wanted]
    return matches[0] if len(matches) == 1 else None


def _find_baseline(arms: Sequence[str], wanted: str, where: str) -> str:
    arm = find_arm(arms, wanted)
    if arm is None:
        raise ConfigError(f"baseline: expected one of the arms in {where}: {listed(arms)}; got {wanted}")
    return arm


def _reason(run: store.Run) -> str:
    return f"{run.status}{': ' if run.info.get('reason') else ''}{run.info.get('reason', '')}"


def _refuse_other_tests(complete: Mapping[str, Mapping[int, store.Run]], baseline: str) -> None:
    reference = next(iter(complete[baseline].values()))
    expected = reference.info["data_fingerprint"]["test"]
    others = [
        f"{run.folder} ({run.info['data_fingerprint']['test'][:12]})"
        for seeds in complete.values()
        for run in seeds.values()
        if run.info["data_fingerprint"]["test"] != expected
    ]
    if others:
        raise ConfigError(
            f"runs on other test images or labels than {reference.folder} ({expected[:12]}) cannot be compared with "
            f"it: {', '.join(others)}. Keep them in a study of their own (study_dir=...)."
        )


def _holes(runs: Sequence[store.Run], arms: Sequence[str]) -> pd.DataFrame:
    seeds = sorted({run.seed for run in runs})
    found = {(run.arm, run.seed): run for run in runs}
    rows = []
    for arm in arms:
        for seed in seeds:
            run = found.get((arm, seed))
            if run is None:
                rows.append({"arm": arm, "seed": seed, "status": "missing", "reason": "no run folder", "command": ""})
            elif not run.scores:
                said = {key: " ".join(str(run.info.get(key) or "").split()) for key in ("reason", "command")}
                if run.status in ("diverged", "running"):  # one would diverge again, another process trains the other
                    said["command"] = ""
                rows.append({"arm": arm, "seed": seed, "status": run.status, **said})
    return pd.DataFrame(rows, columns=["arm", "seed", "status", "reason", "command"])


def declared_looks(infos: Iterable[Mapping[str, Any]], where: str) -> Looks | None:
    """Read the looks that runs declare in their `run.json`; None if they declare none.

    Args:
        infos: the content of each `run.json`.
        where: the study's folder, for the message.

    Raises:
        ConfigError: runs declare different looks.
    """
    found = dict.fromkeys(_looks(info.get("looks")) for info in infos)
    if len(found) > 1:
        texts = " and ".join("no stages" if seeds is None else _stages_text(seeds) for seeds in found)
        raise ConfigError(
            f"study.stages: expected one declaration in all runs of {where}, got {texts}. Looks count only if declared "
            "before the first run; keep runs that declare others in a study_dir of their own"
        )
    seeds = next(iter(found), None)
    return None if seeds is None else Looks(seeds)


def _looks(looks: Any) -> tuple[tuple[int, ...], ...] | None:
    return tuple(tuple(seeds) for seeds in looks) if looks else None


def _stages_text(seeds: tuple[tuple[int, ...], ...]) -> str:
    return f"stages of {', '.join(str(len(each)) for each in seeds)} of the seeds {', '.join(map(str, seeds[-1]))}"


def _due_holes(holes: pd.DataFrame, runs: Sequence[store.Run], looks: Looks) -> pd.DataFrame:
    """Leave out the seeds of stages that an arm has no run of: it was decided before, or its look is not due yet."""
    begun = {(run.arm, run.seed) for run in runs}
    asked = {
        (arm, seed)
        for arm in dict.fromkeys(run.arm for run in runs)
        for look in range(len(looks.seeds))
        for seed in looks.added(look)
        if look == 0 or any((arm, each) in begun for each in looks.added(look))
    }
    kept = [(arm, seed) in asked | begun for arm, seed in zip(holes["arm"], holes["seed"], strict=True)]
    return holes[pd.Series(kept, index=holes.index, dtype=bool)].reset_index(drop=True)


def _differences(complete: Mapping[str, Mapping[int, store.Run]], baseline: str, axes: tuple[str, ...]) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    reference = complete[baseline][min(complete[baseline])]
    elsewhere = is_from_elsewhere(reference)
    for arm, seeds in complete.items():
        for seed in sorted(seeds):
            # Runs of the same seed start alike; everything else is the same in the whole study.
            pair = complete[baseline].get(seed, reference)
            if elsewhere or is_from_elsewhere(seeds[seed]):
                rows += _training_unknown(arm, reference, seeds[seed])
                continue
            first, second = _facts(reference, axes), _facts(seeds[seed], axes)
            if pair.seed == seed:
                first[_START], second[_START] = (run.info.get("initial_weights") for run in (pair, seeds[seed]))
            for key, (old, new) in differing_keys(first, second).items():
                rows.append({"arm": arm, "key": key, "baseline_value": str(old), "arm_value": str(new)})
    columns = ["arm", "key", "baseline_value", "arm_value"]
    return pd.DataFrame(rows, columns=columns).drop_duplicates(ignore_index=True)


def is_from_elsewhere(run: store.Run) -> bool:
    """Return whether a run's predictions were made elsewhere, so that nothing is known of its training."""
    return store.PREDICTIONS in run.info


def _training_unknown(arm: str, reference: store.Run, run: store.Run) -> list[dict[str, Any]]:
    """Return what can be said of a pair of which at least one was trained elsewhere: that its training is not known."""
    told = [_UNKNOWN if is_from_elsewhere(each) else "here" for each in (reference, run)]
    if arm == reference.arm:
        return []
    return [{"arm": arm, "key": TRAINING, "baseline_value": told[0], "arm_value": told[1]}]


def _facts(run: store.Run, axes: tuple[str, ...]) -> dict[str, Any]:
    """Collect what a fair comparison must keep the same: configuration, training data, budget."""
    facts = result_config(run.config, ("seed", *axes))
    data = run.info.get("data_fingerprint", {})
    facts["training images and labels"] = data.get("train")
    facts["validation images and labels"] = data.get("val")
    facts["updates"] = run.info.get("updates")
    return facts
