"""Reports every error of composing a configuration, one sentence each; Hydra itself stops at the first."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence

import yaml
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from experiments.checks.overrides import is_below, key_of, options_of

COMPOSING_ERRORS = (HydraException, OmegaConfBaseException, yaml.YAMLError, ValueError)
_NO_KEY = "no such key"
_TYPES = {
    "Integer": "a whole number",
    "Float": "a number",
    "Boolean": "true or false",
    "String": "a text",
}


def compose_all(
    compose: Callable[[list[str]], DictConfig], overrides: Sequence[str]
) -> tuple[DictConfig | None, list[str], list[str]]:
    """Compose a configuration, leaving out, one by one, overrides that cannot be composed.

    Args:
        compose: Makes a configuration from overrides.
        overrides: All overrides.

    Returns:
        The configuration without the overrides left out, None if nothing can be composed; the overrides in it; a
        sentence for each one left out.
    """
    kept = list(overrides)
    problems: list[str] = []
    while True:
        try:
            config = compose(list(kept))
            return config, kept, [_with_hint(problem, config) for problem in problems]
        except COMPOSING_ERRORS as error:
            guilty = _guilty(error, kept)
            problems.append(compose_problem(error, guilty))
            if guilty is None:
                return None, kept, problems
            # Without its option, the keys below a group belong to another option.
            below = [text for text in kept if is_below(key_of(text), [key_of(guilty)]) and "." in key_of(text)]
            kept = [text for text in kept if text != guilty and not (options_of(key_of(guilty)) and text in below)]


def compose_problem(error: BaseException, override: str | None = None) -> str:
    """Say in one sentence why a configuration cannot be composed.

    Args:
        error: The error of Hydra, OmegaConf or the YAML reader.
        override: The override that it is about, if known.
    """
    text, cause = str(error).strip(), str(error.__cause__ or "").strip()
    lines = text.splitlines() or [type(error).__name__]
    reason = cause.splitlines()[0] if cause else lines[-1]
    missing = re.search(r"Could not (?:find|load) '([^']+)/([^'/]+)'", text)
    if missing:
        return _no_option(*missing.groups())
    key = override and key_of(override)
    wrong_type = re.match(r"Value '(.*)' of type '\w+' could not be converted to (\w+)", reason)
    if wrong_type and (key or "full_key" in text):
        inner = (re.search(r"full_key: (\S+)", f"{text}\n{cause}") or ["", key or ""])[1]
        # For an entry of a list only its own name is known: report.published: recall.
        where = inner if not key or is_below(inner, [key]) else f"{key}: {inner}"
        return f"{where}: expected {_TYPES.get(wrong_type[2], wrong_type[2])}, got {wrong_type[1]}"
    if key and lines[0].startswith("Could not append"):
        return f"{key}: there is such a key already; change it without the +: {(override or '').lstrip('+')}"
    if key and lines[0].startswith("Could not override"):
        return _no_key(key, override or "", reason)
    if "--multirun" in text:
        swept = (re.search(r"'([^']+)'", text) or ["", "a sweep"])[1]
        return f"{swept}: a sweep needs a study: study=losses and the like, or --multirun with a study_dir"
    if isinstance(error, yaml.YAMLError):
        return f"cannot read a YAML file: {' '.join(text.split())}"
    if key:
        return f"{key}: {reason} (got {override})"
    return text if not cause or cause.splitlines()[0] in text else f"{text}\n{cause.splitlines()[0]}"


def similar(word: str, known: Sequence[str]) -> str:
    """Suggest the most similar known word, as ` Did you mean X?`; empty if none is similar."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.7)
    return f" Did you mean {found[0]}?" if found else ""


def known_keys(cfg: DictConfig, parent: str) -> list[str]:
    """List the keys at a place of a configuration; empty if there is no such place."""
    node = OmegaConf.select(cfg, parent, throw_on_missing=False) if parent else cfg
    return [str(key) for key in node] if isinstance(node, DictConfig) else []


def _guilty(error: BaseException, overrides: Sequence[str]) -> str | None:
    """Find the override that an error is about."""
    text = str(error)
    exact = re.search(r"Error merging override (.+)", text)
    named = re.search(
        r"Could not override '([^']+)'|An item is already at '([^']+)'|"
        r"Could not (?:find|load) '([^']+)/|(?:Sweep parameters?|argument) '([^']+)'",
        text,
    )
    for override in overrides:
        key = override.lstrip("+~").split("=", 1)[0]
        if exact and override == exact[1].strip():
            return override
        if named and key in {named[1], named[2], named[3]}:
            return override
        if named and named[4] and override in named[4]:
            return override
    # A package: `sampling@sampling.first=...`.
    return next((o for o in overrides if named and named[3] and key_of(o) == named[3]), None)


def _with_hint(problem: str, config: DictConfig) -> str:
    """Add the key that was probably meant, or else all existing keys."""
    key, _, words = problem.partition(": ")
    if words != _NO_KEY:
        return problem
    parent, _, name = key.rpartition(".")
    known = known_keys(config, parent)
    hint = similar(name, known) or (f" There are {', '.join(known)}." if parent and known else "")
    return f"{problem}.{hint}"


def _no_option(group: str, option: str) -> str:
    options = options_of(group)
    if not options:
        return f"{group}={option}: no such option; expected a file {group}/{option}.yaml in the folder of --config-dir"
    return f"{group}={option}: expected one of {', '.join(options)}.{similar(option, options)}"


def _no_key(key: str, override: str, reason: str) -> str:
    if key.startswith("hydra.launcher."):
        return f"{key}: the launcher has no such setting; runs side by side need hydra/launcher=joblib as well"
    inner = re.search(r"Key '([^']+)'", reason)
    name = inner[1] if inner else key
    if not key.endswith(name) and not key.startswith(name):
        return f"{key}: no key {name} there ({override})"
    return f"{key}: {_NO_KEY}"
