"""One run of a tracker: its configuration, the rows of its history, its final metrics.

A tracker only watches. It draws no random number that training would notice, its errors end in a warning, and a file of
ours, `tracker.json`, keeps which of its runs belongs to a folder and the last update that it was given: a run that goes
on from a checkpoint repeats some updates, and a tracker gets none of them twice.
"""

from __future__ import annotations

import logging
import math
import os
import re
import secrets
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from experiments.process.random_numbers import unchanged_generators
from experiments.runs import store
from experiments.runs.fingerprint import flatten
from experiments.runs.foreign_files import read_json

log = logging.getLogger(__name__)

_ODD = re.compile(r"[^\w\-. /]+")  # MLflow takes no others in a name
_KNOWN_BY = ("place", "fingerprint")  # what must be the same for a run of the tracker to be gone on with
# Reports of use and of errors that the packages would send; and MLflow's leave to write to a folder.
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_FILE_STORE": "true",
    "WANDB_ERROR_REPORTING": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}


class RunTracker:
    """Logs to one run of a tracker, or to none.

    Args:
        settings: The `tracker` group as plain values; with `name: null` nothing is logged or imported.
        folder: Where `tracker.json` is kept.
        run_name: The run's name in the tracker, such as `loss=dice/seed=0`.
        fingerprint: What the run's results depend on; the runs of other fingerprints are not gone on with.
    """

    def __init__(self, settings: Mapping[str, Any], folder: Path, run_name: str, fingerprint: str) -> None:
        self._settings, self._folder, self._run_name = settings, folder, run_name
        self._name = settings.get("name")
        self._tracker: Any = None
        place = {key: value for key, value in settings.items() if key != "mode"}
        new: dict[str, Any] = {"place": place, "fingerprint": fingerprint, "run": None, "logged": 0}
        found = _read_note(folder) if self._name else {}
        self._note = found if all(found.get(key) == new[key] for key in _KNOWN_BY) else new

    @property
    def has_ended(self) -> bool:
        """Whether a run of the tracker was given its final values."""
        return bool(self._note.get("ended"))

    def start(self, config: Mapping[str, Any]) -> None:
        """Begin a run of the tracker, or go on with the one that this folder began.

        Args:
            config: What the run is configured by; logged once.
        """
        if self._name is None:
            return
        with self._watched():
            going_on = self._note["run"] is not None
            self._tracker = _start(self._settings, self._note, self._run_name)
            self._write_note()
            if not going_on:
                values = {_ODD.sub("_", key): _plain(value) for key, value in flatten(config).items()}
                self._tracker.store_init_configuration(values)

    def log_row(self, row: Mapping[str, float]) -> None:
        """Log a row of the history at its `update`, unless that update was logged before."""
        update = int(row["update"])
        if self._tracker is None or update <= self._note["logged"]:
            return
        self._note["logged"] = update
        values = {f"train/{name}": value for name, value in row.items() if name != "update"}
        with self._watched():
            self._write_note()  # first, so that a run killed here loses a row instead of logging it twice
            self._tracker.log(_named(values), step=update)

    def log_values(self, values: Mapping[str, float], step: int) -> None:
        """Log the values that end a run, once; those that are not finite are undefined and left out."""
        if self._tracker is None or self.has_ended:
            return
        self._note["ended"] = True
        with self._watched():
            self._write_note()
            self._tracker.log(_named({k: v for k, v in values.items() if math.isfinite(v)}), step=step)

    def finish(self) -> None:
        """End the tracker's run."""
        if self._tracker is not None:
            with self._watched():
                self._tracker.finish()
        self._tracker = None

    def _write_note(self) -> None:
        store.write_json(self._folder / store.TRACKER_FILE, self._note)

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Leave the random generators as they are, and turn an error into a warning and the end of logging."""
        for variable, value in _QUIET.items():
            os.environ.setdefault(variable, value)
        try:
            with unchanged_generators(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        except Exception as error:
            self._tracker = None
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            text = f"tracker={self._name}: {reason}; the run goes on without it"
            log.warning(text, exc_info=True)
            print(f"warning: {text}", file=sys.stderr, flush=True)


@contextmanager
def tracked(
    settings: Mapping[str, Any] | None, folder: Path, run_name: str, fingerprint: str, config: Mapping[str, Any]
) -> Iterator[RunTracker]:
    """Log to a tracker's run inside this context; see `RunTracker` and `RunTracker.start`."""
    tracker = RunTracker(settings or {}, folder, run_name, fingerprint)
    tracker.start(config)
    try:
        yield tracker
    finally:
        tracker.finish()


def final_values(metrics: pd.DataFrame) -> dict[str, float]:
    """Name the metrics that end a run: `test/crack/ap`, `test/crack/tuned/recall`.

    Args:
        metrics: As `metrics.csv` has them.
    """
    values: dict[str, float] = {}
    for _, row in metrics.iterrows():
        of_mask = f"{row['split']}/{row['mask']}"
        values[f"{of_mask}/ap"] = row["ap"]
        values |= {f"{of_mask}/{row['operating_point']}/{name}": row[name] for name in ("precision", "recall", "f1")}
    return values


def _read_note(folder: Path) -> dict[str, Any]:
    try:
        note = read_json(folder / store.TRACKER_FILE)
    except ValueError:
        return {}
    return note if isinstance(note.get("logged"), int) else {}


def _start(settings: Mapping[str, Any], note: dict[str, Any], run_name: str) -> Any:
    """Start accelerate's tracker, and note which run it is."""
    return _STARTS[settings["name"]](settings, note, run_name)


def _start_tensorboard(settings: Mapping[str, Any], note: dict[str, Any], run_name: str) -> Any:
    from accelerate.tracking import TensorBoardTracker

    folder = Path(settings["folder"])
    if note["run"] is None:  # a folder that is there holds another run, such as one that was replaced
        names = (run_name if number == 1 else f"{run_name}-{number}" for number in range(1, 1_000_000))
        note["run"] = next(name for name in names if not (folder / name).exists())
    tracker = TensorBoardTracker(note["run"], logging_dir=str(folder))
    tracker.start()
    return tracker


def _start_wandb(settings: Mapping[str, Any], note: dict[str, Any], run_name: str) -> Any:
    from accelerate.tracking import WandBTracker

    folder = Path(settings["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    note["run"] = note["run"] or secrets.token_hex(4)
    tracker = WandBTracker(
        settings["project"],
        id=note["run"],
        name=run_name,
        resume="allow",
        dir=str(folder),
        mode=settings["mode"],
        settings={"console": "off", "silent": True},
    )
    tracker.start()
    return tracker


def _start_mlflow(settings: Mapping[str, Any], note: dict[str, Any], run_name: str) -> Any:
    import mlflow
    from accelerate.tracking import MLflowTracker

    uri = settings["uri"]
    # A plain path is a folder; others are `http://...`, `sqlite:///...`, `databricks`.
    mlflow.set_tracking_uri(uri if re.match(r"\w+:|databricks", uri) else Path(uri).absolute().as_uri())
    tracker = MLflowTracker(settings["project"], run_id=note["run"], run_name=run_name)
    tracker.start()
    note["run"] = tracker.active_run.info.run_id
    return tracker


_STARTS: dict[str, Callable[[Mapping[str, Any], dict[str, Any], str], Any]] = {
    "tensorboard": _start_tensorboard,
    "wandb": _start_wandb,
    "mlflow": _start_mlflow,
}


def _named(values: Mapping[str, float]) -> dict[str, float]:
    return {_ODD.sub("_", name): float(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | str) else str(value)
