"""Joins runs of a study that were made apart, in folders of their own; refuses what does not belong together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np

from experiments.config import ConfigError
from experiments.process.error_text import listed
from experiments.runs import store
from experiments.runs.fingerprint import differing_keys, result_config

Place = Path | Sequence[Path]
"""A study's folder, or several that hold its parts."""


def folders_of(place: Place) -> list[Path]:
    """List the folders of a study."""
    return [place] if isinstance(place, Path) else list(place)


def place_text(place: Place) -> str:
    """Name the folders of a study in a sentence.

    >>> place_text([Path("outputs/a"), Path("outputs/b")])
    'outputs/a and outputs/b'
    """
    return " and ".join(map(str, folders_of(place)))


def joined_runs(parts: Mapping[Path, Sequence[store.Run]]) -> list[store.Run]:
    """Join the runs of parts, ordered by arm and seed.

    A run that several parts have counts once if its scores are the same. Configurations may differ in the keys that
    make the arms and in the seed, and in nothing else that a result depends on. Runs whose predictions were made
    elsewhere have no configuration; they are compared by their test images alone, as in one folder.

    Args:
        parts: The runs of each folder.

    Raises:
        ConfigError: Two parts have different runs of one arm and seed, or were made in different ways; the message
            lists them all.
    """
    everything = [run for runs in parts.values() for run in runs]
    if len(parts) == 1:
        return everything
    problems = _differences_between(parts)
    kept: dict[tuple[str, int], store.Run] = {}
    twice = []
    for run in everything:
        first = kept.setdefault((run.arm, run.seed), run)
        if first is run:
            continue
        if run.scores and not first.scores:  # the other part's run was not finished
            kept[run.arm, run.seed] = run
        elif run.scores and first.scores and not _same_scores(first, run):
            twice.append(f"{first.folder} and {run.folder}")
    if twice:
        problems.append(
            f"expected every arm and seed once, or with the same scores in all parts, got others in {listed(twice)}. "
            "Keep one of each: move the other out of its part"
        )
    if problems:
        raise ConfigError("\n".join(f"study_dir: {problem}" for problem in problems))
    return sorted(kept.values(), key=lambda run: (run.arm, run.seed))


def _differences_between(parts: Mapping[Path, Sequence[store.Run]]) -> list[str]:
    """Say in what the parts were made differently: configuration, outside the keys of arms, and data to train on."""
    runs = [run for found in parts.values() for run in found]
    varied = tuple(
        dict.fromkeys(
            key for run in runs for name in ("axes", "nuisance", "conditions") for key in run.info.get(name) or []
        )
    )
    trained = {
        folder: next((run for run in found if run.scores and store.PREDICTIONS not in run.info), None)
        for folder, found in parts.items()
    }
    known = {folder: _facts(run, varied) for folder, run in trained.items() if run is not None}
    if not known:
        return []
    (first, reference), *others = known.items()
    return [
        f"expected parts that differ in {' and '.join([*varied, 'the seed'])} alone, got {key} {old} in {first} and "
        f"{new} in {folder}"
        for folder, facts in others
        for key, (old, new) in differing_keys(reference, facts).items()
    ]


def _facts(run: store.Run, varied: tuple[str, ...]) -> dict[str, object]:
    data = run.info.get("data_fingerprint") or {}
    facts: dict[str, object] = result_config(run.config, ("seed", *varied))
    return facts | {f"images and labels ({split})": str(data.get(split))[:12] for split in ("train", "val", "test")}


def _same_scores(first: store.Run, second: store.Run) -> bool:
    """Return whether two runs have the same histograms of the same images, split by split."""
    return set(first.scores) == set(second.scores) and all(
        np.array_equal(getattr(one, each.name), getattr(second.scores[split], each.name))
        for split, one in first.scores.items()
        for each in fields(one)
    )
