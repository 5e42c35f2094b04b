"""Comparisons for use in Python: from score maps in memory, or from runs on disk."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from numpy.typing import ArrayLike

from experiments.comparison.checked_runs import RunScores
from experiments.comparison.compare_arms import Comparison, compare_arms
from experiments.comparison.settings import CURVE_SPACE, CompareSettings, Theory
from experiments.comparison.subgroups.compare import SubgroupVerdicts, compare_subgroups
from experiments.comparison.subgroups.values import Subgroups, find_subgroups, group_problems, subgroups_of_images
from experiments.config import CURVE_AXES
from experiments.frontier.curve_space.centre_line import Axis
from experiments.frontier.curve_space.counts import curves_from_images
from experiments.frontier.from_images import Kind, from_images
from experiments.frontier.histogram import ScoreHistograms
from experiments.frontier.operating_point import metrics_of_all
from experiments.frontier.theory import ScoreMap
from experiments.frontier.tolerance.histograms import tolerant_from_images
from experiments.process.error_text import listed
from experiments.process.on_demand import Mapped
from experiments.runs.store import CHECKPOINT_FILE, PREDICTIONS, Run
from experiments.runs.study import StudyRuns
from experiments.runs.study import load_study as load_runs

Arms = Mapping[str, Mapping[int, Sequence[ArrayLike]]]
"""Arm -> seed -> one score map per image."""


@dataclass(frozen=True)
class ComparedStudy:
    """The runs of a study and their comparison.

    Every figure of the report accepts it: `FrontierDisplay.of(study.runs, study.comparison).plot()`.

    Args:
        runs: Arms, seeds and their score histograms.
        comparison: All tables; start with `arms`, `verdicts`, `metrics` and `curves`.
        by_subgroup: Verdicts in subgroups of the test images, if asked for.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> targets = [rng.random((20, 20)) < 0.1 for _ in range(3)]
        >>> maps = {seed: [target + rng.normal(size=target.shape) for target in targets] for seed in range(2)}
        >>> study = compare_scores({"bce": maps, "same": maps}, targets)
        >>> list(study.runs.complete), study.arms["ap_gain"].tolist()
        (['bce', 'same'], [0.0])
    """

    runs: StudyRuns
    comparison: Comparison
    by_subgroup: SubgroupVerdicts | None = None

    @property
    def arms(self) -> pd.DataFrame:
        """A row per arm, over its masks: the first verdict, gains with intervals, how many seeds and groups."""
        return self.comparison.arm_verdicts

    @property
    def verdicts(self) -> pd.DataFrame:
        """A row per arm and mask, behind `arms`: the verdict, gains with intervals, how many seeds and groups."""
        return self.comparison.verdicts

    @property
    def metrics(self) -> pd.DataFrame:
        """A row per arm, seed, split, mask and operating point: threshold, precision, recall, F1, AP, counts."""
        return metrics_of_all({arm: Mapped(seeds, lambda run: run.scores) for arm, seeds in self.runs.complete.items()})

    @property
    def subgroups(self) -> pd.DataFrame:
        """A row per arm and subgroup, over its masks; empty unless asked for by `by`."""
        return pd.DataFrame() if self.by_subgroup is None else self.by_subgroup.table

    @property
    def curves(self) -> pd.DataFrame:
        """A row per arm, mask and recall: the precision and its range over the seeds."""
        return self.comparison.curves


def compare_scores(
    scores: Arms,
    targets: Sequence[ArrayLike],
    *,
    baseline: str = "bce",
    masks: Sequence[str] | None = None,
    groups: Sequence[Hashable] | None = None,
    image_ids: Sequence[Hashable] | None = None,
    kind: Kind = "logits",
    valid: Sequence[ArrayLike] | None = None,
    validation: tuple[Arms, Sequence[ArrayLike]] | None = None,
    settings: CompareSettings | None = None,
    tolerance: int | None = None,
    by: str | Sequence[Hashable] | None = None,
    curve: Axis | None = None,
) -> ComparedStudy:
    """Compare score maps of any origin: which arm moved the precision-recall frontier, and which slid along it.

    Args:
        scores: Arm -> seed -> one array per test image, (C, H, W), or (H, W) if there is one mask. Runs are paired by
            seed: seed 0 of an arm is compared with seed 0 of the baseline. An interval needs at least three seeds.
        targets: One array of 0 and 1 per test image, in the shape of its scores.
        baseline: The arm that all others are compared with.
        masks: C names; None for "mask", or "mask0", "mask1", ...
        groups: One name per test image: images of one group (tiles of one well, photographs of one road) are not
            independent of each other. None: each image is a group.
        image_ids: One name per test image; None numbers them.
        kind: "logits", or "probabilities" in [0, 1].
        valid: One bool array per test image, False where a pixel is ignored. None counts every pixel.
        validation: Scores like `scores`, and targets, of other images, for tuning thresholds. Without them there is no
            tuned point.
        settings: Margins, level and headline; None takes the defaults.
        tolerance: Distance in pixels; adds the verdicts within it, for thin structures. None takes that of `settings`.
        by: One value per test image, such as its scanner, or a pattern whose bracket is a part of `image_ids`; adds the
            verdicts in each subgroup. None: no subgroups.
        curve: "rows" or "columns": reads masks as curves with a value each, and compares their errors
            (`comparison.curve_errors`).

    Returns:
        Verdicts, tables and curves.

    Raises:
        ValueError: There is no such baseline, an arm has no runs, or score maps or targets cannot be read. The message
            lists each by arm, seed and image, with what was expected and what came.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> targets = [rng.random((40, 40)) < 0.05 for _ in range(8)]
        >>> def maps(signal):
        ...     return [signal * target + rng.normal(size=target.shape) for target in targets]
        >>> study = compare_scores(
        ...     {"bce": {seed: maps(2.0) for seed in range(5)}, "mine": {seed: maps(3.0) for seed in range(5)}}, targets
        ... )
        >>> study.verdicts[["arm", "verdict"]].to_dict("records")
        [{'arm': 'mine', 'verdict': 'moves out'}]
    """
    chosen = CompareSettings() if settings is None else settings
    if tolerance is not None:
        if chosen.tolerance not in (None, tolerance):
            raise ValueError(f"tolerance: expected that of settings, {chosen.tolerance}, or none, got {tolerance}")
        chosen = replace(chosen, tolerance=tolerance)
    if curve not in (None, *CURVE_AXES):
        raise ValueError(f"curve: expected {' or '.join(CURVE_AXES)}, got {curve!r}")
    _check_arms(scores, baseline, "scores")
    test = _counted(scores, targets, "", kind=kind, masks=masks, groups=groups, image_ids=image_ids, valid=valid)
    val = None
    if validation is not None:
        _check_arms(validation[0], baseline, "validation")
        missing = _missing(scores, validation[0])
        if missing:
            raise ValueError(f"validation: expected the arms and seeds of scores, missing {', '.join(missing)}")
        val = _counted(validation[0], validation[1], "validation, ", kind=kind, masks=masks)
    ordered = [baseline, *sorted(arm for arm in scores if arm != baseline)]
    complete = {
        arm: {
            seed: _run(arm, seed, test[arm][seed], None if val is None else val[arm][seed])
            for seed in sorted(scores[arm])
        }
        for arm in ordered
    }
    if chosen.tolerance is not None:
        radius = chosen.tolerance

        def within(run: Run) -> Run:
            maps = scores[run.arm][run.seed]
            found = {
                "test": tolerant_from_images(maps, targets, radius, exact=run.scores["test"], kind=kind, valid=valid)
            }
            if validation is not None:
                maps, labels = validation[0][run.arm][run.seed], validation[1]
                found["val"] = tolerant_from_images(maps, labels, radius, exact=run.scores["val"], kind=kind)
            return replace(run, tolerant={radius: found})

        complete = {arm: {seed: within(run) for seed, run in seeds.items()} for arm, seeds in complete.items()}
    if curve is not None:

        def with_curves(run: Run) -> Run:
            maps, tuned_on = scores[run.arm][run.seed], run.scores.get("val")
            exact = run.scores["test"]
            found = curves_from_images(maps, targets, curve, exact=exact, validation=tuned_on, kind=kind, valid=valid)
            return replace(run, curves=found)

        complete = {arm: {seed: with_curves(run) for seed, run in seeds.items()} for arm, seeds in complete.items()}
    empty = pd.DataFrame()
    runs = StudyRuns(baseline, (), complete, holes=empty, differences=empty, tuning=empty)
    if by is None:
        return compare_runs(runs, chosen)
    return compare_runs(runs, chosen, subgroups_of_images(by, runs.reference.scores["test"].image_ids))


def load_study(
    study_dir: Path | str | Sequence[Path | str],
    *,
    baseline: str | None = None,
    settings: CompareSettings | None = None,
    by: str | None = None,
) -> ComparedStudy:
    """Read a study's runs from disk and compare them.

    Args:
        study_dir: Holds `<arm>/seed=<k>/`, such as `outputs/losses`; or several such folders, parts of one study.
        baseline: Name of the baseline arm; None for the one that the runs declare.
        settings: Margins, level and headline; None takes the defaults. The theory of the losses is added from the runs'
            configurations.
        by: A column of the split file, such as "scanner", or a pattern whose bracket is a part of the images' names;
            adds the verdicts in each subgroup. None: no subgroups.

    Raises:
        ValueError: There are no runs, the baseline has no complete run, runs have other test images or labels, there is
            no such column, or a pattern does not match every image.

    Example:
        >>> load_study("no/such/folder")
        Traceback (most recent call last):
            ...
        experiments.config.ConfigError: study_dir: expected a folder of runs, got no/such/folder, which is not there
    """
    place = Path(study_dir) if isinstance(study_dir, Path | str) else [Path(part) for part in study_dir]
    runs = load_runs(place, baseline)
    chosen = CompareSettings() if settings is None else settings
    full = replace(chosen, looks=runs.looks, theory=theories(runs) | dict(chosen.theory))
    return compare_runs(runs, full, None if by is None else find_subgroups(runs, by))


def compare_runs(runs: StudyRuns, settings: CompareSettings, subgroups: Subgroups | None = None) -> ComparedStudy:
    """Compare runs that are known to be comparable, in subgroups of their images too."""
    if subgroups is not None and (problems := group_problems(subgroups, runs.reference.scores["test"])):
        raise ValueError("\n".join(problems))
    scores = scores_to_compare(runs, settings)
    comparison = compare_arms(scores, baseline=runs.baseline, settings=settings)
    found = None
    if subgroups is not None and len(comparison.arm_verdicts):
        found = compare_subgroups(scores, subgroups, baseline=runs.baseline, settings=settings)
    return ComparedStudy(runs, comparison, found)


def scores_to_compare(runs: StudyRuns, settings: CompareSettings) -> dict[str, Mapping[int, RunScores]]:
    """Return the scores of every run, read on access: with those within the tolerance, if there is one.

    Sums of curves come along if every run counted them along the same axis.

    Raises:
        ValueError: Runs did not record the tolerance, or the curves of the headline; the message names them, and what
            to do.
    """
    tolerance, every = settings.tolerance, [run for seeds in runs.complete.values() for run in seeds.values()]
    axes = {None if run.curves is None else run.curves.axis for run in every}
    problems = []
    if tolerance is not None:
        lacking = [run for run in every if tolerance not in run.tolerant]
        key = f"tolerances=[{tolerance}]"
        problems += _lacking(lacking, f"report.tolerance: expected runs scored within {tolerance} pixels, got", key)
    if settings.headline in CURVE_SPACE:
        wanted = next(iter(axes - {None}), "rows")
        lacking = [run for run in every if run.curves is None]
        what = f"report.headline: {settings.headline} needs runs that counted their curves, got"
        problems += _lacking(lacking, what, f"curve={wanted}")
        if len(axes - {None}) > 1:
            told = [f"{run.folder}: {run.curves.axis}" for run in every if run.curves is not None]
            problems.append(f"report.headline: expected curves along one axis in all runs, got {listed(told)}")
    if problems:
        raise ValueError("\n".join(problems))
    with_curves = len(axes) == 1

    def read(run: Run) -> RunScores:
        within = None if tolerance is None else run.tolerant[tolerance]
        return RunScores.of(run.scores, within, run.curves if with_curves else None)

    return {arm: Mapped(seeds, read) for arm, seeds in runs.complete.items()}


def _lacking(runs: Sequence[Run], what: str, key: str) -> list[str]:
    """Name the runs that did not count something, and the option that makes them; nothing if there are none."""
    remedies = {
        f"give its command trainer.{key}: the weights are in {CHECKPOINT_FILE}, nothing is trained again": [
            str(run.folder) for run in runs if PREDICTIONS not in run.info
        ],
        f"score the maps again with {key} overwrite=true": [str(run.folder) for run in runs if PREDICTIONS in run.info],
    }
    told = [f"{listed(folders)}: {remedy}" for remedy, folders in remedies.items() if folders]
    return [what, *told] if told else []


def _run(arm: str, seed: int, test: ScoreHistograms, val: ScoreHistograms | None) -> Run:
    scores = {"test": test} if val is None else {"val": val, "test": test}
    return Run(Path(), arm, seed, "complete", info={}, config={}, scores=scores)


def _check_arms(arms: Arms, baseline: str, what: str) -> None:
    if not isinstance(arms, Mapping) or not all(isinstance(seeds, Mapping) for seeds in arms.values()):
        raise TypeError(f"{what}: expected arm -> seed -> one array per image, got {type(arms).__name__}")
    empty = [arm for arm, seeds in arms.items() if not seeds]
    if empty:
        raise ValueError(f"{what}: expected at least one seed of every arm, got none of {', '.join(empty)}")
    if baseline not in arms:
        raise ValueError(f"baseline: expected an arm of {what}, one of {sorted(arms)}, got {baseline!r}")


def _missing(wanted: Arms, given: Arms) -> list[str]:
    return [
        f"{arm} seed {seed}"
        for arm, seeds in wanted.items()
        for seed in seeds
        if arm not in given or seed not in given[arm]
    ]


def _counted(
    arms: Arms,
    targets: Sequence[ArrayLike],
    where: str,
    *,
    kind: Kind,
    masks: Sequence[str] | None,
    groups: Sequence[Hashable] | None = None,
    image_ids: Sequence[Hashable] | None = None,
    valid: Sequence[ArrayLike] | None = None,
) -> dict[str, dict[int, ScoreHistograms]]:
    """Count every run, and raise one ValueError for all that cannot be counted."""
    problems: list[str] = []
    found: dict[str, dict[int, ScoreHistograms]] = {}
    for arm, seeds in arms.items():
        found[arm] = {}
        for seed, maps in seeds.items():
            try:
                found[arm][seed] = from_images(
                    maps,
                    targets,
                    kind=kind,
                    masks=masks,
                    groups=None if groups is None else [str(group) for group in groups],
                    image_ids=None if image_ids is None else [str(name) for name in image_ids],
                    valid=valid,
                )
            except (TypeError, ValueError) as error:
                problems += [f"{where}{arm} seed {seed}: {line}" for line in str(error).splitlines()]
    if problems:
        raise ValueError("\n".join(problems))
    return found


def theories(study: StudyRuns) -> dict[str, Theory | None]:
    """Return the map of each arm whose loss has a known population optimum; other arms are left out.

    A baseline of plain BCE is left out, because `CompareSettings` assumes it; a baseline without a known optimum is
    None.
    """
    found: dict[str, Theory | None] = {}
    for arm, seeds in study.complete.items():
        theory = _theory(next(iter(seeds.values()))) if seeds else None
        if theory != 1.0 if arm == study.baseline else theory is not None:
            found[arm] = theory
    return found


def _theory(run: Run) -> Theory | None:
    loss: Mapping[str, Any] = run.config.get("loss") or {}
    target = str(loss.get("_target_", ""))
    if target == "losses.WeightedBCELoss":
        weight = loss.get("pos_weight", 1.0)
        if weight == "balanced":
            return [(1 - p) / p for p in run.info["prevalence"].values()]
        return [float(w) for w in weight] if isinstance(weight, list) else float(weight)
    if target == "losses.FocalLoss":
        return ScoreMap.focal(gamma=float(loss.get("gamma", 2.0)), positive_weight=loss.get("positive_weight"))
    return None
