"""One run: fit, score, write. Reads from top to bottom."""

from __future__ import annotations

import hashlib
import logging
import platform
import sys
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from omegaconf import DictConfig
from torch import nn

from experiments.config import ConfigError, to_plain, tolerances_to_record
from experiments.data.resident_tiles import stays_on_device
from experiments.evaluation.example_collector import example_collector
from experiments.evaluation.score_split import score_ceiling, score_split
from experiments.evaluation.whole_images import WholeImages
from experiments.frontier.histogram import ScoreHistograms
from experiments.frontier.operating_point import metrics_table, tuned_thresholds
from experiments.inference.looks import Looks
from experiments.process import processes
from experiments.process.error_text import describe_error
from experiments.process.leftovers import remove_leftovers
from experiments.process.stop_signals import held_back
from experiments.runs import store
from experiments.runs.damage import set_aside
from experiments.runs.fingerprint import differing_keys, fingerprint, flatten, result_config
from experiments.runs.lock import held
from experiments.runs.presence import Presence
from experiments.runs.progress_note import clear_progress
from experiments.tracking.run_tracker import RunTracker, final_values, tracked
from experiments.training.checkpoint import checkpoint_times, restore_state, save_state, save_weights
from experiments.training.data_parallel.lead import together
from experiments.training.data_parallel.training import build_training, train
from experiments.training.device import determinism, device_name, peak_memory_mb
from experiments.training.foreground_seen import foreground_seen
from experiments.training.setup import LoadedData
from experiments.training.update_error import UpdateError
from losses.classes import ClassScores, takes_classes

log = logging.getLogger(__name__)

_PACKAGES = ("torch", "segmentation-models-pytorch", "hydra-core", "numpy", "lossfrontier")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # this one, where it lies on the path and is not installed
        return "unknown"


def run_fingerprint(plain: dict[str, Any], loaded: LoadedData) -> str:
    """Fingerprint everything that a run's result depends on: its configuration, with arm and seed, and its data."""
    facts = {"data fingerprint": loaded.data.fingerprints(), "own code": own_sources(plain)}
    return fingerprint({**result_config(plain), **facts})


def own_sources(plain: dict[str, Any]) -> dict[str, str]:
    """Hash the source files of the user's own classes: an edited loss is another loss under the same name.

    Installed packages, and this one, are identified by their versions instead.
    """
    found = {}
    for key, target in flatten(plain).items():
        if key.endswith("_target_") and isinstance(target, str):
            package = target.split(".", 1)[0]
            file = _source_file(package)
            if file and package not in ("losses", "experiments") and "site-packages" not in Path(file).parts:
                sources = sorted(Path(file).parent.glob("*.py")) if Path(file).name == "__init__.py" else [Path(file)]
                content = b"".join(source.read_bytes() for source in sources)
                found[package] = hashlib.sha256(content).hexdigest()
    return found


def _source_file(package: str) -> str | None:
    """Return the file of a package, whether or not this process has imported it; None for one without."""
    if package in sys.modules:
        return getattr(sys.modules[package], "__file__", None)
    spec = find_spec(package) if package else None
    return spec.origin if spec is not None and spec.has_location else None


def is_finished(folder: Path, plain: dict[str, Any], loaded: LoadedData) -> bool:
    """Return whether a folder already holds exactly this run, finished and undamaged; nothing in it is changed.

    Raises:
        ConfigError: It holds a run of another configuration or other data; the message names the keys.
    """
    if plain["overwrite"]:
        return False
    info = store.read_info(folder) or {}
    if info.get("status") == "failed":  # holds no result, and its loss may have been corrected since
        return False
    known = "fingerprint" in info
    if known and info["fingerprint"] == run_fingerprint(plain, loaded):
        whole = info["status"] in store.FINISHED and not store.find_damaged_files(folder, info)
        return whole and not _unrecorded(plain, info) and not _other_columns(folder, info, loaded)
    try:
        before = result_config(store.read_config(folder))
    except ValueError:  # damaged, so nothing is known about it
        before = {}
    changed = differing_keys(before, result_config(plain)) if before else {}
    if not known and not changed:  # no run, or one with a damaged run.json
        return False
    reason = "; ".join(f"{key}: {old!r} there, {new!r} now" for key, (old, new) in changed.items())
    raise ConfigError(
        f"{folder} already holds a run that differs from this one "
        f"({reason or 'the same configuration on other images or labels'}). "
        "Give study_dir=ANOTHER_FOLDER, or overwrite=true to replace it."
    )


def _unrecorded(plain: dict[str, Any], info: dict[str, Any]) -> bool:
    """Return whether a configuration asks a scored run for distances, skeletons or curves that it did not count."""
    asked, have = set(tolerances_to_record(plain)), set(info.get("tolerances") or [])
    skeletons = plain["trainer"].get("cldice", False) and not info.get("cldice")
    curve = plain["trainer"].get("curve") not in (None, info.get("curve"))
    return store.has_scores(info) and (not asked <= have or skeletons or curve)


def _other_columns(folder: Path, info: dict[str, Any], loaded: LoadedData) -> bool:
    """Return whether the split file says other things of the images than a scored run has noted."""
    return store.has_scores(info) and loaded.data.columns() != store.read_columns(folder)


def execute(
    cfg: DictConfig,
    folder: Path,
    arm: str,
    loaded: LoadedData,
    on_update: Callable[[int], None],
    command: str | None = None,
) -> str:
    """Train and score one run and write its files to `folder`.

    A run that raises an error is recorded as `failed` with its reason, and the other runs of the study go on. A run
    that a signal stops is recorded as `stopped`, and the study stops too.

    Args:
        cfg: The run's configuration.
        folder: Where its files go.
        arm: Its name in the study.
        loaded: Its data.
        on_update: Called with the number of updates done, after each one.
        command: The command that runs it again, for `run.json`.

    Returns:
        The status: complete, diverged or failed; "skipped" if the run was finished already.

    Raises:
        ConfigError: The folder holds a run of another configuration or other data.
        HeldError: Another process is training there.
        StorageError: A file cannot be written.
    """
    with held(folder), determinism(cfg.trainer.deterministic):
        if is_finished(folder, to_plain(cfg), loaded):  # another process finished it in the meantime
            return "skipped"
        remove_leftovers(folder, (store.RUN_FILE, *store.ARTIFACTS))  # nobody else writes here
        return _execute(cfg, folder, arm, loaded, on_update, command)


def _execute(
    cfg: DictConfig,
    folder: Path,
    arm: str,
    loaded: LoadedData,
    on_update: Callable[[int], None],
    command: str | None,
) -> str:
    plain = to_plain(cfg)
    info: dict[str, Any] = {
        "status": "running",
        "study": cfg.study.name,
        "arm": arm,
        "axes": list(cfg.study.axes or []),
        "nuisance": list(cfg.study.nuisance),
        "conditions": list(cfg.study.conditions),
        "baseline": cfg.study.baseline,
        **_declared_looks(cfg),
        **({} if cfg.study.trials is None else {"trials": cfg.study.trials}),
        "seed": cfg.seed,
        "fingerprint": run_fingerprint(plain, loaded),
        "data_fingerprint": loaded.data.fingerprints(),
        "shared_fingerprint": fingerprint(result_config(plain, ("seed", *(cfg.study.axes or [])))),
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in _PACKAGES}},
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        **_to_count(plain, {} if plain["overwrite"] else store.read_info(folder) or {}),
    }
    if plain["overwrite"]:
        store.remove_run(folder)
    set_aside(folder, store.find_damaged_files(folder, store.read_info(folder)))
    store.write_config(folder, plain)
    store.write_json(folder / store.RUN_FILE, info)
    try:
        name = f"{arm}/{folder.name}"
        with tracked(plain.get("tracker"), folder, name, info["fingerprint"], plain) as tracker:
            info.update(_fit_and_score(cfg, folder, loaded, on_update, info, tracker))
    except store.StorageError:  # the other runs would not get further
        raise
    except Exception as error:
        log.exception("run failed")
        reason = str(error) if isinstance(error, UpdateError) else describe_error(error)
        info.update(status="failed", reason=reason, traceback=traceback.format_exc())
        if isinstance(error, UpdateError):
            info.update(step=error.step, part=error.part)
    except KeyboardInterrupt as stop:
        reason = f"{str(stop) or 'Ctrl-C'}: the same command goes on from the last checkpoint"
        store.write_json(folder / store.RUN_FILE, {**info, "status": "stopped", "reason": reason})
        raise
    clear_progress(folder)  # before `run.json` ends the run, because an ended run is not touched again
    if info["status"] in store.FINISHED:
        info["artifacts"] = store.note_artifacts(folder)
        gone = {store.CONFIG_FILE, store.HISTORY_FILE} - set(info["artifacts"])
        if gone:
            raise store.StorageError(
                f"{folder}: {', '.join(sorted(gone))} disappeared while the run was trained. Start the command again."
            )
    store.write_json(folder / store.RUN_FILE, info)
    return str(info["status"])


def _to_count(plain: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """Return the distances, skeletons and curves to count, with those of the run that is scored again."""
    radii = sorted({*tolerances_to_record(plain), *(before.get("tolerances") or [])})
    skeletons = plain["trainer"].get("cldice", False) or bool(before.get("cldice"))
    curve = plain["trainer"].get("curve") or before.get("curve")
    found: dict[str, Any] = {"tolerances": radii} if radii else {}
    return found | ({"cldice": True} if skeletons else {}) | ({"curve": curve} if curve else {})


def _declared_looks(cfg: DictConfig) -> dict[str, Any]:
    """Return the seeds of each look of a study in stages; nothing in another study."""
    if cfg.study.stages is None or cfg.study.seeds is None:
        return {}
    return {"looks": [list(seeds) for seeds in Looks.of(cfg.study.stages, cfg.study.seeds).seeds]}


def _fit_and_score(
    cfg: DictConfig,
    folder: Path,
    loaded: LoadedData,
    on_update: Callable[[int], None],
    info: dict[str, Any],
    tracker: RunTracker,
) -> dict[str, Any]:
    fingerprint = info["fingerprint"]
    started = time.perf_counter()
    data, trainer = loaded.data, cfg.trainer
    training = build_training(cfg, loaded)
    accelerator, criterion, state, switch = training.accelerator, training.criterion, training.state, training.switch
    checkpoint = folder / store.CHECKPOINT_FILE
    if restore_state(checkpoint, state, fingerprint):
        log.info("going on from update %d", state.update)
        for row in state.history:
            tracker.log_row(row)
    on_device = stays_on_device(trainer.data_on_device, training.batches, accelerator.device)
    with together(training, to_plain(cfg), fingerprint, on_device) as shared, held_back():
        finite = train(
            cfg,
            training,
            on_device,
            shared,
            is_due=checkpoint_times(trainer.checkpoint_every, trainer.checkpoint_minutes),
            save=lambda: save_state(checkpoint, state, fingerprint),
            on_update=on_update,
            on_row=tracker.log_row,
        )
        if finite:  # before a signal is handled, so that interrupted scoring can be repeated without training
            save_weights(checkpoint, state, fingerprint)
    store.write_table(folder / store.HISTORY_FILE, pd.DataFrame(state.history))
    found: dict[str, Any] = {
        "updates": state.update,
        "initial_weights": training.initial_weights,
        "parameters": sum(p.numel() for p in state.model.parameters()),
        "prevalence": dict(zip(data.masks, loaded.prevalence, strict=True)),
        "train_presence": {
            mask: Presence.of(data.train.positives[:, place], data.train.pixels[:, place]).to_json()
            for place, mask in enumerate(data.masks)
        },
        "foreground_seen": foreground_seen(state.history, data.masks),
        "shift": data.shift,
        "device": device_name(accelerator.device),
        "threads": torch.get_num_threads(),
        **({"processes": processes.count()} if processes.count() > 1 else {}),
        "fit_seconds": round(state.fit_seconds, 3),
        "images_per_second": round(state.update * trainer.batch_size / max(state.fit_seconds, 1e-9), 2),
    }
    if data.annotators is not None:
        found["annotators"] = data.annotators.to_json(data.masks)
    if takes_classes(criterion):
        found["exclusive_classes"] = True  # scores are log-odds of the softmax, for those who use the weights
    if switch is not None:
        found["sampling_switch"] = {
            "update": switch,
            "foreground_before": foreground_seen(state.history, data.masks, until=switch),
            "foreground_after": foreground_seen(state.history, data.masks, after=switch),
        }
    if not finite:
        reason = f"the loss or the weights were not finite by update {state.update}"
        return {**found, "status": "diverged", "reason": reason}

    scoring = time.perf_counter()
    scorer = nn.Sequential(training.model, ClassScores()) if takes_classes(criterion) else training.model
    windows = {
        "side": trainer.eval_tile,
        "overlap": trainer.eval_overlap,
        "batch_size": trainer.eval_batch_size,
    }
    radii, skeletons, curve = info.get("tolerances", []), info.get("cldice", False), info.get("curve")
    whole_val = WholeImages(data.val, data.masks, radii) if radii else None
    val = score_split(scorer, data.val, data.masks, accelerator, whole=whole_val, **windows)
    thresholds = {"tuned": tuned_thresholds(val).tolist()}
    examples = example_collector(data.test, len(data.masks), trainer.example_pixels)
    points = {"natural": [0.0] * len(data.masks), **thresholds} if skeletons or curve else None
    whole_test = None
    if radii or skeletons or curve:
        whole_test = WholeImages(data.test, data.masks, radii, points, skeletons=skeletons, curve=curve)
    test = score_split(
        scorer,
        data.test,
        data.masks,
        accelerator,
        thresholds=thresholds,
        examples=examples,
        whole=whole_test,
        **windows,
    )
    scores = {"val": val, "test": test}
    ceiling = score_ceiling(data)
    store.write_scores(folder, scores if ceiling is None else {**scores, store.CEILING: ceiling})
    store.write_columns(folder, data.columns())
    if whole_test is not None:
        if radii or skeletons:
            _write_tolerant(folder, whole_test, test, whole_val, val)
        if (curves := whole_test.finish_curves(test.image_ids)) is not None:
            store.write_curves(folder, curves)
    if examples is not None:
        store.write_examples(folder, examples.finish())
    metrics = metrics_table(scores)
    store.write_table(folder / store.METRICS_FILE, metrics)
    tracker.log_values(final_values(metrics), state.update)
    found.update(
        evaluate_seconds=round(time.perf_counter() - scoring, 3),
        wall_seconds=round(time.perf_counter() - started, 3),
        peak_memory_mb=round(peak_memory_mb(accelerator.device), 1),
        images={"train": len(data.train.samples), "val": val.n_images, "test": test.n_images},
    )
    constant = [mask for index, mask in enumerate(data.masks) if _is_constant(test, index)]
    if len(constant) == len(data.masks):
        return {**found, "status": "diverged", "reason": store.CONSTANT_OUTPUT, "constant_masks": constant}
    return {**found, "status": "complete", "constant_masks": constant}


def _write_tolerant(
    folder: Path, test: WholeImages, test_scores: ScoreHistograms, val: WholeImages | None, val_scores: ScoreHistograms
) -> None:
    within = test.finish(test_scores.image_ids, test_scores.group_ids)
    of_val = {} if val is None else val.finish(val_scores.image_ids, val_scores.group_ids)
    tolerant = {radius: {"val": of_val[radius], "test": rows} for radius, rows in within.items()}
    store.write_tolerant(folder, tolerant, test.finish_centerlines(test_scores.image_ids))


def _is_constant(scores: Any, mask: int) -> bool:
    bins = scores.mask_entries(mask)[0]
    return len(bins) == 0 or bool((bins == bins[0]).all())
