"""Checks of a study before training: the baseline, which is added if missing, and a folder that holds other runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from experiments.config import FOLD, FOLDS, ConfigError
from experiments.inference.looks import Looks
from experiments.process.error_text import listed
from experiments.runs.arms import without_keys
from experiments.runs.fingerprint import differing_keys, result_config

_NOT_AXES = ("seed",)


def sweep_axes(params: dict[str, Any], overrides: list[str]) -> list[str]:
    """List the keys that make an arm: those of the study's sweep and those swept on the command line.

    Args:
        params: `hydra.sweeper.params`.
        overrides: The overrides of the command line.
    """
    swept = [o.key_or_group for o in OverridesParser.create().parse_overrides(overrides) if o.is_sweep_override()]
    axes = dict.fromkeys([*(key.lstrip("+") for key in params), *swept])
    return [key for key in axes if key not in _NOT_AXES]


def with_baseline(params: dict[str, Any], overrides: list[str], study: DictConfig, loader: Any = None) -> list[str]:
    """Add the baseline to a sweep that was narrowed without it: every arm needs its pair.

    `study=losses loss=dice` becomes `loss=bce,dice`. This happens only if the baseline is one value of one swept key
    and no key below it is set. Otherwise the overrides stay as they are.

    Args:
        params: `hydra.sweeper.params`.
        overrides: The overrides of the command line.
        study: The `study` group.
        loader: Hydra's loader, which resolves `glob(...)` to options.
    """
    key, _, value = study.baseline.partition("=")
    below = any(override.lstrip("+~").startswith(f"{key}.") for override in overrides)
    no_arms = (key, FOLD, *study.nuisance, *study.conditions)
    other_axes = [k for k in sweep_axes(params, overrides) if k not in no_arms]
    changed = []
    for override in overrides:
        if override.partition("=")[0] == key and key in params and not below and not other_axes:
            values = _values(override, loader)
            if values and value not in values:
                print(f"{study.baseline} added: the baseline that every arm is paired with", flush=True)
                override = f"{key}={','.join([value, *values])}"
        changed.append(override)
    return changed


def with_folds(params: dict[str, Any], overrides: list[str], data: Any) -> list[str]:
    """Add all folds to a sweep whose data are cut into folds (`data.folds=5`), unless it names the folds to train.

    Args:
        params: `hydra.sweeper.params`.
        overrides: The overrides of the command line.
        data: The `data` group as composed.
    """
    from experiments.data.image_folder.folds.cut import fold_errors

    folds = OmegaConf.select(data, FOLDS.partition(".")[2], throw_on_missing=False)
    named = FOLD in params or any(override.lstrip("+~").partition("=")[0] == FOLD for override in overrides)
    if named or not isinstance(folds, int) or fold_errors(folds, None):
        return overrides
    return [*overrides, f"{FOLD}={','.join(map(str, range(folds)))}"]


def _values(override: str, loader: Any) -> list[str]:
    """List the values of an override, single or swept, as written on a command line."""
    parsed = OverridesParser.create(config_loader=loader).parse_overrides([override])[0]
    if not parsed.is_sweep_override():
        return [parsed.get_value_element_as_str()]
    return list(parsed.sweep_string_iterator()) if parsed.is_discrete_sweep() else []


def refuse_missing_baseline(arms: list[str], study_dir: Path, study: DictConfig) -> None:
    """Refuse a study whose baseline is neither among its arms nor among the arms in its folder.

    Raises:
        ConfigError: The message names the arms.
    """
    from experiments.runs.store import find_run_folders
    from experiments.runs.study import find_arm, short_names

    known = [*arms, *(folder.parent.name for folder in find_run_folders(study_dir))]
    names = list(dict.fromkeys(without_keys(arm, [FOLD, *study.nuisance, *study.conditions]) for arm in known))
    if find_arm(names, study.baseline) is None:
        raise ConfigError(
            f"study.baseline: expected one of the arms {listed(names)}; got {study.baseline}. Add its runs to the "
            f"sweep, or name another: study.baseline={short_names(names)[names[0]]}"
        )


def refuse_other_stages(study: DictConfig, study_dir: Path) -> None:
    """Refuse to add runs to a study that declared other stages, or none: looks count only if declared before it starts.

    Raises:
        ConfigError: The message names both declarations.
    """
    from experiments.runs import store
    from experiments.runs.study import declared_looks

    now = None if study.stages is None else [list(each) for each in Looks.of(study.stages, study.seeds).seeds]
    there = [store.read_info(folder) or {} for folder in store.find_run_folders(study_dir)]
    there = [info for info in there if store.PREDICTIONS not in info]
    declared_looks([{"looks": now}, *(info for info in there if "fingerprint" in info)], str(study_dir))


def refuse_other_configuration(plain: dict[str, Any], study_dir: Path, axes: list[str]) -> None:
    """Refuse to add runs of another configuration to a folder: apart from arms and seeds, a study has only one.

    Raises:
        ConfigError: The message names the keys with both values.
    """
    from experiments.runs import store

    for folder in store.find_run_folders(study_dir):
        there = store.read_info(folder) or {}
        if store.PREDICTIONS in there:  # made elsewhere, by a configuration of another kind
            continue
        without = ("seed", *dict.fromkeys([*axes, *there.get("axes", [])]))
        try:
            config = store.read_config(folder)
        except ValueError:  # damaged; comparing or repeating the run reports that
            continue
        old, new = (result_config(config, without) for config in (config, plain))
        changed = differing_keys(old, new)
        if old and changed:
            keys = "; ".join(f"{key}: {before!r} there, {now!r} now" for key, (before, now) in changed.items())
            raise ConfigError(
                f"{study_dir} already holds a run that differs from this study ({folder.parent.name}/{folder.name}: "
                f"{keys}). Give study_dir=ANOTHER_FOLDER, or overwrite=true to replace what is run again."
            )
