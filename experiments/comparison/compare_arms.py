"""Compare arms: score histograms of a study's runs in, verdicts and tables out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from experiments.comparison.checked_runs import RunScores, check_runs
from experiments.comparison.curve_space.tables import CurveTables, curve_tables
from experiments.comparison.matched import curve_table, matched_table
from experiments.comparison.pairing import MeasuredStudy, PairedRuns, measure
from experiments.comparison.point_table import image_mean_table, point_table, score_table
from experiments.comparison.settings import CompareSettings
from experiments.comparison.slide import control_table, decomposition_table, slide_table
from experiments.comparison.tolerance.tables import thin_table, tolerant_curve_table
from experiments.comparison.verdict_table import VerdictTables, arm_bands, verdict_tables
from experiments.inference.simultaneous_band import RecallBand
from experiments.inference.words import UNDECIDED
from experiments.process.on_demand import Mapped


@dataclass(frozen=True)
class Comparison:
    """Tidy tables of a comparison, each documented at the function in brackets.

    Args:
        arm_verdicts: a row per arm, over its masks: the first verdict (`verdict_tables`).
        verdicts: a row per arm and mask, behind it.
        points: operating points of every run, a row per arm, seed, mask and point (`point_table`).
        image_means: means over images, a row per arm, seed, mask and point (`image_mean_table`).
        matched: precision at matched recall and the reverse, a row per arm, mask and level (`matched_table`).
        slides: the slide along the baseline's frontier, a row per arm and mask (`slide_table`).
        decomposition: natural F1 change = frontier part + threshold part (`decomposition_table`).
        controls: what the baseline reaches without training (`control_table`).
        scores: calibration and saturation, a row per arm, seed and mask (`score_table`).
        curves: precision over recall for drawing, a row per arm, mask and recall (`curve_table`).
        thin: scores without and within the tolerance (`thin_table`); empty without one.
        tolerant_curves: as `curves`, within the tolerance (`tolerant_curve_table`); empty without one.
        curve_errors: errors of the curves that masks draw; empty where runs did not count them.
        settings: of the comparison.
        baseline: name of the baseline arm.
        masks: names of the masks.
    """

    arm_verdicts: pd.DataFrame
    verdicts: pd.DataFrame
    points: pd.DataFrame
    image_means: pd.DataFrame
    matched: pd.DataFrame
    slides: pd.DataFrame
    decomposition: pd.DataFrame
    controls: pd.DataFrame
    scores: pd.DataFrame
    curves: pd.DataFrame
    thin: pd.DataFrame
    tolerant_curves: pd.DataFrame
    curve_errors: CurveTables
    settings: CompareSettings
    baseline: str
    masks: tuple[str, ...]

    @property
    def natural_points(self) -> pd.DataFrame:
        """The rows of `points` at probability 0.5, of the masks; the background's are not among them."""
        points = self.points
        return points[(points["operating_point"] == "natural") & points["mask"].isin(self.masks)]

    @property
    def prevalence(self) -> dict[str, float]:
        """Share of each mask's positives in the test split."""
        first = self.natural_points.groupby("mask")["prevalence"].first()
        return {mask: float(first[mask]) for mask in self.masks}


def compare_arms(
    runs: Mapping[str, Mapping[int, RunScores]],
    *,
    baseline: str,
    settings: CompareSettings | None = None,
) -> Comparison:
    """Find out whether each arm moved the precision-recall frontier or slid along it, how far, and how surely.

    Intervals are for new seeds and new test groups, with the same training set. A seed that the arm or the baseline
    lacks is left out of that comparison, and the table says so. Fewer than two seeds or groups give estimates but no
    verdict. With `settings.looks`, an arm counts with the seeds of the look that decided it (`_look_at`).

    Args:
        runs: arm -> seed -> score histograms, with the same images, groups, masks and labels throughout.
        baseline: arm that all others are compared with.
        settings: margins, level, headline; None takes the defaults.

    Returns:
        Tables. Without an arm besides the baseline, tables of pairs are empty.

    Raises:
        ValueError: the baseline has no run, runs have different data, or a run lacks the scores within the tolerance;
            the message names what differs.
    """
    chosen = CompareSettings() if settings is None else settings
    found = _look_at(measure(check_runs(runs, baseline, chosen.tolerance), chosen))
    study, pairs, bands = found.study, found.pairs, found.bands
    return Comparison(
        arm_verdicts=found.tables.arms,
        verdicts=found.tables.masks,
        points=point_table(study),
        image_means=image_mean_table(study),
        matched=matched_table(study, pairs, bands),
        slides=slide_table(study, pairs),
        decomposition=decomposition_table(study, pairs),
        controls=control_table(study, pairs),
        scores=score_table(study),
        curves=curve_table(study),
        thin=thin_table(study),
        tolerant_curves=tolerant_curve_table(study),
        curve_errors=curve_tables(study, pairs),
        settings=chosen,
        baseline=baseline,
        masks=study.checked.masks,
    )


@dataclass(frozen=True)
class _LookedAt:
    """A study with the seeds that its last look used.

    Args:
        study: measured; every arm with the seeds of the last look that it took part in.
        pairs: every arm in every mask, an arm's masks behind each other.
        bands: of the pairs.
        tables: verdicts, each of the look that decided its arm, else of the arm's last one (column `look`).
    """

    study: MeasuredStudy
    pairs: list[PairedRuns]
    bands: list[RecallBand]
    tables: VerdictTables


def _look_at(study: MeasuredStudy) -> _LookedAt:
    """Make every look whose runs are there, one after the other; a study without stages has one look, at all seeds.

    An arm that a look decides keeps that look's verdicts; later looks decide the others. So the claims that a study
    ends with are among those of its K looks, each of which keeps level / K over all arms and masks: any false claim has
    at most the level (Bonferroni over looks). An arm with fewer seeds than a look stays in its family with those that
    it has, because a family that shrank with what is seen would not keep its level.

    An arm is decided if the verdict about its headline, over its masks, is not "undecided"; its other verdicts (tuned
    F1, masks) are those of the same look. An arm takes part in a later look if it is undecided and all seeds of that
    look have ended, its own and the baseline's.

    Raises:
        ValueError: the baseline has no run of the first look.
    """
    looks, base = study.settings.looks, study.checked.baseline
    if looks is None:
        return _one_look(study, 1)
    if not set(looks.seeds[0]) & set(study.checked.runs[base]):
        wanted = ", ".join(map(str, looks.seeds[0]))
        raise ValueError(f"baseline: expected runs of {base} with the first look's seeds ({wanted}), got none of them")
    latest: dict[str, VerdictTables] = {}
    used: dict[str, tuple[int, ...]] = dict.fromkeys(study.checked.runs, looks.seeds[0])
    found = _one_look(_with_seeds(study, used), 1)
    due: Sequence[str] = study.checked.arms
    for number, seeds in enumerate(looks.seeds, 1):
        if number > 1:
            undecided = [arm for arm, tables in latest.items() if (tables.arms["verdict"] == UNDECIDED).all()]
            there = {arm: looks.are_there(arm, study.checked.runs[arm], number - 1) for arm in (base, *undecided)}
            due = [arm for arm in undecided if there[arm] and there[base]]
            if not due:
                break
            used |= dict.fromkeys((base, *due), seeds)
            found = _one_look(_with_seeds(study, used), number)
        latest |= {arm: _rows_of(found.tables, arm) for arm in due}
    rows = list(latest.values())
    tables = [pd.concat(each, ignore_index=True) for each in zip(*((t.arms, t.masks) for t in rows), strict=True)]
    return replace(found, tables=VerdictTables(*tables)) if tables else found


def _one_look(study: MeasuredStudy, number: int) -> _LookedAt:
    masks = range(len(study.checked.masks))
    pairs = [study.pair(arm, mask) for arm in study.checked.arms for mask in masks]
    bands = arm_bands(study, pairs)
    tables = verdict_tables(study, pairs, bands)
    numbered = VerdictTables(_numbered(tables.arms, number), _numbered(tables.masks, number))
    return _LookedAt(study, pairs, bands, numbered)


def _numbered(table: pd.DataFrame, number: int) -> pd.DataFrame:
    if len(table):
        table.insert(list(table.columns).index("n_seeds"), "look", number)
    return table


def _rows_of(tables: VerdictTables, arm: str) -> VerdictTables:
    return VerdictTables(*(each[each["arm"] == arm] for each in (tables.arms, tables.masks)))


def _with_seeds(study: MeasuredStudy, used: Mapping[str, Sequence[int]]) -> MeasuredStudy:
    """Return the study with some seeds of each arm; those that it lacks are left out."""
    runs = {
        arm: Mapped({seed: seed for seed in used[arm] if seed in seeds}, seeds.__getitem__)
        for arm, seeds in study.checked.runs.items()
    }
    kept = [(arm, seed) for arm, seeds in runs.items() for seed in sorted(seeds)]
    return replace(
        study,
        checked=replace(study.checked, runs=runs),
        points={key: study.points[key] for key in kept},
        numbers={key: study.numbers[key] for key in kept},
        levels={key: study.levels[key] for key in kept},
        tolerant_levels={key: study.tolerant_levels[key] for key in kept if study.tolerant_levels},
    )
