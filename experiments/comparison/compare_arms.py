"""Compare arms: score histograms of a study's runs in, verdicts and tables out."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from experiments.comparison.checked_runs import RunScores, check_runs
from experiments.comparison.matched import curve_table, matched_table
from experiments.comparison.pairing import measure
from experiments.comparison.point_table import image_mean_table, point_table, score_table
from experiments.comparison.settings import CompareSettings
from experiments.comparison.slide import control_table, decomposition_table, slide_table
from experiments.comparison.verdict_table import arm_bands, verdict_tables


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
    settings: CompareSettings
    baseline: str
    masks: tuple[str, ...]

    @property
    def natural_points(self) -> pd.DataFrame:
        """The rows of `points` at probability 0.5."""
        return self.points[self.points["operating_point"] == "natural"]

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
    verdict.

    Args:
        runs: arm -> seed -> score histograms, with the same images, groups, masks and labels throughout.
        baseline: arm that all others are compared with.
        settings: margins, level, headline; None takes the defaults.

    Returns:
        Tables. Without an arm besides the baseline, tables of pairs are empty.

    Raises:
        ValueError: the baseline has no run, or runs have different data; the message names what differs.
    """
    chosen = CompareSettings() if settings is None else settings
    study = measure(check_runs(runs, baseline), chosen)
    masks = study.checked.masks
    pairs = [study.pair(arm, mask) for arm in study.checked.arms for mask in range(len(masks))]
    bands = arm_bands(study, pairs)
    tables = verdict_tables(study, pairs, bands)
    return Comparison(
        arm_verdicts=tables.arms,
        verdicts=tables.masks,
        points=point_table(study),
        image_means=image_mean_table(study),
        matched=matched_table(study, pairs, bands),
        slides=slide_table(study, pairs),
        decomposition=decomposition_table(study, pairs),
        controls=control_table(study, pairs),
        scores=score_table(study),
        curves=curve_table(study),
        settings=chosen,
        baseline=baseline,
        masks=masks,
    )
