"""Checks of a study's sweep: number of runs, repeated values, keys that are not axes, arms that are the same."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, RangeSweep
from omegaconf import DictConfig

from experiments.config import FOLD

MOST_RUNS = 10_000
_FEWEST_SEEDS = 3  # of a look: fewer have no interval
_MOST_JOBS = 1_024


def parse_sweep(params: Mapping[str, Any], overrides: Sequence[str], loader: Any = None) -> list[Override]:
    """Read the overrides of a sweep: `hydra.sweeper.params`, then those of the command line."""
    return OverridesParser.create(config_loader=loader).parse_overrides(
        [*(f"{key}={value}" for key, value in params.items()), *overrides]
    )


def sweep_problems(parsed: Sequence[Override]) -> list[str]:
    """List the problems of a sweep's values: none, repeated ones, too many runs, not a grid.

    Args:
        parsed: All overrides of the study; a later override of a key replaces an earlier one.
    """
    problems = []
    counts: dict[str, int] = {}
    for override in {override.get_key_element(): override for override in parsed}.values():
        key = override.get_key_element()
        if not override.is_sweep_override():
            continue
        if not override.is_discrete_sweep():
            problems.append(f"{key}: expected values to sweep over, such as {key}=A,B; got {override.input_line}")
            continue
        counts[key] = _count(override)
        if counts[key] > MOST_RUNS:
            continue
        values = list(override.sweep_string_iterator())
        if not values:
            problems.append(f"{key}: expected at least one value, got none from {override.input_line}")
        twice = list(dict.fromkeys(value for value in values if values.count(value) > 1)) if len(values) < 1000 else []
        if twice:
            problems.append(f"{key}: expected every value once, got {', '.join(twice)} more than once")
    runs = math.prod(counts.values())
    if runs > MOST_RUNS:
        sizes = ", ".join(f"{key} {count}" for key, count in counts.items())
        problems.append(f"the sweep: expected at most {MOST_RUNS:,} runs, got {runs:,} ({sizes}); make several studies")
    return problems


def _count(override: Override) -> int:
    """Count the values of a sweep without listing them, because a range can have any number."""
    value = override.value()
    if isinstance(value, RangeSweep):
        start, stop, step = (float(number or 0) for number in (value.start, value.stop, value.step))
        return max(0, math.ceil((stop - start) / step)) if step else 0
    return sum(1 for _ in override.sweep_iterator())


def study_key_problems(study: DictConfig, axes: Sequence[str]) -> list[str]:
    """List the problems of the keys that a study names.

    Args:
        study: The `study` group.
        axes: The swept keys.
    """
    problems = []
    swept = f"one of the keys that the study sweeps ({', '.join(axes)})"
    for name in ("nuisance", "conditions"):
        keys = list(study.get(name) or [])
        for key in dict.fromkeys(keys):
            if key not in axes:
                problems.append(f"study.{name}: expected {swept}, got {key}")
            if keys.count(key) > 1:
                problems.append(f"study.{name}: expected every key once, got {key} {keys.count(key)} times")
        if FOLD in keys:
            problems.append(f"study.{name}: expected other keys than {FOLD}, whose values are pooled into one run")
    both = [key for key in study.get("nuisance") or [] if key in (study.get("conditions") or [])]
    if both:
        problems.append(
            f"study.nuisance, study.conditions: {', '.join(both)}: expected a key in one of them only. The values of a "
            "nuisance key are chosen from, those of a condition are compared each by itself"
        )
    if not str(study.baseline or "").strip():
        problems.append("study.baseline: expected the name of an arm, got none")
    return problems


def swept_seeds(parsed: Sequence[Override], alone: Any) -> list[int]:
    """List the seeds of a sweep in its order, without those that are not whole numbers; `alone` if none is swept."""
    last = {override.get_key_element(): override for override in parsed}.get("seed")
    if last is None:
        values = [alone]
    else:
        values = list(last.sweep_string_iterator()) if last.is_sweep_override() else [last.value()]
    return [int(value) for value in values if re.fullmatch(r"[0-9]+", str(value))]


def stage_problems(study: DictConfig, swept: Sequence[int]) -> list[str]:
    """List the problems of `study.stages`: numbers that do not grow, that the sweep has no seeds for, and the like.

    Args:
        study: The `study` group; its `seeds` are set where some runs of a wider sweep are run again.
        swept: The seeds of this sweep.
    """
    stages = study.get("stages")
    if stages is None:
        return ["study.seeds: no effect without study.stages"] if study.get("seeds") is not None else []
    stages, seeds = list(stages), list(swept if study.get("seeds") is None else study.seeds)
    problems = []
    if len(set(seeds)) < len(seeds) or not set(swept) <= set(seeds):
        problems.append(f"study.seeds: expected each seed once, those of this sweep ({swept}) among them, got {seeds}")
    if len(stages) < 2 or any(later <= earlier for earlier, later in itertools.pairwise(stages)):
        problems.append(f"study.stages: expected two or more numbers of seeds, each above the one before, got {stages}")
    elif stages[0] < _FEWEST_SEEDS:
        problems.append(f"study.stages: expected at least {_FEWEST_SEEDS} seeds at the first look, got {stages[0]}")
    elif stages[-1] != len(seeds):
        problems.append(
            f"study.stages: expected a last stage of as many seeds as the sweep names, {len(seeds)} "
            f"(seed={','.join(map(str, seeds))}), got {stages[-1]} in {stages}"
        )
    both = [name for name in ("nuisance", "conditions") if study.get(name)]
    if both:
        problems.append(f"study.stages: expected a study without {' and '.join(f'study.{name}' for name in both)}")
    return problems


def equal_arms(configs: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    """Find arms that are the same run under two names, and runs that would share a folder.

    Args:
        configs: For each run's folder, the fingerprint of its configuration with its seed, and its arm.
    """
    first: dict[str, str] = {}
    pairs: dict[tuple[str, str], None] = {}
    for content, arm in configs.values():
        other = first.setdefault(content, arm)
        if other != arm:
            pairs[other, arm] = None
    for one, other in pairs:
        yield (
            f"{one} and {other} are the same configuration: expected arms that differ. A key below a swept group "
            "reaches every option of it, the baseline too; to set it for one arm, write an option of its own "
            "(mine/loss/my_loss.yaml, then --config-dir mine loss=bce,my_loss)"
        )


def launcher_problems(hydra: DictConfig) -> list[str]:
    """List the problems of how runs are launched: not a grid, or an impossible number of jobs.

    Args:
        hydra: Hydra's own part of the configuration.
    """
    problems = []
    if not str(hydra.sweeper.get("_target_", "")).endswith("BasicSweeper"):
        problems.append(f"hydra/sweeper: expected basic (every arm with every seed), got {hydra.sweeper._target_}")
    batch = hydra.sweeper.get("max_batch_size")
    if batch is not None and (not isinstance(batch, int) or isinstance(batch, bool) or batch < 1):
        problems.append(f"hydra.sweeper.max_batch_size: expected a positive number or null, got {batch}")
    if "n_jobs" in hydra.launcher:
        jobs = hydra.launcher.n_jobs
        whole = isinstance(jobs, int) and not isinstance(jobs, bool)
        if jobs != "auto" and (not whole or not (jobs == -1 or 1 <= jobs <= _MOST_JOBS)):
            problems.append(
                f"hydra.launcher.n_jobs: expected auto, 1 to {_MOST_JOBS}, or -1 for every core, got {jobs}"
            )
        for name, allowed in (("backend", (None, "loky")), ("prefer", ("processes",)), ("require", (None,))):
            if hydra.launcher.get(name) not in allowed:  # threads of one process would share random generators
                words = " or ".join("null" if word is None else word for word in allowed)
                problems.append(f"hydra.launcher.{name}: expected {words}, got {hydra.launcher.get(name)}")
    return problems
