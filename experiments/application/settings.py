"""Checks of `python -m experiments.predict` before it reads a run or an image; none of them needs numpy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from experiments.checks.folders import folder_problems
from experiments.checks.values import ACCELERATORS, is_number, read_values
from experiments.config import PredictSchema

NATURAL, TUNED, RECALL = "natural", "tuned", "recall"
KINDS = {"tif": ("logits", "probabilities", "0-255", "0-65535", "none"), "png": ("0-65535", "0-255", "none")}
"""What a score map of each file type may hold; the first is the default."""

MARK = "weights.json"  # written last; a folder that holds it was written by this command
WRITTEN = ("masks", "scores", "images.csv", "weights.pt", MARK)
_MOST_NUMBERS = {"batch_size": 65_536, "threads": 4_096, "max_pixels": 10**12}


@dataclass(frozen=True)
class Rule:
    """How thresholds are chosen.

    Args:
        text: As typed, such as "recall:0.9".
        name: "natural", "tuned" or "recall".
        recall: The floor; 0 for the other two.
    """

    text: str
    name: str
    recall: float = 0.0

    @classmethod
    def of(cls, text: str) -> Rule:
        """Read a rule.

        Raises:
            ValueError: It is none.

        >>> Rule.of("recall:0.9")
        Rule(text='recall:0.9', name='recall', recall=0.9)
        """
        name, colon, number = text.partition(":")
        if text in (NATURAL, TUNED):
            return cls(text, text)
        try:
            recall = float(number) if name == RECALL and colon else 0.0
        except ValueError:
            recall = 0.0
        if not 0 < recall <= 1:
            raise ValueError(f"expected natural, tuned or recall:R with R in (0, 1], such as recall:0.9, got {text}")
        return cls(text, RECALL, recall)


def predict_problems(cfg: DictConfig) -> list[str]:
    """List the problems of the command's configuration that need no file but those of `out_dir`."""
    values, problems = read_values(cfg, {"": PredictSchema})
    run = values.get("run")
    if isinstance(run, str) and not Path(run).is_dir():
        state = "a file" if Path(run).exists() else "which is not there"
        problems.append(f"run: expected the folder of a run, <study_dir>/<arm>/seed=<k>, got {run}, {state}")
    if isinstance(rule := values.get("threshold"), str):
        try:
            Rule.of(rule)
        except ValueError as error:
            problems.append(f"threshold: {error}")
    return [*problems, *_words(values), *_numbers(values), *_out_dir(values)]


def _words(values: Mapping[str, Any]) -> list[str]:
    problems = []
    files, kind, accelerator = values.get("files"), values.get("kind"), values.get("accelerator")
    if isinstance(files, str) and files not in KINDS:
        problems.append(f"files: expected one of {', '.join(KINDS)}, got {files}")
    elif isinstance(files, str) and kind is not None and kind not in KINDS[files]:
        problems.append(f"kind: expected one of {', '.join(KINDS[files])} with files={files}, got {kind}")
    if isinstance(accelerator, str) and accelerator not in ACCELERATORS:
        problems.append(f"accelerator: expected one of {', '.join(ACCELERATORS)}, got {accelerator}")
    return problems


def _numbers(values: Mapping[str, Any]) -> list[str]:
    return [
        f"{key}: expected a whole number from 1 to {most:,}, got {values[key]}"
        for key, most in _MOST_NUMBERS.items()
        if is_number(values.get(key)) and not 1 <= values[key] <= most
    ]


def _out_dir(values: Mapping[str, Any]) -> list[str]:
    out_dir = values.get("out_dir")
    if not isinstance(out_dir, str):
        return []
    images, run = values.get("images"), values.get("run")
    apart = run if isinstance(run, str) else None
    problems = folder_problems("out_dir", out_dir, apart_from=apart, below_only=True)
    if not problems and isinstance(images, str) and Path(images).is_dir():
        problems = folder_problems("out_dir", out_dir, apart_from=images, below_only=True)
    folder = Path(out_dir)
    if problems or not folder.is_dir():
        return problems
    held = sorted(path.name for path in folder.iterdir())
    strangers = [name for name in held if name not in WRITTEN]
    if strangers:
        named = ", ".join(strangers[:3]) + (f" and {len(strangers) - 3} more" if len(strangers) > 3 else "")
        return [f"out_dir: expected a new or empty folder, got {out_dir}, which holds {named}"]
    if held and values.get("overwrite") is not True:
        return [
            f"out_dir: expected a new or empty folder, got {out_dir}, with a prediction; overwrite=true replaces it"
        ]
    return []
