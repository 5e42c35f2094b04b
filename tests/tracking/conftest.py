"""Readers of what trackers wrote: values by name and step, each as often as it was logged; the configuration."""

import struct
from pathlib import Path

import pytest


def read_tensorboard(folder: Path, run: str) -> tuple[dict, str]:
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    values: dict[str, list] = {}
    for path in sorted((folder / run).glob("events.*")):
        for event in EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                values.setdefault(value.tag, []).append((event.step, value.tensor.float_val[0]))
    return values, "".join(path.read_text() for path in sorted((folder / run).glob("*/hparams.yml")))


def read_mlflow(folder: Path, run: str) -> tuple[dict, str]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(folder.absolute().as_uri())
    ids = [experiment.experiment_id for experiment in client.search_experiments()]
    [found] = [each for each in client.search_runs(ids) if each.info.run_name == run]
    values = {
        name: [(metric.step, metric.value) for metric in client.get_metric_history(found.info.run_id, name)]
        for name in found.data.metrics
    }
    return values, str(found.data.params)


def _wandb_records(content: bytes):
    """Yield the records of W&B's file, a log as LevelDB writes it, in blocks of 32 KB after 7 bytes of header."""
    place, data = 7, b""
    while place + 7 <= len(content):
        left = 32768 - place % 32768
        if left < 7:
            place += left
            continue
        length, kind = struct.unpack("<HB", content[place + 4 : place + 7])
        data += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # a whole record, or the last part of one
            yield data
            data = b""


def read_wandb(folder: Path, run: str) -> tuple[dict, str]:
    import json

    from wandb.proto.wandb_internal_pb2 import Record

    values: dict[str, list] = {}
    config, ids = "", {}
    records = []
    for path in sorted(folder.glob("wandb/offline-run-*/*.wandb")):
        for data in _wandb_records(path.read_bytes()):
            record = Record()
            record.ParseFromString(data)
            if record.WhichOneof("record_type") == "run":
                ids[path] = record.run.display_name
            records.append((path, record))
    for path, record in records:
        if ids.get(path) == run:
            config += str(record.run.config) + str(record.config)
            if record.WhichOneof("record_type") == "history":
                row = {"/".join(item.nested_key) or item.key: item.value_json for item in record.history.item}
                step = record.history.step.num
                for name, value in row.items():
                    if not name.startswith("_"):
                        values.setdefault(name, []).append((step, float(json.loads(value))))
    return values, config


READERS = {
    "tensorboard": (read_tensorboard, "tracker.folder"),
    "mlflow": (read_mlflow, "tracker.uri"),
    "wandb": (read_wandb, "tracker.folder"),
}


@pytest.fixture(params=READERS)
def tracker(request, tmp_path):
    """A tracker's name, the overrides that choose it, and a function that reads a run of it."""
    read, key = READERS[request.param]
    folder = tmp_path / "watched"
    return request.param, (f"tracker={request.param}", f"{key}={folder}"), lambda run: read(folder, run)
