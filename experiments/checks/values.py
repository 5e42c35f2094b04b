"""Checks of a run's values: types that the schema leaves open, ranges, folders, NaN and infinity."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from importlib.util import find_spec
from typing import Any, TypeGuard

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from experiments.checks.composing import similar
from experiments.checks.folders import folder_problems
from experiments.config import (
    CURVE_AXES,
    PARTS,
    ReportSchema,
    RootSchema,
    StudySchema,
    TrainerSchema,
    missing_keys,
    tolerance_problem,
)
from experiments.process import processes

PRECISIONS = ("32", "bf16", "fp16")
ACCELERATORS = ("auto", "cpu", "cuda", "mps")
DATA_PLACES = ("auto", "true", "false")

_MOST_SEED = 2**63 - 1
# Least and greatest value. The greatest exceed every machine: they are there to catch typing errors.
_WHOLE_NUMBERS = {
    "seed": (0, _MOST_SEED),
    "trainer.max_steps": (1, 10**9),
    "trainer.batch_size": (1, 65_536),
    "trainer.tile": (1, 8_192),
    "trainer.eval_tile": (1, 32_768),
    "trainer.eval_overlap": (0, 32_768),
    "trainer.eval_batch_size": (1, 65_536),
    "trainer.workers": (0, 1_024),
    "trainer.threads": (1, 4_096),
    "trainer.log_every": (1, 10**9),
    "trainer.checkpoint_every": (1, 10**9),
    "trainer.example_pixels": (0, 10**10),
}
# Hyperparameters with the same meaning in every optimizer: low, high, whether each bound belongs to the range.
_OPTIMIZER_NUMBERS = {
    "lr": (0.0, 1_000.0, False, True),
    "weight_decay": (0.0, 1_000.0, True, True),
    "momentum": (0.0, 1.0, True, False),
    "eps": (0.0, 1.0, True, True),
}
_SCHEMAS: dict[str, type] = {"": RootSchema, "trainer": TrainerSchema, "report": ReportSchema, "study": StudySchema}


def value_problems(cfg: DictConfig) -> list[str]:
    """List the problems of the values in a run's configuration.

    Args:
        cfg: The root configuration of one run, without Hydra's own part.

    Returns:
        A sentence for every problem: the key, what was expected and what came.
    """
    values, problems = read_values(cfg, _SCHEMAS)
    missing = missing_keys(cfg)
    problems += [
        f"{part}: expected an option of the group, with a _target_, got {cfg.get(part)!r}"
        for part in PARTS
        if part not in missing and not (OmegaConf.is_dict(cfg.get(part)) and "_target_" in cfg[part])
    ]
    problems += _whole_numbers(values)
    problems += processes.trainer_problems(values.get("trainer.batch_size"), values.get("trainer.compile"))
    problems += _minutes(values)
    problems += _trainer_words(values)
    problems += _optimizer_numbers(values)
    problems += _counted_besides(values)
    return problems + _folders(values)


def seed_problems(seed: int) -> list[str]:
    """List the problems of a seed."""
    return list(_whole_numbers({"seed": seed}))


def read_values(cfg: DictConfig, schemas: Mapping[str, type]) -> tuple[dict[str, Any], list[str]]:
    """Resolve a configuration and make the checks that apply to all: unknown and missing keys, NaN and infinity.

    Args:
        cfg: A root configuration, without Hydra's own part.
        schemas: The dataclass of the root, under "", and of each group that has one.

    Returns:
        The values by dotted key, without keys that have none; a sentence for every problem.
    """
    problems = [*_unknown_keys(cfg, schemas)]
    missing = missing_keys(cfg)
    if missing:
        wanted = ", ".join(f"{key}=..." for key in missing)
        problems.append(f"{', '.join(missing)}: no value given. Add to the command line: {wanted}")
    values, broken = leaves(cfg)
    return values, [*problems, *broken, *_odd_values(values)]


def leaves(cfg: DictConfig) -> tuple[dict[str, Any], list[str]]:
    """Resolve every value of a configuration.

    Returns:
        The values by dotted key, lists as lists, without keys that have none; a sentence for each unresolvable value.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []

    def visit(node: DictConfig, prefix: str) -> None:
        for name in node:
            key = f"{prefix}{name!s}"
            if OmegaConf.is_missing(node, name):
                continue
            try:
                value = node[name]
                if OmegaConf.is_dict(value):
                    visit(value, f"{key}.")
                else:
                    values[key] = OmegaConf.to_container(value, resolve=True) if OmegaConf.is_list(value) else value
            except OmegaConfBaseException as error:
                problems.append(f"{key}: {str(error).splitlines()[0]}")
            except RecursionError:
                problems.append(f"{key}: the value refers to itself")

    visit(cfg, "")
    return values, problems


def parts_named(problems: Sequence[str]) -> set[str]:
    """Collect the groups that problems concern: `loss.gamma, trainer.tile: ...` concerns the loss and the trainer."""
    heads = [problem.split(": ", 1)[0] for problem in problems]
    return {re.split(r"[.=: (]", key.strip().lstrip("+~"), maxsplit=1)[0] for head in heads for key in head.split(",")}


def is_number(value: object) -> TypeGuard[int | float]:
    """Return whether a value is a number; true and false are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _unknown_keys(cfg: DictConfig, schemas: Mapping[str, type]) -> Iterator[str]:
    """Find keys that were added with `+` although nothing reads them: the schema names all keys that are read."""
    for group, schema in schemas.items():
        node = cfg.get(group) if group else cfg
        known = [field.name for field in fields(schema)]
        if OmegaConf.is_dict(node):
            for name in node:
                if name not in known:
                    key = f"{group}.{name!s}" if group else str(name)
                    yield f"{key}: nothing reads this key.{similar(str(name), known)}"


def _odd_values(values: Mapping[str, Any]) -> Iterator[str]:
    for key, value in values.items():
        for leaf in _flat(value):
            if isinstance(leaf, float) and not math.isfinite(leaf) and not key.startswith("report."):
                yield f"{key}: expected a finite number, got {leaf}"
            if isinstance(leaf, str) and _is_not_text(leaf):
                yield f"{key}: expected text in UTF-8, got {leaf!r}"


def _is_not_text(word: str) -> bool:
    try:
        word.encode()
    except UnicodeEncodeError:
        return True
    return False


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        for entry in value.values():
            yield from _flat(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from _flat(entry)
    else:
        yield value


def _whole_numbers(values: Mapping[str, Any]) -> Iterator[str]:
    for key, (least, most) in _WHOLE_NUMBERS.items():
        value = values.get(key)
        if key == "trainer.threads" and value is None:
            continue
        if key in values and value is None:
            yield f"{key}: expected a number, got null"
        elif value is None:
            continue
        elif value < least:
            wanted = "a positive number" if least else "a number of at least 0"
            yield f"{key}: expected {wanted}{' or null' if key == 'trainer.threads' else ''}, got {value}"
        elif value > most:
            yield f"{key}: expected at most {most}, got {value}"
        elif key in ("trainer.tile", "trainer.eval_tile") and value % 32:
            yield f"{key}: expected a multiple of 32, got {value}; {max(32, 32 * round(value / 32))} is near"
    side, overlap = values.get("trainer.eval_tile"), values.get("trainer.eval_overlap")
    if side is not None and overlap is not None and side > 0 and 2 * overlap >= side:
        yield f"trainer.eval_overlap: expected less than half of trainer.eval_tile ({side}), got {overlap}"


def _minutes(values: Mapping[str, Any]) -> Iterator[str]:
    minutes = values.get("trainer.checkpoint_minutes")
    if minutes is not None and not minutes > 0:
        yield f"trainer.checkpoint_minutes: expected a positive number or null, got {minutes}"


def _trainer_words(values: Mapping[str, Any]) -> Iterator[str]:
    for name, words in (("precision", PRECISIONS), ("accelerator", ACCELERATORS), ("data_on_device", DATA_PLACES)):
        value = values.get(f"trainer.{name}")
        shown = str(value).lower() if name == "data_on_device" else str(value)
        if value is not None and shown not in words:
            listed = ", ".join(words[:-1]) + (" or " if name == "data_on_device" else ", ") + words[-1]
            hint = {"16": ": fp16 and bf16 take 16 bits", "gpu": ": a GPU is cuda or mps"}.get(shown, "")
            yield f"trainer.{name}: expected {'' if 'or' in listed else 'one of '}{listed}, got {value}{hint}"


def _counted_besides(values: Mapping[str, Any]) -> Iterator[str]:
    for radius in values.get("trainer.tolerances") or []:
        if problem := tolerance_problem(radius):
            yield f"trainer.tolerances: {problem}"
    curve = values.get("trainer.curve")
    if curve not in (None, *CURVE_AXES):
        yield f"trainer.curve: expected {', '.join(CURVE_AXES)} or null, got {curve!r}"
    if values.get("report.headline") == "curve_accuracy" and curve is None:
        yield "report.headline: curve_accuracy needs the runs' curves: trainer.curve=rows, or columns, got null"
    if values.get("trainer.cldice") and find_spec("skimage") is None:
        yield "trainer.cldice: expected scikit-image to be installed, which finds skeletons: pip install scikit-image"


def _optimizer_numbers(values: Mapping[str, Any]) -> Iterator[str]:
    for name, (low, high, has_low, has_high) in _OPTIMIZER_NUMBERS.items():
        value = values.get(f"optimizer.{name}")
        if not is_number(value) or not math.isfinite(value):
            continue
        if not ((low <= value if has_low else low < value) and (value <= high if has_high else value < high)):
            shown = f"{'[' if has_low else '('}{low:g}, {high:g}{']' if has_high else ')'}"
            yield f"optimizer.{name}: expected a number in {shown}, got {value}"
    betas = values.get("optimizer.betas")
    if isinstance(betas, Sequence) and not (len(betas) >= 2 and all(is_number(b) and 0 <= b < 1 for b in betas)):
        yield f"optimizer.betas: expected numbers in [0, 1), got {betas}"


def _folders(values: Mapping[str, Any]) -> list[str]:
    root = values.get("data.root")
    apart = root if isinstance(root, str) else None
    problems = []
    study_dir, cache_dir = values.get("study_dir"), values.get("data.cache_dir")
    if "study_dir" in values and not isinstance(study_dir, str):
        problems.append(f"study_dir: expected a folder, got {study_dir}")
    elif isinstance(study_dir, str):
        problems += folder_problems("study_dir", study_dir, apart_from=apart, below_only=True)
    if isinstance(cache_dir, str):
        problems += folder_problems("data.cache_dir", cache_dir, apart_from=apart, below_only=True)
    return problems
