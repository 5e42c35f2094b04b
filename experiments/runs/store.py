"""The files of a run, written atomically and read back without torch.

A run folder `<study>/<arm>/seed=<k>/` holds

| file | what |
|---|---|
| `config.yaml` | the resolved configuration |
| `metrics.csv` | a row per split x mask x operating point, also for the background and for all pixels |
| `history.csv` | a row per logged update: loss, its terms, share of foreground per mask, learning rate, seconds |
| `scores.npz` | score histograms per image and mask of validation and test |
| `tolerant.npz` | the same within distances of some pixels, if asked for (`trainer.tolerances`, `trainer.cldice`) |
| `columns.json` | what a split file says of the images beside their group, if it does: split, column, image, value |
| `curve.npz` | sums of the errors of curves per image of test, if asked for (`trainer.curve`) |
| `examples.npz` | a few test images with their labels and the score of every pixel, unless switched off |
| `checkpoint.pt` | the weights (while training: the whole state) |
| `tracker.json` | which run of a tracker this is, and the last update that the tracker was given, if there is one |
| `run.json` | status, versions, seed, device, times, fingerprints, checksums of the others; says `complete` last |
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
from omegaconf import OmegaConf

from experiments.frontier.curve_space.counts import CurveSums
from experiments.frontier.histogram import ScoreHistograms
from experiments.frontier.tolerance.centerlines import CenterlineCounts
from experiments.frontier.tolerance.histograms import TolerantHistograms
from experiments.process.on_demand import Mapped
from experiments.runs import foreign_files
from experiments.runs.damage import DAMAGED, find_damage, info_problem, note_files
from experiments.runs.example_scores import ExampleScores
from experiments.runs.lock import is_held
from experiments.runs.progress_note import updates_done
from experiments.runs.renamed import with_addresses_of_today

RUN_FILE = "run.json"
CONFIG_FILE = "config.yaml"
METRICS_FILE = "metrics.csv"
HISTORY_FILE = "history.csv"
SCORES_FILE = "scores.npz"
EXAMPLES_FILE = "examples.npz"
TOLERANT_FILE = "tolerant.npz"
CURVE_FILE = "curve.npz"
COLUMNS_FILE = "columns.json"
CHECKPOINT_FILE = "checkpoint.pt"
TRACKER_FILE = "tracker.json"
ARTIFACTS = (
    CONFIG_FILE,
    METRICS_FILE,
    HISTORY_FILE,
    SCORES_FILE,
    TOLERANT_FILE,
    CURVE_FILE,
    COLUMNS_FILE,
    EXAMPLES_FILE,
    CHECKPOINT_FILE,
)

SCORED_SPLITS = ("val", "test")
PREDICTIONS = "predictions_fingerprint"  # in `run.json` of a run whose predictions were made elsewhere
HARD_MASKS = "hard_masks"  # in its `run.json`: whether they are 0 and 1 alone, which have no frontier
_CENTERLINES = "centerlines_"
ImageColumns = Mapping[str, Mapping[str, Mapping[str, str]]]
"""What is known of the images beside their group: split -> column -> image -> value."""

CEILING = "ceiling"  # the test split scored by its true probabilities, if the data know them
FINISHED = ("complete", "diverged")
CONSTANT_OUTPUT = "the output is the same for every test pixel"  # reason of a run that diverged but has scores


@dataclass(frozen=True)
class Run:
    """One run read from disk.

    `scores` maps `val`, `test` and, if known, `ceiling` to histograms, which are read on access. It is empty unless the
    run is complete or collapsed to a constant output: a collapsed run is a result that a comparison counts, not a
    missing run. `tolerant` maps each radius that was recorded to the splits' tolerant histograms, also read on access.
    `columns` are those of its split file.
    `curves` are the sums of its curves, None if it did not count them.
    """

    folder: Path
    arm: str
    seed: int
    status: str
    info: Mapping[str, Any]
    config: Mapping[str, Any]
    scores: Mapping[str, ScoreHistograms]
    tolerant: Mapping[int, Mapping[str, TolerantHistograms]] = field(default_factory=dict)
    columns: ImageColumns = field(default_factory=dict)
    curves: CurveSums | None = None


class StorageError(OSError):
    """A file could not be written: the disk is full, or the folder is not writable."""


def write_atomically(path: Path, write: Callable[[IO[bytes]], None]) -> None:
    """Call `write` on a temporary file beside `path`, then rename it, so that a reader sees the old or the new file.

    Raises:
        StorageError: The file cannot be written; the old one is unchanged.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "wb") as file:
            write(file)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        cause: BaseException | None = error
        while isinstance(cause, Exception) and not isinstance(cause, OSError):
            cause = cause.__context__  # torch.save raises a RuntimeError while handling the disk's error
        if isinstance(cause, OSError):
            reason = cause.strerror or str(cause)
            raise StorageError(f"{path} could not be written: {reason}. Nothing on disk was lost.") from error
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
    """Write a CSV file atomically, with seven significant digits and without spreadsheet formulas (docs/tables.md)."""
    write_text(path, foreign_files.inert_table(table).to_csv(index=False, float_format="%.7g"))


def remove_run(folder: Path) -> None:
    """Remove the files of a run, so that none of them is mistaken for the next run's."""
    for name in (RUN_FILE, *ARTIFACTS, TRACKER_FILE):
        (folder / name).unlink(missing_ok=True)


def write_config(folder: Path, config: Mapping[str, Any]) -> None:
    """Write the resolved configuration."""
    write_text(folder / CONFIG_FILE, OmegaConf.to_yaml(OmegaConf.create(dict(config))))


def write_scores(folder: Path, scores: Mapping[str, ScoreHistograms]) -> None:
    """Write the histograms of all splits into one file; the split's name prefixes its arrays."""
    arrays = {name: array for split, rows in scores.items() for name, array in rows.to_arrays(f"{split}_").items()}
    write_atomically(folder / SCORES_FILE, lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]


def read_scores(folder: Path) -> dict[str, ScoreHistograms]:
    """Read the histograms that `write_scores` wrote.

    Raises:
        ValueError: Naming the file that cannot be read.
    """
    path = folder / SCORES_FILE
    try:
        arrays = foreign_files.read_arrays(path)
        # Predictions made elsewhere may lack validation.
        known = [split for split in ("val", CEILING) if f"{split}_bins" in arrays]
        order = [split for split in (*SCORED_SPLITS, CEILING) if split == "test" or split in known]
        scores = {split: ScoreHistograms.from_arrays(arrays, f"{split}_") for split in order}
        for name in {name for rows in scores.values() for name in (*rows.masks, *rows.image_ids, *rows.group_ids)}:
            foreign_files.check_name(name)
        return scores
    except Exception as error:
        raise ValueError(f"{path}: expected the score histograms of a run, got {error}") from error


def write_tolerant(
    folder: Path,
    tolerant: Mapping[int, Mapping[str, TolerantHistograms]],
    centerlines: CenterlineCounts | None,
) -> None:
    """Write a run's tolerant histograms, radius -> split, and the counts of its skeletons on test."""
    arrays = {
        name: array
        for radius, splits in tolerant.items()
        for split, rows in splits.items()
        for name, array in rows.to_arrays(f"within{radius}_{split}_").items()
    }
    if centerlines is not None:
        arrays |= centerlines.to_arrays(_CENTERLINES)
    write_atomically(folder / TOLERANT_FILE, lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]


def read_tolerant(folder: Path, radius: int) -> dict[str, TolerantHistograms]:
    """Read the histograms of all scored splits within one radius.

    Raises:
        ValueError: Naming the file that cannot be read.
    """
    path = folder / TOLERANT_FILE
    try:
        arrays = foreign_files.read_arrays(path)
        # Predictions made elsewhere may lack validation.
        there = [split for split in SCORED_SPLITS if split == "test" or f"within{radius}_{split}_near_bins" in arrays]
        return {split: TolerantHistograms.from_arrays(radius, arrays, f"within{radius}_{split}_") for split in there}
    except Exception as error:
        raise ValueError(f"{path}: expected the scores within {radius} pixels of a run, got {error}") from error


def read_centerlines(folder: Path) -> CenterlineCounts | None:
    """Read the counts of a run's skeletons; None if it did not record them.

    Raises:
        ValueError: Naming the file that cannot be read.
    """
    path = folder / TOLERANT_FILE
    if not path.exists():
        return None
    try:
        arrays = foreign_files.read_arrays(path)
        there = any(name.startswith(_CENTERLINES) for name in arrays)
        return CenterlineCounts.from_arrays(arrays, _CENTERLINES) if there else None
    except Exception as error:
        raise ValueError(f"{path}: expected the counts of skeletons of a run, got {error}") from error


def write_columns(folder: Path, columns: ImageColumns) -> None:
    """Write what is known of a run's images; no file where nothing is."""
    if columns:
        write_json(folder / COLUMNS_FILE, columns)
    else:
        (folder / COLUMNS_FILE).unlink(missing_ok=True)


def read_columns(folder: Path) -> dict[str, dict[str, dict[str, str]]]:
    """Read what `write_columns` wrote; empty if there is no file.

    Raises:
        ValueError: Naming the file that cannot be read.
    """
    path = folder / COLUMNS_FILE
    if not os.path.lexists(path):
        return {}
    found = foreign_files.read_json(path)
    for split, columns in found.items():
        for column, values in columns.items() if isinstance(columns, dict) else ((split, None),):
            texts = [column, *values, *values.values()] if isinstance(values, dict) else [None]
            wrong = [text for text in texts if not isinstance(text, str)]
            if wrong:
                raise ValueError(f"{path}: expected split, column, image and value as texts, got {wrong[0]} in {split}")
            for text in texts:
                foreign_files.check_name(str(text))
    return found


def write_curves(folder: Path, curves: CurveSums) -> None:
    """Write the sums of a run's curves on test."""
    arrays = curves.to_arrays()
    write_atomically(folder / CURVE_FILE, lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]


def read_curves(folder: Path) -> CurveSums:
    """Read the sums of a run's curves.

    Raises:
        ValueError: Naming the file that cannot be read.
    """
    path = folder / CURVE_FILE
    try:
        return CurveSums.from_arrays(foreign_files.read_arrays(path))
    except Exception as error:
        raise ValueError(f"{path}: expected the sums of curves of a run, got {error}") from error


class StoredScores(Mapping[str, ScoreHistograms]):
    """The histograms of a run, read on access, because a large study does not fit into memory.

    A process keeps the runs that it used last, up to `KEPT_SCORES` bytes in all.

    Args:
        folder: The run's folder.
        splits: Names of its splits, as in `read_scores`.
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
    """Return a run's histograms, from memory if they were used recently."""
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
    """Read the example scores of a run; None for an older run, or one with examples switched off.

    Raises:
        ValueError: Naming the file that cannot be read.
    """
    path = folder / EXAMPLES_FILE
    if not path.exists():
        return None
    try:
        return ExampleScores.from_arrays(foreign_files.read_arrays(path, foreign_files.MOST_EXAMPLES))
    except Exception as error:
        raise ValueError(f"{path}: expected the example scores of a run, got {error}") from error


def read_info(folder: Path) -> dict[str, Any] | None:
    """Read `run.json`; None if there is none, the status `damaged` with a reason if it is broken."""
    if not os.path.lexists(folder / RUN_FILE):
        return None
    try:
        info = foreign_files.read_json(folder / RUN_FILE)
    except ValueError as error:
        problem = str(error)
    else:
        problem = info_problem(info)
    return {"status": DAMAGED, "reason": f"{RUN_FILE}: {problem}"} if problem else info


def read_config(folder: Path) -> dict[str, Any]:
    """Read the resolved configuration; empty if there is none. `${...}` in it stays text.

    Parts whose address has changed since get their present one.

    Raises:
        ValueError: Naming the file that cannot be read.
    """
    path = folder / CONFIG_FILE
    return with_addresses_of_today(foreign_files.read_yaml(path)) if os.path.lexists(path) else {}


def note_artifacts(folder: Path) -> dict[str, dict[str, Any]]:
    """Return size and checksum of a finished run's files, for its `run.json`."""
    return note_files(folder, ARTIFACTS)


def find_damaged_files(
    folder: Path, info: Mapping[str, Any] | None, names: Sequence[str] = ARTIFACTS
) -> dict[str, str]:
    """Find the damaged files of a run, with the problem of each by its name.

    Args:
        folder: The run's folder.
        info: Its `run.json`, from `read_info`.
        names: The files to check besides `run.json`.
    """
    info = info or {}
    noted = (info.get("artifacts") or {}) if info.get("status") in FINISHED else {}
    needed = (CONFIG_FILE, SCORES_FILE) if has_scores(info) else ()
    damaged = find_damage(folder, names, noted, last=RUN_FILE, required=needed)
    if info.get("status") == DAMAGED:
        damaged[RUN_FILE] = info["reason"].removeprefix(f"{RUN_FILE}: ")
    tests = (info.get("data_fingerprint") or {}).get("test")
    if has_scores(info) and not isinstance(tests, str):
        damaged[RUN_FILE] = f"data_fingerprint.test: expected a word, got {tests!r}"
    if CONFIG_FILE not in {*noted, *damaged}:
        try:
            read_config(folder)
        except ValueError as error:
            damaged[CONFIG_FILE] = str(error.__cause__ or error)
    return damaged


def load_run(folder: Path) -> Run:
    """Read the run folder `<arm>/seed=<k>`; see `load_run_at`."""
    return load_run_at(folder, folder.parent.name, seed_of(folder))


def load_run_at(folder: Path, arm: str, seed: int) -> Run:
    """Read one run folder without changing anything in it.

    A run with a damaged file has the status `damaged`, one whose process ended early the status `stopped`; `info` then
    holds the reason.
    """
    info = read_info(folder) or {"status": "missing", "reason": f"no {RUN_FILE}"}
    scores: Mapping[str, ScoreHistograms] = {}
    config: dict[str, Any] = {}
    columns: ImageColumns = {}
    problems = {}
    scored = has_scores(info)
    if info["status"] == "running":
        info = {**info, **_unfinished(folder)}
    elif scored:
        # The weights are not read: a comparison does not need them.
        problems = find_damaged_files(folder, info, [name for name in ARTIFACTS if name != CHECKPOINT_FILE])
    try:
        config = read_config(folder)
        if scored and not problems:
            scores = StoredScores(folder, tuple(_kept_scores(folder)))
            columns = read_columns(folder)
    except ValueError as error:
        problems = problems or {CONFIG_FILE if not config else SCORES_FILE: str(error.__cause__ or error)}
    try:
        curves = read_curves(folder) if scores and info.get("curve") else None
    except ValueError as error:
        problems, scores, curves = {CURVE_FILE: str(error.__cause__ or error)}, {}, None
    if problems:
        reason = "; ".join(f"{name}: {problem}" for name, problem in problems.items())
        if not info.get("command"):
            reason += "; the command that started it makes it again"
        info = {**info, "status": DAMAGED, "reason": reason}
    radii = (info.get("tolerances") or []) if scores else []
    tolerant = Mapped({radius: radius for radius in radii}, lambda radius: read_tolerant(folder, radius))
    return Run(folder, arm, seed, str(info["status"]), info, config, scores, tolerant, columns, curves)


def has_scores(info: Mapping[str, Any]) -> bool:
    """Return whether a run's `run.json` says that it was scored."""
    status = info.get("status")
    return status == "complete" or (status == "diverged" and info.get("reason") == CONSTANT_OUTPUT)


def _unfinished(folder: Path) -> dict[str, str]:
    """Return status and reason of a run that has not ended: still running, or stopped."""
    done = updates_done(folder)
    if is_held(folder):
        return {"status": "running", "reason": f"another process trains it, at update {done}"}
    where = f"stopped after update {done}; " if done else ""
    return {"status": "stopped", "reason": f"{where}the same command goes on from the last checkpoint"}


def seed_of(folder: Path) -> int:
    """Read the seed from a folder name `seed=<k>`."""
    return int(folder.name.removeprefix("seed="))


def find_run_folders(study_dir: Path) -> list[Path]:
    """List the folders `<arm>/seed=<k>` below a study that hold a run, whole or not, ordered by arm and seed."""
    folders = [path for path in study_dir.glob("*/seed=*") if _is_integer(path.name.removeprefix("seed="))]
    files = (RUN_FILE, CONFIG_FILE, SCORES_FILE, CHECKPOINT_FILE)
    found = [folder for folder in folders if any((folder / name).exists() for name in files)]
    return sorted(found, key=lambda path: (path.parent.name, seed_of(path)))


def _is_integer(text: str) -> bool:
    return text.lstrip("-").isdigit()
