"""Every arm of a study under every treatment of its scores, and the sizes that the report states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from experiments.comparison.checked_runs import RunScores
from experiments.comparison.compared_study import theories
from experiments.comparison.settings import CompareSettings
from experiments.comparison.thresholding.study import TreatedArm, treat_arm
from experiments.config import ConfigError
from experiments.process.on_demand import Mapped
from experiments.runs.study import StudyRuns, load_conditions, short_names


@dataclass(frozen=True)
class Thresholding:
    """Every arm of a study under every treatment.

    Args:
        source: the study's folder.
        runs: a row per arm, seed, mask and treatment (`TreatedArm.runs`).
        changes: a row per arm, mask and treatment (`TreatedArm.changes`).
        verdicts: a row per source arm, treatment and mask; `arm` is the treatment, `baseline` is "untreated".
        holes: runs of the study that are missing or incomplete.
        names: arm -> display name, the study's baseline first.
        settings: of the comparisons.
        n_validation: validation images, on which everything is fitted.
        n_test: test images.
        n_groups: test groups.
    """

    source: Path
    runs: pd.DataFrame
    changes: pd.DataFrame
    verdicts: pd.DataFrame
    holes: pd.DataFrame
    names: Mapping[str, str]
    settings: CompareSettings
    n_validation: int
    n_test: int
    n_groups: int

    @property
    def seeds(self) -> str:
        """Such as "5 seeds" or "3 to 5 seeds"."""
        counts = sorted(set(self.runs.groupby("arm")["seed"].nunique()))
        text = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        return f"{text} seed{'' if text == '1' else 's'}"

    @property
    def images(self) -> str:
        """Such as "64 test images in 8 groups"."""
        text = f"{self.n_test} test image{'' if self.n_test == 1 else 's'}"
        groups = f" in {self.n_groups} group{'' if self.n_groups == 1 else 's'}"
        return text if self.n_groups == self.n_test else text + groups


def treat_study(source: Path, settings: CompareSettings) -> Thresholding:
    """Treat every complete run of a study, arm by arm.

    If the study has conditions, its arms are treated under each, and the condition is added to the arm's name.

    Args:
        source: Folder of the study.
        settings: Margins, level, headline; the level is divided by the number of arms (Bonferroni), each of which is
            compared with itself.

    Raises:
        ConfigError: When the runs cannot be read as a study.
    """
    studies = load_conditions(source)
    every = [(study, arm) for study in studies for arm, seeds in study.complete.items() if seeds]
    arms = [(study, arm) for study, arm in every if all("val" in run.scores for run in study.complete[arm].values())]
    if not arms:
        raise ConfigError(f"study.source: expected runs with validation scores to fit on, found none in {source}")
    shared = replace(settings, n_comparisons=len(arms))
    treated = {_name(study, arm): _treat(study, arm, shared) for study, arm in arms}
    verdicts = {arm: item.verdicts for arm, item in treated.items() if len(item.verdicts)}
    reference = next(iter(arms[0][0].complete[arms[0][1]].values())).scores
    return Thresholding(
        source=source,
        runs=_joined({arm: item.runs for arm, item in treated.items()}, "arm"),
        changes=_joined({arm: item.changes for arm, item in treated.items()}, "arm"),
        verdicts=_joined(verdicts, "source_arm"),
        holes=pd.concat(
            [*map(_named_holes, studies), _without_validation(every, arms)], ignore_index=True
        ).drop_duplicates(),
        names=short_names(list(treated)),
        settings=shared,
        n_validation=reference["val"].n_images,
        n_test=reference["test"].n_images,
        n_groups=len(set(reference["test"].group_ids)),
    )


def _treat(study: StudyRuns, arm: str, settings: CompareSettings) -> TreatedArm:
    runs = Mapped(study.complete[arm], lambda run: RunScores.of(run.scores))
    masks = next(iter(runs.values())).test.n_masks
    try:
        # No arm is the baseline here, so the theory of the study's own baseline is used too.
        theory = replace(settings, theory=theories(replace(study, baseline="")))
        return treat_arm(runs, theory.score_maps(arm, masks), settings)
    except ValueError as error:
        raise ConfigError(f"{arm}: {error}") from error


def _name(study: StudyRuns, arm: str) -> str:
    return f"{arm},{study.condition}" if study.condition else arm


def _named_holes(study: StudyRuns) -> pd.DataFrame:
    return study.holes.assign(arm=[_name(study, arm) for arm in study.holes["arm"]])


def _without_validation(every: Sequence[tuple[StudyRuns, str]], arms: Sequence[tuple[StudyRuns, str]]) -> pd.DataFrame:
    """List the runs of arms that are left out, as nothing can be fitted on them."""
    left = [(study, arm) for study, arm in every if (study, arm) not in arms]
    said = {"status": "complete", "reason": "no validation scores to fit on", "command": ""}
    rows = [{"arm": _name(study, arm), "seed": seed, **said} for study, arm in left for seed in study.complete[arm]]
    return pd.DataFrame(rows, columns=["arm", "seed", "status", "reason", "command"])


def _joined(tables: Mapping[str, pd.DataFrame], column: str) -> pd.DataFrame:
    """Concatenate tables, with the name of each in a first column."""
    frames = []
    for name, table in tables.items():
        frame = table.copy()
        frame.insert(0, column, name)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(_VERDICT_COLUMNS))


_VERDICT_COLUMNS = (
    "source_arm",
    "arm",
    "mask",
    "baseline",
    "verdict",
    "verdict_f1",
    "ap_gain",
    "ap_gain_low",
    "ap_gain_high",
    "n_seeds",
    "n_groups",
)
"""The columns of `verdicts.csv` if nothing could be compared."""
