"""Composes the configuration of every run of a sweep, reading files once and sharing what runs have in common.

Hydra composes each run from the files anew, which takes 0.2 s a run: a study of a thousand runs would be refused only
after minutes.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra._internal.config_repository import CachingConfigRepository
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from omegaconf import DictConfig

from experiments.checks.composing import COMPOSING_ERRORS
from experiments.checks.overrides import is_below, key_of

_OTHER_KEY = re.compile(r"\$\{(?!seed\}|hydra\.)\w+(\.\w+)*\}")


@dataclass(frozen=True)
class Job:
    """One run of a command.

    Args:
        folder: Where its files go.
        arm: Its name.
        shared: The configuration without Hydra's part, of this run or of one that differs only in the seed.
        seed: Its seed.
        overrides: Its own overrides.
    """

    folder: Path
    arm: str
    shared: DictConfig
    seed: Any
    overrides: list[str]

    @property
    def cfg(self) -> DictConfig:
        """The configuration of this run, a copy."""
        cfg = copy.deepcopy(self.shared)
        if self.shared.seed != self.seed:
            cfg.seed = self.seed
        return cfg


def split_seed(overrides: Sequence[str]) -> tuple[tuple[str, ...], int | None]:
    """Return all overrides except `seed=...`, and the seed; None if it is not in digits, so that Hydra must read it."""
    others = tuple(text for text in overrides if not text.startswith("seed="))
    words = [text.removeprefix("seed=") for text in overrides if text.startswith("seed=")]
    if len(words) != 1 or any(key_of(text) == "seed" for text in others):
        return others, None
    digits = words[0].removeprefix("-")
    # In YAML 010 is not the number ten.
    return others, int(words[0]) if digits.isascii() and digits.isdecimal() and str(int(digits)) == digits else None


def may_read_seed(value: Any) -> bool:
    """Return whether a configuration, as plain containers, has a value that may depend on the seed or the time."""
    if isinstance(value, dict):
        return any(may_read_seed(entry) for entry in value.values())
    if isinstance(value, list):
        return any(may_read_seed(entry) for entry in value)
    return isinstance(value, str) and "${" in _OTHER_KEY.sub("", value)


def job_composer(master: DictConfig, grid: Sequence[Sequence[str]], loader: Any) -> Callable[[list[str]], DictConfig]:
    """Return a function that composes a run of a sweep as `loader.load_sweep_config` does, but faster.

    Hydra composes the files and then sets plain values one by one. A swept value that no other override reaches can
    therefore be set last, and its runs share everything before that.

    Args:
        master: The configuration of the study, including Hydra's own part.
        grid: The overrides of every run, all with the same keys.
        loader: Hydra's loader; from here on its files are read once.

    Returns:
        A function of the overrides of a run; it raises the loader's errors.
    """
    if not isinstance(loader.repository, _ReadOnce):
        loader.repository = _ReadOnce(loader.repository)
    parser = OverridesParser.create(config_loader=loader)
    parsed: dict[str, Override] = {}
    bases: dict[tuple[str, ...], DictConfig | BaseException] = {}

    def parse(text: str) -> Override:  # cached, because every arm has the same seeds
        if text not in parsed:
            parsed[text] = parser.parse_override(text)
        return parsed[text]

    last = _set_last([parse(text) for text in (grid[0] if grid else ())], grid)

    def compose(overrides: list[str]) -> DictConfig:
        own = [parse(text) for text in overrides]
        shared = tuple(text for text, override in zip(overrides, own, strict=True) if override.key_or_group not in last)
        if shared not in bases:
            try:
                bases[shared] = loader.load_sweep_config(master, list(shared))
            except COMPOSING_ERRORS as error:
                bases[shared] = error
        base = bases[shared]
        if isinstance(base, BaseException):
            raise base
        job = copy.deepcopy(base)
        ConfigLoaderImpl._apply_overrides_to_config([o for o in own if o.key_or_group in last], job)
        job.hydra.overrides.task = overrides
        names = job.hydra.job.config.override_dirname
        job.hydra.job.override_dirname = get_overrides_dirname(
            overrides=own, kv_sep=names.kv_sep, item_sep=names.item_sep, exclude_keys=names.exclude_keys
        )
        return job

    return compose


def _set_last(overrides: Sequence[Override], grid: Sequence[Sequence[str]]) -> frozenset[str]:
    """Find the swept keys whose values can be set last: plain values that no other override reaches.

    Args:
        overrides: The overrides of the first run.
        grid: The overrides of every run.
    """
    # A single word such as `loss` chooses a file, which is read before any value is set.
    values = [o for o in overrides if _is_plain(o.key_or_group) or isinstance(o.value(), dict)]
    found = []
    for place, override in enumerate(overrides):
        key = override.key_or_group
        others = [o.key_or_group for o in values if o is not override]
        alone = not any(is_below(key, [other]) or is_below(other, [key]) for other in others)
        changes = override.type == OverrideType.CHANGE and override.package is None
        if _is_plain(key) and changes and alone and len({job[place] for job in grid}) > 1:
            found.append(key)
    return frozenset(found)


def _is_plain(key: str) -> bool:
    return key == "seed" or ("." in key and "/" not in key)


class _ReadOnce(CachingConfigRepository):
    """Hydra's repository of files, which Hydra copies for every run; here the copies share the files that were read."""

    def __deepcopy__(self, memo: dict[int, Any]) -> _ReadOnce:
        return self

    def load_config(self, config_path: str) -> Any:
        found = self.cache.get(config_path)
        if found is None:
            found = self.cache[config_path] = self.delegate.load_config(config_path)
        return copy.deepcopy(found)  # composing modifies its input
