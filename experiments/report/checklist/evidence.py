"""The evidence of one study for the checklist: its runs, their comparison, and what it shares with other studies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from experiments.comparison.compare_arms import Comparison
from experiments.comparison.weight_sweep import WeightSweep
from experiments.runs.presence import Presence
from experiments.runs.study import StudyRuns, short_names

TRAIN_PRESENCE = "train_presence"
"""Key of `run.json`: mask -> `Presence` of the training split; older runs lack it."""


@dataclass(frozen=True)
class StudyEvidence:
    """The evidence of one study under one condition.

    Args:
        name: Its name in sentences.
        study: Its runs.
        comparison: Their comparison.
        sweep: Its weight sweep, if it has one.
    """

    name: str
    study: StudyRuns
    comparison: Comparison
    sweep: WeightSweep | None

    @classmethod
    def of(cls, study: StudyRuns, comparison: Comparison, sweep: WeightSweep | None = None) -> StudyEvidence:
        """Name it by its folder and its condition; a sweep that is not given is computed, where there is one."""
        folder = study.reference.folder
        name = " ".join(part for part in (folder.parents[1].name, study.condition) if part)
        return cls(name, study, comparison, sweep or WeightSweep.of(study, comparison))

    @property
    def arm_names(self) -> dict[str, str]:
        """The name of each arm in sentences."""
        return short_names(list(self.study.complete))

    @property
    def data(self) -> tuple[object, ...]:
        """The properties that studies on the same data share: fingerprints of training and test split, and masks."""
        prints = self.study.reference.info.get("data_fingerprint") or {}
        return prints.get("train"), prints.get("test"), self.comparison.masks

    def presence(self, mask: str) -> dict[str, Presence]:
        """Where the positives of a mask are: "training" where the runs recorded it, and "test"."""
        found = {}
        recorded = (self.study.reference.info.get(TRAIN_PRESENCE) or {}).get(mask)
        if recorded is not None:
            found["training"] = Presence.from_json(recorded)
        positives, negatives = self.study.reference.scores["test"].pixel_counts()
        place = self.comparison.masks.index(mask)
        found["test"] = Presence.of(positives[:, place], (positives + negatives)[:, place])
        return found


def with_unique_names(studies: Sequence[StudyEvidence]) -> list[StudyEvidence]:
    """Distinguish studies of the same name by their parent folder, then by number."""
    named = list(studies)
    for again in range(2):
        counts = [study.name for study in named]
        for place, study in enumerate(named):
            if counts.count(study.name) > 1:
                above = study.study.reference.folder.parents[2].name
                name = (
                    f"{above}/{study.name}" if not again else f"{study.name} ({counts[: place + 1].count(study.name)})"
                )
                named[place] = replace(study, name=name)
    return named
