"""The search of `python -m experiments.tune`: Optuna suggests settings, validation AP judges them, a file keeps them.

Nothing here sees a test score: a judge returns validation AP and nothing else.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.config import ConfigError

_LOG = "trials.log"


@dataclass(frozen=True)
class Range:
    """The values that a key may take: from `low` to `high`, evenly or, with `log`, evenly in the logarithm."""

    low: float
    high: float
    log: bool = False

    @classmethod
    def of(cls, key: str, value: object) -> Range:
        """Read a range as the configuration has it: `[low, high]` or `[low, high, log]`.

        Raises:
            ConfigError: It is none; the message names the key.

        >>> Range.of("optimizer.lr", [1e-3, 1e-1, "log"])
        Range(low=0.001, high=0.1, log=True)
        """
        words = list(value) if isinstance(value, list | tuple) else []
        log = words[2:] == ["log"]
        numbers = words[:2] if log else words
        if len(numbers) != 2 or not all(isinstance(n, int | float) and math.isfinite(n) for n in numbers):
            raise ConfigError(f"tune.space.{key}: expected [low, high] or [low, high, log], got {value!r}")
        low, high = map(float, numbers)
        if not low < high or (log and low <= 0):
            wanted = "0 < low < high" if log else "low < high"
            raise ConfigError(f"tune.space.{key}: expected {wanted}, got {value!r}")
        return cls(low, high, log)


@dataclass(frozen=True)
class Best:
    """The setting that validated best.

    Args:
        setting: A value for each key of the space.
        validation_ap: Its validation AP, the mean over masks and tuning seeds.
        trials: How many settings were tried, those that an earlier command asked for included.
    """

    setting: Mapping[str, float]
    validation_ap: float
    trials: int


def search(
    folder: Path,
    space: Mapping[str, Range],
    trials: int,
    judge: Callable[[int, Mapping[str, float]], float],
    *,
    seed: int = 0,
) -> Best:
    """Try settings until there are `trials` of them, those of an earlier start included.

    A start that was cut off goes on with the setting it had asked for, and later suggestions depend only on the trials
    so far and their number: stopping changes nothing.

    Args:
        folder: Keeps the trials, in `trials.log`.
        space: The range of each key.
        trials: The number of settings.
        judge: Returns the validation AP of a setting, given its number and values; NaN if its runs failed.
        seed: Of the suggestions.

    Raises:
        ConfigError: The folder holds trials of another space, or no setting could be judged.
    """
    import optuna
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    os.makedirs(folder, exist_ok=True)
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(folder / _LOG)))
    wanted: dict[str, Any] = {key: [one.low, one.high, one.log] for key, one in space.items()}
    study = optuna.create_study(storage=storage, study_name="tune", direction="maximize", load_if_exists=True)
    if study.user_attrs.get("space", wanted) != wanted:
        raise ConfigError(f"tune.space: {folder} holds trials of {study.user_attrs['space']}, got {wanted}")
    study.set_user_attr("space", wanted)
    state = optuna.trial.TrialState
    for number in range(trials):
        known = study.get_trials(deepcopy=False)
        if number < len(known) and known[number].state in (state.COMPLETE, state.FAIL):
            continue
        # A sampler of its own for each trial, so that suggestions do not depend on what this process did before.
        study.sampler = optuna.samplers.TPESampler(seed=seed * 100_003 + number)
        trial = optuna.trial.Trial(study, known[number]._trial_id) if number < len(known) else study.ask()
        setting = {key: trial.suggest_float(key, one.low, one.high, log=one.log) for key, one in space.items()}
        value = judge(number, setting)
        if math.isfinite(value):
            study.tell(number, value)
        else:
            study.tell(number, state=state.FAIL)
    done = [trial for trial in study.get_trials(deepcopy=False)[:trials] if trial.state == state.COMPLETE]
    if not done:
        raise ConfigError(f"tune: none of {trials} trials in {folder} has a validation AP")
    best = max(done, key=lambda trial: trial.value if trial.value is not None else -math.inf)
    return Best(dict(best.params), float(best.value or 0.0), max(trials, len(study.get_trials(deepcopy=False))))
