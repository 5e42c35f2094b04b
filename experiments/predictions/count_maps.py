"""Counts the score maps of all runs, image after image, and collects what is wrong with any of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from experiments.data.image_folder.decode import UnusableFile
from experiments.data.image_folder.problems import ProblemList
from experiments.data.reading_progress import with_progress
from experiments.data.split import Sample, Split
from experiments.frontier.arithmetic import from_rows
from experiments.frontier.codes import logit_to_code
from experiments.frontier.curve_space.counts import CurveSums, image_sums
from experiments.frontier.from_images import count_codes
from experiments.frontier.histogram import Row, ScoreHistograms
from experiments.frontier.operating_point import tuned_thresholds
from experiments.frontier.tolerance.histograms import TolerantHistograms, from_tolerant_rows, tolerant_rows
from experiments.predictions.map_files import ALL_MASKS, RunFiles
from experiments.predictions.map_values import Kind, MapValues, hard_top, kind_of, score_codes, values_of
from experiments.predictions.planes import fitted, to_planes
from experiments.predictions.read_map import read_map
from experiments.predictions.truth import Truth


@dataclass(frozen=True)
class Reading:
    """How the files are read; see `score_folder`."""

    kind: Kind | None = None
    array: str | None = None
    axes: str | None = None
    channels: Sequence[str] | None = None
    tolerances: Sequence[int] = ()
    resize: bool = False
    curve: str | None = None


@dataclass
class CountedRun:
    """One run's maps, counted.

    Args:
        files: Its maps.
        scores: "val", where there is validation, and "test".
        tolerant: Radius -> the same splits, with distances of up to the radius forgiven.
        curves: Sums of its curves on test; None if they are not asked for.
        hard: Whether they are hard masks.
        kinds: The kinds of its maps.
        values: Of each map, with its place in words.
    """

    files: RunFiles
    scores: dict[str, ScoreHistograms] = field(default_factory=dict)
    tolerant: dict[int, dict[str, TolerantHistograms]] = field(default_factory=dict)
    curves: CurveSums | None = None
    hard: bool = False
    kinds: set[Kind] = field(default_factory=set)
    values: list[tuple[str, MapValues]] = field(default_factory=list)


def count_maps(
    runs: Sequence[RunFiles], truth: Truth, reading: Reading, problems: ProblemList, *, allow_constant: bool = False
) -> list[CountedRun]:
    """Read and count every map; validation comes first, as the test images are counted at its thresholds too.

    Args:
        runs: Their files, complete.
        truth: The labels.
        reading: How the files are read.
        problems: Receives what is wrong.
        allow_constant: Whether a map of scores may have one value everywhere.
    """
    counted = [CountedRun(files) for files in runs]
    _count_all(counted, truth, reading, problems)
    tops: dict[str, float] = {}
    for arm in dict.fromkeys(run.files.arm for run in counted):
        mine = [run for run in counted if run.files.arm == arm]
        found = [entry for run in mine for entry in run.values]
        top = hard_top(values for _, values in found)
        if top is not None:
            tops[arm] = top
            continue
        if not allow_constant:
            problems.add(
                "expected scores, got one value everywhere; allow_constant=true if that is right",
                *[f"{place}: {values.low:g}" for place, values in found if values.constant],
            )
        problems.add(
            f"expected scores in all maps of {arm} or 0 and 1 in all, got thresholded maps among scores",
            *[f"{place}: {values.low:g} and {values.high:g} alone" for place, values in found if values.thresholded],
        )
    if not problems and tops:
        hard = [run for run in counted if run.files.arm in tops]
        for run in hard:
            run.hard = True
        _count_all(hard, truth, reading, problems, tops)
    return counted


def _count_all(
    runs: Sequence[CountedRun],
    truth: Truth,
    reading: Reading,
    problems: ProblemList,
    tops: dict[str, float] | None = None,
) -> None:
    for split in ("val", "test"):
        mine = [run for run in runs if split in run.files.maps and split in truth.splits]
        if mine:
            _count_split(mine, truth.masks, truth.splits[split], reading, problems, tops)


def _count_split(
    runs: Sequence[CountedRun],
    masks: tuple[str, ...],
    split: Split,
    reading: Reading,
    problems: ProblemList,
    tops: dict[str, float] | None,
) -> None:
    """Count one split of every run: each image's labels are read once."""
    points = [{"tuned": tuned_thresholds(run.scores["val"]).tolist()} if "val" in run.scores else {} for run in runs]
    rows: list[list[Row]] = [[] for _ in runs]
    joint: list[list[NDArray[np.int64]]] = [[] for _ in runs]
    limits = [logit_to_code([[0.0] * len(masks), *each.values()]) for each in points]
    lines: list[list[NDArray[np.float64]]] = [[] for _ in runs]
    pairs: list[dict[int, list[tuple[Row, Row]]]] = [{radius: [] for radius in reading.tolerances} for _ in runs]

    def count(index: int) -> None:
        sample, image = split.samples[index], split.image_ids[index]
        for place, run in enumerate(runs):
            try:
                planes = _planes(run, split.name, image, masks, sample, reading, look=tops is None)
            except UnusableFile as error:
                problems.add(error.kind, error.found)
                continue
            if planes is None or problems:
                continue
            top = None if tops is None else tops[run.files.arm]
            codes = np.stack([score_codes(plane, kind, top) for plane, kind in planes])
            shape = (len(masks), -1)
            found = count_codes(
                codes.reshape(shape),
                sample.target.reshape(shape),
                None if sample.valid is None else np.broadcast_to(sample.valid, codes.shape).reshape(shape),
                thresholds=list(points[place].values()),
            )
            rows[place] += found[0]
            joint[place].append(found[1])
            for radius, mine in pairs[place].items():
                mine += [tolerant_rows(*each, sample.valid, radius) for each in zip(codes, sample.target, strict=True)]
            if reading.curve is not None and split.name == "test":
                fired = codes >= limits[place][:, :, None, None]
                lines[place].append(image_sums(fired, sample.target, sample.valid, reading.curve))

    with_progress(map(count, range(len(split))), len(split), f"counting {split.name}", "image")
    if problems:
        return
    for place, run in enumerate(runs):
        run.scores[split.name] = from_rows(
            masks,
            split.image_ids,
            split.group_ids,
            rows[place],
            np.concatenate(joint[place]),
            points=("natural", *points[place]),
        )
        for radius, mine in pairs[place].items():
            run.tolerant.setdefault(radius, {})[split.name] = from_tolerant_rows(
                masks, split.image_ids, split.group_ids, mine, radius
            )
        if lines[place] and reading.curve is not None:
            named = ("natural", *points[place])
            run.curves = CurveSums(reading.curve, tuple(split.image_ids), named, np.stack(lines[place]))


Planes = list[tuple[NDArray[np.generic], Kind]]


def _planes(
    run: CountedRun,
    split: str,
    image: str,
    masks: tuple[str, ...],
    sample: Sample,
    reading: Reading,
    *,
    look: bool,
) -> Planes | None:
    """Read the maps of one image; None if the run has none, which is told elsewhere."""
    files = run.files.maps[split].get(image, {})
    planes: Planes = []
    for mask, path in files.items():
        wanted = masks if mask == ALL_MASKS else (mask,)
        place = f"{run.files.name}, {path.parent.name}/{path.name}"
        try:
            found = to_planes(read_map(path, reading.array), wanted, axes=reading.axes, channels=reading.channels)
            kind = kind_of(found, reading.kind)
            found = fitted(found, sample.target.shape[1:], resize=reading.resize)
            run.kinds.add(kind)
            for name, plane in zip(wanted, found, strict=True):
                if look:
                    where = place if len(wanted) == 1 else f"{place}, {name}"
                    run.values.append((where, values_of(plane, kind, sample.valid)))
                # Ignored pixels may hold anything, NaN too.
                planes.append((plane if sample.valid is None else np.where(sample.valid, plane, 0), kind))
        except UnusableFile as error:
            raise UnusableFile(error.kind, f"{place}: {error.found}") from error
    if len(planes) < len(masks):
        return None
    names = [name for mask in files for name in (masks if mask == ALL_MASKS else (mask,))]
    return [planes[names.index(mask)] for mask in masks]


def distinct_scores(scores: ScoreHistograms) -> dict[str, tuple[int, float]]:
    """Count the different scores of each mask, and the share of the pixels that has the most frequent one.

    Logits count after rounding to the 65,536 codes.
    """
    found = {}
    for place, mask in enumerate(scores.masks):
        pixels = np.add(*scores.pooled(place))
        found[mask] = (int(np.count_nonzero(pixels)), float(pixels.max() / max(pixels.sum(), 1)))
    return found
