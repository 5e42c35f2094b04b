"""Pools the folds of an arm and seed into one run, in which each image was tested once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from experiments.config import FOLD, FOLDS, ConfigError
from experiments.frontier.arithmetic import side_by_side
from experiments.frontier.curve_space.counts import CurveSums
from experiments.frontier.histogram import ScoreHistograms
from experiments.frontier.tolerance.histograms import TolerantHistograms
from experiments.process.on_demand import Mapped
from experiments.runs import store
from experiments.runs.arms import fold_in_name, without_fold
from experiments.runs.pooling.fold_facts import facts_of_all, without_fold_key
from experiments.runs.pooling.fold_refusals import refuse_other_training, refuse_shared

_NATURAL = ("natural",)  # a fold's own tuned threshold is not that of the pooled run


def pool_folds(runs: Sequence[store.Run]) -> tuple[list[store.Run], int | None]:
    """Make one run of the folds of each arm and seed; runs that name no fold stay as they are.

    A pooled run holds the test images of all folds, each scored by the network that saw none of its group. Its
    validation holds those of every fold under names with the fold, because an image may validate several of them. One
    threshold is tuned on them for all folds. Where a fold is missing or has no scores, the pooled run has none either,
    and says which fold that is.

    Args:
        runs: All runs of a study.

    Returns:
        The runs, and the number of folds; None where no run names a fold.

    Raises:
        ConfigError: Runs are cut into different numbers of folds, or an image or a group is tested in two.
    """
    fold_of = {run.folder: fold_in_name(run.arm) for run in runs}
    if all(fold is None for fold in fold_of.values()):
        return list(runs), None
    n_folds = _number_of_folds([run for run in runs if fold_of[run.folder] is not None], fold_of)
    found: dict[tuple[str, int], dict[int, store.Run]] = {}
    pooled = []
    for run in runs:
        fold = fold_of[run.folder]
        if fold is None:
            pooled.append(run)
        else:
            found.setdefault((without_fold(run.arm), run.seed), {})[fold] = run
    return pooled + [_pool(arm, seed, folds, n_folds) for (arm, seed), folds in found.items()], n_folds


def _number_of_folds(runs: Sequence[store.Run], fold_of: Mapping[Any, int | None]) -> int:
    said = {(run.config.get("data") or {}).get("folds"): run.folder for run in runs if run.config.get("data")}
    said.pop(None, None)
    if len(said) > 1:
        texts = [f"{number} ({folder})" for number, folder in said.items()]
        raise ConfigError(f"{FOLDS}: expected one number of folds in all runs of a study, got {' and '.join(texts)}")
    named = max(fold_of[run.folder] or 0 for run in runs) + 1
    return max(int(next(iter(said), named)), named)


def _pool(arm: str, seed: int, folds: Mapping[int, store.Run], n_folds: int) -> store.Run:
    parts = [folds[fold] for fold in sorted(folds)]
    first = parts[0]
    axes = [axis for axis in first.info.get("axes", []) if axis != FOLD]
    info: dict[str, Any] = {**first.info, "axes": axes, "command": without_fold_key(first.info.get("command"))}
    config = {**first.config}
    if isinstance(config.get("data"), Mapping):
        config["data"] = {key: value for key, value in config["data"].items() if key != "fold"}
    lacking = [fold for fold in range(n_folds) if fold not in folds or not folds[fold].scores]
    if lacking:
        status, reason, command = _hole(folds, lacking, n_folds)
        return store.Run(
            first.folder,
            arm,
            seed,
            status,
            {**info, "status": status, "reason": reason, "command": command},
            config,
            {},
        )
    refuse_other_training(parts)
    refuse_shared(parts)
    splits = [split for split in first.scores if all(split in part.scores for part in parts)]
    radii = [radius for radius in first.tolerant if all(radius in part.tolerant for part in parts)]
    curves = CurveSums.side_by_side([part.curves for part in parts])
    ended = [part for part in parts if part.status != "complete"]
    info |= facts_of_all(parts)
    info |= {
        "tolerances": radii,
        "cldice": False,
        "curve": None if curves is None else curves.axis,
        "status": ended[0].status if ended else "complete",
    }
    if ended:
        info["reason"] = ended[0].info.get("reason")
    return store.Run(
        first.folder,
        arm,
        seed,
        info["status"],
        info,
        config,
        Mapped({split: split for split in splits}, lambda split: _scores(parts, split)),
        Mapped(
            {radius: radius for radius in radii},
            lambda radius: {split: _tolerant(parts, radius, split) for split in parts[0].tolerant[radius]},
        ),
        columns={"test": _columns(parts)} if any(part.columns for part in parts) else {},
        curves=curves,
    )


def _scores(parts: Sequence[store.Run], split: str) -> ScoreHistograms:
    each = [_named(part.scores[split], fold, split) for fold, part in enumerate(parts)]
    return side_by_side(each, [name for name in _NATURAL if all(name in one.points for one in each)])


def _tolerant(parts: Sequence[store.Run], radius: int, split: str) -> TolerantHistograms:
    found = [part.tolerant[radius][split] for part in parts]
    return TolerantHistograms.side_by_side(
        [
            replace(one, near=_named(one.near, fold, split), found=_named(one.found, fold, split))
            for fold, one in enumerate(found)
        ]
    )


def _columns(parts: Sequence[store.Run]) -> dict[str, dict[str, str]]:
    """Join what is known of the test images of all folds; the folds' training images are one another's."""
    found: dict[str, dict[str, str]] = {}
    for part in parts:
        for column, values in part.columns.get("test", {}).items():
            found.setdefault(column, {}).update(values)
    return found


def _named(histograms: ScoreHistograms, fold: int, split: str) -> ScoreHistograms:
    """Put the fold before the names of validation images."""
    if split != "val":
        return histograms
    return replace(histograms, image_ids=tuple(f"fold {fold}: {name}" for name in histograms.image_ids))


def _hole(folds: Mapping[int, store.Run], lacking: Sequence[int], n_folds: int) -> tuple[str, str, str]:
    """Return the status, the reason and the command of a pooled run that lacks folds."""
    there = [folds[fold] for fold in lacking if fold in folds]
    told = []
    for fold in lacking:
        run = folds.get(fold)
        reason = "no run folder" if run is None else str(run.info.get("reason") or "")
        told.append(f"fold {fold} of {n_folds}: {'missing' if run is None else run.status}: {reason}".rstrip(": "))
    command = next((str(run.info["command"]) for run in there if run.info.get("command")), "")
    return there[0].status if there else "missing", "; ".join(told), command
