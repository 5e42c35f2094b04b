"""What a run leaves on disk: its files, written atomically, read back without torch.

A run folder `<study>/<arm>/seed=<k>/` holds

| file | what |
|---|---|
| `config.yaml` | the resolved configuration |
| `metrics.csv` | a row per split x mask x operating point, with the background and all-pixel rows beside them |
| `history.csv` | a row per logged update: loss, its terms, share of foreground per mask, learning rate, seconds |
| `scores.npz` | score histograms per image and mask of validation and test |
| `examples.npz` | a few test images with their labels and the score of every pixel, unless switched off |
| `checkpoint.pt` | the weights (while training: the whole state) |
| `run.json` | status, versions, seed, device, times, fingerprints; says `complete` last |
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from experiments.frontier.example_scores import ExampleScores
from experiments.frontier.score_histogram import ScoreHistograms

RUN_FILE = "run.json"
CONFIG_FILE = "config.yaml"
METRICS_FILE = "metrics.csv"
HISTORY_FILE = "history.csv"
SCORES_FILE = "scores.npz"
EXAMPLES_FILE = "examples.npz"
CHECKPOINT_FILE = "checkpoint.pt"

SCORED_SPLITS = ("val", "test")
CEILING = "ceiling"  # the test split scored by its true probabilities, where the data know them
FINISHED = ("complete", "diverged")
CONSTANT_OUTPUT = "the output is the same for every test pixel"  # reason of a run that diverged, and has scores

# Keys that say where files lie, what is shown or how fast a machine works, not what is computed.
_NOT_RESULTS = (
    "study",
    "study_dir",
    "overwrite",
    "report",
    "data.root",
    "data.allow_majority",
    "data.max_pixels",
    "data.cache_dir",
    "data.memory",
    "data.threads",
    "trainer.workers",
    "trainer.data_on_device",
    "trainer.threads",
    "trainer.log_every",
    "trainer.checkpoint_every",
    "trainer.checkpoint_minutes",
    "trainer.example_pixels",
)
# Keys that came later: a run of which they have this value is the run that was made without them.
_LATER_KEYS = {"trainer.compile": False, "trainer.deterministic": False, "loss.input": "logits"}


@dataclass(frozen=True)
class Run:
    """One run read from disk.

    `scores` maps `val`, `test` and, where it is known, `ceiling` to histograms, read when they are asked for; empty
    unless the run is complete, or collapsed to a constant output: that is an outcome which a comparison counts, and no
    hole.
    """

    folder: Path
    arm: str
    seed: int
    status: str
    info: Mapping[str, Any]
    config: Mapping[str, Any]
    scores: Mapping[str, ScoreHistograms]


def write_atomically(path: Path, write: Callable[[IO[bytes]], None]) -> None:
    """Call `write` on a temporary file beside `path`, then rename it: a reader sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            write(file)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write text atomically, UTF-8."""
    write_atomically(path, lambda file: _write_bytes(file, text.encode()))


def _write_bytes(file: IO[bytes], content: bytes) -> None:
    file.write(content)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object atomically."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a CSV file atomically; floats keep seven significant digits."""
    write_text(path, table.to_csv(index=False, float_format="%.7g"))


def remove_run(folder: Path) -> None:
    """Remove the files of a run, so that nothing of it is taken for the next one's."""
    for name in (RUN_FILE, CONFIG_FILE, METRICS_FILE, HISTORY_FILE, SCORES_FILE, EXAMPLES_FILE, CHECKPOINT_FILE):
        (folder / name).unlink(missing_ok=True)


def write_config(folder: Path, config: Mapping[str, Any]) -> None:
    """Write the resolved configuration."""
    write_text(folder / CONFIG_FILE, OmegaConf.to_yaml(OmegaConf.create(dict(config))))


def write_scores(folder: Path, scores: Mapping[str, ScoreHistograms]) -> None:
    """Write the histograms of each split into one file, arrays prefixed with the split's name."""
    arrays = {name: array for split, rows in scores.items() for name, array in rows.to_arrays(f"{split}_").items()}
    write_atomically(folder / SCORES_FILE, lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]


def read_scores(folder: Path) -> dict[str, ScoreHistograms]:
    """Read the histograms that `write_scores` wrote.

    Raises:
        ValueError: Naming the file that cannot be read.
    """
    path = folder / SCORES_FILE
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        known = [CEILING] if f"{CEILING}_bins" in arrays else []
        return {split: ScoreHistograms.from_arrays(arrays, f"{split}_") for split in (*SCORED_SPLITS, *known)}
    except Exception as error:
        raise ValueError(f"{path}: expected the score histograms of a run, got {error}") from error


class StoredScores(Mapping[str, ScoreHistograms]):
    """The histograms of a run, read when they are asked for: a large study does not fit into memory.

    A process keeps the runs that it used last, up to `KEPT_SCORES` bytes together.

    Args:
        folder: The run.
        splits: Names of its splits, as `read_scores` gives them.
    """

    def __init__(self, folder: Path, splits: tuple[str, ...]) -> None:
        self._folder = folder
        self._splits = splits

    def __getitem__(self, split: str) -> ScoreHistograms:
        if split not in self._splits:
            raise KeyError(split)
        return _kept_scores(self._folder)[split]

    def __iter__(self) -> Iterator[str]:
        return iter(self._splits)

    def __len__(self) -> int:
        return len(self._splits)


KEPT_SCORES = 384 * 1024**2  # bytes
_kept: OrderedDict[tuple[str, int, int], dict[str, ScoreHistograms]] = OrderedDict()


def _kept_scores(folder: Path) -> dict[str, ScoreHistograms]:
    """Return a run's histograms, from memory where they were among the last that were used."""
    path = (folder / SCORES_FILE).absolute()
    known = path.stat() if path.exists() else None
    key = (str(path), known.st_mtime_ns, known.st_ino) if known else (str(path), 0, 0)
    if key not in _kept:
        _kept[key] = read_scores(folder)
    _kept.move_to_end(key)
    while len(_kept) > 1 and sum(rows.n_bytes for scores in _kept.values() for rows in scores.values()) > KEPT_SCORES:
        _kept.popitem(last=False)
    return _kept[key]


def write_examples(folder: Path, examples: ExampleScores) -> None:
    """Write the example scores of a run, compressed."""
    arrays = examples.to_arrays()
    write_atomically(
        folder / EXAMPLES_FILE,
        lambda file: np.savez_compressed(file, **arrays),  # type: ignore[arg-type]
    )


def read_examples(folder: Path) -> ExampleScores | None:
    """Read the example scores of a run; None where it has none: an older run, or one with examples switched off.

    Raises:
        ValueError: Naming the file that cannot be read.
    """
    path = folder / EXAMPLES_FILE
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            return ExampleScores.from_arrays({name: file[name] for name in file.files})
    except Exception as error:
        raise ValueError(f"{path}: expected the example scores of a run, got {error}") from error


def read_info(folder: Path) -> dict[str, Any] | None:
    """Read `run.json`; None where there is none, a status of `unreadable` where it is broken."""
    path = folder / RUN_FILE
    if not path.exists():
        return None
    try:
        info = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        return {"status": "unreadable", "reason": f"{path}: {error}"}
    return info if isinstance(info, dict) else {"status": "unreadable", "reason": f"{path}: expected a JSON object"}


def read_config(folder: Path) -> dict[str, Any]:
    """Read the resolved configuration; empty where there is none."""
    path = folder / CONFIG_FILE
    if not path.exists():
        return {}
    plain = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
    return {str(key): value for key, value in plain.items()} if isinstance(plain, dict) else {}


def load_run(folder: Path) -> Run:
    """Read the run folder `<arm>/seed=<k>`; see `load_run_at`."""
    return load_run_at(folder, folder.parent.name, seed_of(folder))


def load_run_at(folder: Path, arm: str, seed: int) -> Run:
    """Read one run folder. A complete run whose scores cannot be read comes back as `unreadable`, with its reason."""
    info = read_info(folder) or {"status": "missing", "reason": f"no {RUN_FILE}"}
    status = str(info.get("status", "unreadable"))
    scores: Mapping[str, ScoreHistograms] = {}
    config: dict[str, Any] = {}
    try:
        config = read_config(folder)
        if status == "complete" or (status == "diverged" and info.get("reason") == CONSTANT_OUTPUT):
            scores = StoredScores(folder, tuple(_kept_scores(folder)))
    except (ValueError, OmegaConfBaseException) as error:
        status, info = "unreadable", {**info, "status": "unreadable", "reason": str(error)}
    return Run(folder, arm, seed, status, info, config, scores)


def seed_of(folder: Path) -> int:
    """Read the seed from a folder name `seed=<k>`."""
    return int(folder.name.removeprefix("seed="))


def find_run_folders(study_dir: Path) -> list[Path]:
    """List the folders `<arm>/seed=<k>` below a study that hold a `run.json`, ordered by arm and seed."""
    files = study_dir.glob(f"*/seed=*/{RUN_FILE}")
    folders = [path.parent for path in files if _is_integer(path.parent.name.removeprefix("seed="))]
    return sorted(folders, key=lambda path: (path.parent.name, seed_of(path)))


def _is_integer(text: str) -> bool:
    return text.lstrip("-").isdigit()


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested mappings to dotted keys; lists stay values."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            flat.update(flatten(value, f"{name}."))
        else:
            flat[name] = value
    return flat


def _is_under(key: str, roots: tuple[str, ...]) -> bool:
    return any(key == root or key.startswith(f"{root}.") for root in roots)


def result_config(config: Mapping[str, Any], without: tuple[str, ...] = ()) -> dict[str, Any]:
    """Keep the flattened keys that a result depends on, less those at or below the keys in `without`."""
    flat = {k: v for k, v in flatten(config).items() if not (k in _LATER_KEYS and v == _LATER_KEYS[k])}
    return {k: v for k, v in flat.items() if not _is_under(k, _NOT_RESULTS + without)}


def fingerprint(content: Mapping[str, Any]) -> str:
    """Return the sha256 of a mapping's canonical JSON."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def differing_keys(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """List the keys in which two flat mappings differ, with both values (`None` for an absent key)."""
    keys = sorted(set(first) | set(second))
    return {k: (first.get(k), second.get(k)) for k in keys if first.get(k) != second.get(k)}
