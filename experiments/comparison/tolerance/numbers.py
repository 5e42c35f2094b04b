"""The tolerant numbers of one run and mask, with all test groups and without each."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.frontier.codes import NATURAL_CODE, code_to_logit
from experiments.frontier.curve import ratio
from experiments.frontier.histogram import ScoreHistograms
from experiments.frontier.leave_one_out import SweepGrid, group_counts, group_sweep
from experiments.frontier.tolerance.histograms import TolerantHistograms
from experiments.frontier.tolerance.scores import ScaleScores, f_measure, scale_scores, tuned_tolerant_codes

COLUMNS = ("tolerant_ap", "tolerant_f1", "tolerant_recall_natural", "tolerant_precision_natural")
"""Names of the statistics with one value per run."""

Rows = NDArray[np.float64]
"""A statistic of one run: row 0 with all G groups, row 1 + g without group g."""


@dataclass(frozen=True)
class TolerantScores:
    """Tolerant histograms of one run.

    Args:
        val: validation split, for tuning thresholds; None leaves every tuned point undefined.
        test: test split.
    """

    val: TolerantHistograms | None
    test: TolerantHistograms

    @classmethod
    def of(cls, splits: Mapping[str, TolerantHistograms]) -> "TolerantScores":
        """Take the splits `test` and, if there is one, `val`."""
        return cls(splits.get("val"), splits["test"])


@dataclass(frozen=True)
class TolerantPoint:
    """Tolerant precision, recall and F at one threshold; `threshold` is its logit, NaN if there is none."""

    threshold: float
    precision: Rows
    recall: Rows

    @property
    def f1(self) -> Rows:
        """F; NaN without true pixels or a threshold."""
        return f_measure(self.precision, self.recall)


@dataclass(frozen=True)
class TolerantNumbers:
    """Tolerant numbers of one run and mask.

    Args:
        average_precision: (1+G,).
        natural: at probability 0.5.
        tuned: at the threshold with the best tolerant F on validation.
        n_near: int64 (1+G,), pixels that have a true pixel within the radius.
        n_far: int64 (1+G,), the other pixels.
        curve: (F,), precision at the recalls of `grid.curve_recalls`.
        scales: ODS, OIS and AP within the radius.
        exact_scales: the same without tolerance.
    """

    average_precision: Rows
    natural: TolerantPoint
    tuned: TolerantPoint
    n_near: NDArray[np.int64]
    n_far: NDArray[np.int64]
    curve: NDArray[np.float64]
    scales: ScaleScores
    exact_scales: ScaleScores

    @property
    def near_share(self) -> float:
        """Share of all pixels that have a true pixel within the radius: the AP of random scores."""
        return float(ratio(self.n_near[0], self.n_near[0] + self.n_far[0]))

    def columns(self) -> dict[str, Rows]:
        """Return the statistics of `COLUMNS`."""
        values = (self.average_precision, self.tuned.f1, self.natural.recall, self.natural.precision)
        return dict(zip(COLUMNS, values, strict=True))


def tolerant_numbers(
    scores: TolerantScores, exact: ScoreHistograms, mask: int, group_of: NDArray[np.intp], grid: SweepGrid
) -> TolerantNumbers:
    """Measure one run and mask.

    Args:
        scores: tolerant histograms.
        exact: test histograms without tolerance.
        mask: index of the mask.
        group_of: (N,), each image's group.
        grid: levels of recall.
    """
    test = scores.test
    plain = SweepGrid(grid.recalls, np.zeros(0), tolerance=grid.tolerance, curve_recalls=grid.curve_recalls)
    sweep = group_sweep(test.found, mask, group_of, plain, near=test.near)
    everything = group_counts(test.near, mask, group_of, np.array([0]))
    tuned = None if scores.val is None else tuned_tolerant_codes(scores.val)[mask]
    return TolerantNumbers(
        average_precision=sweep.average_precision,
        natural=_point(test, mask, group_of, NATURAL_CODE),
        tuned=_point(test, mask, group_of, tuned),
        n_near=everything.tp[:, 0],
        n_far=everything.fp[:, 0],
        curve=sweep.curve,
        scales=scale_scores(test, mask),
        exact_scales=scale_scores(TolerantHistograms.exact(exact), mask),
    )


def _point(test: TolerantHistograms, mask: int, group_of: NDArray[np.intp], code: int | None) -> TolerantPoint:
    if code is None:
        nan = np.full(int(group_of.max(initial=-1)) + 2, np.nan)
        return TolerantPoint(float("nan"), nan, nan)
    at = np.array([code])
    near, found = (group_counts(histograms, mask, group_of, at) for histograms in (test.near, test.found))
    return TolerantPoint(float(code_to_logit(code)), near.precision[:, 0], found.recall[:, 0])
