"""Refuses folds that cannot be pooled: trained in different ways, or cut in different ways."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from experiments.config import FOLD, FOLDS, ConfigError
from experiments.process.error_text import listed
from experiments.runs import store
from experiments.runs.fingerprint import differing_keys, result_config


def refuse_other_training(parts: Sequence[store.Run]) -> None:
    """Refuse folds of one arm and seed that were not trained alike."""
    first, *others = (result_config(part.config, ("seed", FOLD)) for part in parts)
    for part, other in zip(parts[1:], others, strict=True):
        for key, (one, two) in differing_keys(first, other).items():
            raise ConfigError(
                f"{key}: expected one value in all folds of an arm, got {one!r} in {parts[0].folder} and {two!r} in "
                f"{part.folder}"
            )


def refuse_shared(parts: Sequence[store.Run]) -> None:
    """Refuse folds that test one image or group twice, or validate on images that no fold tests."""
    tests = [part.scores["test"] for part in parts]
    where = parts[0].folder.parent.parent
    for what, names in (
        ("image", [name for test in tests for name in test.image_ids]),
        ("group", [name for test in tests for name in set(test.group_ids)]),
    ):
        twice = sorted(name for name, count in Counter(names).items() if count > 1)
        if twice:
            raise ConfigError(
                f"{FOLDS}: expected every {what} in the test images of one fold, got in two or more folds of {where}: "
                f"{listed(twice)}. Their cuts differ; keep each cut in a study_dir of its own"
            )
    tested = {name for test in tests for name in test.image_ids}
    others = sorted({n for part in parts if "val" in part.scores for n in part.scores["val"].image_ids} - tested)
    if others:
        raise ConfigError(
            f"{FOLDS}: expected every validation image to be tested in another fold of {where}, got images that no "
            f"fold tests: {listed(others)}. Their cuts differ; keep each cut in a study_dir of its own"
        )
