"""Turns a folder of score maps into runs on disk that a comparison reads like any other."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from experiments.config import CURVE_AXES, ConfigError, tolerance_problem
from experiments.data.image_folder.problems import ProblemList
from experiments.data.split import SegmentationData
from experiments.frontier.curve_space.centre_line import Axis
from experiments.frontier.from_images import from_images, to_logits
from experiments.frontier.histogram import ScoreHistograms
from experiments.frontier.operating_point import metrics_table
from experiments.predictions.count_maps import CountedRun, Reading, count_maps, distinct_scores
from experiments.predictions.map_files import find_maps
from experiments.predictions.map_values import KINDS, Kind
from experiments.predictions.path_pattern import DEFAULT, PathPattern
from experiments.predictions.planes import BACKGROUND, axes_problems
from experiments.predictions.truth import Truth, read_truth
from experiments.runs import store
from experiments.runs.lock import held

_PACKAGES = ("numpy", "lossfrontier")


@dataclass(frozen=True)
class ScoredRun:
    """One run that was written.

    Args:
        folder: Where it is.
        arm: Its arm.
        seed: Its seed.
        scores: "test", and "val" where there is validation.
        hard: Whether its maps are hard masks, which have no frontier.
    """

    folder: Path
    arm: str
    seed: int
    scores: dict[str, ScoreHistograms]
    hard: bool


def score_folder(
    predictions: Path | str,
    *,
    study_dir: Path | str,
    truth: Path | str | None = None,
    data: SegmentationData | None = None,
    val_predictions: Path | str | None = None,
    val_truth: Path | str | None = None,
    pattern: str = DEFAULT,
    arm: str | None = None,
    kind: Kind | None = None,
    array: str | None = None,
    axes: str | None = None,
    channels: Sequence[str] | None = None,
    group_pattern: str | None = None,
    resize: bool = False,
    allow_constant: bool = False,
    tolerances: Sequence[int] = (),
    curve: Axis | None = None,
    baseline: str | None = None,
    overwrite: bool = False,
    config: dict[str, Any] | None = None,
    command: str | None = None,
) -> list[ScoredRun]:
    """Count score maps that were made elsewhere, and write a run for every arm and seed.

    Args:
        predictions: Folder of the score maps: .npy, .npz, .png or .tif, each of the size of its image.
        study_dir: Where the runs go: `<arm>/seed=<k>/`.
        truth: Folder of the masks of the test images, or of a sub-folder for each mask; 0 is outside, 255 or 1 inside.
        data: A data set whose test images they are, instead of `truth`.
        val_predictions: Folder of the maps of validation images, for tuning thresholds.
        val_truth: Folder of their masks; with `data`, its validation split is used.
        pattern: Path of a map below its folder, without its ending: fields `{arm}`, `{seed}`, `{mask}`, `{split}`
            (test or val) and `{image}`.
        arm: The arm, where the pattern has none.
        kind: "logits", "probabilities", "0-255" or "0-65535"; None takes 0-255 for 8 bits, 0-65535 for 16 bits, and
            else probabilities.
        array: Name of the array in .npz files; None takes the only one, or nnU-Net's.
        axes: Order of an array's axes, such as "HWC"; None for CHW, or HWC in pictures.
        channels: What each channel is, a mask or "background"; None for the masks in order.
        group_pattern: Regular expression that finds the group in a mask's name; with `data`, its groups count.
        resize: Whether to interpolate maps of another size than their image; otherwise they are refused.
        allow_constant: Whether a map of scores may have one value everywhere.
        tolerances: Distances in pixels, such as [2], within which to count scores too, for `report.tolerance`.
        curve: "rows" or "columns": reads the masks as curves, with a value per row or column; None does not.
        baseline: The arm that a comparison takes as baseline; None leaves that to the other runs of the study, or to
            the comparison.
        overwrite: Whether to replace runs that were scored before.
        config: The configuration to keep with the runs.
        command: The command that makes them again.

    Returns:
        The runs, by arm and seed.

    Raises:
        ConfigError: An argument is wrong, or a folder holds another run.
        DataError: Some files cannot be used. The message names all of them. Nothing is written.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> home, rng = Path(tempfile.mkdtemp()), np.random.default_rng(0)
        >>> for folder in ("masks", "maps/mine/0"):
        ...     (home / folder).mkdir(parents=True)
        >>> for name in "abc":
        ...     mask = rng.random((20, 20)) < 0.1
        ...     Image.fromarray(mask).save(home / "masks" / f"{name}.png")
        ...     np.save(home / "maps/mine/0" / f"{name}.npy", 0.3 * rng.random(mask.shape) + 0.5 * mask)
        >>> runs = score_folder(home / "maps", truth=home / "masks", study_dir=home / "study")
        >>> [(run.arm, run.seed, run.scores["test"].image_ids) for run in runs]
        [('mine', 0, ('a', 'b', 'c'))]
    """
    found, wrong = _pattern(pattern, arm, ())
    wrong += axes_problems(axes)
    wrong += [] if kind in (None, *KINDS) else [f"kind: expected one of {', '.join(KINDS)}, got {kind}"]
    wrong += [f"tolerances: {problem}" for each in tolerances if (problem := tolerance_problem(each))]
    wrong += [] if curve in (None, *CURVE_AXES) else [f"curve: expected {' or '.join(CURVE_AXES)}, got {curve!r}"]
    wrong += _truth_problems(truth, data, val_predictions, val_truth, pattern)
    if wrong:
        raise ConfigError("\n".join(wrong))
    problems = ProblemList(f"predictions={predictions}")
    if data is not None:
        labels = Truth.of_data(data)
    else:
        folders = {"test": Path(str(truth)).expanduser()}
        folders |= {} if val_truth is None else {"val": Path(val_truth).expanduser()}
        labels = read_truth(folders, group_pattern, problems)
        problems.raise_if_any()
    strangers = [name for name in channels or () if name not in (*labels.masks, BACKGROUND)]
    lacking = [mask for mask in labels.masks if channels is not None and mask not in channels]
    if strangers or lacking:
        raise ConfigError(
            f"channels: expected {', '.join(labels.masks)} and perhaps {BACKGROUND}, got {', '.join(channels or ())}"
        )
    places = {"test": Path(predictions).expanduser()}
    places |= {} if val_predictions is None else {"val": Path(val_predictions).expanduser()}
    found, _ = _pattern(pattern, arm, labels.masks)
    assert found is not None
    images = {name: split.image_ids for name, split in labels.splits.items()}
    files = find_maps(places, found, images, labels.masks, problems, arm=arm)
    # Maps are read all the same, so that one message lists all problems.
    reading = Reading(kind, array, axes, channels, sorted(set(tolerances)), resize, curve)
    counted = count_maps(files, labels, reading, problems, allow_constant=allow_constant)
    problems.raise_if_any()
    prints = {run.files.name: _fingerprint(run, labels) for run in counted}
    homes = {run.files.name: Path(study_dir) / run.files.arm / f"seed={run.files.seed}" for run in counted}
    taken = [_taken(homes[name], prints[name], overwrite=overwrite) for name in homes]
    if any(taken):
        raise ConfigError("\n".join(text for text in taken if text))
    info: dict[str, Any] = {"axes": [], "nuisance": [], "conditions": [], "command": command}
    info |= {} if baseline is None else {"baseline": baseline}
    for run in counted:
        name = run.files.name
        _write(run, labels, homes[name], {**info, store.PREDICTIONS: prints[name]}, config or {})
    return [ScoredRun(homes[r.files.name], r.files.arm, r.files.seed, r.scores, r.hard) for r in counted]


def _pattern(pattern: str, arm: str | None, masks: Sequence[str]) -> tuple[PathPattern | None, list[str]]:
    try:
        found = PathPattern.of(pattern, masks)
    except ValueError as error:
        return None, [f"pattern: {error}"]
    if "arm" in found.fields and arm is not None:
        return found, [f"arm: expected none, as the pattern {pattern} has {{arm}}, got {arm}"]
    if "arm" not in found.fields and arm is None:
        return found, [f"pattern: expected {{arm}} in it, or arm=NAME, got {pattern}"]
    return found, []


def _truth_problems(
    truth: Path | str | None,
    data: SegmentationData | None,
    val_predictions: Path | str | None,
    val_truth: Path | str | None,
    pattern: str,
) -> list[str]:
    """List what does not fit together among the sources of truth."""
    split = "{split}" in pattern
    problems = []
    if (truth is None) == (data is None):
        got = "neither" if truth is None else "both"
        problems.append(f"truth, data: expected one of them, a folder of masks or a data set, got {got}")
    if val_predictions is not None and split:
        problems.append("val_predictions: expected none, as the pattern has {split}")
    if val_truth is not None and data is not None:
        problems.append("val_truth: expected none, as data has a validation split")
    if truth is not None and val_predictions is not None and val_truth is None:
        problems.append("val_truth: expected the masks of the validation images, as there is val_predictions")
    if val_truth is not None and val_predictions is None and not split:
        problems.append("val_predictions: expected maps of the images of val_truth, or {split} in the pattern")
    return problems


def _fingerprint(run: CountedRun, truth: Truth) -> str:
    """Hash what a comparison reads of a run."""
    facts: tuple[Any, ...] = (run.files.name, run.hard, sorted(truth.fingerprints.items()), sorted(run.tolerant))
    facts += () if run.curves is None else (run.curves.axis,)
    digest = hashlib.sha256(repr(facts).encode())
    for split, scores in run.scores.items():
        for name, array in scores.to_arrays(f"{split}_").items():
            digest.update(repr((name, array.dtype.str, array.shape)).encode())
            digest.update(np.ascontiguousarray(array).data if array.dtype.kind != "U" else repr(list(array)).encode())
    return digest.hexdigest()


def _taken(folder: Path, fingerprint: str, *, overwrite: bool) -> str:
    """Say why a run may not be written to a folder; empty if it may."""
    info = store.read_info(folder)
    if info is None or info.get(store.PREDICTIONS) == fingerprint:
        return ""
    if store.PREDICTIONS not in info:
        return f"{folder} holds a run that was trained here. Give the arm another name, or study_dir=ANOTHER_FOLDER."
    if overwrite:
        return ""
    return f"{folder} holds other predictions. Give study_dir=ANOTHER_FOLDER, or overwrite=true to replace them."


def _write(run: CountedRun, truth: Truth, folder: Path, info: dict[str, Any], config: dict[str, Any]) -> None:
    scores = {split: run.scores[split] for split in store.SCORED_SPLITS if split in run.scores}
    ceiling = _ceiling(truth)
    with held(folder):
        store.remove_run(folder)
        store.write_config(folder, config)
        store.write_scores(folder, scores if ceiling is None else {**scores, store.CEILING: ceiling})
        store.write_table(folder / store.METRICS_FILE, metrics_table(scores))
        store.write_columns(folder, {} if truth.data is None else truth.data.columns())
        if run.tolerant:
            store.write_tolerant(folder, run.tolerant, None)
        if run.curves is not None:
            store.write_curves(folder, run.curves)
        content = {
            "status": "complete",
            "arm": run.files.arm,
            "seed": run.files.seed,
            **info,
            store.HARD_MASKS: run.hard,
            **({"tolerances": sorted(run.tolerant)} if run.tolerant else {}),
            **({} if run.curves is None else {"curve": run.curves.axis}),
            "kinds": sorted(run.kinds),
            "distinct_scores": {mask: count for mask, (count, _) in distinct_scores(scores["test"]).items()},
            "data_fingerprint": truth.fingerprints,
            **_annotators(truth),
            "images": {split: histograms.n_images for split, histograms in scores.items()},
            "versions": {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "artifacts": store.note_artifacts(folder),
        }
        store.write_json(folder / store.RUN_FILE, content)


def _annotators(truth: Truth) -> dict[str, Any]:
    """Return how those who drew the test images agree, if there are several."""
    drawn = None if truth.data is None else truth.data.annotators
    return {} if drawn is None or truth.data is None else {"annotators": drawn.to_json(truth.data.masks)}


def _ceiling(truth: Truth) -> ScoreHistograms | None:
    """Count the true probabilities of the test images, where the data know them; as `evaluation.score_ceiling`."""
    if truth.data is None or truth.data.eta is None:
        return None
    test = truth.data.test
    logits = [to_logits(each).astype(np.float32) for each in truth.data.eta]
    samples = [test.samples[index] for index in range(len(test))]
    valid = [np.ones(s.target.shape[1:], bool) if s.valid is None else s.valid for s in samples]
    return from_images(
        logits,
        [sample.target for sample in samples],
        masks=truth.masks,
        image_ids=test.image_ids,
        groups=test.group_ids,
        valid=valid,
    )
